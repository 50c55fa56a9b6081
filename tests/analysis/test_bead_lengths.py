"""Bonded beads beside others, where their distances are known."""

import numpy as np
import pytest
from bead_samples import bead_frames, beads, molecules

from openmm_cgaa.analysis.bead_lengths import bond_lengths


def pairs(rng, frames, near):
    """Two dimers of bonds 3.0 ± 0.1 Å; in `near` of the frames one bead of each lies 3.0 Å from the other, else 6 Å."""
    made = np.zeros((frames, 4, 3))
    made[:, 1, 0] = 3.0 + 0.1 * rng.normal(size=frames)
    made[:, 2, 1] = np.where(rng.random(frames) < near, 3.0, 6.0)
    made[:, 3] = made[:, 2] + (3.0 + 0.1 * rng.normal(size=frames))[:, None] * np.array([0.0, 1.0, 0.0])
    return made


@pytest.mark.parametrize("edge", [None, 20.0])
def test_partners_that_are_as_near_as_bonds(tmp_path, edge):
    rng, frames = np.random.default_rng(1), 150
    topology, mapping = molecules(["C", "C"], [(0, 1)], 2), beads(["C0"], ["C1"])
    positions = pairs(rng, frames, 0.3)
    (found,) = bond_lengths(bead_frames(tmp_path, topology, mapping, positions, edge))
    near = (positions[:, 2, 1] == 3.0).sum()
    assert found.species == ("A", "A") and found.at_a_bond == pytest.approx(near / (2 * frames)) and found.inside == 0
    assert found.nearest == pytest.approx(3.0, abs=1e-4) and found.gap < 0
    assert 2.5 < found.low < 2.9 < 3.1 < found.high < 3.5 and found.spread == pytest.approx(0.1, abs=0.02)


def test_bonds_that_nothing_comes_near_to(tmp_path):
    topology, mapping = molecules(["C", "C"], [(0, 1)], 2), beads(["C0"], ["C1"])
    (found,) = bond_lengths(bead_frames(tmp_path, topology, mapping, pairs(np.random.default_rng(1), 50, 0.0), 30.0))
    assert found.at_a_bond == 0 and found.nearest == np.inf and found.gap == np.inf


def test_pairs_of_one_molecule_count_where_they_have_no_bond(tmp_path):
    """A bent chain whose ends are as far from each other as its bonds: a triangle with two bonds."""
    topology, mapping = molecules(["C", "O", "C"], [(0, 1), (1, 2)]), beads(["C0"], ["O1"], ["C2"])
    rng = np.random.default_rng(2)
    triangle = 3.0 * np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.75**0.5, 0.0]])
    (found,) = bond_lengths(bead_frames(tmp_path, topology, mapping, triangle + 0.02 * rng.normal(size=(200, 3, 3))))
    assert found.at_a_bond == pytest.approx(0.5, abs=0.01) and found.inside == 1.0


def test_other_species_are_no_partners(tmp_path):
    topology = molecules(["C", "O"], [(0, 1)], 2)
    mapping = beads(["C0"], ["O1"], species=["A", "B"])
    (found,) = bond_lengths(bead_frames(tmp_path, topology, mapping, pairs(np.random.default_rng(1), 50, 1.0)))
    assert found.species == ("A", "B") and found.at_a_bond == 0  # what is near is A and A


def test_beads_without_bonds(tmp_path):
    topology, mapping = molecules(["C", "O"], [(0, 1)], 2), beads(["C0", "O1"])
    assert bond_lengths(bead_frames(tmp_path, topology, mapping, pairs(np.random.default_rng(1), 5, 1.0))) == []


def test_images_of_a_molecule_are_other_molecules(tmp_path):
    """A dimer in a box that is little longer than two of it, and the same crystal in a box of twice the edge."""
    line = 3.0 * np.arange(2)[:, None] * np.array([1.0, 0.0, 0.0])
    found = []
    for repeats in (1, 2):
        shifts = 7.0 * np.stack(np.meshgrid(*[np.arange(repeats)] * 3), -1).reshape(-1, 1, 3)
        topology = molecules(["C", "C"], [(0, 1)], repeats**3)
        positions = (line[None] + shifts).reshape(1, -1, 3) + 0.1
        positions = np.repeat(positions, 40, axis=0)
        positions[:, 1::2, 0] += np.linspace(-0.01, 0.01, 40)[:, None]
        (lengths,) = bond_lengths(bead_frames(tmp_path, topology, beads(["C0"], ["C1"]), positions, 7.0 * repeats))
        found.append(lengths)
    assert found[0].inside == found[1].inside == 0.0
    assert found[0].nearest == pytest.approx(found[1].nearest, abs=1e-3) == pytest.approx(4.0, abs=0.02)
    assert found[0].at_a_bond == pytest.approx(found[1].at_a_bond)
