"""Sums over the atoms of each grain, frame by frame (numpy): net forces, torques, positions about the centers."""

import numpy as np
from numpy.typing import ArrayLike


def grain_sums(values: ArrayLike, grain_index: ArrayLike) -> np.ndarray:
    """Sum per grain of per-atom values: [frames, atoms, ...] -> [frames, grains, ...]."""
    values, grain_index = np.asarray(values, dtype=float), np.asarray(grain_index)
    out = np.zeros((values.shape[0], grain_index.max() + 1, *values.shape[2:]))
    np.add.at(out, (slice(None), grain_index), values)  # type: ignore[arg-type]  # numpy's types know one axis alone
    return out


def relative_positions(positions: ArrayLike, grain_index: np.ndarray) -> np.ndarray:
    """r' = r - R_J with the unweighted center of each grain, [frames, atoms, 3]; grains must be whole."""
    centers = grain_sums(positions, grain_index) / np.bincount(grain_index)[None, :, None]
    return np.asarray(positions, dtype=float) - centers[:, grain_index]


def net_force_and_torque(
    forces: np.ndarray, relative: np.ndarray, grain_index: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Net force (eV/Å) on each grain and torque (eV) about its center, both [frames, grains, 3].

    `training.objectives.net_force_and_torque` is the same of a graph's tensors.
    """
    return grain_sums(forces, grain_index), grain_sums(np.cross(relative, forces), grain_index)
