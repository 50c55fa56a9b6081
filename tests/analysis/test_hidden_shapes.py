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


def slow(rng, frames, stay):
    """Trans and gauche, each for so many frames, behind beads that wander as slowly and know nothing of it."""
    state = np.repeat(rng.random(frames // stay + 1) < 0.5, stay)[:frames]
    turns = np.where(state, 180.0, 65.0) + 8.0 * rng.normal(size=frames)
    drift = np.repeat(rng.normal(size=(frames // stay + 1, 2)), stay, axis=0)[:frames]
    return chains([112.0, 112.0], turns), drift


def test_frames_that_follow_each_other_do_not_guess_for_each_other(tmp_path):
    topology = molecules(["C"] * 4 + ["O", "N"], [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])
    mapping = beads(["C0", "C1", "C2", "C3"], ["O4"], ["N5"])
    positions, drift = slow(np.random.default_rng(1), 2000, 50)
    away = np.zeros((2000, 2, 3))
    away[:, 0, 0], away[:, 1, 1] = 8.0 + drift[:, 0], 8.0 + drift[:, 1]
    frames = bead_frames(tmp_path, topology, mapping, np.concatenate([positions, away], axis=1))
    (found,) = (each for each in hidden_shapes(frames) if each.atoms == ("MOL:C0", "MOL:C3"))
    assert found.told < 0.3


def test_turns_that_are_too_few_tell_nothing(tmp_path):
    positions, _ = slow(np.random.default_rng(2), 2000, 500)
    (found,) = hidden_shapes(bead_frames(tmp_path, BUTANE, beads(["C0", "C1"], ["C2", "C3"]), positions))
    assert np.isnan(found.told)


def test_long_chains_are_told_by_what_is_near(tmp_path):
    """Twenty atoms, a bead each."""
    rng, size = np.random.default_rng(1), 20
    topology = molecules(["C"] * size, [(n, n + 1) for n in range(size - 1)])
    chain = np.zeros((1500, size, 3))
    for n in range(0, size - 3):
        turns = np.where(rng.random(1500) < 0.6, 180.0, 65.0) + 5.0 * rng.normal(size=1500)
        if n == 0:
            chain[:, :4] = chains([112.0, 112.0], turns)
            continue
        b, c, d = (chain[:, n + k] for k in range(3))
        x = (d - c) / np.linalg.norm(d - c, axis=1, keepdims=True)
        y = (b - c) - ((b - c) * x).sum(1, keepdims=True) * x
        y /= np.linalg.norm(y, axis=1, keepdims=True)
        turn, bend = np.radians(turns)[:, None], np.radians(112.0)
        chain[:, n + 3] = d + 1.5 * (
            -np.cos(bend) * x + np.sin(bend) * (np.cos(turn) * y + np.sin(turn) * np.cross(x, y))
        )
    groups = [[f"C{n}"] for n in range(size)]
    found = hidden_shapes(bead_frames(tmp_path, topology, beads(*groups), chain))
    assert len(found) >= 8 and min(each.told for each in found) > 0.9
