"""Files that MDTraj reads: whatever they are called, and with all the atoms that they hold."""

import ctypes
import os
import struct
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import dropwhile, islice, takewhile
from pathlib import Path
from typing import NamedTuple

import mdtraj
import numpy as np

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..units import PS_PER_AKMA
from ..wording import counted

WITHOUT_POSITIONS = (".prmtop", ".parm7", ".prm7", ".psf")
TIMED = (".xtc", ".trr", ".nc", ".netcdf", ".ncdf", ".h5", ".hdf5", ".dtr", ".stk", ".tng")  # formats that hold times


def load(path: FilePath, topology: mdtraj.Topology | None = None) -> mdtraj.Trajectory:
    """All frames of a file.

    Parameters
    ----------
    path : path
    topology : mdtraj.Topology, optional
        For formats that hold none.

    Raises
    ------
    CGAAError
        The file has more or fewer atoms than its header says. MDTraj's readers raise all kinds besides.
    """
    with _ascii(path) as name, _unsaid():
        frames = mdtraj.load(name) if topology is None else mdtraj.load(name, top=topology)
    check_count(path, frames.n_atoms, "MDTraj")
    return frames


def pieces(path: FilePath, topology: mdtraj.Topology, length: int) -> Iterator[mdtraj.Trajectory]:
    """The frames of a file, so many at a time; for formats that hold no topology it is given.

    Times are those of the file: of a DCD file where OpenMM wrote it, of others MDTraj's, which numbers frames of DCD.

    Raises
    ------
    CGAAError
        A DCD file ends before the frames that its header tells, once all others were given. MDTraj's readers raise all
        kinds besides.
    """
    header, count = _dcd_header(path), 0
    for piece in raw_pieces(path, topology, length):
        if header and header.interval:
            piece.time = header.first + header.interval * np.arange(count, count + len(piece))
        count += len(piece)
        yield piece
    if header and count < header.frames:
        raise CGAAError(
            f"{path}: its header tells {counted(header.frames, 'frame')}, of which {count} can be read; the file was "
            "cut short: copy it again, or ask for fewer frames"
        )


def tells_times(path: FilePath) -> bool:
    """Whether times of `pieces` are those of the run: not of a DCD file of other programs than OpenMM, nor of text."""
    header = _dcd_header(path)
    return bool(header.interval) if header else Path(path).suffix.lower() in TIMED


def raw_pieces(path: FilePath, topology: mdtraj.Topology, length: int, first: int = 0) -> Iterator[mdtraj.Trajectory]:
    """The frames of a file from one on, so many at a time, as `mdtraj.iterload` reads them; it raises all kinds."""
    with _ascii(path) as name:
        reader = mdtraj.iterload(name, chunk=length, top=topology, skip=first)
        while True:
            with _unsaid(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Casting xyz dtype")  # MDTraj's own, of what its reader gave it
                piece = next(reader, None)
            if piece is None:
                return
            yield piece


def checked_pieces(path: FilePath, topology: mdtraj.Topology, length: int) -> Iterator[mdtraj.Trajectory]:
    """`pieces` of a trajectory of a topology.

    Raises
    ------
    CGAAError
        It is missing, cannot be read, or has other atoms.
    """
    if not Path(path).exists():
        raise CGAAError(f"{path}: no such file; the trajectory comes first, then the files of its topology")
    try:
        for piece in pieces(path, topology, length):
            if piece.n_atoms != topology.n_atoms:  # of a format with a topology of its own
                raise CGAAError(
                    f"{path}: has {counted(piece.n_atoms, 'atom')}, but the topology "
                    f"{counted(topology.n_atoms, 'atom')}; give the trajectory of this topology"
                )
            yield piece
    except CGAAError:
        raise
    except Exception as error:  # MDTraj's readers raise all kinds
        reason = next(filter(None, str(error).splitlines()), type(error).__name__)
        if isinstance(error, AttributeError):  # MDTraj's own, of formats that it reads as structures alone
            reason = f"MDTraj has no frames of a file like {Path(path).name}"
        raise CGAAError(
            f"{path}: cannot be read as a trajectory of this topology of {counted(topology.n_atoms, 'atom')} "
            f"({reason}); the trajectory comes first, then the files of its topology"
        ) from None


class _Header(NamedTuple):
    """Frames that a DCD file tells; time of the first and between two (ps), 0 where they cannot be trusted."""

    frames: int
    first: float
    interval: float


def _dcd_header(path: FilePath) -> _Header | None:
    """Of a DCD file; None of another one. Byte by byte it is described at `simulation.folder.read_dcd`."""
    with open(path, "rb") as file:
        head = file.read(200)
    order = "<" if head[:4] == b"\x54\0\0\0" else ">"
    if head[4:8] != b"CORD" or len(head) < 200:
        return None
    frames, first, interval = struct.unpack_from(f"{order}3i", head, 8)
    step = struct.unpack_from(f"{order}f", head, 44)[0] * PS_PER_AKMA if b"OpenMM" in head[96:] else 0.0
    return _Header(frames, first * step, interval * step)


def load_topology(path: FilePath) -> mdtraj.Topology:
    """Of a file that may hold no positions; errors as in `load`."""
    with _ascii(path) as name, _unsaid():
        topology = mdtraj.load_topology(name)
    check_count(path, topology.n_atoms, "MDTraj")
    return topology


@contextmanager
def _unsaid() -> Iterator[None]:
    """What C prints meanwhile is lost: MDTraj's reader of DCD tells there what it reads, amid a command's results."""
    try:
        kept = os.dup(1)
    except OSError:  # closed
        yield
        return
    _flush()
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)


def _flush() -> None:
    with suppress(AttributeError, ValueError, OSError):  # none, closed, or read by nobody
        sys.stdout.flush()
    with suppress(OSError, TypeError, AttributeError):  # a system whose C library has another name
        ctypes.CDLL(None).fflush(None)


@contextmanager
def _ascii(path: FilePath) -> Iterator[str]:
    """A name of the file in ASCII, for as long as it is open: MDTraj's readers in C (DCD, XTC, TRR) take no other."""
    path = Path(path).absolute()
    if str(path).isascii():
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / ("file" + "".join(path.suffixes[-2:]).encode("ascii", "ignore").decode())
        link.symlink_to(path)
        yield str(link)


def check_count(path: FilePath, number: int, reader: str) -> None:
    """Refuse a file of Amber or CHARMM that lists more or fewer atoms than a reader found.

    Raises
    ------
    CGAAError
    """
    held = _atoms_in(Path(path))
    if held is not None and held != number:
        raise CGAAError(
            f"{path}: it holds {counted(held, 'atom')}, but {reader} reads {number}, as many as its header says; the "
            "file is damaged. Write it anew by the program that it is from"
        )


def _atoms_in(path: Path) -> int | None:
    """Atoms that a file of Amber or CHARMM lists, whatever its header says; None of another file.

    Readers believe these headers; in other formats they find such faults themselves.
    """
    if path.suffix.lower() not in WITHOUT_POSITIONS:
        return None
    begin = "!NATOM" if path.suffix.lower() == ".psf" else "%FLAG MASS"
    with open(path, errors="replace") as file:
        rows = dropwhile(lambda row: begin not in row, map(str.strip, file))
        listed = list(takewhile(lambda row: row and not row.startswith("%FLAG"), islice(rows, 1, None)))
    return len(listed) if begin == "!NATOM" else sum(len(row.split()) for row in listed if row[0] != "%")
