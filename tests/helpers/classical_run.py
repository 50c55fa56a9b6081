"""A short run of a classical force field, for all that reads runs."""

import pytest
from conftest import EC_EMC, topology_of
from openmm import app

from openmm_cgaa.building.boxes import classical_system
from openmm_cgaa.simulation.run import SimulationSettings, simulate


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, liquid):
    """Its folder, which is nobody's to change: 0.1 ps NVT, 0.1 ps NVE of the 240-atom liquid."""
    frame = liquid.positions[0].astype(float) / 10.0, liquid.cell[0] / 10.0
    topology = topology_of(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names, frame[1])
    system = classical_system(topology, app.ForceField(str(EC_EMC / "forcefield.xml")))
    folder = tmp_path_factory.mktemp("runs") / "classical"
    settings = SimulationSettings(picoseconds=0.1, nve_picoseconds=0.1, report_interval=10, threads=1)
    assert simulate(system, topology, frame[0], folder, settings, progress=False)
    return folder
