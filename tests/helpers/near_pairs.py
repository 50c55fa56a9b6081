"""Pairs of near atoms as engines list them, by going through all images; and frames in which atoms are shuffled."""

import itertools

import numpy as np
import torch


def half_list(positions, cell, cutoff, most=2):
    """Pairs [2, pairs], each once, and lattice steps [pairs, 3]; cell None: not periodic."""
    steps = np.zeros((1, 3), int)
    if cell is not None:
        steps = np.array(list(itertools.product(range(-most, most + 1), repeat=3)))
    found = []
    for step in steps:
        shift = np.zeros(3) if cell is None else step @ cell
        apart = np.linalg.norm(positions[None, :] + shift - positions[:, None], axis=2)
        i, j = np.where(apart < cutoff)
        one = (i < j) | ((i == j) & (tuple(step) > (0, 0, 0)))
        found.append(np.column_stack([i[one], j[one], np.tile(step, (one.sum(), 1))]))
    rows = torch.as_tensor(np.concatenate(found))
    return rows[:, :2].t(), rows[:, 2:]


def scattered(positions, cell, seed=0):
    """Every atom moved by lattice vectors of its own, so that no molecule is whole."""
    return positions + np.random.default_rng(seed).integers(-2, 3, positions.shape) @ cell
