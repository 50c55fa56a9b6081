"""Bonds of molecules that vibrate, and of one that broke."""

import mdtraj
import numpy as np
import pytest
from formaldehydes import SHAPE, formaldehydes

from openmm_cgaa.analysis.bonds import bond_stability
from openmm_cgaa.mapping.grains import GrainMap


def test_the_bond_that_broke_is_named_first():
    topology = formaldehydes(4)
    rng = np.random.default_rng(4)
    xyz = (10.0 * np.arange(4)[:, None, None] * [0, 0, 1] + SHAPE).reshape(1, 16, 3).repeat(50, axis=0)
    xyz = xyz + rng.normal(scale=5e-4, size=xyz.shape)
    xyz[30, 9] += [0, 0, 0.07]  # O of the third molecule, 0.7 Å too far in frame 30
    kinds = bond_stability(mdtraj.Trajectory(xyz, topology), GrainMap.from_mdtraj(topology))
    assert [kind.worst.split(": ")[1] for kind in kinds[:1]] == ["C-O"]
    assert kinds[0].frame == 30 and kinds[0].largest == pytest.approx(0.7, abs=0.03)
    assert kinds[0].mean == pytest.approx(1.2, abs=0.01)
    assert len(kinds) == 2 and kinds[1].largest < 0.05  # both C-H are one kind
