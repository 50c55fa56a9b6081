"""Mass and density against OpenMM's own units."""

import numpy as np
import pytest
from openmm import app, unit

from openmm_cgaa.structures.density import cube, density, mass, mass_of_topology

WATER = ["O", "H", "H"]


def test_density_of_water():
    edge = 31.0443  # Å, of 1000 molecules at 0.99986 g/cm3
    total = 1000 * mass(WATER)
    by_openmm = (total * unit.dalton / (edge * unit.angstrom) ** 3).value_in_unit(
        unit.gram / unit.item / unit.milliliter
    )
    assert density(total, edge * np.eye(3)) == pytest.approx(by_openmm, rel=1e-8)
    assert by_openmm == pytest.approx(1.0, abs=2e-3)
    np.testing.assert_allclose(
        density(total, np.stack([edge * np.eye(3), -2 * edge * np.eye(3)])), [by_openmm, by_openmm / 8]
    )


def test_the_cube_of_a_density_has_it():
    assert density(500.0, cube(500.0, 1.3) * np.eye(3)) == pytest.approx(1.3, rel=1e-12)


def test_heavy_water_is_heavier_and_virtual_sites_weigh_nothing():
    assert mass(["O", "D", "D"]) - mass(WATER) == pytest.approx(2 * 1.0056, abs=1e-3)
    topology = app.Topology()
    residue = topology.addResidue("HOH", topology.addChain())
    for symbol in WATER:
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    topology.addAtom("M", None, residue)
    assert mass_of_topology(topology) == mass(WATER)
