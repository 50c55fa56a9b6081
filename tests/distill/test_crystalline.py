"""Crystals in a distillation (`crystalline`, `amounts`): supercells, runs, and whether a crystal is kept."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

pytest.importorskip("ase")

from crystal_files import BUTADIYNE, CO2, RDX, RDX_SMILES, SHORT_CELL, cif_file

from openmm_cgaa.building.boxes import build
from openmm_cgaa.building.crystals import Crystal, kinds_of_crystal, repeated
from openmm_cgaa.cli import main
from openmm_cgaa.distill.configs import classical_config, own_config, write_config
from openmm_cgaa.distill.crystalline import (
    barostat_of,
    build_crystal_config,
    classical_crystals,
    compliance,
    lindemann,
    of_crystal,
    own_crystals,
    turned,
)
from openmm_cgaa.distill.diagnosis import diagnose
from openmm_cgaa.distill.distillplan import DistillPlan, plan_of_files, read_distill_plan
from openmm_cgaa.distill.timing import Rates, expected
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.sampling.plan import load_plan
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.units import BOLTZMANN_KJMOL

RATES = Rates(240, classical=0.001, fast=0.002, form=0.006, teacher=0.6, learn_fast=0.007, learn_form=0.03)
TEACHER = {"teacher": "springs:Springs", "teacher_settings": {"stiffness": 0.01}}


@pytest.fixture
def plan():
    return plan_of_files([RDX], {"RDX": RDX_SMILES}, TEACHER)


def test_a_crystal_is_a_plan(plan):
    assert plan.phases == ["crystal"] and plan.generic and [one.name for one in plan.species] == ["RDX"]
    assert diagnose(plan) == []
    told = plan_of_files([RDX], {}, TEACHER)
    (one,) = told.species
    assert one.name == "C3H6N6O6" and one.count == 8 and "is taken for" in diagnose(told)[0]
    both = replace(plan, phases=["crystal", "liquid"])
    stages = {kind: [row.stage for row in expected(one, RATES)] for kind, one in (("one", plan), ("two", both))}
    assert "density.frames" not in stages["one"] and {"density.frames", "run-liquid"} <= {*stages["two"]}
    labels = [sum(row.labels for row in expected(one, RATES)) for one in (plan, both)]
    assert 0 < labels[0] < labels[1]


def test_a_plan_of_a_crystal_is_written_and_read(tmp_path):
    (tmp_path / "alpha.cif").write_text(RDX.read_text())
    words = ["--smiles", f"RDX={RDX_SMILES}", "--write-template", str(tmp_path / "whole.yaml")]
    assert main(["distill", str(tmp_path / "alpha.cif"), *words]) == 0
    text = (tmp_path / "whole.yaml").read_text()
    (tmp_path / "plan.yaml").write_text(text.replace(str(tmp_path) + "/", ""))
    read = read_distill_plan(tmp_path / "plan.yaml", {"phases": ["crystal", "liquid"]})
    assert read.crystal.cif == str(tmp_path / "alpha.cif") and read.phases == ["crystal", "liquid"]
    assert yaml.safe_load(text)["solid"]["narrowest"] == 10.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phases": ["crystal"], "molecules": [{"name": "A", "smiles": "CC"}]}, "a phase is crystal where the key"),
        ({"phases": ["glass"], "crystal": {"cif": str(RDX)}}, "phases holds 'glass'; there are crystal and liquid"),
        ({"phases": ["liquid"], "crystal": {"cif": str(RDX)}}, "a phase is crystal where the key"),
        ({"start": ["a.cif"], "crystal": {"cif": str(RDX)}}, "give either molecules, or start"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(CGAAError, match=message):
        DistillPlan(**{**changes, **({"crystal": Crystal(**changes["crystal"])} if "crystal" in changes else {})})


def test_another_molecule_than_the_crystals_is_refused(plan):
    with pytest.raises(CGAAError, match="the crystal holds a molecule C3H6N6O6, which is none of molecules: DME"):
        diagnose(plan_of_files([RDX], {"DME": "COCCOC"}, TEACHER))


def test_cells_are_as_many_as_a_box_needs(tmp_path):
    assert repeated(Crystal(cif=str(RDX)), 10.0, 100).supercell == [1, 1, 1]
    assert repeated(Crystal(cif=str(RDX)), 11.0, 100).supercell == [1, 1, 2]
    assert repeated(Crystal(cif=str(RDX)), 10.0, 1000).supercell == [2, 2, 2]
    assert repeated(Crystal(cif=str(RDX), supercell=[1, 2, 1]), 10.0, 100).supercell == [1, 2, 1]
    dry = Crystal(cif=cif_file(tmp_path, CO2))
    assert repeated(dry, 10.0, 1).supercell == [2, 2, 2]


def test_molecules_of_a_crystal_are_found(tmp_path):
    ((topology, positions, count),) = kinds_of_crystal(Crystal(**SHORT_CELL))
    assert next(topology.residues()).name == "C4H2" and count == 1 and topology.getNumBonds() == 5
    bonds = [np.linalg.norm(positions[a.index] - positions[b.index]) for a, b in topology.bonds()]
    assert max(bonds) < 1.6  # in one piece, although it reaches over two cells
    ((dry, _, count),) = kinds_of_crystal(Crystal(cif=cif_file(tmp_path, CO2)))
    assert dry.getNumAtoms() == 3 and count == 4


def test_what_is_sampled_is_what_the_command_takes(plan, tmp_path):
    values = build_crystal_config(plan, 100, None)
    path = build(write_config(tmp_path / "build.yaml", values, "a crystal"), tmp_path / "crystal.cif")
    assert read_structure(path)[0].getNumResidues() == 8 and barostat_of(path) == "anisotropic"
    (tmp_path / "forcefield.xml").write_text("<ForceField></ForceField>")
    sampler = {"forcefield": ["forcefield.xml"]}
    made = {}
    for name, values in (
        ("classical", classical_config(plan, sampler, {}, None, classical_crystals(plan, path.name, "anisotropic"))),
        ("own", own_config(plan, sampler, {}, None, 1, own_crystals(plan, path.name, "anisotropic", 1))),
    ):
        read = load_plan(write_config(tmp_path / f"{name}.yaml", values, "openmm-cgaa sample"))
        made[name] = [one for recipe in read.runs for one in recipe.expand(read)]
        assert len({one.name for one in made[name]}) == len(made[name]) == len({one.seed for one in made[name]})
    assert {one.held for one in made["classical"] if one.name.startswith("crystal")} == {0.3}
    assert {one.held for one in made["own"] if one.name.startswith("own1-crystal")} == {0.0}
    splits = [one.split for one in made["classical"] if one.name.startswith(("crystal", "validation", "test"))]
    assert [splits.count(split) for split in ("train", "validation", "test")] == [9, 2, 3]
    test = {one.temperatures for one in made["classical"] if one.split == "test"}
    assert not test & {one.temperatures for one in made["classical"] if one.split == "train"}
    own = [one.name for one in made["own"] if one.split == "test"]
    assert own == [f"own1-test-{ensemble}-crystal-b{n}" for ensemble in ("nvt", "npt") for n in (1, 2)]


def test_a_skewed_cell_may_change_its_angles(tmp_path):
    skewed = SHORT_CELL | {
        "cell": [10.4, 10.4, 8.0, 90, 100, 90],
        "sites": [[e, x / 2, x / 2, 0.5] for e, x in zip("HCCCCH", [0.0, 0.144, 0.307, 0.494, 0.657, 0.801])],
    }
    plan = DistillPlan(molecules=[BUTADIYNE], crystal=Crystal(**skewed))
    values = build_crystal_config(plan, 1, None)
    path = build(write_config(tmp_path / "build.yaml", values, "a crystal"), tmp_path / "crystal.cif")
    assert barostat_of(path) == "flexible"


def test_motion_about_sites_is_measured():
    """Whatever the crystal as a whole does, and however its box breathes."""
    rng, box = np.random.default_rng(0), 2.0 * np.eye(3)
    sites = np.array(list(np.ndindex(2, 2, 2))) * 1.0 + 0.3
    frames = 500
    boxes = box * rng.uniform(0.95, 1.05, (frames, 1, 1))
    moved = sites / 2.0 @ boxes + rng.normal(scale=0.1, size=(frames, 8, 3)) + 0.7 * rng.random((frames, 1, 3))
    jumps = rng.integers(-1, 2, (frames, 8, 3)) @ boxes
    found = lindemann(sites, box, moved + jumps, boxes)
    assert found == pytest.approx(0.1 * np.sqrt(3 * 7 / 8), rel=0.03)  # the mean of eight is taken off
    assert lindemann(sites, box, rng.random((frames, 8, 3)) @ boxes, boxes) > 0.5


def test_turns_of_molecules_are_measured():
    """By 2 sin(angle / 2), wherever the molecules are; an atom is no molecule that turns."""
    rng = np.random.default_rng(2)
    first, masses = rng.normal(size=(9, 3)), rng.uniform(1, 16, 9)
    molecules = [np.array([0, 2, 4, 6]), np.array([1, 3, 5, 7]), np.array([8])]
    normal = np.array([0.0, 0.0, 1.0])
    first[:, 2] = 0.0  # in a plane, about whose normal they turn
    for angle in (20.0, 90.0):
        turns = Rotation.from_rotvec(np.radians(angle) * normal).as_matrix()
        now = np.stack([first @ turns.T + shift for shift in rng.normal(size=(5, 3))])
        assert turned(first, now, molecules, masses) == pytest.approx(2 * np.sin(np.radians(angle / 2)))
    spun = np.stack([first @ turn.as_matrix().T for turn in Rotation.random(20000, random_state=3)])
    assert turned(first, spun, molecules, masses) == pytest.approx(2**0.5, rel=0.01)
    assert turned(first, spun, molecules[2:], masses) == 0.0


def test_the_compliance_is_that_of_a_cell_of_springs():
    """Edges of independent springs: <strain^2> = kT S / V."""
    rng, wanted, kelvin = np.random.default_rng(1), np.array([1e-4, 2e-4, 0.5e-4]), 300.0  # 1/MPa
    edges = np.array([1.3, 1.2, 1.1])
    mpa_nm3 = 0.602214076  # kJ/mol
    strain = rng.normal(size=(200000, 3)) * np.sqrt(BOLTZMANN_KJMOL * kelvin * wanted / (mpa_nm3 * edges.prod()))
    found = compliance(edges * (1.0 + strain), kelvin)
    np.testing.assert_allclose(np.diag(found), wanted, rtol=0.03)
    assert np.abs(found - np.diag(np.diag(found))).max() < 0.02 * wanted.max()


def test_what_the_verdict_is_told():
    cold = {"sites": 0.06, "turned": 0.4, "teacher": {"a": [0.004, 0.001]}}
    runs = {"npt": {"lattice": cold}, "hot": {"lattice": {"sites": 0.09, "turned": 0.3}}}
    assert of_crystal(runs) == {"crystal_sites": 0.09, "crystal_turned": 0.4, "crystal_cell": {"a": [0.4, 0.1]}}
    assert of_crystal({"npt": {}}) == {}
