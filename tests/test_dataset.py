"""Labelled data sets: what goes in comes out, and what is wrong is named."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openmm_cgaa.errors import DatasetError
from openmm_cgaa.reference import Dataset

DATA = Path(__file__).parents[1] / "systems" / "ec_emc" / "data"
WATER = {
    "elements": ["O", "H", "H"] * 2,
    "bonds": [[0, 1], [0, 2], [3, 4], [3, 5]],
    "residues": [0, 0, 0, 1, 1, 1],
    "residue_names": ["HOH", "HOH"],
    "provenance": {"teacher": "none"},
}


def waters(**changes):
    random = np.random.default_rng(0)
    arrays = {
        "positions": random.normal(size=(4, 6, 3)),
        "cell": np.repeat(10 * np.eye(3)[None], 4, axis=0),
        "energy": -1e3 + random.normal(size=4),
        "forces": random.normal(size=(4, 6, 3)),
        "temperature": [300, 300, 400, 400],
    }
    return Dataset(**arrays | WATER | changes)


def test_save_and_load(tmp_path):
    dataset = waters()
    dataset.save(tmp_path / "waters.npz")
    again = Dataset.load(tmp_path / "waters.npz")
    for name in ("positions", "cell", "energy", "forces", "temperature", "bonds", "residues"):
        np.testing.assert_array_equal(getattr(again, name), getattr(dataset, name))
    assert (again.elements, again.residue_names, again.provenance) == (
        dataset.elements,
        dataset.residue_names,
        dataset.provenance,
    )
    assert again.positions.dtype == again.forces.dtype == np.float32 and again.energy.dtype == np.float64
    assert again.grain_map().num_grains == 2
    assert [p.name for p in tmp_path.iterdir()] == ["waters.npz"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "waters.npz"
    waters().save(path)
    before = path.read_bytes()

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        waters(energy=np.zeros(4)).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["waters.npz"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"forces": None}, "forces: missing"),
        ({"forces": np.zeros((4, 5, 3))}, r"forces: shape \(4, 5, 3\)"),
        ({"elements": ["O"] * 7}, r"positions: shape \(4, 6, 3\)"),
        ({"energy": np.zeros(3)}, "energy: 3 frames, but positions have 4"),
        ({"energy": [0, np.nan, 0, np.inf]}, "energy: not finite in frame 1 .2 such frames"),
        ({"cell": np.zeros((4, 3, 3))}, "cell: frame 0 has no volume"),
        ({"residues": [0, 0, 0, 1, 1, 2]}, "residues: expected one index below 2"),
        ({"bonds": [[0, 6]]}, "bonds: atom 6 named, but the set has 6 atoms"),
    ],
)
def test_wrong_labels_are_named(changes, message):
    with pytest.raises(DatasetError, match=message):
        waters(**changes)


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / "waters.npz"
    with pytest.raises(DatasetError, match="waters.npz: no such file"):
        Dataset.load(path)
    waters().save(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"positions energy forces"):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match="waters.npz: not a labelled data set, or truncated"):
            Dataset.load(path)
    np.savez(path, positions=np.zeros((1, 2, 3)))
    with pytest.raises(DatasetError, match="not a labelled data set of this version"):
        Dataset.load(path)
    np.savez(path, objects=np.array([{}], dtype=object))
    with pytest.raises(DatasetError, match="waters.npz: not a labelled data set"):
        Dataset.load(path)


def test_a_file_without_forces_is_named(tmp_path):
    path = tmp_path / "waters.npz"
    waters().save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "forces"}
    np.savez(path, **arrays)
    with pytest.raises(DatasetError, match="waters.npz: forces missing"):
        Dataset.load(path)


@pytest.mark.parametrize(("name", "frames"), [("ec_emc_240", 280), ("ec_emc_seed102", 500), ("ec_emc_seed105", 250)])
def test_the_sets_of_the_project(name, frames):
    path = DATA / f"{name}.npz"
    dataset = Dataset.load(path)
    assert len(dataset) == frames and path.stat().st_size < 3e6
    assert sorted(set(dataset.temperature.tolist())) == [300, 350, 400, 500]
    grain_map = dataset.grain_map()
    assert sorted((t.name, int(n)) for t, n in zip(grain_map.types, grain_map.network_order()[1])) == [
        ("EC", 6),
        ("EMC", 12),
    ]
    # the teacher knows no net force on a periodic box, nor energies far from their mean
    assert np.abs(dataset.forces.sum(axis=1)).max() < 0.05
    assert dataset.energy.std() / dataset.num_atoms < 0.02
    assert "SevenNet-0" in dataset.provenance["teacher"]


def test_frames_can_be_chosen():
    dataset = waters()
    part = replace(
        dataset,
        **{n: getattr(dataset, n)[:2] for n in ("positions", "cell", "energy", "forces")}
        | {"temperature": dataset.temperature[:2]},
    )
    assert len(part) == 2
