"""Data sets: what goes in comes out, what is wrong is named, and trajectories and teachers do not mix.

Also `frames` and `trajectory`.
"""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import LIQUID
from make_files import small_liquid
from openmm import unit
from waters import TEACHER, runs, waters

from openmm_cgaa.data import Dataset, Frames, Trajectory, frame_key
from openmm_cgaa.data.dataset import is_dataset, same_teacher
from openmm_cgaa.data.frames import arrays_of
from openmm_cgaa.errors import DatasetError
from openmm_cgaa.mapping.grains import GrainMap

SYSTEMS = Path(__file__).parents[2] / "systems"
SETS = sorted(path.relative_to(SYSTEMS).as_posix() for path in SYSTEMS.glob("ec_emc*/data/*.h5"))


def same(frames, other):
    names = ("positions", "cell", "trajectory", "time", "temperature", "energy", "forces", "stress", "grain_energies")
    for name in (*names, "bonds", "residues", "elements", "residue_names"):
        np.testing.assert_array_equal(getattr(frames, name), getattr(other, name), err_msg=name)


def test_save_and_load(tmp_path):
    dataset, path = runs(), tmp_path / "waters.h5"
    dataset.save(path)
    again = Dataset.load(path)
    same(again.sets[0], dataset.sets[0])
    assert (again.trajectories, again.teacher, again.provenance) == (dataset.trajectories, TEACHER, {"made": "here"})
    assert again.sets[0].positions.dtype == again.sets[0].energy.dtype == np.float64
    assert again.sets[0].forces.dtype == again.sets[0].stress.dtype == np.float32
    assert again.sets[0].grain_map().num_grains == 2 and again.num_grains == 8 and len(again) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["waters.h5"]
    assert is_dataset(path) and not is_dataset(__file__)


def test_unlabelled_and_isolated_frames(tmp_path):
    frames = waters(cell=np.zeros((4, 3, 3)), energy=None, forces=None, stress=None)
    Dataset([frames], runs().trajectories).save(tmp_path / "waters.h5")
    again = Dataset.load(tmp_path / "waters.h5")
    same(again.sets[0], frames)
    assert again.teacher is None and not again.sets[0].labelled and not again.sets[0].periodic
    assert again.num_grains == 0


def test_energies_of_grains_are_kept_with_their_frames(tmp_path):
    without, path = waters(), tmp_path / "waters.h5"
    halves = np.stack([without.energy / 4, 3 * without.energy / 4], 1)
    frames = waters(grain_energies=halves)
    both = Dataset.merge([runs("old"), Dataset([frames], runs().trajectories, TEACHER)])
    assert [s.grain_energies is None for s in both.sets] == [True, False]
    both.save(path)
    with h5py.File(path) as file:
        assert [*file["sets/0001"].keys() - file["sets/0000"].keys()] == ["grain_energies"]
    old, again = Dataset.load(path).sets
    same(old, without)
    same(again.take([0, 1]), replace(frames, trajectory=frames.trajectory + 2).take([0, 1]))
    assert again.grain_energies.dtype == np.float32 and again.atoms(0).get_potential_energy() == frames.energy[0]


def test_energies_of_grains_that_are_not_parts_of_the_energy_are_refused():
    whole = waters().energy
    for wrong, message in (
        (np.stack([whole, whole], 1), "grain_energies: .* eV an atom off the energy in frame 0 .4 such frames.*label"),
        (
            whole[:, None] * np.full((1, 6), 1 / 6),
            r"grain_energies: shape \(4, 6\), expected .* by the residues listed",
        ),
    ):
        with pytest.raises(DatasetError, match=message):
            waters(grain_energies=wrong)
    with pytest.raises(DatasetError, match="grain_energies: given without energy and forces"):
        waters(energy=None, forces=None, stress=None, grain_energies=np.zeros((4, 2)))


def test_single_precision_loses_nothing_that_was_sampled(tmp_path):
    random = np.random.default_rng(1)
    frames = waters(positions=random.integers(-(2**18), 2**18, size=(4, 6, 3)) / 4096)
    Dataset([frames], runs().trajectories, TEACHER).save(tmp_path / "waters.h5", precision="single")
    again = Dataset.load(tmp_path / "waters.h5")
    assert again.sets[0].keys() == frames.keys()
    np.testing.assert_allclose(again.sets[0].forces, frames.forces, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(again.sets[0].energy, frames.energy)
    again.save(tmp_path / "again.h5", precision="single")  # what is rounded once stays
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "waters.h5").read_bytes()
    with pytest.raises(DatasetError, match="precision 'half': expected"):
        again.save(tmp_path / "again.h5", precision="half")


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "waters.h5"
    runs().save(path)
    before = path.read_bytes()

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        runs(energy=np.zeros(4)).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["waters.h5"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"forces": None}, "forces: missing"),
        ({"energy": None, "forces": None}, "stress: given without energy and forces"),
        ({"forces": np.zeros((4, 5, 3))}, r"forces: shape \(4, 5, 3\)"),
        ({"elements": ["O"] * 7}, r"positions: shape \(4, 6, 3\)"),
        ({"elements": ["Q"] * 6}, "elements: Q unknown"),
        ({"energy": np.zeros(3)}, "energy: 3 frames, but positions have 4"),
        ({"positions": np.full((4, 6, 3), np.nan)}, "positions: not finite in frame 0 .4 such frames"),
        ({"cell": np.ones((4, 3, 3))}, "cell: frame 0 has no volume"),
        ({"cell": np.eye(3) * np.array([9, 9, 0, 9])[:, None, None]}, "cell: frame 2 is not periodic, but frame 0 is"),
        ({"cell": np.zeros((4, 3, 3))}, "stress: given, but the frames are not periodic"),
        ({"residues": [0, 0, 0, 1, 1, 2]}, "residues: expected one index below 2"),
        ({"residues": [1, 1, 1, 0, 0, 0]}, "residues: number them in the order"),
        ({"residue_names": ["HOH"] * 3}, "residues: residue 2 .HOH. has no atoms"),
        ({"bonds": [[0, 6]]}, "bonds: atom 6 named, but the set has 6 atoms"),
        ({"positions": np.zeros((0, 6, 3))}, "cell: 4 frames, but positions have 0"),
    ],
)
def test_wrong_frames_are_named(changes, message):
    with pytest.raises(DatasetError, match=message):
        waters(**changes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("", "liquid"), "name must be a string that is not empty"),
        (("a", "gas"), "trajectory a: kind 'gas', expected one of liquid"),
        (("a", "liquid", "holdout"), "trajectory a: split 'holdout', expected one of train"),
    ],
)
def test_wrong_trajectories_are_named(fields, message):
    with pytest.raises(DatasetError, match=message):
        Trajectory(*fields)


def test_what_does_not_fit_together_is_named():
    frames, (first, second) = waters(), runs().trajectories
    with pytest.raises(DatasetError, match="run-a: named twice"):
        Dataset([frames], [first, first], TEACHER)
    with pytest.raises(DatasetError, match="set 0: frames of trajectory 1, but 1 are listed"):
        Dataset([frames], [first], TEACHER)
    with pytest.raises(DatasetError, match="set 0: labelled, but no teacher is named"):
        Dataset([frames], [first, second])
    with pytest.raises(DatasetError, match="run-b: split 'test', but it was cut from run-a of split 'train'"):
        Dataset([frames], [first, replace(second, details={"parent": "run-a"})], TEACHER)


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / "waters.h5"
    with pytest.raises(DatasetError, match="waters.h5: no such file"):
        Dataset.load(path)
    runs().save(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"positions energy forces"):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match="waters.h5: not a data set, truncated or damaged"):
            Dataset.load(path)
    with h5py.File(path, "w") as file:
        file["coordinates"] = np.zeros(3)
    with pytest.raises(DatasetError, match="waters.h5 cannot be read: its format is"):
        Dataset.load(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        del file["sets/0000/cell"]
    with pytest.raises(DatasetError, match="waters.h5: set /sets/0000: cell missing"):
        Dataset.load(path)


def test_a_damaged_array_is_noticed(tmp_path):
    path, repeats = tmp_path / "waters.h5", 30  # small arrays have no checksum
    many = {n: np.repeat(getattr(waters(), n), repeats, axis=0) for n in ("positions", "cell", "energy", "forces")}
    frames = waters(**many, trajectory=None, time=None, temperature=None, stress=None)
    Dataset([frames], runs().trajectories, TEACHER).save(path)
    with h5py.File(path) as file:
        place = file["sets/0000/forces"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="truncated or damaged"):
        Dataset.load(path)


def test_files_of_the_earlier_version_are_named(tmp_path):
    np.savez(tmp_path / "old.npz", positions=np.zeros((1, 2, 3)))
    with pytest.raises(DatasetError, match="old.npz: a .npz, perhaps of an earlier version"):
        Dataset.load(tmp_path / "old.npz")


def test_select():
    dataset = runs()
    part = dataset.select(kinds="pair")
    assert len(part) == 2 and [t.name for t in part.trajectories] == ["run-b"]
    assert part.sets[0].trajectory.tolist() == [0, 0]
    np.testing.assert_array_equal(part.sets[0].energy, dataset.sets[0].energy[2:])
    assert len(dataset.select(splits=["train", "test"])) == 4 and len(dataset.select(trajectories=["run-a"])) == 2
    empty = dataset.select(kinds="liquid", splits="test")
    assert len(empty) == 0 and empty.sets == [] and empty.trajectories == []
    with pytest.raises(DatasetError, match="by split 'tests'; there are '', 'train'"):
        dataset.select(splits="tests")
    with pytest.raises(DatasetError, match="by name 'run-c'; there are 'run-a', 'run-b'"):
        dataset.select(trajectories="run-c")


def test_merge():
    first, second = runs("one"), runs("two", energy=np.arange(4.0))
    both = Dataset.merge([first, second])
    assert len(both.sets) == 1 and len(both) == 8 and len(both.trajectories) == 4
    same(both.select(trajectories=["two-a", "two-b"]).sets[0], second.sets[0])
    assert both.provenance == {"made": "here"}  # the same twice
    other = replace(runs("three"), provenance={"made": "there"})
    assert Dataset.merge([both, other]).provenance == {"merged": [{"made": "here"}, {"made": "there"}]}
    with pytest.raises(DatasetError, match="trajectory one-a is in data sets 0 and 1"):
        Dataset.merge([first, first])


def test_teachers_do_not_mix():
    for changes in ({"name": "rods"}, {"settings": {}}, {"weights_sha256": "cd"}):
        other = replace(runs("two"), teacher=TEACHER | changes)
        assert not same_teacher(TEACHER, other.teacher)
        with pytest.raises(DatasetError, match="labels of different teachers do not mix: data set 1 is by"):
            Dataset.merge([runs("one"), other])
    newer = replace(runs("two"), teacher=TEACHER | {"versions": {"springs": "2"}})
    assert Dataset.merge([runs("one"), newer]).teacher["versions"] == {"springs": "1, 2"}
    unlabelled = Dataset([waters(energy=None, forces=None, stress=None)], runs("two").trajectories)
    with pytest.raises(
        DatasetError, match="frames with and without labels do not mix: data set 1 is labelled by nobody"
    ):
        Dataset.merge([runs("one"), unlabelled])


def test_frame_key_is_the_hash_of_the_frame():
    positions, cell = np.arange(6.0).reshape(2, 3), np.zeros((3, 3))
    content = np.array([8, 1], "<i4").tobytes() + positions.astype("<f8").tobytes() + cell.astype("<f8").tobytes()
    key = frame_key([8, 1], positions.astype(np.float32), cell)
    assert key == hashlib.sha256(content).hexdigest()[:24]
    assert key != frame_key([1, 8], positions, cell)


def test_frames_as_ase_atoms():
    frames = waters(stress=np.arange(9.0).reshape(3, 3)[None].repeat(4, axis=0) + np.arange(9.0).reshape(3, 3).T)
    atoms = frames.atoms(2)
    assert atoms.get_potential_energy() == frames.energy[2] and atoms.pbc.all()
    np.testing.assert_array_equal(atoms.get_forces(), frames.forces[2])
    np.testing.assert_array_equal(atoms.get_stress(voigt=False), frames.stress[2])


@pytest.mark.parametrize("name", SETS)
def test_the_sets_of_the_project(name):
    dataset = Dataset.load(SYSTEMS / name)
    assert dataset.teacher["name"] == "sevennet-0-d3"
    assert all(t.split in ("train", "validation", "test") for t in dataset.trajectories)
    for frames in dataset.sets:
        assert {t.name for t in frames.grain_map().types} <= {"EC", "EMC", "LI", "PF6"}
        # the teacher knows no net force
        assert np.abs(frames.forces.sum(axis=1)).max() < 0.05


def test_the_set_of_one_run_is_split_in_time(ec_emc_240):
    dataset = ec_emc_240
    assert len(dataset) == 280
    for temperature in (300, 350, 400, 500):
        own = [t for t in dataset.trajectories if t.details["temperature"] == temperature]
        parts = [dataset.select(trajectories=t.name).sets[0] for t in own]
        assert [t.split for t in own] == ["train", "validation", "test"]
        assert [len(part) for part in parts] == [52, 9, 9]
        assert np.diff(np.concatenate([part.time for part in parts])).tolist() == [1.0] * 69


def test_the_small_liquid_of_the_tests_is_cut_from_it(liquid):
    cut = small_liquid()
    same = cut.sets[0]
    assert cut.provenance == Dataset.load(LIQUID).provenance
    assert liquid.same_topology(same) and liquid.labelled
    for name in ("positions", "cell", "energy", "forces", "trajectory", "temperature"):
        np.testing.assert_array_equal(getattr(liquid, name), getattr(same, name))


def test_topology_of_frames(liquid):
    topology = liquid.topology(3)
    assert GrainMap.from_topology(topology).labels == GrainMap.from_topology(liquid.topology()).labels
    atoms = list(topology.atoms())
    assert [atom.element.symbol for atom in atoms] == liquid.elements and [a.index for a in atoms] == [*range(240)]
    assert [atom.residue.index for atom in atoms] == liquid.residues.tolist()
    assert [residue.name for residue in topology.residues()] == liquid.residue_names
    assert [(i.index, j.index) for i, j in topology.bonds()] == [tuple(bond) for bond in liquid.bonds.tolist()]
    names = [len({atom.name for atom in residue.atoms()}) for residue in topology.residues()]
    assert names == np.bincount(liquid.residues).tolist()
    box = topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom)
    np.testing.assert_allclose(np.array(box), liquid.cell[3])
    assert liquid.topology().getPeriodicBoxVectors() is None
    for name, values in arrays_of(topology).items():  # and back
        np.testing.assert_array_equal(values, getattr(liquid, name))


def test_a_topology_needs_residues_in_one_piece():
    empty = np.zeros((1, 3, 3))
    mixed = Frames(empty, empty, ["O", "Li", "H"], [(0, 2)], [0, 1, 0], ["OH", "LI"])
    with pytest.raises(DatasetError, match="atom 2 goes back to residue 0.*sort the atoms by residue"):
        mixed.topology()
