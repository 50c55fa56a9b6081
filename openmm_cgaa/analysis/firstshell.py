"""First shell of a radial distribution, and the largest difference between two of these, with errors of blocks.

Places and heights are no means of blocks. Their errors are those of the jackknife: what one block fewer changes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm, t

from .coordination import SMOOTH, PairBlocks, first_clear_peak, first_minimum
from .drift import Estimate
from .streaming import block_error

REACH = 0.05  # nm: as far from the minimum of all blocks is it sought without one of them


class FirstShell(NamedTuple):
    """The first peak and what lies within the minimum behind it, as far as they are told.

    Attributes
    ----------
    peak, height : Estimate or None
        Place of the peak, nm, and g there.
    minimum, neighbors : Estimate or None
        Place of the minimum, nm, and how many are nearer. The error of the latter is that at this place.
    """

    peak: Estimate | None
    height: Estimate | None
    minimum: Estimate | None
    neighbors: Estimate | None


class Largest(NamedTuple):
    """Where two curves are furthest apart for their errors.

    Attributes
    ----------
    at : float, nm
    difference : Estimate
        The first curve less the second.
    distance : float
        In standard errors, as if one place alone had been looked at. The largest of many differences is large by
        chance: places further apart than the smoothing count one by one, with Student's t of the blocks.
    """

    at: float
    difference: Estimate
    distance: float


def first_shell(blocks: PairBlocks) -> FirstShell:
    """What is told of a radial distribution; nothing of fewer frames than blocks, or without a clear peak."""
    rdf = blocks.rdf()
    peak = first_clear_peak(rdf)
    if peak is None:
        return FirstShell(None, None, None, None)
    upper = slice(min(peak.first, peak.top - 1), max(peak.last, peak.top + 1) + 1)
    at, height = (_jackknife(blocks, number) for number in (_place_of(upper), _height_of(upper)))
    lowest = first_minimum(rdf)
    if lowest is None:
        return FirstShell(at, height, None, None)
    found = _jackknife(blocks, lambda own: _minimum(own, lowest))
    return FirstShell(at, height, found, blocks.coordination().at(found.value))


def largest_difference(first: PairBlocks, second: PairBlocks) -> Largest | None:
    """Of two radial distributions, as far as both reach; None without errors."""
    if min(len(first.pairs), len(second.pairs)) < 2:
        return None
    bins = min(first.pairs.shape[1], second.pairs.shape[1])
    r = 0.5 * (first.edges[1 : bins + 1] + first.edges[:bins])
    curves, errors = [], []
    for own in (first, second):
        width = SMOOTH / float(own.edges[1] - own.edges[0])
        pairs, expected = own.pairs[:, :bins], own.expected[:, :bins]
        curves.append(gaussian_filter1d(pairs.sum(0) / expected.sum(0), width))
        errors.append(block_error(gaussian_filter1d(pairs / expected, width, axis=1)))
    difference, error = curves[0] - curves[1], np.hypot(*errors)
    known = error > 0.0
    if not known.any():
        return None
    away = np.where(known, np.abs(difference) / np.where(known, error, 1.0), 0.0)
    worst = int(away.argmax())
    freedom = len(first.pairs) + len(second.pairs) - 2
    independent = max(1.0, (r[known][-1] - r[known][0]) / SMOOTH)
    one = min(2.0 * float(t.sf(away[worst], freedom)), 1.0 - 1e-12)  # by chance, at a place of its own
    by_chance = -np.expm1(independent * np.log1p(-one))
    return Largest(
        float(r[worst]),
        Estimate(float(difference[worst]), float(error[worst])),
        float(norm.isf(0.5 * min(by_chance, 1.0))),
    )


def _jackknife(blocks: PairBlocks, number: Callable[[PairBlocks], float]) -> Estimate:
    """A number of all blocks, and its error from those of all but one."""
    count = len(blocks.pairs)
    without = np.array([number(blocks.without(block)) for block in range(count)])
    return Estimate(number(blocks), float(np.sqrt((count - 1) * without.var())))


def _parabola(blocks: PairBlocks, upper: slice) -> tuple[float, float]:
    """Place and height of the parabola through the upper part of a peak, always of the same bins."""
    rdf = blocks.rdf()
    r, g = rdf.r[upper], rdf.g[upper]
    a, b, c = np.polyfit(r - r.mean(), g, 2)
    if a >= 0.0:  # no peak without this block
        return float(r[g.argmax()]), float(g.max())
    return float(np.clip(r.mean() - 0.5 * b / a, r[0], r[-1])), float(c - 0.25 * b * b / a)


def _place_of(upper: slice) -> Callable[[PairBlocks], float]:
    return lambda blocks: _parabola(blocks, upper)[0]


def _height_of(upper: slice) -> Callable[[PairBlocks], float]:
    return lambda blocks: _parabola(blocks, upper)[1]


def _minimum(blocks: PairBlocks, near: float) -> float:
    """Where the smoothed curve is smallest near a place, by the parabola through the lowest bin and its neighbours."""
    rdf = blocks.rdf()
    step = float(rdf.r[1] - rdf.r[0])
    smooth = gaussian_filter1d(rdf.g, SMOOTH / step)
    own = np.flatnonzero(np.abs(rdf.r - near) <= REACH)
    lowest = int(own[smooth[own].argmin()])
    if not 0 < lowest < len(smooth) - 1:
        return float(rdf.r[lowest])
    before, here, after = smooth[lowest - 1 : lowest + 2]
    bend = before - 2.0 * here + after
    return float(rdf.r[lowest] + (0.5 * step * (before - after) / bend if bend > 0.0 else 0.0))
