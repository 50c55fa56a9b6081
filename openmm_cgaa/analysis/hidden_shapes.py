"""Shapes of a molecule that its beads do not show: turns about bonds, seen by distances that have two likely values."""

from itertools import combinations
from typing import NamedTuple

import networkx
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from ..mapping.matching import symmetry_classes
from .bead_frames import BeadFrames, MoleculeKind

SAMPLES = 4_000  # molecules that are looked at, at most
BINS, SMOOTH = 60, 1.5  # of the histogram of a distance, at most, and the width of its smoothing in bins
SURE = 4.0  # standard errors by which a valley is deeper than chance would make it
SHARE = 0.05  # of the rarer state, at least
VALLEY = 0.5  # times the lower of two peaks: between two states fewer samples lie
NEIGHBORS = 15  # samples whose beads are most alike
TURN = 3  # bonds between two atoms whose distance tells a turn
POLAR = ("N", "O", "F", "S")  # a hydrogen on these counts; those on carbon turn into each other


class HiddenShape(NamedTuple):
    """Two atoms whose distance has two likely values, and what beads tell of which it is.

    Attributes
    ----------
    molecule : str
    atoms : tuple of str
        Residues and names of the two.
    shares : (float, float)
        Samples with the shorter and the longer distance.
    told : float
        The part of what is to be known that beads tell. It is 1 where the most alike beads always have the same
        distance behind them, and 0 where they help no more than knowing the more frequent one.
    """

    molecule: str
    atoms: tuple
    shares: tuple
    told: float


def hidden_shapes(frames: BeadFrames) -> list[HiddenShape]:
    """Every turn that has two states, the least told first; of equivalent pairs of atoms one."""
    found = []
    for kind in frames.kinds:
        points = frames.beads_of(kind).reshape(-1, len(kind.species), 3)
        atoms = frames.atoms_of(kind).reshape(-1, len(kind.elements), 3)
        chosen = np.unique(np.linspace(0, len(points) - 1, min(SAMPLES, len(points))).astype(int))
        points, atoms = points[chosen], atoms[chosen]
        for i, j in _turns(kind):
            state = _states(np.linalg.norm(atoms[:, i] - atoms[:, j], axis=1))
            if state is None:
                continue
            names = tuple(kind.atom_labels[atom] for atom in (i, j))
            shares = float(np.mean(~state)), float(np.mean(state))
            found.append(HiddenShape(kind.name, names, shares, _told(points, state)))
    return sorted(found, key=lambda each: each.told)


def _turns(kind: MoleculeKind) -> list[tuple[int, int]]:
    """Pairs of atoms three bonds apart, one of those that are alike. Hydrogens on carbon are left out."""
    graph = networkx.Graph(kind.atom_bonds)
    graph.add_nodes_from(range(len(kind.elements)))
    classes = symmetry_classes(kind.elements, kind.atom_bonds)
    seen, pairs = set(), []
    heavy = [
        atom
        for atom, element in enumerate(kind.elements)
        if element != "H" or any(kind.elements[other] in POLAR for other in graph[atom])
    ]
    apart = dict(networkx.all_pairs_shortest_path_length(graph, TURN))
    for i, j in combinations(heavy, 2):
        alike = tuple(sorted((classes[i], classes[j])))
        if apart[i].get(j) == TURN and alike not in seen:
            seen.add(alike)
            pairs.append((i, j))
    return pairs


def _states(distances: np.ndarray) -> np.ndarray | None:
    """Which of two likely values each distance is near, True for the longer; None where there is one alone."""
    counts, edges = np.histogram(distances, min(BINS, max(8, round(len(distances) ** 0.5))))
    smooth = gaussian_filter1d(counts.astype(float), SMOOTH)
    best, at = 0.0, None
    for valley in range(1, len(counts) - 1):
        lower = min(smooth[:valley].max(), smooth[valley + 1 :].max())
        depth = lower - smooth[valley]
        if smooth[valley] < VALLEY * lower and depth > max(best, SURE * lower**0.5):
            best, at = depth, valley
    if at is None:
        return None
    longer = distances > 0.5 * (edges[at] + edges[at + 1])
    return longer if SHARE <= longer.mean() <= 1.0 - SHARE else None


def _told(points: np.ndarray, state: np.ndarray) -> float:
    """How much better the most alike other molecules guess a state than its frequency does."""
    number = points.shape[1]
    pairs = list(combinations(range(number), 2))
    if not pairs:
        return 0.0
    features = np.stack([np.linalg.norm(points[:, i] - points[:, j], axis=1) for i, j in pairs], axis=1)
    features = features / features.std(0).clip(min=1e-6)
    _, near = cKDTree(features).query(features, NEIGHBORS + 1)
    guess = state[near[:, 1:]].mean(1) > 0.5
    wrong, base = np.mean(guess != state), min(state.mean(), 1.0 - state.mean())
    return float(np.clip(1.0 - wrong / base, 0.0, 1.0))
