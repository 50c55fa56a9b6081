"""Long runs: what a step takes it gives back.

openmm/openmm-xtb#14 is a sample of the kind: a force that made its molecule anew at each step, and filled the memory.
"""

import gc
import os
from pathlib import Path

import openmm
import pytest
from boxes import molecules
from contexts import context_of, numbers

from openmm_cgaa import CGAAPotential

MIB = 2**20


def resident():
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts pages as Linux does")
def test_two_thousand_steps_take_no_memory(tiny_conserving_path, liquid):
    """Right: nothing; 500 bytes a step would be 1 MiB. Lists are made anew and states are read on the way."""
    box = [[1.4, 0.0, 0.0], [0.0, 1.4, 0.0], [0.0, 0.0, 1.4]]
    topology, positions = molecules(liquid, [0], box)
    system = CGAAPotential(tiny_conserving_path).createSystem(topology, backend="python", positions=positions)
    context = context_of(system, positions, integrator=openmm.LangevinMiddleIntegrator(300.0, 10.0, 2e-5))
    context.setVelocitiesToTemperature(300.0, 1)

    def steps(count):
        for number in range(count // 100):
            context.getIntegrator().step(99)
            numbers(context)
            context.setPositions(positions + 0.1 * (number % 2))  # beyond the skin, so that lists are made anew
            context.getIntegrator().step(1)

    steps(400)  # pools and caches fill
    before = resident()
    steps(2000)
    grown = resident() - before
    assert grown < 6 * MIB
