"""How long a neighbour stays in a shell: survival function and residence time.

``S(t)`` is the part of those that are in a shell at a time and stay in it until t later. Who leaves for a short while
and comes back may count as one that stayed (Impey, Madden and McDonald, J. Phys. Chem. 87, 5071 (1983)).
"""

from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import SimulationError
from ..wording import counted
from .contacts_between import GrainDistances
from .drift import Estimate
from .lags import time_with_error
from .streaming import BLOCKS, AllFrames, Curve, block_error, feed


class Residence(NamedTuple):
    """Of the neighbours in a shell.

    Attributes
    ----------
    lags : array [lags], ps
    survival : Curve
        S at each lag.
    time : Estimate or None, ps
        Integral of S (`lags.decay_time`); None where more than 1/e is left at the longest lag.
    neighbors : Estimate
        Mean number of grains in the shell of one.
    stays : int
        Visits that were seen, long or short.
    """

    lags: np.ndarray
    survival: Curve
    time: Estimate | None
    neighbors: Estimate
    stays: int


class Stays:
    """An observable: when a grain came into the shell of another, and when it left.

    Memory: 24 bytes for each pair of atoms, some more for each pair of grains, and 20 bytes for each frame.

    Parameters
    ----------
    first, second : int arrays
        Atoms; a grain is in the shell of another if one of its atoms of `second` is near to one of `first` there.
    grain : int array [atoms]
        `GrainMap.atom_grain`.
    cutoff : float, nm
    frames : int
        That will go by.
    away : float, ps
        Who leaves for as long, or less, has stayed.
    """

    def __init__(
        self, first: ArrayLike, second: ArrayLike, grain: np.ndarray, cutoff: float, frames: int, away: float = 0.0
    ) -> None:
        self.distances, self.cutoff, self.away = GrainDistances(first, second, grain), cutoff, away
        self.centers = len(np.unique(grain[np.asarray(first, dtype=int)]))
        self.frames, self._start, self._interval, self._before = 0, 0.0, 0.0, 0.0
        self._came = np.full(len(self.distances.pairs), -1, np.int32)
        self._last = np.full(len(self.distances.pairs), -1, np.int32)
        self._edges = np.linspace(0, frames, BLOCKS + 1).astype(int)
        self._change = np.zeros(frames + 1, np.int32)  # of the number in a shell, from the frame before
        # how many stays have a length: of all, and of what of them lies in a block
        self._lengths = [np.zeros(own + 1, np.int64) for own in (frames, *np.diff(self._edges))]
        self._stays = 0

    def add(self, piece: mdtraj.Trajectory) -> None:
        for time, distances in zip(piece.time, self.distances.of(piece)):
            self._check(float(time))
            here = np.flatnonzero(distances < self.cutoff)
            gone = here[(self._came[here] >= 0) & (self.frames - self._last[here] > 1 + self._frames_away())]
            self._end(self._came[gone], self._last[gone] + 1)
            self._came[gone] = -1
            self._came[here[self._came[here] < 0]] = self.frames
            self._last[here] = self.frames
            self.frames += 1

    def _end(self, begins: np.ndarray, ends: np.ndarray) -> None:
        """Count stays, from their first frames to those after the last."""
        if not len(begins):
            return
        self._stays += len(begins)
        np.add.at(self._change, begins, 1)
        np.subtract.at(self._change, ends, 1)
        np.add.at(self._lengths[0], ends - begins, 1)
        for low, high, lengths in zip(self._edges, self._edges[1:], self._lengths[1:]):
            if low < ends.max() and begins.min() < high:
                np.add.at(lengths, ends.clip(low, high) - begins.clip(low, high), 1)

    def _frames_away(self) -> int:
        return int(self.away / self._interval + 1e-6) if self._interval else 0

    def _check(self, time: float) -> None:
        if self.frames == 0:
            self._start = time
        elif self.frames == 1:
            self._interval = time - self._start
        step = time - self._before
        if self.frames and not (self._interval > 0.0 and abs(step - self._interval) < 0.01 * self._interval):
            raise SimulationError(
                f"residence: frames are not evenly spaced at {time:g} ps; take a trajectory whose are"
            )
        self._before = time

    def residence(self) -> Residence:
        """What `residence` returns."""
        if self.frames < 4 * BLOCKS:
            raise SimulationError(
                f"residence: {counted(self.frames, 'frame')}, at least {4 * BLOCKS} are needed; run longer, or write "
                "frames more often"
            )
        present = self._came >= 0
        self._end(self._came[present], self._last[present] + 1)
        self._came[present] = -1
        if not self._stays:
            raise SimulationError(
                f"residence: nothing ever came nearer than {10 * self.cutoff:g} Å; take a larger distance"
            )
        lags, there = np.arange(self.frames // BLOCKS - 1), self._change.cumsum(dtype=np.int64)[:-1]
        whole = _survival(self._lengths[0], there, len(lags))
        blocks = np.split(there, self._edges[1:-1])
        parts = np.stack([_survival(*own, len(lags)) for own in zip(self._lengths[1:], blocks)])
        time = time_with_error(self._interval * lags, whole, parts)
        inside = np.array([own.sum() for own in blocks]) / self.centers
        neighbors = Estimate(float(inside.sum() / self.frames), float(block_error(inside / np.diff(self._edges))))
        return Residence(self._interval * lags, Curve(whole, block_error(parts)), time, neighbors, self._stays)


def residence(
    trajectory: AllFrames, first: ArrayLike, second: ArrayLike, grain: np.ndarray, cutoff: float, away: float = 0.0
) -> Residence:
    """Survival function and residence time of grains in the shell of others; arguments are those of `Stays`.

    Lags reach to a fifth of the trajectory, and errors are those of five blocks in time. Frames must be much nearer to
    each other than the residence time: who leaves and comes back between two is not seen.

    Raises
    ------
    SimulationError
        Frames are not evenly spaced or too few, or nobody was in a shell.
    """
    stays = Stays(first, second, grain, cutoff, trajectory.n_frames, away)
    feed(trajectory, stays)
    return stays.residence()


def _survival(lengths: np.ndarray, there: np.ndarray, lags: int) -> np.ndarray:
    """S at lags of 0, 1, ... frames, [lags]; nan where nobody was there to begin with.

    Parameters
    ----------
    lengths : int array [frames + 1]
        How many stays have this many frames.
    there : int array [frames]
        In a shell in each frame.
    """
    stayed = lengths[::-1].cumsum().cumsum()[::-1][1:]  # starts from which one stays for a lag: length - lag of each
    followed = there.cumsum()[::-1]  # of those that could be followed for a lag
    with np.errstate(invalid="ignore", divide="ignore"):
        return stayed[:lags] / followed[:lags]
