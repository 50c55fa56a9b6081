"""Angles between neighbours: the three-body distribution P(theta) of grain centers."""

from typing import NamedTuple

import mdtraj
import numpy as np
import torch

from ..errors import GeometryError
from ..neighbors.build import near_pairs
from ..structures.lattice import reduced
from .streaming import BlockSums, Pieces, block_error, feed


class AngularDistribution(NamedTuple):
    """Middles of the bins ``theta`` [bins], degrees; ``p`` [bins], 1 where it is largest; ``error`` [bins], of blocks.

    The error is nan where there are fewer frames than blocks.
    """

    theta: np.ndarray
    p: np.ndarray
    error: np.ndarray


def angular_distribution(
    trajectory: Pieces, cutoff: float = 0.45, low: float = 30.0, high: float = 150.0, width: float = 1.0
) -> AngularDistribution:
    """How often two neighbours of a point stand at an angle, over the most frequent angle.

    Paper 003 (docs/papers.md), eq. 5: triplets J-I-K in which J and K are nearer to I than the cutoff.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory, or pieces of one
        Of points that are no neighbours by bonds, such as the centers of grains (`rdf.center_trajectory`).
    cutoff : float, nm
    low, high, width : float, degrees
        First and last edge of the bins, and their width.

    Raises
    ------
    GeometryError
        There are no such triplets.
    """
    triplets = Triplets(cutoff, low, high, width)
    feed(trajectory, triplets)
    return triplets.distribution()


class Triplets:
    """An observable of points; arguments are those of `angular_distribution`."""

    def __init__(self, cutoff: float = 0.45, low: float = 30.0, high: float = 150.0, width: float = 1.0) -> None:
        self.cutoff, self.edges = cutoff, np.linspace(low, high, round((high - low) / width) + 1)
        self._sums = BlockSums()

    def add(self, piece: mdtraj.Trajectory) -> None:
        boxes = piece.unitcell_vectors
        for index, frame in enumerate(piece.xyz.astype(float)):
            box = None if boxes is None else reduced(boxes[index].astype(float))
            self._sums.add(_counts(frame, box, self.cutoff, self.edges))

    def distribution(self) -> AngularDistribution:
        """What `angular_distribution` returns."""
        parts, _ = self._sums.blocks()
        total, edges = parts.sum(0), self.edges
        if not total.any():
            raise GeometryError(
                f"no two neighbours within {self.cutoff:g} nm of a point stand at {edges[0]:g} to {edges[-1]:g} "
                "degrees; take a larger cutoff"
            )
        error = block_error(parts / parts.max(1, keepdims=True).clip(min=1))
        return AngularDistribution(0.5 * (edges[1:] + edges[:-1]), total / total.max(), error)


def _counts(points: np.ndarray, box: np.ndarray | None, cutoff: float, edges: np.ndarray) -> np.ndarray:
    """Triplets of one frame in each bin."""
    if box is not None:
        points = points - np.floor(points @ np.linalg.inv(box)) @ box
    cell = None if box is None else torch.from_numpy(box)
    x = torch.from_numpy(points)
    i, j, shift = (each.numpy() for each in near_pairs(x, cell, torch.full((len(points),), 0.5 * cutoff).double()))
    away = points[j] + shift - points[i]
    unit = away / np.linalg.norm(away, axis=1, keepdims=True)
    order = np.argsort(i, kind="stable")
    unit, number = unit[order], np.bincount(i, minlength=len(points))
    counts = np.zeros(len(edges) - 1, int)
    start = np.cumsum(number) - number
    for size in np.unique(number[number > 1]):  # points with as many neighbours at once
        own = unit[start[number == size][:, None] + np.arange(size)]
        first, second = np.triu_indices(size, 1)
        cosine = np.einsum("nsx,nsx->ns", own[:, first], own[:, second])
        counts += np.histogram(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))), edges)[0]
    return counts
