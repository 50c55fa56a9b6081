"""Energies of atoms by D3: they sum to the energy, and far molecules share what is between them by halves."""

import numpy as np
import pytest

ase = pytest.importorskip("ase")
pytest.importorskip("dftd3")

from ase.build import molecule  # noqa: E402
from ase.calculators.calculator import PropertyNotImplementedError  # noqa: E402
from dftd3.ase import DFTD3  # noqa: E402

from openmm_cgaa.labelling import dispersion  # noqa: E402


@pytest.mark.parametrize("box", [None, [[9.0, 0, 0], [2.0, 8.0, 0], [-1.0, 3.0, 7.0]]], ids=["no box", "triclinic"])
def test_energies_sum_to_the_energy_of_the_library(box):
    atoms = molecule("CH3CH2OH")
    if box is not None:
        atoms.set_cell(box)
        atoms.pbc = True
    atoms.calc = dispersion.AtomicD3("PBE")
    energies = atoms.get_potential_energies()
    plain = atoms.copy()
    plain.calc = DFTD3(method="PBE", damping="d3bj")
    assert energies.shape == (9,) and energies.sum() == pytest.approx(plain.get_potential_energy(), abs=1e-12)
    np.testing.assert_array_equal(atoms.get_forces(), plain.get_forces())
    atoms.positions[0] += 0.1
    assert np.abs(atoms.get_potential_energies() - energies).max() > 1e-5


def test_far_molecules_share_their_energy_by_halves():
    """By differences of total energies alone: coordination numbers hardly know of what is 9 Å away."""
    first, second = molecule("CH3OH"), molecule("C6H6")
    second.translate([9.0, 0, 0])
    both = first + second
    for atoms in (first, second, both):
        atoms.calc = dispersion.AtomicD3("PBE")
    between = both.get_potential_energy() - first.get_potential_energy() - second.get_potential_energy()
    shares = both.get_potential_energies()
    assert between < -1e-4
    assert shares[: len(first)].sum() == pytest.approx(first.get_potential_energy() + between / 2, abs=1e-6)


def test_matrices_that_do_not_fit_are_not_made(monkeypatch):
    monkeypatch.setattr(dispersion, "MOST_ATOMS", 2)
    atoms = molecule("H2O")
    atoms.calc = dispersion.AtomicD3("PBE")
    assert atoms.get_potential_energy() < 0
    with pytest.raises(PropertyNotImplementedError, match="3 atoms"):
        atoms.get_potential_energies()
