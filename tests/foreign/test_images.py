"""Where an atom is counted, in which image of the box, changes nothing."""

import numpy as np
import pytest
from boxes import molecules
from contexts import assert_same, backends, context_of, numbers

from openmm_cgaa import CGAAPotential, GrainMap

ase = pytest.importorskip("ase")

from ase import Atoms, units  # noqa: E402
from ase.md.velocitydistribution import thermalize_momenta  # noqa: E402
from ase.md.verlet import VelocityVerlet  # noqa: E402

from openmm_cgaa.engines.ase import CGAACalculator  # noqa: E402


def test_atoms_wrapped_at_each_step_move_as_if_they_were_not(tiny_conserving_path, liquid):
    """NVIDIA/nvalchemi-toolkit#151: lists with a skin that take a wrapped atom for one that has not moved.

    Right: positions of both runs differ by whole boxes, total energies not at all.
    """
    runs = []
    for wraps in (False, True):
        atoms = Atoms(liquid.elements, liquid.positions[0].astype(float), cell=liquid.cell[0], pbc=True)
        atoms.calc = CGAACalculator(tiny_conserving_path)
        thermalize_momenta(atoms, temperature_K=900.0, rng=np.random.default_rng(1))
        dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
        energies = []
        for _ in range(40):
            dynamics.run(1)
            if wraps:
                atoms.wrap()
            energies.append(atoms.get_total_energy())
        runs.append((np.array(energies), atoms.positions))
    boxes = (runs[1][1] - runs[0][1]) @ np.linalg.inv(liquid.cell[0])
    assert np.abs(np.round(boxes)).sum() > 10
    np.testing.assert_allclose(boxes, np.round(boxes), atol=1e-9)
    np.testing.assert_allclose(runs[1][0], runs[0][0], atol=1e-9)


@backends
@pytest.mark.parametrize("far", [3, 10**6])
def test_atoms_in_images_far_away(any_path, solvent, backend, far):
    """openmm/openmm-ml#77, TorchSim/torch-sim#423: each atom in an image of its own, up to a million boxes away.

    Right: what `evaluate` gives for whole molecules in the cell; a double holds the rest to 3e-10 nm.
    """
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "double")
    images = np.random.default_rng(2).integers(-far, far + 1, positions.shape)
    system = potential.createSystem(topology, backend=backend, positions=positions, removeCMMotion=False)
    context = context_of(system, positions + images @ box)
    assert_same(numbers(context), potential.evaluate(topology, positions, box), 1e-5 if far > 100 else 1e-8)


def test_a_context_whose_atoms_change_their_image_between_calls(tiny_conserving_path, solvent):
    """openmm/openmm-ml#77 once more: the list of the last call is in use when an atom jumps."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double")
    context = context_of(potential.createSystem(topology, backend="python"), positions)
    expected = numbers(context)
    for seed in range(4):
        images = np.random.default_rng(seed).integers(-1, 2, positions.shape)
        images[seed:] *= seed % 2  # few atoms, all atoms
        context.setPositions(positions + images @ box)
        assert_same(numbers(context), expected, 1e-9)


def test_a_triclinic_box_in_any_choice_of_its_vectors(tiny_conserving_path, liquid):
    """materialyzeai/matcalc#200: lattice vectors plus each other's multiples span the same lattice."""
    box = np.array([[2.0, 0.0, 0.0], [0.6, 1.9, 0.0], [-0.5, 0.7, 1.8]])
    topology, positions = molecules(liquid, [0, 1, 7])
    grains, potential = GrainMap.from_topology(topology), CGAAPotential(tiny_conserving_path, "double")
    expected = potential.evaluate(grains, positions, box)
    for multiples in (
        [[1, 0, 0], [1, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 1, 0], [-1, 1, 1]],
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    ):
        assert_same(potential.evaluate(grains, positions, np.array(multiples) @ box), expected, 1e-9)
