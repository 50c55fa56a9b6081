"""Are bonded beads told from others by their distance? What knows no bonds has nothing else to go by."""

from typing import NamedTuple

import numpy as np
import torch

from ..neighbors.build import near_pairs
from ..structures.lattice import reduced
from .bead_frames import BeadFrames

TAIL = 1e-3  # of the bonds, which may be shorter or longer than the range that counts as a bond's length
FRAMES = 200  # in which unbonded beads are looked for, at most
SAME = 1e-2  # Å, between a vector and the same one from another image
REACH = 1.5  # times the longest bond: how far unbonded beads are looked for


class BondLengths(NamedTuple):
    """Bonds between two species, beside pairs of these that are not bonded.

    Attributes
    ----------
    species : (str, str)
    low, high : float, Å
        The range of the bonds without their tails.
    spread : float, Å
        Standard deviation of the bonds from the mean of those that are alike.
    nearest : float, Å
        The distance below which one unbonded pair in a thousand bonds and frames lies; inf where none comes near.
    at_a_bond : float
        Unbonded pairs in the range of the bonds, for each bond.
    inside : float
        The part of these that lies within a molecule.
    """

    species: tuple[str, str]
    low: float
    high: float
    spread: float
    nearest: float
    at_a_bond: float
    inside: float

    @property
    def gap(self) -> float:
        """From the longest bonds to the nearest other pairs, in standard deviations of the bonds."""
        return (self.nearest - self.high) / self.spread if self.spread else np.inf


def bond_lengths(frames: BeadFrames) -> list[BondLengths]:
    """For each pair of species that is bonded somewhere."""
    species = np.array([atom.species for atom in frames.mapped.topology.atoms()])
    molecule = np.full(len(species), -1)
    bonds, alike = [], []
    for number, kind in enumerate(frames.kinds):
        for row in kind.beads:
            molecule[row] = row[0]
            bonds += [(row[i], row[j]) for i, j in kind.bonds]
            alike += [(number, bond) for bond in kind.bonds]
    if not bonds:
        return []
    ends = np.array(bonds)
    names = [tuple(sorted(pair)) for pair in species[ends].tolist()]
    lengths = np.linalg.norm(frames.beads[:, ends[:, 0]] - frames.beads[:, ends[:, 1]], axis=-1)  # [frame, bond]
    others = _others(frames, species, molecule, {tuple(sorted(pair)) for pair in ends.tolist()}, lengths.max())
    out = []
    for pair in dict.fromkeys(names):
        columns = [column for column, name in enumerate(names) if name == pair]
        own = lengths[:, columns].ravel()
        spread = _spread(lengths[:, columns], [alike[column] for column in columns])
        low, high = np.quantile(own, [TAIL, 1.0 - TAIL])
        apart, inside = others.get(pair, (np.zeros(0), np.zeros(0, bool)))
        within = (apart >= low) & (apart <= high)
        bonds_looked_at = own.size * min(FRAMES, len(frames.beads)) / len(frames.beads)
        rare = max(1, round(TAIL * bonds_looked_at))
        nearest = np.sort(apart)[rare - 1] if len(apart) >= rare else np.inf
        part = float(inside[within].mean()) if within.any() else 0.0
        out.append(BondLengths(pair, low, high, spread, float(nearest), within.sum() / bonds_looked_at, part))
    return out


def _spread(lengths: np.ndarray, alike: list) -> float:
    """Standard deviation of [frames, bonds] from the mean of bonds that are alike."""
    apart = lengths.copy()
    for own in set(alike):
        columns = [column for column, name in enumerate(alike) if name == own]
        apart[:, columns] -= lengths[:, columns].mean()
    return float(np.sqrt(np.square(apart).mean()))


def _others(
    frames: BeadFrames, species: np.ndarray, molecule: np.ndarray, bonded: set, longest: float
) -> dict[tuple, tuple[np.ndarray, np.ndarray]]:
    """Distances of pairs that are not bonded and near, and whether each is inside a molecule, by species."""
    number = len(species)
    reach = torch.full((number,), 0.5 * REACH * longest, dtype=torch.float64)
    codes = np.array([i * number + j for i, j in bonded])
    names, code = np.unique(species, return_inverse=True)
    kinds, distances, insides = [], [], []
    for index in np.unique(np.linspace(0, len(frames.beads) - 1, min(FRAMES, len(frames.beads))).astype(int)):
        whole, box = frames.beads[index], None if frames.boxes is None else reduced(frames.boxes[index])
        points = whole if box is None else whole - np.floor(whole @ np.linalg.inv(box)) @ box
        cell = None if box is None else torch.from_numpy(box)
        j, k, shift = (each.numpy() for each in near_pairs(torch.from_numpy(points), cell, reach))
        away = points[k] + shift - points[j]
        apart = np.linalg.norm(away, axis=1)
        # of the same molecule, and not of an image of it
        inside = (molecule[j] == molecule[k]) & (np.abs(away - whole[k] + whole[j]).max(1, initial=0.0) < SAME)
        first = np.sign(shift[np.arange(len(shift)), np.argmax(shift != 0, axis=1)])
        once = (j < k) | ((j == k) & (first > 0))  # of a bead and its own images one of each two
        wanted = once & ~(inside & np.isin(j * number + k, codes))
        kinds.append(np.sort(np.stack([code[j], code[k]], 1)[wanted], axis=1))
        distances.append(apart[wanted])
        insides.append(inside[wanted])
    kind, apart, inside = (np.concatenate(each) for each in (kinds, distances, insides))
    found = {}
    for a, b in np.unique(kind, axis=0):
        own = (kind == (a, b)).all(1)
        found[str(names[a]), str(names[b])] = apart[own], inside[own]
    return found
