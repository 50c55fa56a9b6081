"""Self-diffusion from displacements that grow with time."""

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import SimulationError
from ..mapping.grains import GrainMap
from ..structures.density import mass_of_atom
from ..structures.lattice import edges_and_angles
from ..units import BOLTZMANN_EV, JOULE_PER_EV, M2_PER_S_PER_NM2_PER_PS, PA_S_PER_MPA_S
from ..wording import counted
from .drift import Estimate

BLOCKS = 4
CUBE = 2.837297  # of a cubic lattice of images


def mean_square_displacement(positions: ArrayLike) -> np.ndarray:
    """Mean of |r(t + lag) - r(t)|^2 over particles and all t, for lags of 0 to frames - 1; [frames].

    By Fourier transforms: Calandrini et al., Collection SFN 12, 201 (2011).

    Parameters
    ----------
    positions : array [frames, particles, 3]
        Never wrapped into a box.
    """
    values = np.asarray(positions, dtype=float)
    values = values - values.mean(axis=0)  # differences of large numbers would lose digits
    frames = len(values)
    counts = frames - np.arange(frames)
    spectrum = np.fft.rfft(values, 2 * frames, axis=0)
    products = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:frames].sum(axis=-1) / counts[:, None]
    square = np.square(values).sum(axis=-1)  # [frame, particle]
    head = np.cumsum(np.concatenate([np.zeros((1, square.shape[1])), square]), axis=0)
    sums = head[counts] + (head[-1] - head[np.arange(frames)])  # of the first and the last frames - lag
    return (sums / counts[:, None] - 2.0 * products).mean(axis=1)


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
    time = np.asarray(time, dtype=float)
    length = len(time) // blocks
    spacing = (time[-1] - time[0]) / max(len(time) - 1, 1)
    if length < 2 or (length - 1) * spacing < end or round((end - begin) / spacing) < 3:
        raise SimulationError(
            f"diffusion from lags of {begin} to {end} ps in {counted(blocks, 'block')}: found "
            f"{counted(len(time), 'frame')} {spacing:.4g} ps apart; each block must be longer than the last lag, with "
            "some frames between both"
        )

    def fitted(part: np.ndarray) -> float:
        lags = spacing * np.arange(len(part))
        chosen = (lags >= begin - 1e-9) & (lags <= end + 1e-9)
        slope = np.polyfit(lags[chosen], mean_square_displacement(part)[chosen], 1)[0]
        return 1e9 * M2_PER_S_PER_NM2_PER_PS * slope / 6.0

    parts = [fitted(positions[block * length : (block + 1) * length]) for block in range(blocks)]
    return Estimate(fitted(positions), float(np.std(parts, ddof=1) / np.sqrt(blocks)))


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
