"""One pass over a trajectory, in pieces: whoever looks at it keeps sums alone, by blocks in time for their errors.

An observable is an object with a method ``add(piece)``. It sees each piece once, in order, and never the whole
trajectory, so that memory does not grow with the number of frames.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

import mdtraj
import numpy as np

from ..errors import GeometryError
from ..structures.lazyframes import LazyFrames, frames_of_piece

BLOCKS = 5
PARTS = 200  # kept at least, where there are as many frames: five blocks of them are nearly of one length

AllFrames: TypeAlias = mdtraj.Trajectory | LazyFrames  # whose number is known before they go by
Pieces: TypeAlias = AllFrames | Iterable[mdtraj.Trajectory]


class Observable(Protocol):
    """What looks at a trajectory as it goes by."""

    def add(self, piece: mdtraj.Trajectory) -> None: ...


class Curve(NamedTuple):
    """Values [points] and their standard error over blocks in time, nan where it is not known."""

    value: np.ndarray
    error: np.ndarray


def in_pieces(trajectory: Pieces) -> Iterator[mdtraj.Trajectory]:
    """The pieces of a trajectory, of one in memory such that work on a piece needs little more of it.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory, or pieces of one
        The latter as `LazyFrames`, or `structures.trajectories.checked_pieces`, read them from a file.
    """
    if not isinstance(trajectory, mdtraj.Trajectory):
        yield from trajectory
        return
    length = frames_of_piece(trajectory.n_atoms)
    for start in range(0, trajectory.n_frames, length):
        yield trajectory.slice(slice(start, start + length), copy=False)


def feed(trajectory: Pieces, *observables: Observable) -> int:
    """Show a trajectory to observables; returns the number of frames."""
    frames = 0
    for piece in in_pieces(trajectory):
        frames += piece.n_frames
        for observable in observables:
            observable.add(piece)
    return frames


class BlockSums:
    """Sums over frames, kept as those of parts of equal length; where there are many, two neighbours become one."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._length, self._in_last = 1, 0

    def add(self, values: np.ndarray) -> None:
        """What a frame adds, [...], of the same shape each time."""
        if self._parts and self._in_last < self._length:
            self._parts[-1] += values
            self._in_last += 1
            return
        if len(self._parts) == 2 * PARTS:
            self._parts = [a + b for a, b in zip(self._parts[::2], self._parts[1::2])]
            self._length *= 2
        self._parts.append(np.array(values, dtype=float))
        self._in_last = 1

    def blocks(self, number: int = BLOCKS) -> tuple[np.ndarray, np.ndarray]:
        """Sums over the frames of each block in time, [blocks, ...], and its frames, [blocks]; one block of few frames.

        Raises
        ------
        GeometryError
            There was no frame.
        """
        if not self._parts:
            raise GeometryError("the trajectory holds no frame; give one that does")
        lengths = np.full(len(self._parts), self._length)
        lengths[-1] = self._in_last
        cuts = np.array_split(np.arange(len(self._parts)), number if len(self._parts) >= number else 1)
        sums = [np.sum([self._parts[i] for i in own], axis=0) for own in cuts]
        return np.stack(sums), np.array([lengths[own].sum() for own in cuts])


def ratio(sums: np.ndarray, weights: np.ndarray) -> Curve:
    """Sums over weights, of all blocks together, and the standard error over the blocks.

    Parameters
    ----------
    sums, weights : arrays [blocks, points] or [blocks, 1]
        Of `BlockSums.blocks`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        value = sums.sum(0) / weights.sum(0)
        parts = sums / weights
    return Curve(value, block_error(parts))


def block_error(parts: np.ndarray) -> np.ndarray:
    """Standard error of the mean of blocks [blocks, ...]; nan of one block."""
    if len(parts) < 2:
        return np.full(np.shape(parts)[1:], np.nan)
    return np.std(parts, axis=0, ddof=1) / np.sqrt(len(parts))
