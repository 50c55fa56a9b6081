"""Exchanges of beads and mirror images, right and wrong ones."""

import numpy as np
import pytest
from bead_samples import bead_frames, beads, chains, molecules
from openmm import app

from openmm_cgaa.analysis.bead_symmetry import false_symmetries, handedness, needless_species, same_beads
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.mapping.beadmapping import Mapping

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
    assert not found.seen  # the atoms differ, their lengths do not


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


def test_many_exchanges_are_looked_at_one_by_one(tmp_path):
    """Nine equal arms have 362,880 orders; one arm of other atoms is found."""
    star = [(0, n) for n in range(1, 10)]
    mapping = beads(["C0"], *[[f"O{n}"] for n in range(1, 10)], species=["B"] + ["A"] * 9)
    positions = np.random.default_rng(1).normal(size=(200, 10, 3))
    frames = bead_frames(tmp_path, molecules(["C"] + ["O"] * 9, star), mapping, positions)
    assert false_symmetries(frames) == []
    mapping = beads(["C0"], *[[f"O{n}"] for n in range(1, 9)], ["N9"], species=["B"] + ["A"] * 9)
    (found,) = false_symmetries(bead_frames(tmp_path, molecules(["C"] + ["O"] * 8 + ["N"], star), mapping, positions))
    assert any("MOL:B9" in pair for pair in found.beads) and not found.seen


def test_what_few_frames_differ_by_is_chance(tmp_path):
    topology, mapping = molecules(["N", "C", "O"], CHAIN), beads(["N0"], ["C1"], ["O2"])
    for seed in range(5):
        (found,) = false_symmetries(bead_frames(tmp_path, topology, mapping, bent(1.4, 1.4, 30, seed)))
        assert not found.seen
        (found,) = false_symmetries(bead_frames(tmp_path, topology, mapping, bent(1.3, 1.6, 60, seed)))
        assert found.seen


def test_a_bead_at_another_atom_is_another_bead(tmp_path):
    """C-C whose first bead is at its carbon and whose second one at a hydrogen."""
    topology = molecules(["C", "H", "C", "H"], [(0, 1), (0, 2), (2, 3)])
    groups = [{"name": "B0", "species": "A", "atoms": ["C0", "H1"], "position": "atom"},
              {"name": "B1", "species": "A", "atoms": ["H3", "C2"], "position": "atom"}]  # fmt: skip
    mapping = from_mapping(Mapping, {"residues": {"MOL": {"beads": groups}}}, "here")
    frames = bead_frames(tmp_path, topology, mapping, np.random.default_rng(1).normal(size=(50, 4, 3)))
    (found,) = false_symmetries(frames)
    assert found.beads == [("MOL:B0", "MOL:B1")] and not found.seen


def test_molecules_of_other_atoms_under_the_same_beads(tmp_path):
    topology = molecules(["C"], [], 2)
    residue = topology.addResidue("OXY", next(topology.chains()))
    topology.addAtom("O0", app.Element.getBySymbol("O"), residue)
    own = {name: {"beads": [{"name": "B", "species": "A", "atoms": [0]}]} for name in ("MOL", "OXY")}
    mapping = from_mapping(Mapping, {"residues": own}, "here")
    assert same_beads(bead_frames(tmp_path, topology, mapping, np.zeros((2, 3, 3)))) == [("MOL", "OXY")]
    own["OXY"]["beads"][0]["species"] = "B"
    mapping = from_mapping(Mapping, {"residues": own}, "here")
    assert same_beads(bead_frames(tmp_path, topology, mapping, np.zeros((2, 3, 3)))) == []


def four(mapping=None):
    return molecules(["C", "C", "C", "C"], [(0, 1), (1, 2), (2, 3)]), beads(["C0"], ["C1"], ["C2"], ["C3"])


def test_a_chain_that_turns_both_ways_has_no_hand(tmp_path):
    turns = np.random.default_rng(1).uniform(0, 360, 2000)
    assert handedness(bead_frames(tmp_path, *four(), chains([110.0, 110.0], turns))) == []


def test_a_chain_that_turns_one_way(tmp_path):
    rng = np.random.default_rng(1)
    turns = np.where(rng.random(2000) < 0.8, 1, -1) * rng.uniform(10, 170, 2000)
    (found,) = handedness(bead_frames(tmp_path, *four(), chains([110.0, 110.0], turns)))
    assert not found.by_bonds and found.beads == ("MOL:B0", "MOL:B1", "MOL:B2", "MOL:B3") and found.marked_by == ()
    assert abs(found.bias) == pytest.approx(0.6, abs=0.05) and found.error < 0.05
    (other,) = handedness(bead_frames(tmp_path, *four(), chains([110.0, 110.0], -turns)))
    assert other.bias == pytest.approx(-found.bias)


def test_a_center_that_keeps_its_hand_marks_it(tmp_path):
    """Three around a center that never turns over, and a fifth atom that mostly lies on one side of two of them."""
    topology = molecules(["C", "N", "O", "F", "C", "H"], [(0, 1), (0, 2), (0, 3), (3, 4), (0, 5)])
    rng, frames = np.random.default_rng(1), 2000
    around = np.array([[0.0, 0, 0], [1.4, 0, -0.5], [-0.7, 1.2, -0.5], [-0.7, -1.2, -0.5]])
    last = np.array([-1.4, -2.4, 0.3]) + rng.normal(size=(frames, 3)) * [0.9, 0.9, 0.5]
    hydrogen = np.broadcast_to([0.0, 0.0, 1.1], (frames, 1, 3))
    positions = np.concatenate([around + 0.05 * rng.normal(size=(frames, 4, 3)), last[:, None], hydrogen], axis=1)
    groups = [["C0"], ["N1"], ["O2"], ["F3"], ["C4"]]
    mapping = beads(*groups, species=list("ABCDE"), left_out=("H5",))
    found = handedness(bead_frames(tmp_path, topology, mapping, positions))
    assert [each.marked_by for each in found] == [("MOL:B0", "MOL:B1", "MOL:B2", "MOL:B3")]
    assert abs(found[0].bias) == 1.0
    # mixed with its mirror image there is no hand
    mirrored = np.concatenate([positions, positions * [1.0, 1.0, -1.0]])[rng.permutation(2 * frames)]
    assert handedness(bead_frames(tmp_path, topology, mapping, mirrored)) == []


def test_a_turn_that_did_not_happen_is_no_hand(tmp_path):
    """Of a molecule that is its own mirror image, in frames that begin on one side."""
    turns = np.random.default_rng(1).uniform(40, 80, 400)
    assert handedness(bead_frames(tmp_path, *four(), chains([110.0, 110.0], turns))) == []


def test_equal_beads_around_a_center_show_no_hand(tmp_path):
    """CF3: the labels of three fluorines keep their order, and a model knows no labels. A turn beside them counts."""
    rng, frames = np.random.default_rng(1), 2000
    topology = molecules(["C", "F", "F", "F", "O", "C"], [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5)])
    around = np.array([[0.0, 0, 0], [1.2, 0, -0.5], [-0.6, 1.1, -0.5], [-0.6, -1.1, -0.5], [0, 0, 1.4]])
    angle = np.radians(np.where(rng.random(frames) < 0.5, 1, -1) * rng.uniform(0, 180, frames))
    last = np.stack([np.cos(angle), np.sin(angle), np.full(frames, 2.0)], 1)
    positions = np.concatenate([around + 0.03 * rng.normal(size=(frames, 5, 3)), last[:, None]], axis=1)
    groups = [["C0"], ["F1"], ["F2"], ["F3"], ["O4"], ["C5"]]
    mapping = beads(*groups, species=["C", "F", "F", "F", "O", "D"])
    assert handedness(bead_frames(tmp_path, topology, mapping, positions)) == []
