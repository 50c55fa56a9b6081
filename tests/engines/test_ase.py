"""The ASE calculator: the numbers of `evaluate` in eV and Å, and a stress that is the energy's own slope."""

import numpy as np
import pytest

ase = pytest.importorskip("ase")

from ase import Atoms  # noqa: E402
from ase.calculators.calculator import PropertyNotImplementedError  # noqa: E402
from ase.calculators.fd import calculate_numerical_stress  # noqa: E402
from ase.optimize import FIRE  # noqa: E402

from openmm_cgaa import CGAAPotential, GrainMap  # noqa: E402
from openmm_cgaa.engines.ase import CGAACalculator, infer_grains  # noqa: E402
from openmm_cgaa.errors import EngineError, GeometryError  # noqa: E402
from openmm_cgaa.units import KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM  # noqa: E402


@pytest.fixture
def atoms(liquid):
    return Atoms(liquid.elements, liquid.positions[0].astype(float), cell=liquid.cell[0], pbc=True)


def test_same_numbers_as_evaluate(any_path, device, solvent, atoms):
    potential = CGAAPotential(any_path, "double", device)
    energy, forces = potential.evaluate(*solvent)
    atoms.calc = CGAACalculator(potential, solvent[0])
    assert atoms.get_potential_energy() * KJMOL_PER_EV == pytest.approx(energy, abs=1e-6)
    ours = atoms.get_forces() * KJMOL_PER_NM_PER_EV_PER_ANGSTROM
    np.testing.assert_allclose(ours, forces, atol=1e-9 * np.abs(forces).max())


def test_grains_found_by_distance_are_those_of_the_topology(any_path, solvent, atoms):
    found, known = infer_grains(atoms), GrainMap.from_topology(solvent[0])
    assert sorted(sorted(s) for s in found.slots) == sorted(sorted(s) for s in known.slots)
    atoms.calc = CGAACalculator(any_path)
    energy = atoms.get_potential_energy()
    atoms.calc = CGAACalculator(any_path, known)
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-9)


@pytest.mark.parametrize("shear", [0.0, 1.5])
def test_stress_is_the_slope_of_the_energy(tiny_conserving_path, device, atoms, shear):
    cell = atoms.cell.array.copy()
    cell[2, 0] += shear  # triclinic
    atoms.set_cell(cell)
    atoms.calc = CGAACalculator(tiny_conserving_path, device=device)
    stress = atoms.get_stress()
    numerical = calculate_numerical_stress(atoms, eps=1e-4)
    np.testing.assert_allclose(stress, numerical, atol=1e-6 * np.abs(stress).max() + 1e-9)


def test_forces_are_the_slope_of_the_energy(tiny_conserving_path, device, atoms):
    atoms.calc = CGAACalculator(tiny_conserving_path, device=device)
    forces = atoms.get_forces()
    direction = np.random.default_rng(4).normal(size=forces.shape)
    energies = []
    for step in (-1e-4, 1e-4):
        moved = atoms.copy()
        moved.calc = atoms.calc
        moved.positions += step * direction
        energies.append(moved.get_potential_energy())
    assert -(energies[1] - energies[0]) / 2e-4 == pytest.approx(np.sum(forces * direction), rel=1e-5)


def test_model_without_energy_has_no_stress_and_no_optimizer(tiny_published_path, atoms):
    atoms.calc = CGAACalculator(tiny_published_path)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()
    with pytest.raises(EngineError, match="optimisation: the forces of this model are not minus the gradient"):
        FIRE(atoms, logfile=None).run(steps=1)


def test_conserving_model_relaxes(tiny_conserving_path, device, atoms):
    atoms.calc = CGAACalculator(tiny_conserving_path, device=device)
    before = atoms.get_potential_energy()
    FIRE(atoms, logfile=None).run(steps=5)
    assert atoms.get_potential_energy() < before


def test_without_a_box(tiny_conserving_path, device, solvent, atoms):
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors(None)
    potential = CGAAPotential(tiny_conserving_path, "double", device)
    atoms.pbc = False
    atoms.calc = CGAACalculator(potential, topology)
    energy, _ = potential.evaluate(topology, positions)
    assert atoms.get_potential_energy() * KJMOL_PER_EV == pytest.approx(energy, abs=1e-6)


def test_atoms_that_cannot_be_used(tiny_conserving_path, solvent, atoms):
    calculator = CGAACalculator(tiny_conserving_path, solvent[0])
    slab = atoms.copy()
    slab.pbc = [True, True, False]
    with pytest.raises(GeometryError, match="in all three directions, or in none"):
        calculator.get_potential_energy(slab)
    with pytest.raises(GeometryError, match="239 positions for a topology of 240 atoms"):
        calculator.get_potential_energy(atoms[:-1])
    with pytest.raises(GeometryError, match="but the topology has .* in the same order"):
        calculator.get_potential_energy(atoms[::-1])
