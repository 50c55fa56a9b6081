"""Histograms of bonds, angles and torsions, by grain type and by symmetry class."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import GeometryError
from ..mapping.grains import GrainMap
from ..mapping.graintypes import GrainType
from ..units import ANGSTROM_PER_NM
from .drift import Estimate
from .streaming import BlockSums, Curve, Pieces, block_error, feed, ratio


class Coordinate(NamedTuple):
    """A kind of internal coordinate: its unit, MDTraj's function and factor, its range, and the width of a bin."""

    name: str
    unit: str
    function: Callable
    factor: float
    low: float
    high: float
    width: float


KINDS = (
    Coordinate("bond", "Å", mdtraj.compute_distances, ANGSTROM_PER_NM, 0.0, 5.0, 0.01),
    Coordinate("angle", "degrees", mdtraj.compute_angles, 180.0 / np.pi, 0.0, 180.0, 1.0),
    Coordinate("torsion", "degrees", mdtraj.compute_dihedrals, 180.0 / np.pi, -180.0, 180.0, 5.0),
)


class Histogram(NamedTuple):
    """Of internal coordinates that are equivalent by symmetry.

    Attributes
    ----------
    kind, unit : str
        ``bond`` (Å), ``angle`` or ``torsion`` (degrees, -180 to 180; 180 is trans).
    middles : array [bins]
    density : Curve
        Probability over the unit; its integral is 1, less what lies beyond 5 Å of bonds.
    mean : Estimate
        Of a torsion that of its cosine.
    spread : float
        Standard deviation; of a torsion that of its cosine.
    """

    kind: str
    unit: str
    middles: np.ndarray
    density: Curve
    mean: Estimate
    spread: float


class InternalCoordinates:
    """An observable; arguments are those of `internal_histograms`."""

    def __init__(self, grain_map: GrainMap, atoms: ArrayLike | None = None) -> None:
        chosen = np.arange(grain_map.num_atoms) if atoms is None else np.asarray(atoms, dtype=int)
        self._members: list[dict[str, np.ndarray]] = []
        for number in range(len(KINDS)):
            found: dict[str, list[np.ndarray]] = {}
            for t, kind in enumerate(grain_map.types):
                for slots in _paths(kind, number + 2):
                    own = grain_map.members(t)[:, slots]
                    own = own[np.isin(own, chosen).all(axis=1)]
                    if len(own):
                        name = "-".join(f"{kind.elements[slot]}{kind.classes[slot]}" for slot in slots)
                        found.setdefault(f"{kind.name} {name}", []).append(own)
            self._members.append({name: np.concatenate(own) for name, own in found.items()})
        if not any(self._members):
            raise GeometryError("there are no bonds between the chosen atoms; choose atoms that are bonded")
        self._sums = [{name: BlockSums() for name in own} for own in self._members]

    def add(self, piece: mdtraj.Trajectory) -> None:
        for kind, members, sums in zip(KINDS, self._members, self._sums):
            bins = round((kind.high - kind.low) / kind.width)
            for name, atoms in members.items():
                for values in kind.factor * kind.function(piece, atoms).astype(float):
                    place = np.floor((values - kind.low) / kind.width).astype(int)
                    if kind.name != "bond":  # 180 degrees are in the last bin, longer bonds in none
                        place = place.clip(0, bins - 1)
                    counts = np.bincount(place.clip(max=bins), minlength=bins + 1)[:-1]
                    of_mean = np.cos(np.radians(values)) if kind.name == "torsion" else values
                    moments = [len(values), of_mean.sum(), np.square(of_mean).sum()]
                    sums[name].add(np.concatenate([counts, moments]))

    def histograms(self) -> dict[str, Histogram]:
        """What `internal_histograms` returns."""
        found = {}
        for kind, own in zip(KINDS, self._sums):
            middles = np.arange(kind.low + 0.5 * kind.width, kind.high, kind.width)
            for name, sums in own.items():
                blocks, _ = sums.blocks()
                counts, (number, total, squares) = blocks[:, :-3], blocks[:, -3:].T
                mean = Estimate(float(total.sum() / number.sum()), float(block_error(total / number)))
                spread = np.sqrt(max(squares.sum() / number.sum() - mean.value**2, 0.0))
                density = ratio(counts, number[:, None] * kind.width)
                found[name] = Histogram(kind.name, kind.unit, middles, density, mean, float(spread))
        return found


def internal_histograms(
    trajectory: Pieces, grain_map: GrainMap, atoms: ArrayLike | None = None
) -> dict[str, Histogram]:
    """Histograms of bonds, angles and torsions inside grains, by grain type and symmetry classes.

    The name of ``EC C1-O0`` has the elements and symmetry classes of the atoms in it. Probabilities are those of the
    coordinate itself: free directions have an angle as often as its sine, and free rotors all torsions alike.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory, or pieces of one
    grain_map : GrainMap
    atoms : int array, optional
        Coordinates of these atoms alone.

    Raises
    ------
    GeometryError
        There are no bonds between the atoms, or no frames.
    """
    coordinates = InternalCoordinates(grain_map, atoms)
    feed(trajectory, coordinates)
    return coordinates.histograms()


def _paths(kind: GrainType, length: int) -> Iterator[tuple[int, ...]]:
    """Rows of so many slots along bonds, each once, from the end with the lower symmetry classes."""
    neighbors: dict[int, list[int]] = {slot: [] for slot in range(kind.num_slots)}
    for i, j in kind.bonds:
        neighbors[i].append(j)
        neighbors[j].append(i)
    rows: list[tuple[int, ...]] = [(slot,) for slot in neighbors]
    for _ in range(length - 1):
        rows = [(*row, after) for row in rows for after in neighbors[row[-1]] if after not in row]
    for row in rows:
        classes = [kind.classes[slot] for slot in row]
        if (classes, row) <= (classes[::-1], row[::-1]):
            yield row
