"""How many neighbours an atom has: running coordination numbers, and that at the first minimum of g(r)."""

from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from .drift import Estimate
from .rdf import RDF, PairCounts, atom_pairs
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

    Parameters
    ----------
    pairs : int array [pairs, 2]
        Each pair once, such as `rdf.atom_pairs` makes them from both ends.
    first, second : int arrays
        Neighbours are of `second`, around those of `first`; they may overlap.
    bin_width : float, nm

    Raises
    ------
    GeometryError
        There are no pairs.
    """

    def __init__(self, pairs: ArrayLike, first: ArrayLike, second: ArrayLike, bin_width: float = 0.01) -> None:
        super().__init__(pairs, bin_width)
        self.number_of_first = len(np.unique(first))
        i, j = self.pairs.T
        # a pair makes a neighbour for each of its atoms that is of `first`, if the other one is of `second`
        times = np.isin(i, first) & np.isin(j, second), np.isin(j, first) & np.isin(i, second)
        self._times = times[0].astype(int) + times[1]
        self._alike = len(set(self._times.tolist())) == 1

    def counted(self, bins: np.ndarray) -> np.ndarray:
        (pairs,) = super().counted(bins)
        weighted = pairs * self._times[0] if self._alike else np.bincount(bins, self._times, len(pairs))
        return np.stack([pairs, weighted])

    def coordination(self) -> Coordination:
        edges, (counts, frames) = self.edges(), self.counts.blocks()
        near = counts[:, 1, : len(edges) - 1].cumsum(axis=1)
        return Coordination(edges[1:], *ratio(near, self.number_of_first * frames[:, None]))


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
    counts = NeighborCounts(atom_pairs(topology, first, second), first, second, bin_width)
    feed(trajectory, counts)
    return counts.rdf(), counts.coordination()


def first_minimum(rdf: RDF) -> float | None:
    """Where g(r) is smallest between its first peak and the next, nm; None where there is no such place.

    g(r) is smoothed by a Gaussian of `SMOOTH`, and peaks stand out by `PROMINENCE`. There is none if the first one
    does so by less than three standard errors. Without a second peak it is where g(r) is smallest beyond the first, if
    that lies as far below 1. There is none without errors, which tell a peak from chance.
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
    end = peaks[1] if len(peaks) > 1 else len(smooth)
    lowest = int(peaks[0] + smooth[peaks[0] : end].argmin())
    if len(peaks) == 1 and smooth[lowest] > 1.0 - least[lowest]:
        return None
    return float(rdf.r[lowest])
