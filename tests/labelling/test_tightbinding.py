"""Tight binding gives the package's numbers, its derivatives, and the energy of the charge that the atoms have.

Also `tblite_calculator`.
"""

import sys

import numpy as np
import pytest

from openmm_cgaa.errors import EngineError
from openmm_cgaa.labelling.teachers import load_teacher

ase = pytest.importorskip("ase")
pytest.importorskip("tblite")

METHODS = ["gfn1-xtb", "gfn2-xtb"]
HARTREE = 27.211386  # eV
FORMALDEHYDE = ase.Atoms("COH2", [[0, 0, 0.1], [0, 0, 1.31], [0.93, 0.05, -0.5], [-0.97, 0, -0.48]])


def energy_of(atoms, teacher, displacement=0.0, strain=None):
    copy = atoms.copy()
    copy.positions += displacement
    if strain is not None:
        copy.set_cell(copy.cell.array @ strain, scale_atoms=True)
    copy.calc = teacher.calculator
    return copy.get_potential_energy()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("cell", [None, [6.0, 6.5, 7.0]])
def test_forces_and_stress_are_derivatives(name, cell):
    """Energies jump by 1e-7 eV where an image comes within reach, so that steps must not be too small."""
    teacher, atoms = load_teacher(name, accuracy=0.1), FORMALDEHYDE.copy()
    random = np.random.default_rng(0)
    if cell:
        atoms.set_cell(cell)
        atoms.pbc = True
    atoms.calc = teacher.calculator
    forces, direction = atoms.get_forces(), random.normal(size=(4, 3))
    slope = (energy_of(atoms, teacher, 1e-3 * direction) - energy_of(atoms, teacher, -1e-3 * direction)) / 2e-3
    assert -slope == pytest.approx((forces * direction).sum(), abs=2e-3)
    if cell:
        stress, strain = atoms.get_stress(voigt=False), random.normal(size=(3, 3))
        ends = [energy_of(atoms, teacher, strain=np.eye(3) + e * strain) for e in (1e-4, -1e-4)]
        assert (ends[0] - ends[1]) / 2e-4 / atoms.get_volume() == pytest.approx((stress * strain).sum(), rel=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_units_are_those_of_ase(name):
    """The package below gives atomic units."""
    from tblite.interface import Calculator

    bare = Calculator({"gfn1-xtb": "GFN1-xTB", "gfn2-xtb": "GFN2-xTB"}[name], FORMALDEHYDE.numbers,
                      FORMALDEHYDE.positions / 0.529177211)  # fmt: skip
    bare.set("verbosity", 0)
    found = bare.singlepoint()
    atoms = FORMALDEHYDE.copy()
    atoms.calc = load_teacher(name).calculator
    assert atoms.get_potential_energy() == pytest.approx(HARTREE * found.get("energy"), abs=1e-4)
    assert np.allclose(atoms.get_forces(), -HARTREE / 0.529177211 * found.get("gradient"), atol=1e-4)


def test_an_ion_has_its_charge_and_a_pair_has_none():
    """5.39 eV take the electron from lithium (experiment)."""
    from tblite.ase import TBLite

    teacher = load_teacher("gfn1-xtb", charges={"Li": 1, "B": -1})
    ion, anion = ase.Atoms("Li"), ase.Atoms("BF4", [[0, 0, 0], *0.8 * np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]])])  # fmt: skip  # noqa: E501
    pair = anion + ase.Atoms("Li", [[0, 0, 2.6]])
    for atoms, charge in ((ion, 1), (anion, -1), (pair, 0)):
        atoms.calc = TBLite(method="GFN1-xTB", charge=charge, verbosity=0)
        right = atoms.get_potential_energy()
        assert energy_of(atoms, teacher) == pytest.approx(right, abs=1e-5)
    assert energy_of(pair, teacher) < energy_of(ion, teacher) + energy_of(anion, teacher) - 4.0


def test_a_label_does_not_depend_on_the_one_before_it():
    teacher = load_teacher("gfn2-xtb")
    first = energy_of(FORMALDEHYDE, teacher)
    energy_of(FORMALDEHYDE, teacher, np.linspace(0, 0.3, 12).reshape(4, 3))
    assert energy_of(FORMALDEHYDE, teacher) == pytest.approx(first, abs=1e-8)


def test_it_says_who_it_is_and_what_it_knows():
    teacher = load_teacher("gfn2-xtb", charges={"Li": 1})
    assert teacher.identity["name"] == "gfn2-xtb" and set(teacher.identity["versions"]) == {"tblite"}
    assert teacher.identity["settings"] == {"charges": {"Li": 1}, "accuracy": 1.0}
    assert teacher.gives_stress and {"Li", "P", "Rn"} < teacher.elements
    teacher.check(FORMALDEHYDE.numbers, True)
    with pytest.raises(EngineError, match="the teacher gfn2-xtb cannot label them: .* an odd number of electrons"):
        teacher.check(FORMALDEHYDE.numbers[:-1], True)
    with pytest.raises(EngineError, match="the teacher gfn2-xtb does not know Pu"):
        teacher.check([94, 94], False)


def test_what_was_not_checked_fails_when_it_computes():
    atoms = ase.Atoms("Li2", [[0, 0, 0], [0, 0, 3.0]])
    with pytest.raises(ase.calculators.calculator.InputError, match="it is not told the charge of Li"):
        energy_of(atoms, load_teacher("gfn2-xtb"))


@pytest.mark.parametrize("name", METHODS)
def test_missing_package_names_the_extra(name, monkeypatch):
    monkeypatch.delitem(sys.modules, "openmm_cgaa.labelling.tblite_calculator", raising=False)
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(EngineError, match=r"tblite.*openmm-cgaa\[xtb\]"):
        load_teacher(name)
