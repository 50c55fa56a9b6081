"""Exchanges of beads and mirror images, right and wrong ones."""

import numpy as np
import pytest
from bead_samples import bead_frames, beads, chains, molecules

from openmm_cgaa.analysis.bead_symmetry import false_symmetries, handedness, needless_species
from openmm_cgaa.errors import GrainError

CHAIN = [(0, 1), (1, 2)]


def bent(first, second, frames=200, seed=1):
    """Three points with bonds of these lengths."""
    positions = np.array([[first, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, second, 0.0]])
    return positions + 0.02 * np.random.default_rng(seed).normal(size=(frames, 3, 3))


def test_ends_of_other_atoms_under_one_species(tmp_path):
    topology, mapping = molecules(["N", "C", "O"], CHAIN), beads(["N0"], ["C1"], ["O2"])
    (found,) = false_symmetries(bead_frames(tmp_path, topology, mapping, bent(1.3, 1.6)))
    assert found.beads == [("MOL:B0", "MOL:B2")] and found.difference == 1.0
    assert found.between == (("MOL:B0", "MOL:B1"), ("MOL:B1", "MOL:B2"))
    (found,) = false_symmetries(bead_frames(tmp_path, topology, mapping, bent(1.4, 1.4)))
    assert found.difference < 0.2  # the atoms differ, their lengths do not


def test_ends_of_equal_atoms(tmp_path):
    topology, mapping = molecules(["O", "C", "O"], CHAIN), beads(["O0"], ["C1"], ["O2"])
    frames = bead_frames(tmp_path, topology, mapping, bent(1.4, 1.4))
    assert false_symmetries(frames) == [] and needless_species(frames) == []
    mapping = beads(["O0"], ["C1"], ["O2"], species=["A", "B", "C"])
    frames = bead_frames(tmp_path, topology, mapping, bent(1.4, 1.4))
    assert needless_species(frames) == [("MOL", "MOL:B0", "MOL:B2")]


def test_species_of_their_own_leave_nothing_to_exchange(tmp_path):
    topology = molecules(["N", "C", "O"], CHAIN)
    mapping = beads(["N0"], ["C1"], ["O2"], species=["A", "B", "C"])
    frames = bead_frames(tmp_path, topology, mapping, bent(1.3, 1.6))
    assert false_symmetries(frames) == [] and needless_species(frames) == []


def test_beads_of_other_groups_of_atoms(tmp_path):
    """CC-O-C: the beads are CC, O and C, of one species."""
    topology = molecules(["C", "C", "O", "C"], [(0, 1), (1, 2), (2, 3)])
    mapping = beads(["C0", "C1"], ["O2"], ["C3"])
    positions = chains([110.0, 115.0], np.linspace(0, 359, 100))
    (found,) = false_symmetries(bead_frames(tmp_path, topology, mapping, positions))
    assert found.beads == [("MOL:B0", "MOL:B2")] and found.difference > 0.9


def test_more_exchanges_than_can_be_looked_at(tmp_path):
    star = [(0, n) for n in range(1, 10)]
    topology = molecules(["C"] + ["O"] * 9, star)
    mapping = beads(["C0"], *[[f"O{n}"] for n in range(1, 10)], species=["B"] + ["A"] * 9)
    frames = bead_frames(tmp_path, topology, mapping, np.random.default_rng(1).normal(size=(3, 10, 3)))
    with pytest.raises(GrainError, match="MOL: too many of its beads are alike"):
        false_symmetries(frames)


def four(mapping=None):
    return molecules(["C", "C", "C", "C"], [(0, 1), (1, 2), (2, 3)]), beads(["C0"], ["C1"], ["C2"], ["C3"])


def test_a_chain_that_turns_both_ways_has_no_hand(tmp_path):
    turns = np.random.default_rng(1).uniform(0, 360, 2000)
    assert handedness(bead_frames(tmp_path, *four(), chains([110.0, 110.0], turns))) == []


def test_a_chain_that_turns_one_way(tmp_path):
    rng = np.random.default_rng(1)
    turns = np.where(rng.random(2000) < 0.8, 1, -1) * rng.uniform(10, 170, 2000)
    (found,) = handedness(bead_frames(tmp_path, *four(), chains([110.0, 110.0], turns)))
    assert found.beads == ("MOL:B0", "MOL:B1", "MOL:B2", "MOL:B3") and found.marked_by == ()
    assert abs(found.bias) == pytest.approx(0.6, abs=0.05) and found.error < 0.05
    (other,) = handedness(bead_frames(tmp_path, *four(), chains([110.0, 110.0], -turns)))
    assert other.bias == pytest.approx(-found.bias)


def test_a_center_that_keeps_its_hand_marks_it(tmp_path):
    """Three around a center that never turns over, and a fourth atom that mostly lies on one side of two of them."""
    topology = molecules(["C", "N", "O", "F", "C"], [(0, 1), (0, 2), (0, 3), (3, 4)])
    rng, frames = np.random.default_rng(1), 2000
    around = np.array([[0.0, 0, 0], [1.4, 0, -0.5], [-0.7, 1.2, -0.5], [-0.7, -1.2, -0.5]])
    last = np.array([-1.4, -2.4, 0.3]) + rng.normal(size=(frames, 3)) * [0.9, 0.9, 0.5]
    positions = np.concatenate([around + 0.05 * rng.normal(size=(frames, 4, 3)), last[:, None]], axis=1)
    groups = [["C0"], ["N1"], ["O2"], ["F3"], ["C4"]]
    found = handedness(bead_frames(tmp_path, topology, beads(*groups, species=list("ABCDE")), positions))
    assert [each.marked_by for each in found] == [("MOL:B0", "MOL:B1", "MOL:B2", "MOL:B3")]
    assert abs(found[0].bias) == 1.0
    # mixed with its mirror image there is no hand
    mirrored = np.concatenate([positions, positions * [1.0, 1.0, -1.0]])[rng.permutation(2 * frames)]
    assert handedness(bead_frames(tmp_path, topology, beads(*groups, species=list("ABCDE")), mirrored)) == []
