"""Pairs of near atoms as engines list them, by going through all images; and frames in which atoms are shuffled."""

import itertools

import numpy as np
import torch


def half_list(positions, cell, cutoff):
    """Pairs [2, pairs], each once, and lattice steps [pairs, 3]; a cell about as high as the cutoff, or None."""
    steps, inside = np.zeros((1, 3), int), np.zeros(positions.shape, int)
    if cell is not None:
        steps = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
        inside = np.floor(positions @ np.linalg.inv(cell)).astype(int)
        positions = positions - inside @ cell
    found = []
    for step in steps:
        shift = np.zeros(3) if cell is None else step @ cell
        apart = np.square(positions[None, :] + shift - positions[:, None]).sum(axis=2)
        i, j = np.where(apart < cutoff**2)
        one = (i < j) | ((i == j) & (tuple(step) > (0, 0, 0)))
        i, j = i[one], j[one]
        found.append(np.column_stack([i, j, step + inside[i] - inside[j]]))
    rows = torch.as_tensor(np.concatenate(found))
    return rows[:, :2].t(), rows[:, 2:]


def scattered(positions, cell, seed=0):
    """Every atom moved by lattice vectors of its own, so that no molecule is whole."""
    return positions + np.random.default_rng(seed).integers(-2, 3, positions.shape) @ cell
