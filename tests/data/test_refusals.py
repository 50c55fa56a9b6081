"""Bad labels are refused, each for its reason; good ones are not."""

import re
from dataclasses import replace

import numpy as np
import pytest

from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.data.refusals import check_labels

pytest.importorskip("ase")


@pytest.fixture
def good(liquid):
    """20 frames of the liquid at 300 K, one trajectory; each is there five times."""
    frames = liquid.take(np.arange(20) % 4)
    return replace(frames, trajectory=np.zeros(20, int))


def refused(frames):
    return check_labels(Dataset([frames], [Trajectory("box", "liquid")], {"name": "sevennet"}))


def changed(frames, name, frame, value):
    values = getattr(frames, name).copy()
    values[frame] = value
    return replace(frames, **{name: values})


def test_good_labels_pass(good):
    assert refused(good) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["energy", "forces"])
def test_labels_that_are_not_finite(good, name, value):
    bad = getattr(good, name).copy()
    bad[3].flat[0] = value
    if name == "energy":
        bad[3] = value
    (refusal,) = refused(replace(good, **{name: bad}))
    assert (refusal.set, refusal.frame, refusal.trajectory) == (0, 3, "box")
    assert refusal.reason.startswith(f"{name} not finite")


def test_stress_that_is_not_finite(good):
    stress = np.zeros((20, 3, 3))
    stress[7, 0, 1] = np.nan
    (refusal,) = refused(replace(good, stress=stress))
    assert refusal.frame == 7 and refusal.reason == "stress not finite (1 of 9 numbers)"


def test_a_net_force(good):
    push = np.zeros((240, 3))
    push[5, 2] = 0.05
    (refusal,) = refused(changed(good, "forces", 11, good.forces[11] + push))
    found = re.match(r"net force of (\S+) eV/Å on all atoms \(240\), at most 0.0155 expected", refusal.reason)
    assert refusal.frame == 11 and float(found[1]) == pytest.approx(0.05, abs=1e-3)


@pytest.mark.parametrize(("jump", "count"), [(0.1, 1), (-0.1, 1), (0.01, 0)])
def test_a_jump_of_the_energy(good, jump, count):
    found = refused(changed(good, "energy", 4, np.median(good.energy) + 240 * jump))
    assert len(found) == count
    if count:
        away = re.search(r", (\S+) meV/atom from the median of 20 frames", found[0].reason)
        assert found[0].frame == 4 and float(away[1]) == pytest.approx(1e3 * jump, abs=0.5)


def test_energies_are_compared_within_their_temperature_and_composition(good):
    # all else as in the good frames, but far away in energy: another temperature, and other molecules
    hot = replace(good, temperature=np.full(20, 2000.0), energy=good.energy + 240 * 0.2)
    names = ["XYZ", *good.residue_names[1:]]
    isomer = replace(good, energy=good.energy + 240 * 0.2, residue_names=names)
    assert check_labels(Dataset([good, hot, isomer], [Trajectory("box", "liquid")], {"name": "sevennet"})) == []


def test_bad_energies_do_not_hide_behind_one_that_is_not_finite(good):
    energy = good.energy.copy()
    energy[0], energy[1] = np.nan, energy[1] + 240
    assert [r.frame for r in refused(replace(good, energy=energy))] == [0, 1]


def test_close_atoms(good):
    positions = good.positions.copy()
    hydrogens = np.flatnonzero(np.array(good.elements) == "H")[:2]
    # across the boundary
    positions[9, hydrogens[0]] = positions[9, hydrogens[1]] + good.cell[9, 0] + [0.0, 0.25, 0.0]
    (refusal,) = refused(replace(good, positions=positions))
    assert refusal.frame == 9 and "are 0.250 Å apart, less than 0.310 Å" in refusal.reason
    assert f"H {hydrogens[0]}" in refusal.reason and f"H {hydrogens[1]}" in refusal.reason


def test_an_atom_close_to_its_own_image():
    cell = np.diag([0.2, 10, 10])[None]
    frames = Frames(np.zeros((1, 1, 3)), cell, ["H"], [], [0], ["H"])
    found = check_labels(Dataset([frames], [Trajectory("box", "liquid")]))
    assert "H 0 and H 0 are 0.200 Å apart" in str(found[0])
    assert str(found[0]).startswith("set 0, frame 0 (trajectory box)")


def test_isolated_frames_have_no_images():
    frames = Frames([[[0, 0, 0], [0, 0, 0.74]]], np.zeros((1, 3, 3)), ["H", "H"], [[0, 1]], [0, 0], ["H2"])
    assert check_labels(Dataset([frames], [Trajectory("one", "molecule")])) == []
