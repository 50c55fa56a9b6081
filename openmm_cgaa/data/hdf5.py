"""The HDF5 file of a data set: written with a digest over all that it holds, read without leaving it.

The format is described in `dataset`. The attribute ``sha256`` is over the header and every array in the order in which
they are written: path, type, shape and bytes. Files from before there was one are read without it.
"""

import hashlib
import io
import json
from collections.abc import Iterable
from typing import Protocol, TypeVar

import h5py
import numpy as np

from ..errors import DatasetError
from ..host.formats import DATA_SET
from ..inputs.arguments import FilePath
from ..wording import counted
from .frames import ARRAYS, LABELS, Frames

TOPOLOGY = ("elements", "bonds", "residues", "residue_names")
BEADS = ("names", "masses")  # of sets of beads alone
TEXT = ("elements", "residue_names", "names")
CHUNK_BYTES = 2**18
SMALL_BYTES = 4096  # the index of the chunks of a smaller array would be larger than what is saved
DEFLATED = 1100  # gzip makes nothing smaller than by this factor
T = TypeVar("T")
FORCE_GRID = 2.0**-16  # eV/Å, of single precision: 1.5e-5, below the noise of a teacher in float32


class Digest(Protocol):
    """A hash of `hashlib` in the making."""

    def update(self, data: bytes, /) -> None: ...


def write(header: dict, sets: Iterable[Frames], precision: str = "double") -> memoryview:
    """Contents of a file; see `Dataset.save`.

    Raises
    ------
    DatasetError
        The header is not JSON.
    """
    try:
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"teacher, provenance and details of trajectories must be JSON (text, numbers, lists, dicts): {error}"
        ) from None
    buffer, digest = io.BytesIO(), hashlib.sha256()
    with h5py.File(buffer, "w") as file:
        file.attrs["format"] = DATA_SET.mark
        write_array(file, "header", text, digest)
        file.create_group("sets")
        for index, frames in enumerate(sets):
            group = file.create_group(f"sets/{index:04d}")
            for name in (*TOPOLOGY, *BEADS, *ARRAYS, *LABELS):
                values = getattr(frames, name)
                if values is not None:
                    write_array(group, name, _stored(name, values, precision), digest)
        file.attrs["sha256"] = digest.hexdigest()
    return buffer.getbuffer()


def read(path: FilePath) -> tuple[dict, list[Frames]]:
    """Header (dict) and sets (list of Frames) of a file.

    Raises
    ------
    DatasetError
        Another format; an array is missing, of another type, larger than the file can hold, or lies elsewhere (links);
        the digest does not fit.
    Exception
        Whatever h5py and json stumble on in a damaged file.
    """
    digest = hashlib.sha256()
    with h5py.File(path, "r") as file:
        DATA_SET.check(file.attrs.get("format"), path)
        header = json.loads(read_array(file, "header", "u", digest).tobytes())
        groups = member(file, "sets", h5py.Group)
        fields = [_read_set(member(groups, name, h5py.Group), digest) for name in sorted(groups)]
        sealed = file.attrs.get("sha256", digest.hexdigest())
    if sealed != digest.hexdigest():
        raise DatasetError("the checksum does not match, the file was altered or damaged; fetch or make it again")
    sets = []
    for index, arrays in enumerate(fields):
        try:
            sets.append(Frames(**arrays))
        except DatasetError as error:
            raise DatasetError(f"set /sets/{index:04d}: {error}") from None
    return header, sets


def _stored(name: str, values: np.ndarray, precision: str) -> np.ndarray:
    if name in TEXT:
        return np.array([value.encode() for value in values])
    if name in TOPOLOGY:
        return values.astype(np.int32)
    if precision == "single" and name == "positions":
        return values.astype(np.float32)
    if precision == "single" and name == "forces":
        return np.round(values / FORCE_GRID) * np.float32(FORCE_GRID)
    return values


def write_array(group: h5py.Group, name: str, values: np.ndarray, digest: Digest) -> None:
    """Put an array into a group, compressed where it is large, and into the digest."""
    _add(digest, group, name, values)
    if values.nbytes < SMALL_BYTES:
        group.create_dataset(name, data=values)
        return
    frames = max(1, min(len(values), CHUNK_BYTES // max(1, values[:1].nbytes)))
    options = {"compression": "gzip", "compression_opts": 6, "shuffle": True, "fletcher32": True}
    group.create_dataset(name, data=values, chunks=(frames, *values.shape[1:]), **options)


def _read_set(group: h5py.Group, digest: Digest) -> dict:
    missing = [name for name in (*TOPOLOGY, *ARRAYS) if name not in group]
    if missing:
        raise DatasetError(f"set {group.name}: {', '.join(missing)} missing; make the file again and save all arrays")
    names = [name for name in (*TOPOLOGY, *BEADS, *ARRAYS, *LABELS) if name in group]
    fields = {name: read_array(group, name, "S" if name in TEXT else "iuf", digest) for name in names}
    return fields | {name: [value.decode() for value in fields[name]] for name in TEXT if name in fields}


def read_array(group: h5py.Group, name: str, kinds: str, digest: Digest) -> np.ndarray:
    """An array of a group, if it is of these kinds of number (numpy's letters) and lies in this file."""
    dataset = member(group, name, h5py.Dataset)
    where = f"{dataset.name}"
    if dataset.is_virtual or dataset.external:
        raise DatasetError(f"{where}: its numbers lie in another file; a data set holds all that it needs")
    if dataset.dtype.kind not in kinds:
        expected = {"S": "strings of fixed length", "u": "bytes"}.get(kinds, "real numbers")
        raise DatasetError(f"{where}: of type {dataset.dtype}, expected {expected}")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > DEFLATED * (stored + 1):
        raise DatasetError(
            f"{where}: declares {counted(dataset.nbytes, 'byte')}, but the file holds {stored} of it; it is damaged"
        )
    values = dataset[()]
    _add(digest, group, name, values)
    return values


def member(group: h5py.Group, name: str, kind: type[T]) -> T:
    """A member of a group, if it lies in this place of this file."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DatasetError(
            f"{group.name}: {name} is missing or a link to elsewhere; a data set holds all that it needs"
        )
    member = group[name]
    if not isinstance(member, kind):
        raise DatasetError(
            f"{member.name}: expected a {kind.__name__.lower()}; not a data set of openmm_cgaa, or damaged"
        )
    return member


def _add(digest: Digest, group: h5py.Group, name: str, values: np.ndarray) -> None:
    digest.update(f"{group.name.rstrip('/')}/{name} {values.dtype.str} {values.shape}\n".encode())
    digest.update(values.tobytes())
