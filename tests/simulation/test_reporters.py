"""Reporters by themselves, in a simulation of OpenMM's."""

import numpy as np
import openmm
import pytest
from bead_boxes import bead_box
from openmm import app
from short_runs import diatomics, table

from openmm_cgaa import SimulationSettings, simulate
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.simulation.reporters import GrainStateReporter, StabilityReporter


def test_a_step_that_beads_cannot_bear_ends_the_run(tmp_path):
    """Beads without bonds: no bond tells that they fly apart."""
    topology, positions = bead_box(waters=40, chains=0)
    system = openmm.System()
    for _ in range(40):
        system.addParticle(18.0)
    force = openmm.CustomExternalForce("30000*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for name in ("x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    for particle, place in enumerate(positions):
        force.addParticle(particle, place)
    system.addForce(force)
    given = {"temperature": 300.0, "friction": 1.0, "report_interval": 10, "threads": 1, "seed": 1}
    simulate(system, topology, positions, tmp_path / "good", SimulationSettings(timestep=5.0, picoseconds=2.0, **given))
    with pytest.raises(SimulationError, match=r"the temperature is .* K, where 300 K are set: .* shorter time step"):
        simulate(
            system, topology, positions, tmp_path / "bad", SimulationSettings(timestep=36.0, picoseconds=20.0, **given)
        )
    assert (tmp_path / "bad/last_good.cif").is_file()


def test_reporters_serve_a_plain_openmm_simulation(tmp_path):
    system, topology, positions = diatomics()
    simulation = app.Simulation(topology, system, openmm.VerletIntegrator(0.0005))
    simulation.context.setPositions(positions)
    grains = GrainMap.from_topology(topology)
    simulation.reporters = [
        StabilityReporter(topology, positions, 5),
        GrainStateReporter(tmp_path / "s.csv", 5, grains),
    ]
    simulation.step(10)
    assert table(tmp_path / "s.csv")["step"].tolist() == [5, 10]


@pytest.mark.parametrize("element, torn", [(app.element.carbon, 0.06), (None, 0.16)])
def test_bonds_of_beads_may_change_more(element, torn):
    """Atoms by half an Å, beads by half of their length: here it is 3 Å."""
    system, topology = openmm.System(), app.Topology()
    residue = topology.addResidue("DIM", topology.addChain())
    topology.addBond(*(topology.addAtom(name, element, residue) for name in "AB"))
    for _ in range(2):
        system.addParticle(12.0)
    simulation = app.Simulation(topology, system, openmm.VerletIntegrator(0.001))
    positions = np.array([[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
    simulation.reporters = [StabilityReporter(topology, positions, 1)]
    for stretch, ends in ((torn - 0.02, False), (torn, True)):
        simulation.context.setPositions(positions + [[0.0, 0.0, 0.0], [stretch, 0.0, 0.0]])
        simulation.context.setVelocities(np.zeros((2, 3)))
        if ends:
            with pytest.raises(SimulationError, match=f"bond A-B is .* began with 3.00 Å, and {10 * torn - 0.1:.3g}"):
                simulation.step(1)
        else:
            simulation.step(1)
