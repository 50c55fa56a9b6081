"""Sampling: molecular dynamics of tiny boxes, pairs, and what is cut from frames."""

import numpy as np
import openmm
import pytest
from openmm import app, unit
from sampling_plans import (
    FORCEFIELD,
    LIQUID,
    MOLECULES,
    SHORT,
    SYSTEMS,
    plan_file,
    sampled,
    short_preparation,  # noqa: F401 - for all tests here
)

from openmm_cgaa.building.boxes import classical_system, pack
from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.sampling import liquids
from openmm_cgaa.sampling.dynamics import GRID
from openmm_cgaa.sampling.pairs import IONIC_RADII
from openmm_cgaa.sampling.sample import sample
from openmm_cgaa.sampling.torsions import Turned, dihedral_angle
from openmm_cgaa.structures.structure import write_structure


def trajectory(dataset, name):
    (part,) = [dataset.select(trajectories=[name])]
    return part.sets, part.trajectories[0]


@pytest.fixture
def before_strain(monkeypatch):
    """Frames as the dynamics left them: of two runs they would part ways, for threads do not add in the same order."""
    seen, strained = [], liquids._strained

    def recorded(frames, *more):
        seen.append(frames)
        return strained(frames, *more)

    monkeypatch.setattr(liquids, "_strained", recorded)
    return seen


def contact(frames):
    """Least distance between grains of each frame, all images."""
    shifts = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T if frames.periodic else np.zeros((1, 3))
    apart = frames.residues[:, None] != frames.residues
    least = []
    for x, cell in zip(frames.positions, frames.cell):
        d = np.linalg.norm(x[:, None] - x - (shifts @ cell)[:, None, None], axis=-1)
        least.append(d[:, apart].min())
    return np.array(least)


def bond_lengths(frames):
    return np.linalg.norm(frames.positions[:, frames.bonds[:, 0]] - frames.positions[:, frames.bonds[:, 1]], axis=-1)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A plan with every kind of run, sampled; its folder and its data set."""
    folder = tmp_path_factory.mktemp("mixed")
    runs = [
        {"kind": "liquid", "name": "npt", "counts": "salt", "ensemble": "NPT", "densities": 1.0, "split": "train"},
        {"kind": "liquid", "name": "nvt", "counts": "salt", "densities": 1.2, "temperatures": [350], "split": "test"},
        {"kind": "cluster", "per_frame": 2, "frames": 2, "distance": 2.8},
        {"kind": "scan", "factors": [0.9, 1.1], "trajectories": ["nvt*"]},
        {
            **{"kind": "dynamics", "trajectories": ["nvt*"], "steps": 4, "save_every": 2},
            **{"teacher": "ase.calculators.lj:LennardJones", "teacher_settings": {"epsilon": 1e-5, "sigma": 1.0}},
        },
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liquids, "SETTLE", (200, 0.5))
        patch.setattr(liquids, "SHRINK", (10, 20))
        changes = {"compositions": {"salt": {"EC": 3, "EMC": 2, "LI": 1, "PF6": 1}}, "defaults": {"liquid": SHORT}}
        return folder, sampled(folder, *runs, **changes)


def test_liquid_frames(mixed):
    _, dataset = mixed
    (frames,), about = trajectory(dataset, "nvt-350K")
    assert (about.kind, about.split, about.details["ensemble"]) == ("liquid", "test", "NVT")
    assert about.details["counts"] == {"EC": 3, "EMC": 2, "LI": 1, "PF6": 1} and about.details["density"] == 1.2
    assert np.allclose(frames.time, [0.07, 0.09]) and np.all(frames.temperature == 350) and not frames.labelled
    mass = sum(app.Element.getBySymbol(e).mass._value for e in frames.elements)
    assert mass * 1.66054 / np.linalg.det(frames.cell) == pytest.approx([1.2, 1.2], rel=1e-3)
    assert np.array_equal(frames.positions * GRID, np.round(frames.positions * GRID))
    assert bond_lengths(frames).max() < 1.9 and contact(frames).min() > 1.2
    assert not np.array_equal(frames.positions[0], frames.positions[1])
    (frames,), about = trajectory(dataset, "npt")
    assert about.details["pressure_bar"] == 1.0 and about.details["sampler"]["forcefield"][0] == "forcefield.xml"


def test_clusters_are_whole_and_inherit_the_split(mixed):
    _, dataset = mixed
    for name, split in (("cluster-npt", "train"), ("cluster-nvt-350K", "test")):
        sets, about = trajectory(dataset, name)
        assert (about.split, about.details["parent"]) == (split, name.removeprefix("cluster-"))
        assert sum(len(frames) for frames in sets) == 4
        for frames in sets:
            assert not frames.periodic and bond_lengths(frames).max(initial=0) < 1.9
            center = frames.positions[:, frames.residues == 0]
            for x, middle in zip(frames.positions, center):
                d = np.linalg.norm(x[:, None] - middle, axis=-1).min(1)
                assert all(d[frames.residues == g].min() <= 2.8 for g in range(frames.num_grains))
                # the shell is complete: no other molecule of the frame would have belonged to it
                assert frames.num_grains >= 2


def test_a_cluster_holds_all_close_images(mixed):
    folder, dataset = mixed
    (parent,), _ = trajectory(dataset, "nvt-350K")
    sets, _ = trajectory(dataset, "cluster-nvt-350K")
    shifts = np.array(np.meshgrid(*[[-2, -1, 0, 1, 2]] * 3)).reshape(3, -1).T
    counts = set()
    for x, cell in zip(parent.positions, parent.cell):
        for g in range(parent.num_grains):
            middle = x[parent.residues == g]
            d = np.linalg.norm(middle[None, :, None] - x - (shifts @ cell)[:, None, None], axis=-1).min(1)
            near = sum((d[:, parent.residues == h] <= 2.8).any(1).sum() for h in range(parent.num_grains))
            counts.add((parent.residue_names[g], int(near)))
    assert {(frames.residue_names[0], frames.num_grains) for frames in sets} <= counts


def test_scans_move_centers_alone(mixed):
    _, dataset = mixed
    (frames,), about = trajectory(dataset, "scan-nvt-350K")
    (parent,), _ = trajectory(dataset, "nvt-350K")
    volumes = np.linalg.det(frames.cell) / np.linalg.det(parent.cell[0])
    assert volumes == pytest.approx([0.9, 1.1], rel=1e-3) and about.split == "test"
    assert np.abs(bond_lengths(frames)[0] - bond_lengths(frames)[1]).max() < 2e-3


def test_bursts_of_the_teacher(mixed):
    _, dataset = mixed
    (frames,), about = trajectory(dataset, "dynamics-nvt-350K")
    assert (about.split, about.details["parent"], len(frames)) == ("test", "nvt-350K", 2)
    assert np.diff(frames.time) == pytest.approx([0.001]) and "name" in about.details["teacher"]
    moved = np.linalg.norm(frames.positions[1] - frames.positions[0], axis=-1)
    assert 0 < moved.max() < 0.5


def test_a_restart_makes_nothing_twice(mixed, monkeypatch):
    folder, dataset = mixed
    before = {path: path.stat().st_mtime_ns for path in (folder / "frames.h5.parts").iterdir()}
    (folder / "frames.h5").unlink()
    (folder / "frames.h5.parts" / "scan-nvt-350K.h5").unlink()
    again = Dataset.load(sample(folder / "plan.yaml"))
    after = {path: path.stat().st_mtime_ns for path in (folder / "frames.h5.parts").iterdir()}
    assert set(after) == set(before) and sum(after[path] != before[path] for path in after) == 1
    assert sorted(key for frames in again.sets for key in frames.keys()) == sorted(
        key for frames in dataset.sets for key in frames.keys()
    )


def test_pairs_reach_from_contact_outwards(tmp_path):
    dataset = sampled(
        tmp_path,
        {"kind": "pair", "pairs": [["LI", "PF6"], ["EC", "EC"]], "orientations": 4, "distances": 3, "farthest": 6.0},
        {"kind": "pair", "name": "moved", "pairs": [["EC", "EC"]], "orientations": 1, "distances": 1, "dynamics": 0.02},
    )
    (ions,), about = trajectory(dataset, "pair-LI-PF6")
    assert (about.kind, len(ions), ions.residue_names) == ("pair", 12, ["LI", "PF6"])
    least = 0.8 * (IONIC_RADII["Li"] + 1.47)
    assert least - 1e-3 < contact(ions).min() < least + 1.0 and 2.0 < contact(ions).max() < 6.001
    (solvent,), _ = trajectory(dataset, "pair-EC-EC")
    assert 1.9 < contact(solvent).min() < 3.5 and not solvent.periodic
    assert np.ptp(bond_lengths(solvent), axis=0).max() > 0.01  # shapes of a molecule that moves
    assert trajectory(dataset, "moved-EC-EC")[0][0].time.tolist() == [0.02]


def test_molecules_and_two_workers(tmp_path):
    dataset = sampled(
        tmp_path, {"kind": "molecule", "temperatures": [300, 800], "species": ["EC", "LI"], **SHORT}, workers=2
    )
    names = [f"molecule-{name}-{t}K" for name in ("EC", "LI") for t in (300, 800)]
    assert sorted(t.name for t in dataset.trajectories) == sorted(names)
    (frames,), _ = trajectory(dataset, "molecule-EC-800K")
    assert not frames.periodic and np.abs(frames.positions.mean(1)).max() < 1e-3 and frames.temperature[0] == 800


def test_turned_molecules_cover_all_angles(tmp_path):
    emc = {"name": "EMC", "structure": str(SYSTEMS / "ec_emc/EMC.pdb")}
    run = {"kind": "molecule", "species": ["EMC"], "temperatures": 300, "turned": True, "frames": 24, "spacing": 0.02}
    (frames,), record = trajectory(sampled(tmp_path, run, molecules=[emc]), "molecule-EMC")
    assert record.details["turned"]
    turned = Turned(app.PDBFile(emc["structure"]).topology)
    names = [[frames.elements[i] for i in dihedral] for dihedral in turned.dihedrals]
    assert sorted(map("".join, names)) == ["CCOC", "COCO", "OCOC"]  # both ester bonds and the ethyl group's
    for dihedral in turned.dihedrals:
        angles = [dihedral_angle(x[list(dihedral)]) for x in frames.positions]
        assert len({int(angle // (np.pi / 2)) for angle in angles}) == 4
    lengths = bond_lengths(frames)
    assert np.abs(lengths - lengths.mean(axis=0)).max() < 0.2


def test_strained_molecules_have_a_few_atoms_out_of_place(tmp_path, before_strain):
    emc = {"name": "EMC", "structure": str(SYSTEMS / "ec_emc/EMC.pdb")}
    run = {"kind": "molecule", "species": ["EMC"], "temperatures": 300, **SHORT, "frames": 20, "strain": 0.4}
    (strained,), _ = trajectory(sampled(tmp_path, run, molecules=[emc]), "molecule-EMC")
    (plain,) = before_strain
    assert np.linalg.norm(plain.positions - strained.positions, axis=-1).max() < 0.4 + 1e-3
    off = np.linalg.norm(plain.positions - strained.positions, axis=-1)
    moved = (off > 0.01).sum(axis=1)  # [frame]
    assert moved.min() >= 0 and moved.max() <= 3 and moved.mean() > 1.2
    lengths = bond_lengths(strained)
    assert np.ptp(lengths, axis=0).max() > 0.3
    assert lengths.min() > 0.75 * bond_lengths(plain).min() - 1e-3  # no atom on top of another


def test_strained_molecules_of_a_liquid(tmp_path, before_strain):
    run = LIQUID | {"counts": {"EC": 3, "LI": 1, "PF6": 1}, "frames": 3}
    dataset = sampled(tmp_path / "strained", run | {"strain": 0.4, "strained": ["PF6"]})
    (strained,), record = trajectory(dataset, "ec")
    (plain,) = before_strain
    assert record.kind == "scan"
    of_ion = strained.residues == strained.residue_names.index("PF6")
    off = np.linalg.norm(plain.positions - strained.positions, axis=-1)
    assert (off[:, ~of_ion] < 1e-4).all() and off.max() < 0.4 + 1e-3
    assert 1 <= (off[:, of_ion] > 0.01).sum(axis=1).mean() <= 3
    with pytest.raises(CGAAError, match="strained.*XX"):
        sampled(tmp_path / "unknown", run | {"strain": 0.4, "strained": ["XX"]})
    with pytest.raises(CGAAError, match="strained names species, but strain is 0"):
        sampled(tmp_path / "still", run | {"strained": ["PF6"]})
    with pytest.raises(CGAAError, match="strained is EMC, of which there is none in the box"):
        sampled(tmp_path / "absent", run | {"strain": 0.4, "strained": ["EMC"]})
    scan = {
        "kind": "scan",
        "name": "wide",
        "source": str(tmp_path / "strained/frames.h5"),
        "kinds": ["scan"],
        "factors": [1.1],
    }
    cut = sampled(tmp_path / "cut", scan)
    assert [t.details["strain"] for t in cut.trajectories] == [0.4]  # walls inside molecules are not set by them


def test_dihedral_angle():
    points = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    for angle in (-2.0, -0.3, 0.7, 3.0):
        # looking along the middle bond the last one is turned clockwise, IUPAC's positive sense
        points[3, :2] = np.cos(angle), np.sin(angle)
        assert dihedral_angle(points) == pytest.approx(angle)


def test_two_molecules_in_a_box_are_filed_as_pair(tmp_path):
    run = {"kind": "liquid", "name": "two", "counts": {"EC": 1, "LI": 1}, "box": 22.1, "save_as": "pair", **SHORT}
    (frames,), about = trajectory(sampled(tmp_path, run), "two")
    assert about.kind == "pair" and np.allclose(frames.cell, 22.1 * np.eye(3), atol=1e-3)


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


def test_a_blow_up_is_named_and_the_rest_is_kept(tmp_path, capsys):
    plan = plan_file(tmp_path, {**LIQUID, "name": "wild", "step": 30.0, "spacing": 3.0}, LIQUID)
    assert main(["sample", str(plan)]) == 2
    text = capsys.readouterr().err
    assert "1 trajectories failed, the others are in" in text
    assert "wild: blew up by step" in text and "take a shorter step than 30 fs" in text
    kept = Dataset.load(tmp_path / "frames.h5")
    assert [t.name for t in kept.trajectories] == ["ec"] and len(kept) == 2
    wild = {**LIQUID, "name": "wild", "step": 30.0, "spacing": 3.0}
    kept_run = {**LIQUID, "name": "kept", "split": "test"}
    plan_file(tmp_path, wild, kept_run, {"kind": "cluster", "name": "c", "trajectories": ["wild"]})
    assert main(["sample", str(plan)]) == 2
    text = capsys.readouterr().err  # what the cuts lack is not all that is told
    assert "wild: blew up by step" in text and "what is cut from them: " in text and "the others are in" in text
    plan_file(tmp_path, LIQUID)
    assert main(["sample", str(plan)]) == 0
    assert "1 trajectories, 2 frames, 8 grains" in capsys.readouterr().out


def test_finished_trajectories_of_other_settings_are_not_taken(tmp_path):
    sampled(tmp_path, LIQUID)
    part = next(tmp_path.glob("*.parts")) / "ec.h5"
    older = Dataset.load(part)
    assert older.provenance["made"]["run"].pop("strain") == 0.0  # as written before there was such a key
    older.save(part, precision="single")
    sampled(tmp_path, LIQUID)
    with pytest.raises(CGAAError, match=r"ec.h5 was made with other settings \(frames: 2 -> 3\); move it away"):
        sampled(tmp_path, {**LIQUID, "frames": 3})
    assert sampled(tmp_path, {**LIQUID, "split": "validation"}).trajectories[0].split == "validation"
