"""The noise of mapped forces, where it is known."""

import numpy as np
import openmm
import pytest
from bead_samples import bead_frames, beads, molecules

from openmm_cgaa.analysis.force_noise import ERROR, FREEDOM, force_noise
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.mapping.beadmapping import Mapping
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


def test_a_rare_species_asks_for_more_frames(tmp_path):
    """One of thirty alike: it gives a thirtieth of the forces."""
    topology = molecules(["C", "O"], [(0, 1)], COUNT)
    for residue in list(topology.residues())[:1]:
        residue.name = "ION"
    kinds = {
        name: {"beads": [{"name": "B", "species": name, "atoms": [0]}], "left_out": [1]} for name in ("ION", "MOL")
    }
    mapping = from_mapping(Mapping, {"residues": kinds}, "here")
    carbons = 3.0 * np.sign(np.random.default_rng(1).normal(size=(3, COUNT, 1, 3)))  # forces of one size
    frames = bead_frames(tmp_path, topology, mapping, np.repeat(carbons, 2, axis=2).reshape(3, 2 * COUNT, 3))
    ion, molecule = force_noise(frames, springs(), 300.0)
    assert (ion.species, molecule.species) == ("ION", "MOL")
    assert 15 < ion.frames / molecule.frames < 60


def test_what_is_no_system_of_these_frames(tmp_path):
    topology, mapping = molecules(["C", "O"], [(0, 1)], 2), beads(["C0"], left_out=("O1",))
    frames = bead_frames(tmp_path, topology, mapping, np.random.default_rng(1).normal(size=(2, 4, 3)))
    with pytest.raises(CGAAError, match="the System has 60 particles, but the topology 4 atoms"):
        force_noise(frames, springs(), 300.0)
    system = openmm.System()
    for _ in range(4):
        system.addParticle(12.0)
    with pytest.raises(CGAAError, match="temperature is -5"):
        force_noise(frames, system, -5.0)
    periodic = openmm.NonbondedForce()
    periodic.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    for _ in range(4):
        periodic.addParticle(0.0, 1.0, 0.0)
    system.addForce(periodic)
    with pytest.raises(CGAAError, match="the System is periodic, but the frames have no box"):
        force_noise(frames, system, 300.0)
