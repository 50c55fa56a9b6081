"""Shapes of a molecule that its beads do not show: turns about bonds, seen by distances that have two likely values."""

from itertools import combinations
from typing import NamedTuple

import networkx
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from ..mapping.matching import symmetry_classes
from .bead_frames import BeadFrames, MoleculeKind

SAMPLES = 8_000  # molecules that are looked at, at most
BINS, SMOOTH = 60, 1.5  # of the histogram of a distance, at most, and the width of its smoothing in bins
SURE = 4.0  # standard errors by which a valley is deeper than chance would make it
SHARE = 0.05  # of the rarer state, at least
VALLEY = 0.5  # times the lower of two peaks: between two states fewer samples lie
NEIGHBORS = 15  # samples whose beads are most alike
BLOCKS = 5  # of frames, whose molecules are guessed by those of the others
VISITS = 10  # of molecules to either state, without which nothing is told
STILL = 1e-2  # Å, a distance that changes by less tells nothing
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
        The part of what is to be known that beads tell. It is 1 where molecules with the most alike beads, in other
        frames, always have the same distance behind them, and 0 where they help no more than knowing the more frequent
        one. It is nan where these molecules turned too seldom.
    """

    molecule: str
    atoms: tuple
    shares: tuple
    told: float


def hidden_shapes(frames: BeadFrames) -> list[HiddenShape]:
    """Every turn that has two states, the least told first; of equivalent pairs of atoms one."""
    found = []
    for kind in frames.kinds:
        points, atoms = frames.beads_of(kind), frames.atoms_of(kind)
        for chain in _turns(kind):
            i, *_, j = chain
            state = _states(np.linalg.norm(atoms[:, :, i] - atoms[:, :, j], axis=-1))
            if state is None:
                continue
            shares = float(np.mean(~state)), float(np.mean(state))
            names = kind.atom_labels[i], kind.atom_labels[j]
            found.append(HiddenShape(kind.name, names, shares, _told(points[:, :, _near(kind, chain)], state)))
    return sorted(found, key=lambda each: (np.isnan(each.told), each.told))


def _turns(kind: MoleculeKind) -> list[list[int]]:
    """Atoms along three bonds, one chain of those whose ends are alike. Hydrogens on carbon are left out as ends."""
    graph = networkx.Graph(kind.atom_bonds)
    graph.add_nodes_from(range(len(kind.elements)))
    classes = symmetry_classes(kind.elements, kind.atom_bonds)
    seen, chains = set(), []
    ends = [
        atom
        for atom, element in enumerate(kind.elements)
        if element != "H" or any(kind.elements[other] in POLAR for other in graph[atom])
    ]
    paths = dict(networkx.all_pairs_shortest_path(graph, TURN))
    for i, j in combinations(ends, 2):
        alike = tuple(sorted((classes[i], classes[j])))
        if len(paths[i].get(j, ())) == TURN + 1 and alike not in seen:
            seen.add(alike)
            chains.append(paths[i][j])
    return chains


def _near(kind: MoleculeKind, chain: list[int]) -> list[int]:
    """Beads that may tell how atoms of a chain are turned: those that hold them, and what is bonded to these."""
    own = {kind.bead_of[atom] for atom in chain} - {-1}
    graph = networkx.Graph(kind.bonds)
    graph.add_nodes_from(range(len(kind.species)))
    if not own:  # the atoms are behind no bead: all may tell
        return list(range(len(kind.species)))
    return sorted(own | {other for bead in own for other in graph[bead]})


def _states(distances: np.ndarray) -> np.ndarray | None:
    """Which of two likely values each distance is near, True for the longer; None where there is one alone."""
    counts, edges = np.histogram(distances, min(BINS, max(8, round(distances.size**0.5))))
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
    """How much better the most alike molecules of other frames guess a state than its frequency does.

    Parameters
    ----------
    points : array, [frames, molecules, beads, 3], Å
    state : bool array, [frames, molecules]
    """
    runs = state.shape[1] + int((state[1:] != state[:-1]).sum())
    if runs < VISITS:
        return np.nan
    pairs = list(combinations(range(points.shape[2]), 2))
    if not pairs:
        return 0.0
    # neighbours in time are alike in all: those of other blocks of frames guess, or of one frame other molecules
    along = np.arange(state.shape[0])[:, None] if len(state) >= BLOCKS else np.arange(state.shape[1])[None]
    block = np.broadcast_to(BLOCKS * along // along.size, state.shape).ravel()
    flat, state = points.reshape(-1, *points.shape[2:]), state.ravel()
    chosen = np.unique(np.linspace(0, len(flat) - 1, min(SAMPLES, len(flat))).astype(int))
    flat, state, block = flat[chosen], state[chosen], block[chosen]
    features = np.stack([np.linalg.norm(flat[:, i] - flat[:, j], axis=1) for i, j in pairs], axis=1)
    features = features / features.std(0).clip(min=STILL)
    wrong = 0
    for number in np.unique(block):
        own = block == number
        _, near = cKDTree(features[~own]).query(features[own], min(NEIGHBORS, int((~own).sum())))
        guess = state[~own][near.reshape(own.sum(), -1)].mean(1) > 0.5
        wrong += int((guess != state[own]).sum())
    base = min(state.mean(), 1.0 - state.mean()) * len(state)
    return float(np.clip(1.0 - wrong / base, 0.0, 1.0)) if base else np.nan
