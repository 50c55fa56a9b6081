"""The cheap potential of a plan: who it is."""

import hashlib

import numpy as np
import openmm
import pytest
from openmm import app, unit
from sampling_plans import (
    FORCEFIELD,
    MOLECULES,
    SHORT,
    SYSTEMS,
    plan_file,
    short_preparation,  # noqa: F401 - for all tests here
    trajectory,
)

from openmm_cgaa.building.boxes import classical_system, pack
from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.sampling.sample import sample
from openmm_cgaa.sampling.sampler import Sampler
from openmm_cgaa.structures.structure import write_structure


def test_who_a_sampler_is_needs_no_network(tiny_conserving_path, monkeypatch):
    """It is asked in every process, and once made a model, which set torch's threads for good."""
    monkeypatch.setattr("openmm_cgaa.potential.CGAAPotential", None)
    identity = Sampler(model=str(tiny_conserving_path)).identity()
    assert identity["sha256"] == hashlib.sha256(tiny_conserving_path.read_bytes()).hexdigest()


def test_system_from_xml_with_its_structure(tmp_path):
    pdb = app.PDBFile(str(SYSTEMS / "ec_emc/EC.pdb"))
    topology, positions = pack([(pdb.topology, pdb.positions, 3)], 1.2)
    system = classical_system(topology, app.ForceField(*FORCEFIELD))
    system.addForce(openmm.MonteCarloBarostat(1 * unit.bar, 300 * unit.kelvin))
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    write_structure(tmp_path / "box.cif", topology, positions.value_in_unit(unit.nanometer))
    run = {"kind": "liquid", "name": "xml", "structure": "box.cif", **SHORT}
    plan = plan_file(tmp_path, run, {**run, "name": "dense", "densities": 0.3}, sampler={"system": "system.xml"})
    dataset = Dataset.load(sample(plan))
    (frames,), _ = trajectory(dataset, "xml")
    assert np.allclose(frames.cell, 12 * np.eye(3), atol=1e-3)  # the barostat in the file has no say
    (frames,), _ = trajectory(dataset, "dense")
    mass = sum(app.Element.getBySymbol(e).mass._value for e in frames.elements)
    assert mass * 1.66054 / np.linalg.det(frames.cell[0]) == pytest.approx(0.3, rel=1e-3)


@pytest.mark.filterwarnings("ignore::openmm_cgaa.errors.CGAADomainWarning")
def test_a_model_samples(tmp_path):
    run = {"kind": "molecule", "species": ["EC"], "temperatures": 300, "split": "test", **SHORT}
    plan = plan_file(tmp_path, run, {**run, "name": "other", "split": "train"}, molecules=MOLECULES[:2])
    dataset = Dataset.load(sample(plan, model="ec-emc", splits=["test"]))
    assert [t.name for t in dataset.trajectories] == ["molecule-EC"]
    assert dataset.trajectories[0].details["sampler"]["model"] == "ec-emc"
