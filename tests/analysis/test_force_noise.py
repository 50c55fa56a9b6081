"""The noise of mapped forces, where it is known."""

import numpy as np
import openmm
import pytest
from bead_samples import bead_frames, beads, molecules

from openmm_cgaa.analysis.force_noise import ERROR, FREEDOM, force_noise
from openmm_cgaa.units import BOLTZMANN_KJMOL, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

OUTER, INNER, COUNT = 500.0, 4000.0, 30  # kJ/mol/nm2


def springs():
    """Carbons in a spring each, and an oxygen on a spring at each of them."""
    system, outer, bond = openmm.System(), openmm.CustomExternalForce("0.5*k*(x^2+y^2+z^2)"), openmm.HarmonicBondForce()
    outer.addGlobalParameter("k", OUTER)
    for atom in range(2 * COUNT):
        system.addParticle(12.0)
        if atom % 2 == 0:
            outer.addParticle(atom)
            bond.addBond(atom, atom + 1, 0.0, INNER)
    system.addForce(outer)
    system.addForce(bond)
    return system


def test_an_atom_on_a_spring_behind_a_bead(tmp_path):
    """The bead is the carbon, its mean force that of the outer spring; the oxygen pulls at random."""
    topology, mapping = molecules(["C", "O"], [(0, 1)], COUNT), beads(["C0"], left_out=("O1",))
    rng = np.random.default_rng(1)
    carbons = 3.0 * rng.normal(size=(4, COUNT, 1, 3))
    frames = bead_frames(tmp_path, topology, mapping, np.repeat(carbons, 2, axis=2).reshape(4, 2 * COUNT, 3))
    (found,) = force_noise(frames, springs(), 300.0)
    noise = np.sqrt(BOLTZMANN_KJMOL * 300.0 * INNER) / KJMOL_PER_NM_PER_EV_PER_ANGSTROM
    looked_at = frames.beads[[0, 1, 3]]
    mean = OUTER * 0.1 * np.sqrt(np.square(looked_at).mean()) / KJMOL_PER_NM_PER_EV_PER_ANGSTROM
    assert found.species == "A" and found.noise == pytest.approx(noise, rel=0.1)
    assert found.mean == pytest.approx(mean, rel=0.2)
    assert found.frames == pytest.approx((found.noise / found.mean / ERROR) ** 2 * FREEDOM / (3 * COUNT))
