"""Stress, its sign and its frame: what cell filters, barostats of ASE and elastic constants rest on."""

import numpy as np
import pytest

ase = pytest.importorskip("ase")

from ase import Atoms, units  # noqa: E402
from ase.filters import FrechetCellFilter, StrainFilter  # noqa: E402
from ase.md.nose_hoover_chain import IsotropicMTKNPT  # noqa: E402
from ase.optimize import FIRE  # noqa: E402
from boxes import molecules  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from openmm_cgaa import CGAAPotential  # noqa: E402
from openmm_cgaa.engines.ase import CGAACalculator  # noqa: E402
from openmm_cgaa.units import KJMOL_PER_EV  # noqa: E402

TRICLINIC = np.array([[13.0, 0.0, 0.0], [3.5, 12.5, 0.0], [-4.0, 2.0, 12.0]])


@pytest.fixture
def atoms(liquid, tiny_conserving_path):
    """Four molecules in a skewed cell, with a calculator in double precision."""
    topology, positions = molecules(liquid, [0, 3, 7, 12])
    made = Atoms([a.element.symbol for a in topology.atoms()], 10.0 * positions, cell=TRICLINIC, pbc=True)
    made.calc = CGAACalculator(tiny_conserving_path, topology)
    return made


def strained(atoms, strain):
    """A copy of which cell and atoms are deformed, with the same calculator."""
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    moved.calc = atoms.calc
    return moved


def test_all_nine_slopes_of_the_energy_in_a_skewed_cell(atoms):
    """ACEsuit/mace#1110, CederGroupHub/chgnet PR#101: sign and units of the stress.

    Right: dE/d(strain) / V by central differences of fourth order, also of the antisymmetric strains (nothing).
    """
    stress, volume, step = atoms.get_stress(voigt=False), atoms.get_volume(), 2e-4
    slopes = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        unit = np.zeros((3, 3))
        unit[i, j] = step
        near, far = (
            strained(atoms, n * unit).get_potential_energy() - strained(atoms, -n * unit).get_potential_energy()
            for n in (1, 2)
        )
        slopes[i, j] = (8.0 * near - far) / (12.0 * step) / volume
    assert np.abs(stress).max() > 1e-4
    np.testing.assert_allclose(stress, slopes, atol=1e-7 * np.abs(stress).max())


def test_stress_of_a_turned_crystal_is_turned(atoms):
    """CederGroupHub/chgnet PR#101: a cell not along x must not have the stress of the one that is."""
    turn = Rotation.from_euler("xyz", [0.4, -1.1, 2.0]).as_matrix()
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T
    turned.calc = atoms.calc
    before, energy, forces = atoms.get_stress(voigt=False), atoms.get_potential_energy(), atoms.get_forces()
    np.testing.assert_allclose(turned.get_stress(voigt=False), turn @ before @ turn.T, atol=1e-9 * np.abs(before).max())
    assert turned.get_potential_energy() == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(turned.get_forces(), forces @ turn.T, atol=1e-9 * np.abs(forces).max())


@pytest.mark.filterwarnings("ignore:logm result may be inaccurate")
@pytest.mark.parametrize("kind", [FrechetCellFilter, StrainFilter])
def test_a_cell_filter_goes_downhill_along_its_own_gradient(atoms, kind):
    """ACEsuit/mace#1110: with a stress of the wrong sign cells grow without end.

    Right: the filter's forces are minus the slope of the energy along any of its coordinates, and it relaxes.
    """
    filtered = kind(atoms)
    forces, start = filtered.get_forces(), filtered.get_positions().copy()
    direction = np.random.default_rng(3).normal(size=forces.shape)
    direction[-3:] = 0.5 * (direction[-3:] + direction[-3:].T) if kind is FrechetCellFilter else direction[-3:]
    energies = []
    for step in (-1e-4, 1e-4):
        filtered.set_positions(start + step * direction)
        energies.append(atoms.get_potential_energy())
    slope = (energies[1] - energies[0]) / 2e-4
    filtered.set_positions(start)
    assert slope == pytest.approx(-(forces * direction).sum(), rel=1e-4)
    before = atoms.get_potential_energy()
    FIRE(kind(atoms), logfile=None).run(steps=10)
    assert atoms.get_potential_energy() < before


def test_constant_pressure_of_ase_conserves_its_energy(atoms):
    """ACEsuit/mace#1110: at constant pressure the extended energy holds only if stress and energy belong together."""
    rng = np.random.default_rng(1)
    atoms.set_cell(13.0 * np.eye(3))
    atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * np.sqrt(units.kB * 300.0 * atoms.get_masses())[:, None])
    dynamics = IsotropicMTKNPT(
        atoms, 0.25 * units.fs, temperature_K=300.0, pressure_au=0.0, tdamp=25.0 * units.fs, pdamp=100.0 * units.fs
    )
    kinetic, conserved, volumes = [], [], []
    for _ in range(20):
        dynamics.run(5)
        kinetic.append(atoms.get_kinetic_energy())
        conserved.append(dynamics.get_conserved_energy())
        volumes.append(atoms.get_volume())
    assert np.ptp(volumes) > 10.0 and np.ptp(conserved) < 0.05 * np.ptp(kinetic)
    fresh = CGAAPotential(atoms.calc.potential.data, "double")
    expected, _ = fresh.evaluate(atoms.calc.grain_map, atoms.positions / 10.0, atoms.cell.array / 10.0)
    assert atoms.get_potential_energy() * KJMOL_PER_EV == pytest.approx(expected, abs=1e-6)
