"""Self-diffusion from displacements that grow with time."""

from collections.abc import Sequence

import mdtraj
import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import irfft, next_fast_len, rfft

from ..errors import SimulationError
from ..mapping.grains import GrainMap
from ..structures.density import mass_of_atom
from ..structures.lattice import edges_and_angles
from ..units import BOLTZMANN_EV, JOULE_PER_EV, M2_PER_S_PER_NM2_PER_PS, PA_S_PER_MPA_S
from ..wording import counted
from .drift import Estimate

BLOCKS = 4
LEAST = 64  # frames that leave a window of `LaggedSquares` together
AT_ONCE = 1_000_000  # numbers in a Fourier transform
CUBE = 2.837297  # of a cubic lattice of images


class LaggedSquares:
    """Sums of |r(t + lag) - r(t)|^2 over particles and all t, for lags of 0 to `longest` frames, as frames go by.

    By Fourier transforms (Calandrini et al., Collection SFN 12, 201 (2011)) of a window of frames, which moves on. So
    memory grows with the longest lag, and not with the number of frames: 48 bytes for each lag and particle.

    Parameters
    ----------
    longest : int, frames
    sizes : list of int
        Particles of each group, one after the other; groups have sums of their own.
    """

    def __init__(self, longest: int, sizes: Sequence[int]) -> None:
        self.longest, self._sizes = longest, sizes
        self._starts = max(longest, LEAST)  # frames that are done with at a time
        self._window = np.empty((self._starts + longest, sum(sizes), 3))
        self._held = 0
        self._sums, self._counts = np.zeros((longest + 1, len(sizes))), np.zeros(longest + 1)

    def add(self, positions: np.ndarray) -> None:
        """The next frames, [frames, particles, 3], never wrapped into a box."""
        taken = 0
        while taken < len(positions):
            some = positions[taken : taken + len(self._window) - self._held]
            self._window[self._held : self._held + len(some)] = some
            self._held, taken = self._held + len(some), taken + len(some)
            if self._held == len(self._window):
                sums, counts = self._squares(self._starts)
                self._sums, self._counts = self._sums + sums, self._counts + counts
                self._held = self.longest
                self._window[: self._held] = self._window[self._starts :]

    def means(self) -> np.ndarray:
        """Mean square displacement of the groups at each lag so far, [longest + 1, groups]; nan without frames."""
        sums, counts = self._squares(self._held)
        with np.errstate(invalid="ignore"):
            return (self._sums + sums) / ((self._counts + counts)[:, None] * self._sizes)

    def _squares(self, starts: int) -> tuple[np.ndarray, np.ndarray]:
        """Of pairs in the window whose earlier frame is one of the first so many: sums, and number of t."""
        held, lags = self._held, np.arange(self.longest + 1)
        counts = np.clip(held - lags, 0, starts)
        ends, sums = np.cumsum([0, *self._sizes]), np.zeros((len(lags), len(self._sizes)))
        length = next_fast_len(held + self.longest, real=True)
        at_once = max(1, AT_ONCE // (3 * length))
        for group, (begin, end) in enumerate(zip(ends, ends[1:])):
            spectrum, square = np.zeros(length // 2 + 1, complex), np.zeros(held)
            for first in range(begin, end, at_once):
                own = self._window[:held, first : min(first + at_once, end)].reshape(held, -1)
                own = own - own.mean(axis=0)  # differences of large numbers would lose digits
                later = rfft(own, length, axis=0)
                earlier = later if starts == held else rfft(own[:starts], length, axis=0)
                spectrum += (earlier.conj() * later).sum(axis=1)
                square += np.square(own).sum(axis=1)
            head = np.concatenate([[0.0], np.cumsum(square)])
            both = head[counts] + head[np.minimum(lags, held) + counts] - head[np.minimum(lags, held)]
            sums[:, group] = both - 2.0 * irfft(spectrum, length)[: len(lags)]
        return sums, counts


def mean_square_displacement(positions: ArrayLike) -> np.ndarray:
    """Mean of |r(t + lag) - r(t)|^2 over particles and all t, for lags of 0 to frames - 1; [frames].

    Parameters
    ----------
    positions : array [frames, particles, 3]
        Never wrapped into a box.
    """
    values = np.asarray(positions, dtype=float)
    squares = LaggedSquares(len(values) - 1, [values.shape[1]])
    squares.add(values)
    return squares.means()[:, 0]


class Walks:
    """Self-diffusion of groups of particles, as frames go by; arguments are those of `diffusion`, and

    Parameters
    ----------
    sizes : list of int
        Particles of each group, one after the other.
    """

    def __init__(self, time: ArrayLike, sizes: Sequence[int], begin: float, end: float, blocks: int = BLOCKS) -> None:
        time = np.asarray(time, dtype=float)
        self._length, self._blocks = len(time) // blocks, blocks
        self._spacing = spacing = (time[-1] - time[0]) / max(len(time) - 1, 1)
        if self._length < 2 or (self._length - 1) * spacing < end or round((end - begin) / spacing) < 3:
            raise SimulationError(
                f"diffusion from lags of {begin} to {end} ps in {counted(blocks, 'block')}: found "
                f"{counted(len(time), 'frame')} {spacing:.4g} ps apart; each block must be longer than the last lag, "
                "with some frames between both"
            )
        lags = spacing * np.arange(self._length)
        self._chosen = np.flatnonzero((lags >= begin - 1e-9) & (lags <= end + 1e-9))
        self._sizes, self._frames = sizes, 0
        self._all = self._new()
        self._block = self._new()
        self._parts: list[np.ndarray] = []  # of the blocks that have gone by

    def _new(self) -> LaggedSquares:
        return LaggedSquares(int(self._chosen[-1]), self._sizes)

    def add(self, positions: np.ndarray) -> None:
        """The next frames, [frames, particles, 3], nm."""
        self._all.add(positions)
        while len(positions) and len(self._parts) < self._blocks:
            some = positions[: self._length - self._frames % self._length]
            self._block.add(some)
            self._frames, positions = self._frames + len(some), positions[len(some) :]
            if self._frames % self._length == 0:
                self._parts.append(self._fitted(self._block))
                self._block = self._new()

    def _fitted(self, squares: LaggedSquares) -> np.ndarray:
        slopes = np.polyfit(self._spacing * self._chosen, squares.means()[self._chosen], 1)[0]
        return 1e9 * M2_PER_S_PER_NM2_PER_PS * slopes / 6.0

    def estimates(self) -> list[Estimate]:
        """Of each group, when all frames were seen."""
        errors = np.std(self._parts, axis=0, ddof=1) / np.sqrt(self._blocks)
        return [Estimate(float(value), float(error)) for value, error in zip(self._fitted(self._all), errors)]


def diffusion(time: ArrayLike, positions: np.ndarray, begin: float, end: float, blocks: int = BLOCKS) -> Estimate:
    """Self-diffusion coefficient in 1e-9 m^2/s: a sixth of the slope of the mean square displacement.

    The value is that of the whole trajectory, its error the standard error over blocks in time. Nothing is corrected
    for the size of the box (Yeh and Hummer, J. Phys. Chem. B 108, 15873 (2004)).

    Parameters
    ----------
    time : array [frames], ps
        Evenly spaced.
    positions : array [frames, particles, 3], nm
        Never wrapped, without the motion of the system's center of mass.
    begin, end : float
        ps; the lags between which a straight line is fitted.
    blocks : int

    Raises
    ------
    SimulationError
        A block is not longer than `end`, or too few frames lie between the lags.
    """
    walks = Walks(time, [positions.shape[1]], begin, end, blocks)
    walks.add(positions)
    return walks.estimates()[0]


class GrainWalks:
    """An observable: self-diffusion of the grains of each type, of their `moving_centers`.

    Parameters
    ----------
    grain_map : GrainMap
    time : array [frames], ps
        Of all frames that will go by, evenly spaced.
    begin, end : float, ps
        As of `diffusion`, which tells what is raised, too.
    """

    def __init__(self, grain_map: GrainMap, time: ArrayLike, begin: float, end: float) -> None:
        self.grain_map = grain_map
        names = [grain_map.types[t].name for t in grain_map.type_index]
        self._counts = {name: names.count(name) for name in dict.fromkeys(names)}
        self._walks = Walks(time, list(self._counts.values()), begin, end)

    def add(self, piece: mdtraj.Trajectory) -> None:
        self._walks.add(np.concatenate(list(moving_centers(piece, self.grain_map).values()), axis=1))

    def diffusion(self) -> dict[str, Estimate]:
        """By the name of the type, 1e-9 m^2/s."""
        return dict(zip(self._counts, self._walks.estimates()))


def box_correction(temperature: float, viscosity: float, box: ArrayLike | None) -> float:
    """What a periodic cubic box takes from a self-diffusion coefficient, 1e-9 m^2/s.

    ``2.837297 k T / (6 pi eta L)``: Yeh and Hummer, J. Phys. Chem. B 108, 15873 (2004), eq. 12.

    Parameters
    ----------
    temperature : float, K
    viscosity : float, mPa s
        Of the liquid at that temperature.
    box : array [3, 3], nm, or None

    Raises
    ------
    SimulationError
        There is no box, or it is no cube, for which the number holds.
    """
    if box is None:
        raise SimulationError("without a box there is nothing to correct diffusion for; leave the viscosity away")
    box = np.asarray(box, dtype=float)
    edge = float(np.cbrt(abs(np.linalg.det(box))))
    if np.abs(edges_and_angles(box) - [edge, edge, edge, 90.0, 90.0, 90.0]).max() > 1e-3 * edge:
        raise SimulationError("the correction for the size of the box holds for a cube, which this box is not")
    thermal = BOLTZMANN_EV * JOULE_PER_EV * temperature
    return 1e9 * CUBE * thermal / (6.0 * np.pi * PA_S_PER_MPA_S * viscosity * 1e-9 * edge)


def moving_centers(trajectory: mdtraj.Trajectory, grain_map: GrainMap) -> dict[str, np.ndarray]:
    """Centers of mass of the grains of each type, [frames, grains, 3] in nm, without the motion of that of the system.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory
        Never wrapped.
    grain_map : GrainMap
    """
    masses = np.array([mass_of_atom(atom) for atom in trajectory.topology.atoms])
    if not masses.all():
        raise SimulationError(
            "the masses of beads are not known, so that there is no center of mass; analyse the folder of a run, which "
            "keeps them"
        )
    positions = trajectory.xyz.astype(float)
    own = [(masses[s, None] * positions[:, s]).sum(axis=1) / masses[s].sum() for s in grain_map.slots]
    centers, weights = np.stack(own, axis=1), np.array([masses[s].sum() for s in grain_map.slots])
    centers = centers - (weights[:, None] * centers).sum(axis=1, keepdims=True) / weights.sum()
    names = np.array([grain_map.types[t].name for t in grain_map.type_index])
    return {str(name): centers[:, names == name] for name in dict.fromkeys(names)}
