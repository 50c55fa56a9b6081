"""The spread of a committee whose members differ by known forces."""

from types import SimpleNamespace

import mdtraj
import numpy as np
import pytest

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.units import KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from openmm_cgaa.validation.rows import ROW_KINDS

FRAMES = 12


def place(*pushes):
    """A run of two grains, in which member m pushes the first atom along x by `pushes[m]` eV/Å times 1 + t."""
    xyz = np.arange(FRAMES)[:, None, None] * np.ones((1, 3, 3))
    frames = mdtraj.Trajectory(xyz, None, time=np.arange(float(FRAMES)))
    frames.unitcell_vectors = np.repeat(np.eye(3)[None], FRAMES, axis=0)
    run = SimpleNamespace(frames=frames, grain_map=SimpleNamespace(slots=[np.array([0, 1]), np.array([2])]))

    def member(push):
        def evaluate(grain_map, positions, box):
            forces = np.zeros((3, 3))
            forces[0, 0] = push * (1.0 + positions[0, 0]) * KJMOL_PER_NM_PER_EV_PER_ANGSTROM
            forces[:2, 1] = push, -push  # within a grain, so that its net force does not know
            return 0.0, forces

        return SimpleNamespace(evaluate=evaluate)

    return SimpleNamespace(committee=lambda: [member(push) for push in pushes], finished=lambda name: run)


def test_spread_is_that_of_net_forces():
    """One of six components of net forces is 0.3 or -0.3 eV/Å times 1 + t: 0.3 (1 + t) / sqrt(6)."""
    row = ROW_KINDS["spread"](name="spread", runs=["nvt"], frames=FRAMES)
    found = row.measure(place(0.3, -0.3))
    expected = 0.3 * (1.0 + np.arange(FRAMES)) / np.sqrt(6.0)
    np.testing.assert_allclose(found["nvt"]["spread_eV_per_A"], expected, rtol=1e-12)
    assert found["nvt"]["largest_eV_per_A"] == pytest.approx(expected[-1])
    assert found["nvt"]["halves_eV_per_A"] == pytest.approx([expected[:6].mean(), expected[6:].mean()])
    text, met = row.verdict({"spread": found}, None)
    assert text == f"second half over first: {9.5 / 3.5:.3f} to {9.5 / 3.5:.3f}" and met == "**no**"


def test_one_model_is_no_committee():
    row = ROW_KINDS["spread"](name="spread", runs=["nvt"])
    with pytest.raises(CGAAError, match="a committee needs two models at least, committee names 1"):
        row.measure(place(0.3))
