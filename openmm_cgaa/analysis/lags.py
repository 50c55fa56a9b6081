"""Correlations of a trajectory with itself, over short and long lags, without keeping the trajectory.

Frames are kept at several levels, each of which has every second frame of the one below, and only the last few of
them. So lags grow from one frame to the whole length, and memory as the logarithm of it (Frenkel and Smit,
Understanding Molecular Simulation, 2nd ed., section 4.4.2; Dubbeldam et al., Mol. Simul. 35, 1084 (2009)).
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SimulationError
from ..wording import counted
from .drift import Estimate
from .streaming import BLOCKS, BlockSums, block_error

DEPTH = 16  # frames of a level, so that a lag is a whole number of frames and neighbours differ by an eighth at most
LEVELS = 24  # 100 million frames
LEFT, FALLEN = 0.05, float(np.exp(-1.0))  # of a correlation: where its integral ends, and how far it must fall
LAGS = np.concatenate(
    [np.arange(1, DEPTH + 1), *(2**n * np.arange(DEPTH // 2 + 1, DEPTH + 1) for n in range(1, LEVELS))]
)


class Lags:
    """Sums of a function of two frames over all pairs at a lag, or over every second, fourth, ... if it is long.

    Parameters
    ----------
    function : callable
        Takes earlier frames [entries, ...] and a later one [...]; returns [entries, columns].
    """

    def __init__(self, function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        self.function = function
        self.frames, self._start, self._interval, self._last = 0, 0.0, 0.0, 0.0
        self._columns = 0
        self._levels: list[deque[np.ndarray]] = [deque(maxlen=DEPTH) for _ in range(LEVELS)]
        self._sums = BlockSums()

    def add(self, time: float, values: np.ndarray) -> None:
        """The next frame [...], at a time in ps.

        Raises
        ------
        SimulationError
            It is not as far from the last one as that from the one before.
        """
        self._check(time)
        if self.frames == 0:
            self._columns = self.function(values[None], values).shape[1]
        found, place = np.zeros((len(LAGS), self._columns + 1)), 0
        for level, kept in enumerate(self._levels):
            least = 1 if level == 0 else DEPTH // 2 + 1
            if self.frames % 2**level == 0:
                if len(kept) >= least:
                    earlier = np.stack([kept[-j] for j in range(least, len(kept) + 1)])
                    own = self.function(earlier, values)
                    found[place : place + len(own), :-1] = own
                    found[place : place + len(own), -1] = 1.0
                kept.append(values)
            place += DEPTH + 1 - least
        self._sums.add(found)
        self.frames += 1

    def _check(self, time: float) -> None:
        if self.frames == 0:
            self._start = time
        elif self.frames == 1:
            self._interval = time - self._start
        step = time - self._last
        if self.frames and not (self._interval > 0.0 and abs(step - self._interval) < 0.01 * self._interval):
            raise SimulationError(
                f"frames are not evenly spaced: from {self._last:g} to {time:g} ps, but the first two are "
                f"{self._interval:g} ps apart; take a trajectory whose frames are, such as every second one of this"
            )
        self._last = time

    @property
    def length(self) -> float:
        """From the first to the last frame, ps."""
        return self._last - self._start

    def curves(self, blocks: int = BLOCKS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lags [lags], ps; means at each lag of all frames [lags, columns], and of each block [blocks, lags, columns].

        A pair of frames belongs to the block of the later one. Lags are not longer than a block, so that what a block
        tells is its own.

        Raises
        ------
        SimulationError
            There are too few frames for a lag in each block.
        """
        longest = (self.frames - 1) // blocks
        if longest < 2:
            raise SimulationError(
                f"{counted(self.frames, 'frame')}, too few for {counted(blocks, 'block')} in time; run longer, or "
                "write frames more often"
            )
        sums, _ = self._sums.blocks(blocks)
        known = longest >= LAGS
        sums = sums[:, known]
        with np.errstate(invalid="ignore"):
            parts = sums[..., :-1] / sums[..., -1:]
        return self._interval * LAGS[known], sums[..., :-1].sum(0) / sums[..., -1:].sum(0), parts


def decay_time(lags: ArrayLike, curve: ArrayLike) -> float:
    """Integral of a correlation that decays from 1, in the unit of the lags; nan where it does not fall to 1/e.

    It ends at the first lag at which less than `LEFT` is there, for a curve is noise beyond. What is left there, or at
    the last lag, is taken to decay as an exponential of the same time.

    Parameters
    ----------
    lags, curve : arrays [lags]
    """
    lags, curve = np.asarray(lags, dtype=float), np.asarray(curve, dtype=float)
    below = np.flatnonzero(curve < LEFT)
    end = below[0] + 1 if len(below) else len(curve)
    left = curve[end - 1]
    return float(np.trapezoid(curve[:end], lags[:end]) / (1.0 - left)) if left <= FALLEN else float("nan")


def time_with_error(lags: ArrayLike, curve: ArrayLike, parts: ArrayLike) -> Estimate | None:
    """`decay_time` of a curve [lags], with the error of those of its blocks [blocks, lags]; None where it has none."""
    value = decay_time(lags, curve)
    times = np.array([decay_time(lags, part) for part in np.asarray(parts)])
    return Estimate(value, float(block_error(times))) if np.isfinite(value) else None


def fitted_slope(lags: ArrayLike, curve: ArrayLike, begin: float, end: float) -> float:
    """Slope of a straight line through a curve [lags] between two lags, ps.

    Raises
    ------
    SimulationError
        Fewer than three lags lie there.
    """
    lags, curve = np.asarray(lags), np.asarray(curve)
    chosen = (lags >= begin - 1e-9) & (lags <= end + 1e-9)
    if chosen.sum() < 3:
        raise SimulationError(
            f"between lags of {begin:g} and {end:g} ps there are {chosen.sum()} of this trajectory, but a slope needs "
            "3; take lags further apart, or write frames more often"
        )
    return float(np.polyfit(lags[chosen], curve[chosen], 1)[0])
