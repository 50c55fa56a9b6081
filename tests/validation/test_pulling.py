"""Ligands that are pulled off a center, and their bonds, by a calculator that is model and teacher at once."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("ase")

from ase import Atoms  # noqa: E402
from ase.calculators.lj import LennardJones  # noqa: E402

from openmm_cgaa.errors import CGAAError  # noqa: E402
from openmm_cgaa.validation.monomers import STRETCHES, ligand_stretches  # noqa: E402
from openmm_cgaa.validation.pulling import NEAR, Cluster, Ligand, ligand_scans, nearest  # noqa: E402

CO = Ligand("CO", toward="C", pulled="Ar...CO", stretched=True)
CLUSTER = Cluster("AR", [Ligand("HE"), CO], label="argon")


@pytest.fixture
def parts():
    """Argon, helium 4 Å away on one side, CO with its carbon 3 Å away on the other."""
    atoms = Atoms("ArHeCO", [[0, 0, 0], [-4.0, 0, 0], [3.0, 0, 0], [4.2, 0, 0]])
    members = [np.array([0]), np.array([1]), np.array([2, 3])]
    return SimpleNamespace(atoms=atoms, members=members, bonds=[(2, 3)], calculator=lambda potential: potential)


def test_a_ligand_leaves_along_its_line(parts):
    calculator = LennardJones(epsilon=0.01, sigma=2.5, rc=50.0)
    (scan,) = ligand_scans(CLUSTER, parts, parts.atoms, calculator, calculator)
    assert scan["name"] == "Ar...CO" and scan["x"] == pytest.approx(3.0 + NEAR)
    assert scan["depth_ratio"] == pytest.approx(1.0)

    def energy(distance):  # of all pairs that change: C and O with argon and helium
        ends = np.array([distance, distance + 1.2, distance + 4.0, distance + 5.2])
        return (4 * 0.01 * ((2.5 / ends) ** 12 - (2.5 / ends) ** 6)).sum()

    found = np.array(scan["teacher_eV"])
    expected = np.array([energy(x) for x in 3.0 + NEAR])
    assert found - found[0] == pytest.approx(expected - expected[0], abs=1e-5)


def test_bonds_of_a_ligand_are_stretched_from_their_length(parts):
    calculator = LennardJones(epsilon=0.01, sigma=1.0, rc=50.0)
    near, far = ligand_stretches(CLUSTER, parts, parts.atoms, calculator, calculator)
    assert [near["name"], far["name"]] == ["CO C-O at argon", "CO C-O away from argon"]  # the one bond is both
    assert near["x"] == STRETCHES.tolist() and near["teacher_eV"] == near["model_eV"]
    assert near["teacher_eV"][int(np.argmin(np.abs(STRETCHES)))] == 0.0


def test_what_cannot_be_pulled_is_named(parts):
    with pytest.raises(CGAAError, match="ligand CO: toward is missing: the element that it is pulled along"):
        Ligand("CO", pulled="away")
    with pytest.raises(CGAAError, match="cluster of AR: has 5 ligands; it takes 1 to 4"):
        Cluster("AR", [CO] * 5)
    with pytest.raises(CGAAError, match="ligand CO: has no atom of 'N', which toward names"):
        nearest(parts, parts.atoms, 2, Ligand("CO", toward="N"))
    assert nearest(parts, parts.atoms, 2, CO) == 2
