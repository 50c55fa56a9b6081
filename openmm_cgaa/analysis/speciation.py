"""What ions are in: alone, beside a counterion behind solvent, in a pair, or in an aggregate."""

from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .contacts_between import GrainDistances
from .drift import Estimate
from .streaming import BlockSums, Curve, Pieces, feed, ratio

KINDS = ("free", "shared", "pair", "aggregate")


class Speciation(NamedTuple):
    """Of the ions of a salt.

    Attributes
    ----------
    cations, anions : dict of Estimate
        Part of the ions that are, by `KINDS`: ``free``, no counterion near; ``shared``, none in contact, but one behind
        shared solvent; ``pair``, in contact with one that is in contact with nobody else; ``aggregate``, in a larger
        cluster.
    sizes : int array [sizes]
        Ions of a cluster: 1, 2, ...
    clusters : Curve
        Part of all ions that are in clusters of each size.
    """

    cations: dict[str, Estimate]
    anions: dict[str, Estimate]
    sizes: np.ndarray
    clusters: Curve


class IonClusters:
    """An observable: clusters of ions in contact.

    Parameters
    ----------
    cations, anions : int arrays
        Atoms; two ions are as near as two of their atoms.
    grain : int array [atoms]
        `GrainMap.atom_grain`.
    contact, shared : float, nm
        Ions nearer than the first are in contact; ions nearer than the second share solvent.
    """

    def __init__(self, cations: ArrayLike, anions: ArrayLike, grain: np.ndarray, contact: float, shared: float) -> None:
        self.distances, self.contact, self.shared = GrainDistances(cations, anions, grain), contact, shared
        positive, negative = self.distances.pairs.T
        self._grains, places = np.unique([positive, negative], return_inverse=True)
        self._ends = places.reshape(2, -1)
        self._of = np.isin(self._grains, positive), np.isin(self._grains, negative)
        self._sums = BlockSums()

    def add(self, piece: mdtraj.Trajectory) -> None:
        ions = len(self._grains)
        for distances in self.distances.of(piece):
            touching = self._ends[:, distances < self.contact]
            near = np.zeros(ions, bool)
            near[self._ends[:, distances < self.shared]] = True
            graph = coo_array((np.ones(touching.shape[1]), tuple(touching)), shape=(ions, ions))
            label = connected_components(graph, directed=False)[1]
            size = np.bincount(label)[label]  # of the cluster of each ion
            kind = np.where(size > 2, 3, np.where(size == 2, 2, near))
            counts = [np.bincount(kind[own], minlength=len(KINDS)) for own in self._of]
            self._sums.add(np.concatenate([*counts, np.bincount(size, minlength=ions + 1)[1:]]))

    def speciation(self) -> Speciation:
        """What `speciation` returns."""
        sums, frames = self._sums.blocks()
        kinds = len(KINDS)
        cations, anions = (
            ratio(sums[:, kinds * n : kinds * (n + 1)], own.sum() * frames[:, None]) for n, own in enumerate(self._of)
        )
        clusters = ratio(sums[:, 2 * kinds :], len(self._grains) * frames[:, None])
        return Speciation(_named(cations), _named(anions), np.arange(1, len(self._grains) + 1), clusters)


def speciation(
    trajectory: Pieces, cations: ArrayLike, anions: ArrayLike, grain: np.ndarray, contact: float, shared: float
) -> Speciation:
    """Free ions, pairs and aggregates; arguments are those of `IonClusters`, errors those of five blocks in time.

    Raises
    ------
    GeometryError
        There are no cations or no anions, or no frames.
    """
    clusters = IonClusters(cations, anions, grain, contact, shared)
    feed(trajectory, clusters)
    return clusters.speciation()


def _named(curve: Curve) -> dict[str, Estimate]:
    return {name: Estimate(float(value), float(error)) for name, value, error in zip(KINDS, *curve)}
