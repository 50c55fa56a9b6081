"""How fast molecules turn: correlation of an axis with itself, by the first two Legendre polynomials.

Of the unit vector u of an axis ``C1(t)`` is the mean of ``u(0) . u(t)``, which dielectric spectra and infrared see.
``C2(t)`` is the mean of ``1.5 (u(0) . u(t))^2 - 0.5``, which NMR sees.
"""

from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import GeometryError
from ..mapping.grains import GrainMap
from .drift import Estimate
from .lags import Lags, time_with_error
from .rdf import whole_grains
from .streaming import Curve, Pieces, block_error, feed


class Orientation(NamedTuple):
    """Of the grains of one type.

    Attributes
    ----------
    lags : array [lags], ps
        From 0.
    c1, c2 : Curve
    times : (Estimate or None, Estimate or None), ps
        Integrals of both (`lags.decay_time`); None where more than 1/e is left at the longest lag.
    """

    lags: np.ndarray
    c1: Curve
    c2: Curve
    times: tuple[Estimate | None, Estimate | None]


class Axes:
    """An observable; arguments are those of `orientation`."""

    def __init__(self, grain_map: GrainMap, first: ArrayLike, second: ArrayLike) -> None:
        self.grain_map = grain_map
        self._ends: list[tuple[np.ndarray, np.ndarray]] = []
        kinds: dict[str, list[int]] = {}
        for g, atoms in enumerate(grain_map.slots):
            ends = atoms[np.isin(atoms, first)], atoms[np.isin(atoms, second)]
            if len(ends[0]) and len(ends[1]) and set(ends[0]) != set(ends[1]):
                kinds.setdefault(grain_map.types[grain_map.type_index[g]].name, []).append(len(self._ends))
                self._ends.append(ends)
        if not self._ends:
            raise GeometryError(
                "no grain has atoms of both selections, which an axis goes from and to; choose two atoms of a molecule"
            )
        self._kinds = {name: np.array(own) for name, own in kinds.items()}
        self.lags = Lags(self._products)

    def add(self, piece: mdtraj.Trajectory) -> None:
        whole = whole_grains(piece, self.grain_map)
        axes = np.stack(
            [whole[:, b].mean(1) - whole[:, a].mean(1) for a, b in self._ends], axis=1
        )  # [frame, axis, xyz]
        lengths = np.linalg.norm(axes, axis=-1, keepdims=True)
        if not (lengths > 0.0).all():
            raise GeometryError("an axis has no length: both ends are at one place; choose other atoms")
        for time, frame in zip(piece.time, (axes / lengths).astype(np.float32)):
            self.lags.add(float(time), frame)

    def _products(self, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
        cosine = np.einsum("lax,ax->la", earlier.astype(float), later.astype(float))
        both = cosine, 1.5 * np.square(cosine) - 0.5
        return np.stack([each[:, own].mean(1) for own in self._kinds.values() for each in both], axis=1)

    def orientation(self) -> dict[str, Orientation]:
        """What `orientation` returns."""
        lags, whole, parts = self.lags.curves()
        lags, found = np.append(0.0, lags), {}
        for number, name in enumerate(self._kinds):
            curves, times = [], []
            for column in (2 * number, 2 * number + 1):
                value = np.append(1.0, whole[:, column])
                own = np.concatenate([np.ones((len(parts), 1)), parts[:, :, column]], axis=1)
                curves.append(Curve(value, block_error(own)))
                times.append(time_with_error(lags, value, own))
            found[name] = Orientation(lags, curves[0], curves[1], (times[0], times[1]))
        return found


def orientation(trajectory: Pieces, grain_map: GrainMap, first: ArrayLike, second: ArrayLike) -> dict[str, Orientation]:
    """C1 and C2 of an axis of molecules, by type of grain, at lags up to a fifth of the trajectory.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory, or pieces of one
        Frames evenly spaced; grains may be broken across the boundary.
    grain_map : GrainMap
    first, second : int arrays
        Atoms: in each grain that has some of both, the axis goes from the mean of the first to that of the second.

    Raises
    ------
    GeometryError
        No grain has such an axis, or one has no length.
    SimulationError
        Frames are not evenly spaced, or too few.
    """
    axes = Axes(grain_map, first, second)
    feed(trajectory, axes)
    return axes.orientation()
