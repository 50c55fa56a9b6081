"""How many neighbours an atom has: running coordination numbers, and that at the first minimum of g(r)."""

from collections.abc import Iterator
from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks, peak_widths

from .drift import Estimate
from .rdf import CHUNK, RDF, PairCounts
from .streaming import Pieces, feed, ratio

SMOOTH = 0.02  # nm, of the Gaussian that g(r) is smoothed by before its extrema are sought
PROMINENCE = 0.1  # of g(r): a peak stands above what surrounds it by this at least, and by three standard errors


class Coordination(NamedTuple):
    """Neighbours nearer than ``r`` [bins], nm: their mean ``number`` [bins] and its ``error`` [bins], of blocks."""

    r: np.ndarray
    number: np.ndarray
    error: np.ndarray

    def at(self, r: float) -> Estimate:
        """Neighbours within a distance, nm, by a straight line between the ends of its bin."""
        return Estimate(float(np.interp(r, self.r, self.number)), float(np.interp(r, self.r, self.error)))


class NeighborCounts(PairCounts):
    """An observable: radial distribution and running coordination number, of the same pass.

    Pairs are listed as they are needed where there are many, so that memory grows with the atoms alone.

    Parameters
    ----------
    first, second : int arrays
        Neighbours are of `second`, around those of `first`; they may overlap.
    grain : int array [atoms]
        Of each atom; pairs of the same grain do not count.
    bin_width : float, nm

    Raises
    ------
    GeometryError
        There are no pairs.
    """

    def __init__(self, first: ArrayLike, second: ArrayLike, grain: np.ndarray, bin_width: float = 0.01) -> None:
        self._first, self._second = (np.unique(np.asarray(ends, dtype=np.int32)) for ends in (first, second))
        self._grain, self.number_of_first = np.asarray(grain), len(self._first)
        own, other = np.isin(self._first, self._second), np.isin(self._second, self._first)
        self._both = own, other
        a, b, c = (self._sizes(ends) for ends in (self._first, self._second, self._first[own]))
        each_way = a.sum() * b.sum() - a @ b  # of these, pairs of which both atoms are in both come twice
        self._begin(int(each_way - (c.sum() ** 2 - c @ c) // 2), bin_width)
        self._kept = self._all() if self.number <= CHUNK else None

    def _sizes(self, atoms: np.ndarray) -> np.ndarray:
        return np.bincount(self._grain[atoms], minlength=self._grain.max() + 1)

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray | int]]:
        return self._listed() if self._kept is None else iter([self._kept])

    def _all(self) -> tuple[np.ndarray, np.ndarray | int]:
        pairs, times = (np.concatenate(parts) for parts in zip(*self._listed()))
        return pairs, int(times[0]) if (times == times[0]).all() else times

    def _listed(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pairs, each once, and how many neighbours each makes."""
        rows = max(1, CHUNK // len(self._second))
        for start in range(0, len(self._first), rows):
            first, own = self._first[start : start + rows], self._both[0][start : start + rows]
            twice = own[:, None] & self._both[1]
            known = (self._grain[first][:, None] != self._grain[self._second]) & ~(
                twice & (self._second < first[:, None])
            )
            i, j = np.nonzero(known)
            yield np.stack([first[i], self._second[j]], axis=1), 1 + twice[known]

    def counted(self, bins: np.ndarray, times: np.ndarray | int) -> np.ndarray:
        (pairs,) = super().counted(bins, times)
        return np.stack([pairs, pairs * times if isinstance(times, int) else np.bincount(bins, times, len(pairs))])

    def parts(self) -> "PairBlocks":
        """What was counted, by blocks in time."""
        edges, (counts, frames) = self.edges(), self.counts.blocks()
        counts, ideal = counts[:, :, : len(edges) - 1], self._ideal.blocks()[0]
        shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
        expected = ideal[:, None] * self.number * shells
        return PairBlocks(edges, counts[:, 0], expected, counts[:, 1].cumsum(axis=1), self.number_of_first * frames)

    def coordination(self) -> Coordination:
        return self.parts().coordination()


class PairBlocks(NamedTuple):
    """What `NeighborCounts` has counted, by blocks in time.

    Attributes
    ----------
    edges : array [bins + 1], nm
    pairs, expected : arrays [blocks, bins]
        Pairs in each bin, and those of an ideal gas.
    near : array [blocks, bins]
        Neighbours within the upper edge of each bin.
    centers : array [blocks]
        What has neighbours, in all frames of a block.
    """

    edges: np.ndarray
    pairs: np.ndarray
    expected: np.ndarray
    near: np.ndarray
    centers: np.ndarray

    def rdf(self) -> RDF:
        return RDF(0.5 * (self.edges[1:] + self.edges[:-1]), *ratio(self.pairs, self.expected))

    def coordination(self) -> Coordination:
        return Coordination(self.edges[1:], *ratio(self.near, self.centers[:, None]))

    def without(self, block: int) -> "PairBlocks":
        """The others, for a jackknife."""
        return PairBlocks(self.edges, *(np.delete(each, block, axis=0) for each in self[1:]))


def coordination(
    trajectory: Pieces, topology: mdtraj.Topology, first: ArrayLike, second: ArrayLike, bin_width: float = 0.01
) -> tuple[RDF, Coordination]:
    """g(r), and the mean number of atoms of `second` within r of one of `first`, of other residues.

    The number is counted and not integrated from g(r), so that it holds in a box that changes, too.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory, or pieces of one
        Periodic.
    topology : mdtraj.Topology
    first, second : int arrays
        Atoms.
    bin_width : float, nm

    Raises
    ------
    GeometryError
        The trajectory has no box, or there are no pairs.
    """
    grain = np.array([atom.residue.index for atom in topology.atoms])
    counts = NeighborCounts(first, second, grain, bin_width)
    feed(trajectory, counts)
    return counts.rdf(), counts.coordination()


class ClearPeak(NamedTuple):
    """The first peak of a smoothed g(r) [bins] that is no chance.

    Attributes
    ----------
    smooth : array [bins]
    top, end : int
        Bins of the peak, and of the next one or the end.
    first, last : int
        Ends of its upper third, both included.
    deep : bool
        Whether there is a next one, or g(r) falls clearly below 1.
    """

    smooth: np.ndarray
    top: int
    end: int
    first: int
    last: int
    deep: bool


def first_clear_peak(rdf: RDF) -> ClearPeak | None:
    """g(r) is smoothed by a Gaussian of `SMOOTH`, and peaks stand out by `PROMINENCE`.

    There is none if the first one does so by less than three standard errors, and none without errors, which tell a
    peak from chance.
    """
    if not np.isfinite(rdf.error).all():
        return None
    width = SMOOTH / float(rdf.r[1] - rdf.r[0]) if len(rdf.r) > 1 else SMOOTH
    smooth = gaussian_filter1d(rdf.g, width)
    # of a mean of independent bins: the square of a Gaussian is one of a smaller width
    squares = gaussian_filter1d(np.square(rdf.error), width / np.sqrt(2.0)) / (2.0 * np.sqrt(np.pi) * width)
    least = np.maximum(PROMINENCE, 3.0 * np.sqrt(squares))
    peaks, found = find_peaks(smooth, prominence=PROMINENCE)
    if not len(peaks) or found["prominences"][0] < least[peaks[0]]:
        return None
    end = int(peaks[1]) if len(peaks) > 1 else len(smooth)
    lowest = int(peaks[0] + smooth[peaks[0] : end].argmin())
    _, _, (first,), (last,) = peak_widths(smooth, peaks[:1], rel_height=1.0 / 3.0)
    deep = len(peaks) > 1 or bool(smooth[lowest] <= 1.0 - least[lowest])
    return ClearPeak(smooth, int(peaks[0]), end, int(np.ceil(first)), int(np.floor(last)), deep)


def first_minimum(rdf: RDF) -> float | None:
    """Where g(r) is smallest between its first peak and the next, nm; None where there is no such place.

    The peak is that of `first_clear_peak`. Without a second peak it is where g(r) is smallest beyond the first, if that
    lies clearly below 1.
    """
    peak = first_clear_peak(rdf)
    if peak is None or not peak.deep:
        return None
    return float(rdf.r[peak.top + peak.smooth[peak.top : peak.end].argmin()])
