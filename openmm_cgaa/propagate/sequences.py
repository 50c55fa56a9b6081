"""Sequences: positions of groups at equal times, of one or more bond graphs, with splits by trajectory. One HDF5 file.

``header`` is JSON (UTF-8 bytes): sequences (name, split, graph, spacing in ps, box) and provenance. ``graphs/NNNN``
holds kinds, masses (Da), bonds, orders, group and size. ``sequences/NNNN`` holds positions [frames, groups, 3] (Å, not
wrapped) and inner [frames, groups] (Å^2). The attribute ``sha256`` is over all of it.
"""

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from ..data.hdf5 import member, read_array, write_array
from ..errors import CGAAError, DatasetError
from ..host.files import DATA_SET, check_output, write_bytes
from ..host.formats import SEQUENCES
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..wording import counted
from .beadgroups import GroupedGraph

SPLITS = "train", "validation", "test"
EVEN = 1e-3  # relative, of times between frames
GRAPH = {"masses": "f", "bonds": "i", "orders": "i", "group": "i", "size": "i"}


@dataclass(frozen=True)
class GroupSequence:
    """Groups of one system at equal times.

    Attributes
    ----------
    name, split : str
    graph : GroupedGraph
    positions : array [frames, groups, 3], Å
        Not wrapped into a box.
    inner : array [frames, groups], Å^2
        Squared radius of gyration of the beads inside each group.
    spacing : float, ps
        Between two frames.
    box : array [3], Å, or None
        Edges; its angles are right.

    Raises
    ------
    DatasetError
        Arrays that do not fit each other, or numbers that are not finite.
    """

    name: str
    split: str
    graph: GroupedGraph
    positions: np.ndarray
    inner: np.ndarray
    spacing: float
    box: np.ndarray | None

    def __post_init__(self) -> None:
        groups, beads = self.graph.num_groups, len(self.graph.kinds)
        shapes = {
            "positions": (self.positions.shape, (len(self.positions), groups, 3)),
            "inner": (self.inner.shape, (len(self.positions), groups)),
            "masses": (self.graph.masses.shape, (beads,)),
            "group": (self.graph.group.shape, (beads,)),
            "orders": (self.graph.orders.shape, (len(self.graph.bonds),)),
        }
        for what, (shape, wanted) in shapes.items():
            if shape != wanted:
                raise DatasetError(
                    f"sequence {self.name}: {what} {list(shape)}, expected {list(wanted)}; make it again"
                )
        if self.graph.bonds.size and not 0 <= self.graph.bonds.min() <= self.graph.bonds.max() < beads:
            raise DatasetError(f"sequence {self.name}: bonds of beads that are not there; make it again")
        for frame in np.flatnonzero(~np.isfinite(self.positions).all((1, 2)) | ~np.isfinite(self.inner).all(1))[:1]:
            raise DatasetError(
                f"sequence {self.name}: positions of frame {frame} are not finite; leave the run out from there on"
            )
        edges = np.ones(3) if self.box is None else np.asarray(self.box)
        if not (np.isfinite(self.spacing) and self.spacing > 0.0 and np.isfinite(edges).all() and (edges > 0.0).all()):
            raise DatasetError(f"sequence {self.name}: spacing {self.spacing}, box {self.box}; make it again")

    def __len__(self) -> int:
        return len(self.positions)

    def gyration(self) -> np.ndarray:
        """Squared radius of gyration of the beads of each molecule, Å^2, [frames, molecules]."""
        return self.graph.gyration(self.positions.astype(float), self.inner.astype(float))


@dataclass
class Sequences:
    """All sequences of a file.

    Attributes
    ----------
    members : list of GroupSequence
    provenance : dict
    """

    members: list[GroupSequence]
    provenance: dict = field(default_factory=dict)

    def select(self, split: str) -> list[GroupSequence]:
        """Those of a split; `DatasetError` where there are none."""
        found = [one for one in self.members if one.split == split]
        if not found:
            known = ", ".join(sorted({one.split for one in self.members}))
            raise DatasetError(f"no sequence has the split {split}, there are those of {known}; add one, or name it")
        return found

    def save(self, path: FilePath) -> None:
        """Write a file; one that is there is replaced if it is a data set, too. `DatasetError`: there are none."""
        check_output(path, DATA_SET)
        if not self.members:
            raise DatasetError(f"{path}: no sequences to write; a file holds one or more")
        graphs: list[GroupedGraph] = []
        entries = []
        for one in self.members:
            number = next((n for n, graph in enumerate(graphs) if graph.same_as(one.graph)), len(graphs))
            graphs += [one.graph] if number == len(graphs) else []
            box = None if one.box is None else np.asarray(one.box, float).tolist()
            entries.append({"name": one.name, "split": one.split, "graph": number, "spacing": one.spacing, "box": box})
        header = {"sequences": entries, "provenance": self.provenance}
        buffer, digest = io.BytesIO(), hashlib.sha256()
        with h5py.File(buffer, "w") as file:
            file.attrs["format"] = SEQUENCES.mark
            write_array(file, "header", np.frombuffer(json.dumps(header).encode(), np.uint8), digest)
            for number, graph in enumerate(graphs):
                group = file.create_group(f"graphs/{number:04d}")
                write_array(group, "kinds", np.array([kind.encode() for kind in graph.kinds]), digest)
                write_array(group, "masses", graph.masses.astype(np.float64), digest)
                write_array(group, "bonds", graph.bonds.astype(np.int32), digest)
                write_array(group, "orders", graph.orders.astype(np.int32), digest)
                write_array(group, "group", graph.group.astype(np.int32), digest)
                write_array(group, "size", np.array([graph.size], np.int32), digest)
            for number, one in enumerate(self.members):
                group = file.create_group(f"sequences/{number:04d}")
                write_array(group, "positions", one.positions.astype(np.float32), digest)
                write_array(group, "inner", one.inner.astype(np.float32), digest)
            file.attrs["sha256"] = digest.hexdigest()
        write_bytes(path, buffer.getbuffer())

    @classmethod
    def load(cls, path: FilePath) -> "Sequences":
        """Read a file; `DatasetError` names what is wrong with it."""
        if not Path(arguments.path(path, "sequences")).is_file():
            raise DatasetError(f"{path}: no such file; openmm-cgaa group makes one from a trajectory")
        try:
            return _read(path)
        except CGAAError as error:
            told = str(error)
            raise type(error)(told if told.startswith(f"{path}") else f"{path}: {told}") from None
        except Exception as error:  # h5py and json raise all kinds
            raise DatasetError(f"{path}: not a file of sequences, or damaged ({error}); make it again") from None

    @classmethod
    def merge(cls, parts: Iterable["Sequences"]) -> "Sequences":
        """One of several; names of sequences must differ."""
        parts = list(parts)
        members = [one for part in parts for one in part.members]
        names = [one.name for one in members]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DatasetError(f"sequence {twice[0]} is there twice; give sequences names of their own (--name)")
        return cls(members, {"merged": [part.provenance for part in parts]})


def check_alike(sequences: list[GroupSequence]) -> None:
    """Refuse sequences of several steps in time, or of several sizes of groups.

    Raises
    ------
    DatasetError
    """
    first = sequences[0]
    for one in sequences:
        if abs(one.spacing - first.spacing) > EVEN * first.spacing:
            raise DatasetError(
                f"frames of {first.name} are {first.spacing:g} ps apart, those of {one.name} {one.spacing:g} ps; a "
                "propagator learns one step: take every second frame, or so, of one of them (--stride)"
            )
        if one.graph.size != first.graph.size:
            raise DatasetError(
                f"{first.name} has groups of {counted(first.graph.size, 'bead')}, {one.name} of {one.graph.size}; a "
                "propagator learns one size of groups: make one of them again (--size)"
            )


def _read(path: FilePath) -> Sequences:
    digest = hashlib.sha256()
    with h5py.File(path, "r") as file:
        SEQUENCES.check(file.attrs.get("format"), path)
        header = json.loads(read_array(file, "header", "u", digest).tobytes())
        graphs, arrays = [], []
        for name in sorted(member(file, "graphs", h5py.Group)):
            group = member(file["graphs"], name, h5py.Group)
            kinds = tuple(kind.decode() for kind in read_array(group, "kinds", "S", digest))
            masses, bonds, orders, of, size = (read_array(group, key, kind, digest) for key, kind in GRAPH.items())
            graphs.append(GroupedGraph(kinds, masses, bonds, orders, of, int(size[0])))
        for name in sorted(member(file, "sequences", h5py.Group)):
            group = member(file["sequences"], name, h5py.Group)
            arrays.append([read_array(group, key, "f", digest) for key in ("positions", "inner")])
        sealed = file.attrs.get("sha256")
    if sealed != digest.hexdigest():
        raise DatasetError("the checksum does not match, the file was altered or damaged; fetch or make it again")
    members = []
    for entry, (positions, inner) in zip(header["sequences"], arrays, strict=True):
        box = None if entry["box"] is None else np.array(entry["box"])
        graph = graphs[entry["graph"]]
        members.append(GroupSequence(entry["name"], entry["split"], graph, positions, inner, entry["spacing"], box))
    return Sequences(members, header["provenance"])
