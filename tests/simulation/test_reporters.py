"""Reporters by themselves, in a simulation of OpenMM's."""

import openmm
from openmm import app
from short_runs import diatomics, table

from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.simulation.reporters import GrainStateReporter, StabilityReporter


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
