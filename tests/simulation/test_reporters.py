"""Reporters by themselves, in a simulation of OpenMM's."""

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
