"""Plans that begin with files of a topology (`starts`): what they say, and what cannot be used."""

import shutil

import numpy as np
import openmm
import pytest
import yaml
from openmm import app, unit
from program_files import ORIGINS, write_given

pytest.importorskip("lightning")

from openmm_cgaa.building.boxes import build
from openmm_cgaa.building.molecules import append_molecule, from_smiles
from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.distill import distilling
from openmm_cgaa.distill.configs import build_config, write_config
from openmm_cgaa.distill.diagnosis import diagnose
from openmm_cgaa.distill.distilling import Distiller
from openmm_cgaa.distill.distillplan import plan_of_files, read_distill_plan
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.pipeline.stages import Pipeline
from openmm_cgaa.sampling import liquids
from openmm_cgaa.structures.structure import read_structure, write_structure

SMALL = {
    "teacher": "springs:Springs",
    "teacher_settings": {"stiffness": 0.01},
    "density": 0.6,
    "workers": 1,
    "form": "fast",
    "classical": {
        **{"atoms": 50, "frames": 2, "equilibration": 0.02, "spacing": 0.01, "temperatures": [1.0], "npt": [1.0]},
        **{"densities": [0.9, 1.0], "validation": 1, "test": 1, "turned": 0, "strained": 2, "pairs": 0},
    },
    "own": {
        **{"rounds": 1, "temperatures": [1.0], "densities": [1.0], "npt": [1.0], "equilibration": 0.004},
        **{"npt_equilibration": 0.004, "spacing": 0.002, "frames": 2},
    },
    "training": {"first": 10, "steps": 20},
    "proof": {"nvt": 0.05, "nve": 0.05, "npt": 0.05, "hot": 0.05, "large": 60, "teacher_frames": 1},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    write_given(folder, 1.3)
    return folder


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(liquids, "SETTLE", (100, 0.5))
    monkeypatch.setattr(liquids, "SHRINK", (4, 10))
    monkeypatch.setattr(distilling, "RELAXED", 0.2)


def plan_of(folder, names, molecules=(), **changes):
    smiles = {one["name"]: one["smiles"] for one in molecules}
    return plan_of_files([folder / name for name in names], smiles, SMALL | changes)


def minded(plan):
    """What the diagnosis tells, but for boxes that are small, as they are here."""
    return [line for line in diagnose(plan) if "Å wide" not in line]


def made_by(folder, plan):
    """The labelled frames of the classical stage."""
    with Pipeline.owning(folder, lambda line: None) as pipeline:
        distiller = Distiller(plan, pipeline)
        distiller.box("box", plan.density, plan.classical.atoms)
        return Dataset.load(distiller.classical(plan.density))


@pytest.mark.parametrize("names, molecules", ORIGINS.values(), ids=ORIGINS)
def test_files_with_a_force_field_sample_by_it(files, tmp_path, short, names, molecules):
    plan = plan_of(files, names, molecules)
    assert [(one.name, one.count) for one in plan.species] == [("DMT", 6), ("DFE", 3)] and not plan.generic
    assert plan.counts({"DMT": 9, "DFE": 8}, 50) == {"DMT": 4, "DFE": 2} and minded(plan) == []
    dataset = made_by(tmp_path / "out", plan)
    boxes = [one.details for one in dataset.trajectories if one.kind == "liquid"]
    assert all(one["counts"] == {"DMT": 4, "DFE": 2} for one in boxes) and len(boxes) == 5
    assert {one.kind for one in dataset.trajectories} == {"liquid", "molecule"}
    assert not (tmp_path / "out/forcefield.xml").exists()
    topology, _ = read_structure(tmp_path / "out/box.cif")
    assert topology.getNumResidues() == 6


def test_boxes_of_one_start_share_no_history(files, tmp_path, short):
    dataset = made_by(tmp_path / "out", plan_of(files, ["box.prmtop", "box.inpcrd"]))
    firsts = [one.positions[np.unique(one.trajectory, return_index=True)[1]] for one in dataset.sets if one.periodic]
    (boxes,) = firsts
    apart = np.sqrt(((boxes[:, None] - boxes) ** 2).sum(-1).mean(-1))
    assert len(boxes) == 5 and apart[~np.eye(5, dtype=bool)].min() > 3.0  # Å


def test_students_sample_boxes_that_the_given_force_field_has_prepared(files, tmp_path, short):
    plan = plan_of(files, ["box.prmtop", "box.inpcrd"])
    with Pipeline.owning(tmp_path / "out", lambda line: None) as pipeline:
        distiller = Distiller(plan, pipeline)
        distiller.box("box", plan.density, plan.classical.atoms)
        # as many steps as keep it from losing a box, whatever machine rounds them
        student = distiller.trained("student1", "fast", [distiller.classical(plan.density)], 80)
        own = Dataset.load(distiller.own(1, student, plan.density))
    assert {one.split for one in own.trajectories} == {"train", "test"}
    assert {one.details["sampler"]["model"] for one in own.trajectories} == {"model.safetensors"}
    assert all(one.details["sampler"]["system"] == ["box.prmtop", "box.inpcrd"] for one in own.trajectories)


def test_a_plan_that_is_written_is_the_plan(files, tmp_path):
    plan = plan_of(files, ["box.prmtop", "box.inpcrd"])
    (tmp_path / "plan.yaml").write_text(plan.text())
    written = read_distill_plan(tmp_path / "plan.yaml")
    assert written == plan and [one.name for one in written.species] == ["DMT", "DFE"]


def test_a_structure_alone_gets_a_generic_force_field(files, tmp_path):
    """Bonds are known, SMILES are told from them and the geometry."""
    plan = plan_of(files, ["box.cif"])
    assert plan.generic and [(one.name, one.smiles) for one in plan.species] == [("DMT", "COC"), ("DFE", "FCCF")]
    told = minded(plan)
    assert told == [
        f"{name} is taken for {smiles}; if it is something else, give its SMILES by the key smiles"
        for name, smiles in (("DMT", "COC"), ("DFE", "FCCF"))
    ]
    values = build_config(plan, 0.6, 50, {"DMT": 9, "DFE": 8}, "forcefield.xml")
    values = {key: value for key, value in values.items() if not key.startswith("teacher")}  # of springs
    topology, _ = read_structure(build(write_config(tmp_path / "build.yaml", values, "a box")))
    assert topology.getNumResidues() == 6 and "DMT" in (tmp_path / "forcefield.xml").read_text()


def test_a_pdb_without_bonds_needs_smiles(files, tmp_path):
    smiles = {"DMT": "COC", "DFE": "FCCF"}
    plan = plan_of_files([files / "bare.pdb"], smiles, SMALL)
    assert plan.generic and minded(plan) == []
    with pytest.raises(CGAAError, match="DMT"):
        plan_of_files([files / "bare.pdb"], {}, SMALL)
    with pytest.raises(CGAAError, match="has no residue DME, of which there is a SMILES; it has DMT, DFE"):
        plan_of_files([files / "box.cif"], {"DME": "COCCOC"}, SMALL)


def test_a_molecule_alone_is_enough(files, tmp_path):
    """A box of 1 molecule, or none at all, as antechamber leaves it: how dense the liquid is must be found."""
    topology, positions = from_smiles("DME", "COCCOC")
    write_structure(tmp_path / "dme.cif", topology, positions)
    plan = plan_of_files([tmp_path / "dme.cif"], {}, {k: v for k, v in SMALL.items() if k != "density"})
    assert plan.begun.density is None and plan.density is None
    assert plan.counts({"DME": 16}, 240) == {"DME": 15}


def test_a_density_is_that_of_the_box(files):
    plan = plan_of(files, ["box.gro", "box.top"])
    topology, _ = read_structure(files / "box.cif")
    mass = sum(atom.element.mass.value_in_unit(unit.dalton) for atom in topology.atoms())
    assert plan.begun.density == pytest.approx(mass * 1.66054e-3 / 1.3**3, rel=1e-4)


def test_an_ion_without_a_force_field_is_asked_about(tmp_path):
    topology, positions = from_smiles("TMA", "C[N+](C)(C)C")
    write_structure(tmp_path / "tma.cif", topology, positions)
    with pytest.raises(CGAAError, match="needs the SMILES of TMA, which cannot be told.*--smiles TMA=..."):
        plan_of_files([tmp_path / "tma.cif"], {}, SMALL)
    plan = plan_of_files([tmp_path / "tma.cif"], {"TMA": "C[N+](C)(C)C"}, SMALL)
    assert plan.generic and [one.smiles for one in plan.species] == ["C[N+](C)(C)C"]


def test_charges_of_a_given_force_field_are_told(tmp_path):
    topology, positions = from_smiles("TMA", "C[N+](C)(C)C")
    write_structure(tmp_path / "tma.cif", topology, positions)
    system, force = openmm.System(), openmm.NonbondedForce()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
        force.addParticle(1.0 / topology.getNumAtoms(), 0.3, 0.1)
    system.addForce(force)
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    plan = plan_of_files([tmp_path / "system.xml", tmp_path / "tma.cif"], {}, SMALL)
    assert not plan.generic and plan.begun.charges == {"TMA": 1}
    with pytest.raises(CGAAError, match="the liquid has the charge .1 .1 TMA of .1., but a liquid is neutral"):
        diagnose(plan)


def test_two_kinds_under_one_name_are_refused(tmp_path):
    topology, positions = app.Topology(), []
    chain = topology.addChain()
    for shift, smiles in enumerate(("COC", "CCO", "CO")):
        one, x = from_smiles("MOL", smiles)
        append_molecule(topology, chain, one)
        positions.append(x.value_in_unit(unit.nanometer) + 2.0 * shift)
    write_structure(tmp_path / "mol.cif", topology, np.concatenate(positions))
    with pytest.raises(CGAAError, match="residues called MOL are 3 kinds of molecule; give each kind a residue name"):
        plan_of_files([tmp_path / "mol.cif"], {}, SMALL)


def test_rigid_bonds_without_springs_are_refused_before_anything(files):
    with pytest.raises(CGAAError, match="a teacher must see bonds stretch"):
        plan_of_files([files / "box.gro", files / "rigid/box.top"], {}, SMALL)


def test_a_changed_file_is_another_start(files, tmp_path):
    for name in ("box.gro", "box.top", "molecules.itp"):
        shutil.copy(files / name, tmp_path / name)
    plan = plan_of(tmp_path, ["box.gro", "box.top"])
    assert {path.name for path in plan.classical_files} == {"box.gro", "box.top", "molecules.itp"}


def test_the_command_takes_files(files, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(files)
    place = tmp_path / "plan.yaml"
    assert main(["distill", "box.prmtop", "box.inpcrd", "--quick", "--write-template", str(place)]) == 0
    written = yaml.safe_load(place.read_text())
    assert written["start"] == [str(files / "box.prmtop"), str(files / "box.inpcrd")] and "molecules" not in written
    assert read_distill_plan(place).own.rounds == 2
    smiles = ["--smiles", "DMT=COC", "DFE=FCCF"]
    assert main(["distill", "bare.pdb", *smiles, "--write-template", str(tmp_path / "bare.yaml")]) == 0
    assert yaml.safe_load((tmp_path / "bare.yaml").read_text())["smiles"] == {"DMT": "COC", "DFE": "FCCF"}
    for words, message in (
        (["box.prmtop"], "no coordinates; give also its .inpcrd or .rst7"),
        (["box.cif", "--names", "A"], "--names are of molecules by --smiles"),
        (["box.cif", "--smiles", "COC"], "give RESIDUE=SMILES"),
        (["box.cif", "plan.yaml"], "plan.yaml is a plan, which says all"),
        (["nowhere.pdb"], "nowhere.pdb cannot be read"),
    ):
        assert main(["distill", *words, "--write-template", str(tmp_path / "no.yaml")]) == 2
        assert message in " ".join(capsys.readouterr().err.split())


def test_a_dry_run_of_files(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    (files / "plan.yaml").write_text(yaml.safe_dump({"start": ["box.top", "box.gro"], **SMALL}))
    assert main(["distill", "plan.yaml", "--dry-run", "--budget", "1000"]) == 0
    assert "h in all" in capsys.readouterr().out
