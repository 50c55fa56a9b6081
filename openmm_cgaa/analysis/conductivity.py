"""Conductivity of a salt: by the charge that all ions move together (Einstein), and by each ion (Nernst-Einstein).

Einstein: ``6 V k T sigma`` is the slope of ``|sum of z e (r(t) - r(0))|^2`` with time. Nernst-Einstein:
``V k T sigma = e^2 sum of z^2 D``, in which ions do not know of each other. Their ratio tells how far they do (France-
Lanord and Grossman, Phys. Rev. Lett. 122, 136001 (2019)).
"""

from collections.abc import Mapping
from typing import NamedTuple

import mdtraj
import numpy as np

from ..errors import SimulationError
from ..mapping.grains import GrainMap
from ..structures.lattice import height
from ..units import BOLTZMANN_EV, M2_PER_S_PER_NM2_PER_PS, S_PER_M_PER_PS_NM_EV
from .diffusion import moving_centers
from .drift import Estimate
from .lags import Lags, fitted_slope
from .streaming import Curve, Pieces, block_error, feed

SAME_VOLUME = 1e-4  # how far volumes of a box that does not change differ, of rounding


class Conductivity(NamedTuple):
    """Of a salt at constant volume.

    Attributes
    ----------
    einstein, nernst_einstein : Estimate, S/m
    ratio : Estimate
        Of the former to the latter.
    diffusion : dict of Estimate
        Of each type of grain, 1e-9 m^2/s; nothing is corrected for the size of the box.
    lags : array [lags], ps
    per_diffusion : float
        Conductivity by Nernst-Einstein if every ion had a diffusion coefficient of 1e-9 m^2/s, S/m.
    charge_displacement : Curve
        Mean of |sum of z (r(t) - r(0))|^2 at each lag, nm^2.
    """

    einstein: Estimate
    nernst_einstein: Estimate
    ratio: Estimate
    diffusion: dict[str, Estimate]
    per_diffusion: float
    lags: np.ndarray
    charge_displacement: Curve

    def nernst_einstein_with(self, more: float) -> Estimate:
        """By diffusion coefficients that are larger by so much, 1e-9 m^2/s (`diffusion.box_correction`)."""
        value, error = self.nernst_einstein
        return Estimate(value + more * self.per_diffusion, error)


class Motions:
    """An observable: displacements of the grains of each type, and of the charge of all, by their lags.

    Parameters
    ----------
    grain_map : GrainMap
    charges : dict of float
        Of a grain of each type that is an ion, in elementary charges (`formalcharges.charges_of`).
    """

    def __init__(self, grain_map: GrainMap, charges: Mapping[str, float]) -> None:
        self.grain_map, self.charges = grain_map, charges
        self.counts: dict[str, int] = {}
        self.volume = 0.0
        self.boxes: np.ndarray | None = None
        self.lags = Lags(self._squares)
        self._before: np.ndarray | None = None
        self._first: np.ndarray | None = None

    def add(self, piece: mdtraj.Trajectory) -> None:
        self._check(piece)
        centers = moving_centers(piece, self.grain_map)
        self.counts = {name: own.shape[1] for name, own in centers.items()}
        positions = np.concatenate(list(centers.values()), axis=1)
        if self._first is None:
            self._first = positions[0]
        for time, frame in zip(piece.time, positions):
            self.lags.add(float(time), (frame - self._first).astype(np.float32))

    def _squares(self, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
        moved, start, columns = later - earlier, 0, []
        charge = np.zeros((len(earlier), 3))
        for name, count in self.counts.items():
            own = moved[:, start : start + count].astype(float)
            columns.append(np.square(own).sum(-1).mean(1))
            charge += self.charges.get(name, 0.0) * own.sum(1)
            start += count
        return np.stack([*columns, np.square(charge).sum(-1)], axis=1)

    def _check(self, piece: mdtraj.Trajectory) -> None:
        boxes = piece.unitcell_vectors
        if boxes is None:
            raise SimulationError("conductivity: the trajectory has no box, so that there is no volume; run in a box")
        volumes = np.abs(np.linalg.det(boxes.astype(float)))
        if self.boxes is None:
            self.boxes, self.volume = boxes[0].astype(float), float(volumes[0])
        if np.abs(volumes / self.volume - 1.0).max() > SAME_VOLUME:
            raise SimulationError("conductivity: the box changes, and moves all positions; run at constant volume")
        before = piece.xyz[:1] if self._before is None else self._before
        steps = np.abs(np.diff(np.concatenate([before, piece.xyz]), axis=0)).max(initial=0.0)
        if steps > 0.5 * height(self.boxes):
            raise SimulationError(
                f"conductivity: an atom moves by {steps:.2g} nm between two frames, over half of the box: positions "
                "were wrapped into it; take the trajectory as the run wrote it, or frames that are nearer in time"
            )
        self._before = piece.xyz[-1:]

    def conductivity(self, temperature: float, begin: float, end: float) -> Conductivity:
        """Between two lags, ps, at a temperature, K; errors as of `conductivity`."""
        lags, whole, parts = self.lags.curves()
        if not len(lags) or lags[-1] < end * (1.0 - 1e-9):
            raise SimulationError(
                f"conductivity from lags of {begin:g} to {end:g} ps: a trajectory of {self.lags.length:.4g} ps has "
                f"blocks in time of {self.lags.length / len(parts):.4g} ps, in which each lag must lie; run longer, or "
                "take shorter lags"
            )
        factor = S_PER_M_PER_PS_NM_EV / (6.0 * self.volume * BOLTZMANN_EV * temperature)
        weights = np.array([n * self.charges.get(name, 0.0) ** 2 for name, n in self.counts.items()])

        def of(curves: np.ndarray) -> np.ndarray:
            slopes = np.array([fitted_slope(lags, curve, begin, end) for curve in curves.T])
            alone, together = factor * weights @ slopes[:-1], factor * slopes[-1]
            return np.array([together, alone, together / alone, *slopes[:-1]])

        values = of(whole)
        errors = block_error(np.array([of(part) for part in parts]))
        found = [Estimate(float(value), float(error)) for value, error in zip(values, errors)]
        scale = 1e9 * M2_PER_S_PER_NM2_PER_PS / 6.0
        each = {name: Estimate(scale * own.value, scale * own.error) for name, own in zip(self.counts, found[3:])}
        charge = Curve(whole[:, -1], block_error(parts[:, :, -1]))
        per_diffusion = float(factor * weights.sum()) / scale
        return Conductivity(found[0], found[1], found[2], each, per_diffusion, lags, charge)


def conductivity(
    trajectory: Pieces, grain_map: GrainMap, charges: Mapping[str, float], temperature: float, begin: float, end: float
) -> Conductivity:
    """Conductivity by the displacements between two lags.

    Errors are standard errors over five blocks in time.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory, or pieces of one
        At constant volume, never wrapped, frames evenly spaced.
    grain_map : GrainMap
    charges : dict of float
        Of a grain of each type that is an ion, in elementary charges; neutral in all (`formalcharges.charges_of`).
    temperature : float, K
    begin, end : float, ps
        Lags between which straight lines are fitted; a fifth of the trajectory must be longer.

    Raises
    ------
    SimulationError
        The box is missing or changes, positions are wrapped, frames are not evenly spaced, or too few for the lags.
    """
    motions = Motions(grain_map, charges)
    feed(trajectory, motions)
    return motions.conductivity(temperature, begin, end)
