"""Where a step goes: parts that add up to it."""

import pytest
from openmm import unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.benchmark import stepprofile


def test_parts_add_up_to_a_step(solvent, tiny_conserving_path):
    topology, positions, _ = solvent
    parts = stepprofile.profile(CGAAPotential(tiny_conserving_path), topology, positions * unit.nanometer, 30)
    times = {part.part: part.ms for part in parts}
    assert len(parts) > 5 and min(times.values()) >= 0.0 and list(times.values()) == sorted(times.values())[::-1]
    assert {stepprofile.OPENMM, stepprofile.WORDS["nn/kernels/phases.py"], stepprofile.WORDS["mapping"]} <= set(times)


def test_a_function_of_another_package_counts_for_who_called_it():
    ours, theirs, deeper = ((f"{stepprofile.PACKAGE}/{name}", 1, "f") for name in ("mapping/whole.py", "", ""))
    theirs, deeper, alone = ("/numpy/a.py", 1, "f"), ("~", 0, "reduce"), ("/openmm/a.py", 1, "step")
    stats = {
        ours: (1, 1, 2.0, 6.0, {alone: (1, 1, 2.0, 6.0)}),
        theirs: (1, 1, 1.0, 4.0, {ours: (1, 1, 1.0, 4.0)}),
        deeper: (1, 1, 3.0, 3.0, {theirs: (1, 1, 3.0, 3.0), deeper: (1, 1, 0.0, 0.0)}),
        alone: (1, 1, 4.0, 10.0, {}),
    }
    parts = dict(stepprofile.parts_of(stats, 1200.0, 10))
    assert parts == {stepprofile.OPENMM: pytest.approx(600.0), stepprofile.WORDS["mapping"]: pytest.approx(600.0)}
