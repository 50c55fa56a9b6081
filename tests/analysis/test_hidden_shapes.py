"""Turns about a bond, behind beads that show them and beads that do not."""

import numpy as np
import pytest
from bead_samples import bead_frames, beads, chains, molecules

from openmm_cgaa.analysis.hidden_shapes import hidden_shapes

BUTANE = molecules(["C"] * 4, [(0, 1), (1, 2), (2, 3)])


def turned(trans, frames=2000, seed=1):
    """Such a share of trans forms, the rest gauche."""
    rng = np.random.default_rng(seed)
    turns = np.where(rng.random(frames) < trans, 180.0, 65.0) + 8.0 * rng.normal(size=frames)
    positions = chains([112.0, 112.0], turns)
    return positions + 0.03 * rng.normal(size=positions.shape)


@pytest.mark.parametrize("groups, told", [([["C0"], ["C1"], ["C2"], ["C3"]], 1.0), ([["C0", "C1", "C2", "C3"]], 0.0)])
def test_trans_and_gauche(tmp_path, groups, told):
    (found,) = hidden_shapes(bead_frames(tmp_path, BUTANE, beads(*groups), turned(0.7)))
    assert found.molecule == "MOL" and found.atoms == ("MOL:C0", "MOL:C3")
    assert found.shares == pytest.approx((0.3, 0.7), abs=0.03) and found.told == pytest.approx(told, abs=0.02)


def test_beads_at_the_first_three_tell_nothing(tmp_path):
    mapping = beads(["C0"], ["C1"], ["C2"], left_out=("C3",))
    (found,) = hidden_shapes(bead_frames(tmp_path, BUTANE, mapping, turned(0.6)))
    assert found.told < 0.2


@pytest.mark.parametrize("trans, frames", [(1.0, 2000), (0.98, 2000), (1.0, 40)])
def test_one_shape_hides_nothing(tmp_path, trans, frames):
    """Nor does a second one that is rare, nor the scatter of few frames."""
    mapping = beads(["C0", "C1"], ["C2", "C3"])
    for seed in range(3):
        assert hidden_shapes(bead_frames(tmp_path, BUTANE, mapping, turned(trans, frames, seed))) == []


def test_hydrogens_on_carbon_turn_into_each_other(tmp_path):
    topology = molecules(["C", "C", "H", "H"], [(0, 1), (0, 2), (1, 3)])
    positions = turned(0.5)[:, [1, 2, 0, 3]]
    assert hidden_shapes(bead_frames(tmp_path, topology, beads(["C0", "H2"], ["C1", "H3"]), positions)) == []
    topology = molecules(["O", "O", "H", "H"], [(0, 1), (0, 2), (1, 3)])
    (found,) = hidden_shapes(bead_frames(tmp_path, topology, beads(["O0", "H2"], ["O1", "H3"]), positions))
    assert found.told < 0.2
