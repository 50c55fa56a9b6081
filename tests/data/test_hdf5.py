"""Damaged, foreign and hostile files of data: a DatasetError, or the same numbers; never a traceback, never others."""

import json

import h5py
import numpy as np
import pytest

from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.errors import DatasetError

ARRAYS = ("positions", "cell", "trajectory", "time", "temperature", "energy", "forces", "stress")


TOPOLOGY = ("elements", "bonds", "residues", "residue_names")


NEEDED = (*TOPOLOGY, *ARRAYS[:5])


@pytest.fixture(scope="module")
def waters():
    random = np.random.default_rng(0)
    arrays = {
        "positions": random.normal(size=(4, 6, 3)),
        "cell": np.repeat(10 * np.eye(3)[None], 4, axis=0),
        "trajectory": [0, 0, 1, 1],
        "energy": random.normal(size=4),
        "forces": random.normal(size=(4, 6, 3)),
        "stress": np.tile(np.diag([1.0, 2.0, 3.0]), (4, 1, 1)),
    }
    topology = {"elements": ["O", "H", "H"] * 2, "bonds": [[0, 1], [0, 2], [3, 4], [3, 5]]}
    residues = {"residues": [0, 0, 0, 1, 1, 1], "residue_names": ["HOH", "HOH"]}
    trajectories = [Trajectory("a", "liquid", "train", {"seed": 1}), Trajectory("b", "pair")]
    return Dataset([Frames(**arrays, **topology, **residues)], trajectories, {"name": "springs"}, {"made": "here"})


@pytest.fixture
def path(waters, tmp_path):
    waters.save(tmp_path / "waters.h5")
    return tmp_path / "waters.h5"


def same(dataset, other):
    for name in (*TOPOLOGY, *ARRAYS):
        np.testing.assert_array_equal(getattr(dataset.sets[0], name), getattr(other.sets[0], name), err_msg=name)
    assert (dataset.trajectories, dataset.teacher) == (other.trajectories, other.teacher)
    assert dataset.provenance == other.provenance


def test_a_flipped_bit_is_noticed_or_changes_nothing(waters, path):
    whole, random, noticed = path.read_bytes(), np.random.default_rng(0), 0
    for place in random.choice(len(whole), 250, replace=False):
        content = bytearray(whole)
        content[place] ^= 1 << random.integers(8)
        path.write_bytes(content)
        try:
            same(Dataset.load(path), waters)  # HDF5 leaves room that nothing is in
        except DatasetError:
            noticed += 1
    assert noticed > 30


def test_a_flipped_bit_of_every_small_array_is_noticed(path):
    with h5py.File(path) as file:
        items = [file[f"sets/0000/{name}"] for name in (*TOPOLOGY, *ARRAYS)] + [file["header"]]
        places = [(item.name, item.id.get_offset(), item.nbytes) for item in items]
    whole = path.read_bytes()
    for name, offset, size in places:
        assert offset, f"{name} is not small"
        content = bytearray(whole)
        content[offset + size // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(DatasetError, match="checksum does not match|damaged"):
            Dataset.load(path)


def test_a_truncated_file_is_refused(path):
    whole = path.read_bytes()
    for part in np.linspace(0, len(whole) - 1, 40).astype(int):
        path.write_bytes(whole[:part])
        with pytest.raises(DatasetError, match="waters.h5: "):
            Dataset.load(path)


def test_a_file_that_must_not_be_read_is_named(path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", denied)  # the tests may run as root, who reads everything
    with pytest.raises(DatasetError, match="waters.h5: cannot be read .Permission denied"):
        Dataset.load(path)


def test_files_from_before_the_digest_load(waters, path):
    with h5py.File(path, "a") as file:
        del file.attrs["sha256"]
    same(Dataset.load(path), waters)


def replaced(name, values):
    def change(group):
        del group[name]
        group[name] = values

    return change


def external(group):
    del group["energy"]
    group["energy"] = h5py.ExternalLink("waters.h5", "/sets/0000/time")


def soft(group):
    del group["energy"]
    group["energy"] = h5py.SoftLink("/sets/0000/time")


def virtual(group):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
    layout[:] = h5py.VirtualSource("waters.h5", "/sets/0000/time", shape=(4,))
    del group["energy"]
    group.create_virtual_dataset("energy", layout)


def elsewhere(group):
    del group["energy"]
    group.create_dataset("energy", (4,), "f8", external=[("/etc/hostname", 0, 32)])


def huge(group):
    del group["energy"]
    group.create_dataset("energy", (10**13,), "f8")


def huge_chunks(group):
    del group["energy"]
    group.create_dataset("energy", (10**13,), "f8", chunks=(10**6,), compression="gzip")[0] = 1.0


def header(**changes):
    def change(group):
        text = json.loads(group.file["header"][()].tobytes()) | changes
        del group.file["header"]
        group.file["header"] = np.frombuffer(json.dumps(text).encode(), np.uint8)

    return change


RUN = {"name": "a", "kind": "liquid", "split": "train", "details": {}}


DAMAGE = {
    **{f"no {name}": lambda group, name=name: group.pop(name) for name in NEEDED},
    **{f"text for {name}": replaced(name, "text") for name in (*TOPOLOGY, *ARRAYS)},
    **{f"complex {name}": replaced(name, np.ones((4, 6, 3)) * 1j) for name in ARRAYS},
    **{f"flat {name}": replaced(name, np.ones(7)) for name in (*TOPOLOGY, *ARRAYS)},
    **{f"a group for {name}": lambda g, name=name: (g.pop(name), g.create_group(name)) for name in ("energy", "cell")},
    **{f"nan {name}": replaced(name, np.full((4, 6, 3), np.nan)) for name in ("positions", "trajectory")},
    "nan cell": replaced("cell", np.full((4, 3, 3), np.nan)),
    "nan time": replaced("time", np.full(4, np.nan)),
    "half labels": lambda group: group.pop("forces"),
    "trajectory that is not there": replaced("trajectory", np.full(4, 9)),
    "negative trajectory": replaced("trajectory", np.full(4, -1)),
    "negative residue": replaced("residues", np.full(6, -1)),
    "bond to nowhere": replaced("bonds", np.array([[0, 99]])),
    "bytes that are no text": replaced("elements", np.array([b"\xff"] * 6)),
    "external link": external,
    "soft link": soft,
    "virtual": virtual,
    "stored elsewhere": elsewhere,
    "huge": huge,
    "huge chunks": huge_chunks,
    "sets that link": lambda group: (
        group.file.move("sets/0000", "other"),
        group.file["sets"].__setitem__("0000", h5py.SoftLink("/other")),
    ),
    "no header": lambda group: group.file.pop("header"),
    "header is a list": lambda g: (
        g.file.pop("header"),
        g.file.create_dataset("header", data=np.frombuffer(b"[]", "u1")),
    ),
    "no trajectories": header(trajectories=None),
    "trajectory without a name": header(trajectories=[{"kind": "liquid"}]),
    "trajectories of another kind": header(trajectories=[RUN | {"kind": "gas"}, RUN | {"name": "b"}]),
    "details are a list": header(trajectories=[RUN | {"details": [1]}, RUN | {"name": "b"}]),
    "parent is a list": header(trajectories=[RUN | {"details": {"parent": []}}, RUN | {"name": "b"}]),
    "teacher is a list": header(teacher=["springs"]),
    "no teacher": header(teacher=None),
    "provenance is text": header(provenance="here"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("sealed", [True, False], ids=["with digest", "without"])
def test_a_damaged_set_is_refused(path, kind, sealed):
    with h5py.File(path, "a") as file:
        if not sealed:  # as a file from before the digest, or one made by hand
            del file.attrs["sha256"]
        DAMAGE[kind](file["sets/0000"])
    with pytest.raises(DatasetError, match="waters.h5: "):
        Dataset.load(path)


API = {
    "complex": {"forces": np.ones((4, 6, 3)) * 1j},
    "ragged": {"positions": [[[0, 0, 0]], [[0, 0]]]},
    "none": {"positions": None},
    "words": {"positions": "words"},
    "a dict": {"cell": {}},
    "objects": {"energy": [None] * 4},
    "ragged bonds": {"bonds": [[0, 1], [2]]},
    "odd bonds": {"bonds": [0, 1, 2]},
    "fractions": {"residues": [0, 0, 0, 1.5, 1, 1]},
    "no elements": {"elements": None},
    "elements in one word": {"elements": "OHHOHH"},
    "nan trajectory": {"trajectory": [np.nan] * 4},
}


@pytest.mark.parametrize("kind", API)
def test_arrays_that_are_none_are_refused(waters, kind):
    frames = waters.sets[0]
    fields = {name: getattr(frames, name) for name in (*TOPOLOGY, *ARRAYS)}
    with pytest.raises(DatasetError, match=f"{next(iter(API[kind]))}: "):
        Frames(**fields | API[kind])


def test_provenance_must_be_json(waters, tmp_path):
    with pytest.raises(DatasetError, match="must be JSON"):
        Dataset(waters.sets, waters.trajectories, waters.teacher, {"when": object()}).save(tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())
