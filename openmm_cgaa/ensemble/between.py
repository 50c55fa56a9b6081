"""Means over the replicas of a point, and their errors from the spread between them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..analysis.drift import Estimate
from ..analysis.rdf import RDF


class Band(NamedTuple):
    """A radial distribution: middles of the bins ``r`` [bins] in nm, the mean ``g`` and its standard ``error`` [bins].

    The error is nan where there is one replica only.
    """

    r: np.ndarray
    g: np.ndarray
    error: np.ndarray


def between(values: Sequence[Estimate]) -> Estimate:
    """Mean of the replicas' means, and its standard error from their spread; of one replica its own error."""
    if len(values) == 1:
        return values[0]
    means = np.array([one.value for one in values])
    return Estimate(float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means))))


def band(curves: Sequence[RDF]) -> Band:
    """Mean of the replicas' curves, as far as all of them reach, and its standard error from their spread."""
    shortest = min(len(curve.r) for curve in curves)
    g = np.array([curve.g[:shortest] for curve in curves])
    spread = g.std(axis=0, ddof=1) if len(g) > 1 else np.full(shortest, np.nan)
    return Band(curves[0].r[:shortest], g.mean(axis=0), spread / np.sqrt(len(g)))
