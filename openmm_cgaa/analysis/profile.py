"""Density along an axis of the box: of a slab, a membrane, or a liquid that is the same everywhere."""

from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import GeometryError
from ..structures.density import mass_of_atom
from ..units import ANGSTROM_PER_NM, G_PER_CM3_PER_DALTON_PER_ANGSTROM3
from .streaming import BlockSums, Curve, Pieces, feed, ratio

AXES = ("x", "y", "z")


class Profile(NamedTuple):
    """Density of some atoms in layers of the box.

    Attributes
    ----------
    middles : array [layers], nm
        Of each layer, from the face at the origin, as the box was on the average.
    mass : Curve, g/cm^3
    number : Curve
        Atoms in nm^3.
    """

    middles: np.ndarray
    mass: Curve
    number: Curve


class Layers:
    """An observable; arguments are those of `density_profile`."""

    def __init__(self, topology: mdtraj.Topology, atoms: ArrayLike, axis: str = "z", width: float = 0.05) -> None:
        self.atoms, self.axis, self.width = np.asarray(atoms, dtype=int), AXES.index(axis), width
        if not len(self.atoms):
            raise GeometryError("a density profile needs atoms, but none was chosen")
        masses = np.array([mass_of_atom(atom) for atom in topology.atoms])
        self._masses = masses[self.atoms]
        self._layers, self._sums = 0, BlockSums()

    def add(self, piece: mdtraj.Trajectory) -> None:
        boxes = piece.unitcell_vectors
        if boxes is None:
            raise GeometryError("a density profile needs a periodic trajectory, but this one has no box")
        for positions, box in zip(piece.xyz[:, self.atoms].astype(float), boxes.astype(float)):
            inverse, volume = np.linalg.inv(box), abs(np.linalg.det(box))
            thickness = 1.0 / np.linalg.norm(inverse[:, self.axis])  # between the two faces
            self._layers = self._layers or max(1, round(thickness / self.width))
            place = positions @ inverse[:, self.axis]
            layer = (self._layers * (place - np.floor(place))).astype(int).clip(max=self._layers - 1)
            of_layer = self._layers / volume
            counts = of_layer * np.bincount(layer, minlength=self._layers)
            masses = of_layer * np.bincount(layer, self._masses, self._layers)
            self._sums.add(np.concatenate([counts, masses, [thickness]]))

    def profile(self) -> Profile:
        """What `density_profile` returns."""
        sums, frames = self._sums.blocks()
        layers, of_each = self._layers, frames[:, None]
        unit = G_PER_CM3_PER_DALTON_PER_ANGSTROM3 / ANGSTROM_PER_NM**3
        thickness = sums[:, -1].sum() / frames.sum()
        middles = thickness * (np.arange(layers) + 0.5) / layers
        return Profile(middles, ratio(unit * sums[:, layers:-1], of_each), ratio(sums[:, :layers], of_each))


def density_profile(
    trajectory: Pieces, topology: mdtraj.Topology, atoms: ArrayLike, axis: str = "z", width: float = 0.05
) -> Profile:
    """Density of atoms in layers that are parallel to two box vectors.

    Positions are not moved: a slab that drifts is smeared. Layers are parts of the box, and grow with it.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory, or pieces of one
        Periodic.
    topology : mdtraj.Topology
    atoms : int array
    axis : str
        ``x``, ``y`` or ``z``: from face to face of the first, second or third box vector, upright on both faces.
    width : float, nm
        Of a layer, about.

    Raises
    ------
    GeometryError
        There are no atoms, no box or no frames.
    """
    layers = Layers(topology, atoms, axis, width)
    feed(trajectory, layers)
    return layers.profile()
