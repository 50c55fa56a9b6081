"""Frames that stay in their file: read in pieces of bounded memory, or a few of them by their numbers.

DCD, XTC, TRR, NetCDF, HDF5, XYZ, LAMMPS and mdcrd are read by pieces. MDTraj reads other formats as a whole (PDB, GRO,
CIF, DTR, ...), so that such files are in memory while they go by.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import CGAAError, SimulationError
from ..inputs.arguments import FilePath
from ..wording import counted
from . import trajectories

PIECE = 12_000_000  # bytes of positions in a piece; work on it takes several times as many
MOST = 2000  # frames of it: some observables keep more of a frame than its positions while they work on a piece
BY_PIECES = tuple(".dcd .xtc .trr .nc .netcdf .ncdf .h5 .hdf5 .lh5 .xyz .xyz.gz .lammpstrj .mdcrd .crd".split())
FEW = 8  # fewer frames than all over this are sought in a DCD file one by one, which takes no pass over all of it


class LazyFrames:
    """A trajectory in a file; iteration gives its pieces, and an index or a mask some of its frames, in memory.

    Parameters
    ----------
    path : path
        What MDTraj reads.
    topology : mdtraj.Topology
        Of the file's atoms.
    time : array [frames], ps, optional
        Of each frame that counts, by which their number is known; without it times are those of the file.
    skip : int
        Frames at the beginning that do not count.

    Attributes
    ----------
    path, topology
        As they were given.
    """

    def __init__(self, path: FilePath, topology: mdtraj.Topology, time: ArrayLike | None = None, skip: int = 0) -> None:
        self.path, self.topology, self._skip = Path(path), topology, skip
        self._time = None if time is None else np.asarray(time, dtype=float)

    @property
    def n_atoms(self) -> int:
        return self.topology.n_atoms

    @cached_property
    def time(self) -> np.ndarray:
        """Of each frame, [frames], ps; where it was not given the file goes by once."""
        return self._time if self._time is not None else np.concatenate([[], *(piece.time for piece in self)])

    @property
    def n_frames(self) -> int:
        return len(self.time)

    def __len__(self) -> int:
        return self.n_frames

    @cached_property
    def box(self) -> np.ndarray | None:
        """Vectors of the first frame, [3, 3], nm; None without a box."""
        first = next(self._read(1, 0), None)
        if first is None:
            raise SimulationError(f"{self.path}: holds no frame; give a trajectory that has some")
        return None if first.unitcell_vectors is None else first.unitcell_vectors[0]

    def __iter__(self) -> Iterator[mdtraj.Trajectory]:
        """All frames in their order, so many at a time that their positions take `PIECE` bytes at most.

        Raises
        ------
        SimulationError
            The file cannot be read, ends early, has other atoms, or positions that are not finite.
        """
        count = 0
        for piece in self._read(frames_of_piece(self.n_atoms), 0):
            if self._time is not None:
                if count + piece.n_frames > len(self._time):  # a run goes on while it is read
                    piece = piece.slice(slice(len(self._time) - count), copy=False)
                piece.time = self._time[count : count + piece.n_frames]
            count += piece.n_frames
            self._check(piece)
            yield piece
            if self._time is not None and count == len(self._time):
                return
        if self._time is not None:
            raise SimulationError(
                f"{self.path}: ends after {counted(count, 'frame')} of {len(self._time)} that were there; was it "
                "changed meanwhile? Analyse it when nothing writes to it"
            )

    def __getitem__(self, key: Any) -> mdtraj.Trajectory:
        """Some frames, in memory: by a number, a slice, numbers or a mask of all; errors as of iteration."""
        numbers = np.atleast_1d(np.arange(self.n_frames)[key])
        wanted = np.unique(numbers)
        sought = self.path.suffix.lower() == ".dcd" and FEW * len(wanted) < self.n_frames
        found = list(self._sought(wanted) if sought else self._passing(wanted))
        if not found:
            return mdtraj.Trajectory(np.empty((0, self.n_atoms, 3), np.float32), self.topology, np.empty(0))
        place = np.searchsorted(wanted, numbers)
        boxed = found[0].unitcell_lengths is not None
        return mdtraj.Trajectory(
            np.concatenate([piece.xyz for piece in found])[place],
            self.topology,
            np.concatenate([piece.time for piece in found])[place],
            np.concatenate([piece.unitcell_lengths for piece in found])[place] if boxed else None,
            np.concatenate([piece.unitcell_angles for piece in found])[place] if boxed else None,
        )

    def _sought(self, numbers: np.ndarray) -> Iterator[mdtraj.Trajectory]:
        for number in numbers:
            frame = next(self._read(1, int(number)))
            frame.time = self.time[number : number + 1]
            self._check(frame)
            yield frame

    def _passing(self, numbers: np.ndarray) -> Iterator[mdtraj.Trajectory]:
        start = 0
        for piece in self:
            own = numbers[(numbers >= start) & (numbers < start + piece.n_frames)] - start
            start += piece.n_frames
            if len(own) == piece.n_frames:
                yield piece
            elif len(own):
                yield piece.slice(own, copy=False)

    def _read(self, length: int, first: int) -> Iterator[mdtraj.Trajectory]:
        """Pieces of so many frames from a frame on, as the file has them."""
        try:
            if self.path.name.lower().endswith(BY_PIECES):
                found = trajectories.raw_pieces(self.path, self.topology, length, self._skip + first)
            else:
                whole = trajectories.load(self.path, self.topology)
                starts = range(self._skip + first, whole.n_frames, length)
                found = (whole.slice(slice(start, start + length), copy=False) for start in starts)
            yield from map(self._of_these_atoms, found)
        except (CGAAError, GeneratorExit):
            raise
        except Exception as error:  # MDTraj's readers raise all kinds
            shapes = "xyz must be shape", "might not contain the same atoms"  # as MDTraj says it
            other = "it has other atoms" if any(shape in str(error) for shape in shapes) else error
            raise SimulationError(
                f"{self.path}: cannot be read ({other}); is it truncated, or of another system?"
            ) from error

    def _of_these_atoms(self, piece: mdtraj.Trajectory) -> mdtraj.Trajectory:
        if piece.n_atoms != self.n_atoms:  # of a format with a topology of its own
            raise SimulationError(
                f"{self.path}: holds {counted(piece.n_frames, 'frame')} of {counted(piece.n_atoms, 'atom')}, not of "
                f"{self.n_atoms}"
            )
        piece.topology = self.topology
        return piece

    def _check(self, piece: mdtraj.Trajectory) -> None:
        bad = np.flatnonzero(~np.isfinite(piece.xyz).all(axis=(1, 2)))
        if len(bad):
            raise SimulationError(f"{self.path}: positions at {piece.time[bad[0]]:.3f} ps are not finite")


def frames_of_piece(atoms: int) -> int:
    """Frames of so many atoms that make a piece."""
    return min(max(1, PIECE // (12 * max(atoms, 1))), MOST)
