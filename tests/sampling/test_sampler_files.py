"""Samplers from files of other programs, and boxes of one structure that share no history (`sampler`, `sample`)."""

import numpy as np
import openmm
import pytest
from openmm import app
from program_files import ORIGINS, SMILES, write_given
from sampling_plans import (
    SHORT,
    plan_file,
    sampled,
    short_preparation,  # noqa: F401 - for all tests here
    trajectory,
)

from openmm_cgaa.errors import CGAAError, StructureWarning
from openmm_cgaa.sampling.sample import sample
from openmm_cgaa.structures.lattice import nearest_image

EDGE = 1.3  # nm
BOX = {"kind": "liquid", "name": "box", **SHORT}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder with a box of two ethers for Amber and GROMACS, as PDB without bonds, and as a System in XML."""
    folder = tmp_path_factory.mktemp("given")
    write_given(folder, EDGE)
    return folder


def given(folder, *names):
    return [str(folder / name) for name in names]


@pytest.mark.parametrize("names, molecules", ORIGINS.values(), ids=ORIGINS)
def test_all_kinds_from_a_force_field_of_ones_own(files, tmp_path, names, molecules):
    """The given box, another density and number, single molecules and pairs, from one box of the user's."""
    system = given(files, *names)
    structure = [name for name in system if not name.endswith("xml")]
    runs = [
        BOX | {"structure": structure if len(structure) > 1 else structure[0]},
        BOX | {"name": "other", "counts": {"DFE": 3, "DMT": 3}, "densities": 0.7},
        {"kind": "molecule", "temperatures": 300, **SHORT},
        {"kind": "pair", "pairs": [["DMT", "DFE"]], "orientations": 1, "distances": 2},
    ]
    dataset = sampled(tmp_path, *runs, molecules=molecules, sampler={"system": system})
    names = {t.name for t in dataset.trajectories}
    assert names == {"box", "other", "molecule-DMT", "molecule-DFE", "pair-DMT-DFE"}
    (box,), about = trajectory(dataset, "box")
    assert about.details["counts"] == {"DMT": 6, "DFE": 3} and about.details["sampler"]["system"] == [
        name.rsplit("/")[-1] for name in system
    ]
    bonds = np.linalg.norm(box.positions[:, box.bonds[:, 0]] - box.positions[:, box.bonds[:, 1]], axis=-1)
    assert len(box.bonds) == 69 and bonds.std(axis=0).max() > 0.001  # every bond moves
    (other,), about = trajectory(dataset, "other")
    assert about.details["density"] == 0.7 and other.positions.shape[1] == 51


def test_boxes_of_a_structure_share_no_history(files, tmp_path):
    """Two boxes began with the same coordinates: their first frames were 1.6 Å apart, where 7 Å is chance."""
    structure = given(files, "box.prmtop", "box.inpcrd")
    runs = [
        BOX | {"structure": structure, "boxes": 2, "temperatures": [250, 300]},
        BOX | {"name": "again", "structure": structure, "ensemble": "NPT"},
    ]
    dataset = sampled(tmp_path, *runs, molecules=[], sampler={"system": structure})
    frames = [trajectory(dataset, t.name)[0][0] for t in dataset.trajectories]
    repacked = [bool(t.details.get("repacked")) for t in dataset.trajectories]
    assert repacked == [False, True, True, True, True]
    residues = frames[0].residues
    centers = [np.array([f.positions[0][residues == r].mean(0) for r in range(9)]) for f in frames]
    for i in range(5):
        assert np.array_equal(frames[i].elements, frames[0].elements)
        for j in range(i):
            apart = np.linalg.norm(nearest_image(centers[i] - centers[j], frames[0].cell[0]), axis=1)
            assert apart.mean() > 0.3 * 10 * EDGE  # of two points in a cube by chance: 0.48 of its edge


def test_a_structure_that_cannot_be_packed_anew_is_told(files, tmp_path):
    runs = [BOX | {"structure": given(files, "box.cif")[0], "boxes": 2, "tolerance": 10.0}]
    with pytest.raises(CGAAError) as caught:
        sampled(tmp_path, *runs, molecules=[], sampler={"system": given(files, "system.xml")[0]})
    told = str(caught.value)
    assert "box-b2" in told and "must be packed anew for this one: packmol" in told
    assert "give each trajectory a structure of its own" in told and "box-b1" not in told.split("box-b2")[0]


def test_a_structure_without_a_box_takes_that_of_the_recipe(files, tmp_path):
    (tmp_path / "free.pdb").write_text(
        "".join(r for r in (files / "bare.pdb").read_text().splitlines(True) if not r.startswith("CRYST1"))
    )
    options = dict(molecules=SMILES, sampler={"system": given(files, "system.xml")[0]})
    run = BOX | {"structure": str(tmp_path / "free.pdb")}
    with pytest.raises(CGAAError, match="has no box, and a liquid is periodic; give its edges by the key box"):
        sampled(tmp_path / "a", run, **options)
    (frames,), _ = trajectory(sampled(tmp_path / "b", run | {"box": 13.0}, **options), "box")
    np.testing.assert_allclose(frames.cell[0], 13.0 * np.eye(3))


REFUSED = {
    "rigid": (["rigid.xml", "box.cif"], "fixes the distance .*constraints=None, rigidWater=False"),
    "rigid in a .top": (
        ["rigid/box.top", "box.gro"],
        r"fixes the distance .*write \[ constraints \] and \[ settles \] of the .top as",
    ),
    "no force field": (["box.cif"], "box.cif holds no force field; give its files as well"),
    "no coordinates": (["box.prmtop"], "box.prmtop has no coordinates; give also its .inpcrd"),
    "absent": (["absent.prmtop"], "absent.prmtop: no such file"),
}


@pytest.mark.filterwarnings("ignore::openmm_cgaa.errors.StructureWarning")
@pytest.mark.parametrize("names, message", REFUSED.values(), ids=REFUSED)
def test_what_cannot_sample_is_refused_before_anything_is_made(files, tmp_path, names, message):
    run = BOX | {"counts": {"DMT": 3}, "densities": 0.5}
    plan = plan_file(tmp_path, run, molecules=[], sampler={"system": given(files, *names)})
    with pytest.raises(CGAAError, match=message):
        sample(plan)
    assert not (tmp_path / "frames.h5").exists()


def test_another_itp_is_another_sampler(files, tmp_path):
    """What a .top includes decides what comes out: a finished trajectory of the older one is refused by name."""
    for name in ("box.top", "box.gro", "molecules.itp"):
        (tmp_path / name).write_text((files / name).read_text())
    run = {"kind": "molecule", "species": ["DMT"], "temperatures": 300, **SHORT}
    plan = plan_file(tmp_path, run, molecules=[], sampler={"system": given(tmp_path, "box.top", "box.gro")})
    sample(plan)
    text = (tmp_path / "molecules.itp").read_text()
    (tmp_path / "molecules.itp").write_text(text + "\n; changed\n")
    with pytest.raises(CGAAError, match="was made with other settings"):
        sample(plan)


def test_springs_act_in_place_of_constraints(files, tmp_path):
    topology = app.PDBxFile(str(files / "box.cif")).topology
    forcefield = app.ForceField(str(files / "forcefield.xml"))
    system = forcefield.createSystem(topology, constraints=app.HBonds, flexibleConstraints=True)
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    with pytest.warns(StructureWarning, match="48 constraints, whose springs act now"):
        dataset = sampled(
            tmp_path,
            {"kind": "molecule", "species": ["DMT"], "temperatures": 300, **SHORT, "frames": 20},
            molecules=[],
            sampler={"system": [str(tmp_path / "system.xml"), *given(files, "box.cif")]},
        )
    (frames,), _ = trajectory(dataset, "molecule-DMT")
    bonds = np.linalg.norm(frames.positions[:, frames.bonds[:, 0]] - frames.positions[:, frames.bonds[:, 1]], axis=-1)
    assert bonds.std(axis=0).min() > 0.005  # Å; a rigid bond is constant to 1e-4
