"""Boxes of every size and kind: a crystal is the same crystal in each of its cells."""

import numpy as np
import pytest
from boxes import molecules, supercell

from openmm_cgaa import CGAAPotential, GrainType
from openmm_cgaa.data.extxyz import import_xyz
from openmm_cgaa.errors import GeometryError
from openmm_cgaa.model.file import load_model
from openmm_cgaa.training.evaluation import predict
from openmm_cgaa.training.labelled import LabelledFrames, common_types
from openmm_cgaa.units import KJMOL_PER_EV

ase = pytest.importorskip("ase")

from ase import Atoms  # noqa: E402
from ase.calculators.singlepoint import SinglePointCalculator  # noqa: E402
from ase.io import write  # noqa: E402

from openmm_cgaa.engines.ase import CGAACalculator  # noqa: E402


@pytest.mark.parametrize("edge", [0.7, 1.1])
@pytest.mark.parametrize("repeats", [(2, 1, 1), (1, 3, 2), (3, 3, 3)])
def test_a_crystal_has_the_same_energy_in_larger_cells(any_path, liquid, edge, repeats):
    """facebookresearch/fairchem#1215, isayev/ASE_ANI#27: cells smaller than the cutoff.

    Right: energy and forces of the cell, where a molecule sees its own images, once for each copy.
    """
    box = edge * np.array([[1.0, 0.0, 0.0], [0.2, 1.0, 0.0], [-0.1, 0.1, 1.0]])
    topology, positions = molecules(liquid, [0], box)
    potential = CGAAPotential(any_path, "double")
    energy, forces = potential.evaluate(topology, positions, box)
    count = int(np.prod(repeats))
    larger, same = potential.evaluate(*supercell(topology, positions, box, repeats))
    assert larger / count == pytest.approx(energy, rel=1e-12)
    np.testing.assert_allclose(same, np.tile(forces, (count, 1)), atol=1e-9 * np.abs(forces).max())


def test_the_energy_follows_the_volume_of_a_used_calculator(tiny_conserving_path, liquid):
    """apax-hub/apax#21, mir-group/allegro#6: a third structure, another volume, the first one again.

    Right: what a fresh calculator gives each time.
    """
    atoms = Atoms(liquid.elements, liquid.positions[0].astype(float), cell=liquid.cell[0], pbc=True)
    used = CGAACalculator(tiny_conserving_path)
    for scale in (1.0, 1.02, 0.99, 1.0):
        atoms.calc = used
        atoms.set_cell(scale * liquid.cell[0])
        fresh = atoms.copy()
        fresh.calc = CGAACalculator(tiny_conserving_path)
        assert atoms.get_potential_energy() == pytest.approx(fresh.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(atoms.get_stress(), fresh.get_stress(), atol=1e-12)


def test_a_cell_without_periodicity_is_no_box(tiny_conserving_path, liquid):
    """TorchSim/torch-sim#575: ``pbc=False`` beside a cell that is smaller than the molecules' distance."""
    topology, positions = molecules(liquid, [0, 7])
    atoms = Atoms([a.element.symbol for a in topology.atoms()], 10.0 * positions, cell=9.0 * np.eye(3), pbc=False)
    atoms.calc = CGAACalculator(tiny_conserving_path, topology)
    expected, _ = CGAAPotential(tiny_conserving_path, "double").evaluate(topology, positions)
    assert atoms.get_potential_energy() * KJMOL_PER_EV == pytest.approx(expected, abs=1e-6)


def left_handed(liquid):
    return Atoms(liquid.elements, liquid.positions[0].astype(float), cell=liquid.cell[0][[1, 0, 2]], pbc=True)


def test_a_left_handed_cell_is_not_run(tiny_conserving_path, liquid):
    """materialyzeai/matgl#198, ACEsuit/mace#1509: cells of negative volume, as some codes write them."""
    atoms = left_handed(liquid)
    atoms.calc = CGAACalculator(tiny_conserving_path)
    with pytest.raises(GeometryError, match="right-handed"):
        atoms.get_potential_energy()


def test_a_left_handed_cell_is_data_as_any_other(any_path, liquid, tmp_path):
    """The same sources. Right: what training sees of it is the same frame in a right-handed cell."""
    network, metadata = load_model(any_path)
    types = [GrainType.from_dict(entry) for entry in metadata["types"]]
    align, found = not network.permutation_invariant, []
    for name, atoms in (("left", left_handed(liquid)), ("right", liquid.atoms(0))):
        atoms.calc = SinglePointCalculator(atoms, energy=-1400.0, forces=liquid.forces[0].astype(float))
        write(tmp_path / f"{name}.xyz", atoms, format="extxyz")
        dataset = import_xyz(tmp_path / f"{name}.xyz")
        assert [t.elements for t in common_types(dataset, align)] == [t.elements for t in types]
        frames = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff, align)
        found.append(predict(network, frames)[0])
    for ours, theirs, tolerance in zip(*found, (1e-4, 1e-5, 1e-4)):
        np.testing.assert_allclose(ours, theirs, atol=tolerance)


@pytest.mark.parametrize("box", [[100.0] * 3, [10000.0] * 3, [3.0, 3.0, 1000.0]])
@pytest.mark.parametrize("fused", [True, False])
def test_single_precision_in_a_vast_box(any_path, liquid, box, fused):
    """A drop in vacuum, a slab: positions of a micrometre have no digits for bonds in single precision."""
    box = np.array([[1, 0, 0], [0.1, 1, 0], [0, -0.1, 1]]) @ np.diag(box)
    topology, positions = molecules(liquid, [0, 6, 7], box)
    free, _ = molecules(liquid, [0, 6, 7])
    potential = CGAAPotential(any_path, fused=fused, device="cpu")
    _, expected = CGAAPotential(any_path, "double", fused=False, device="cpu").evaluate(free, positions)
    for place in ([0.5, 0.5, 0.5], [0.99, 0.97, 0.9], [0.0, 0.0, 0.0]):
        there = positions - positions.mean(0) + place @ box
        np.testing.assert_allclose(potential.evaluate(topology, there, box)[1], expected, atol=0.15)  # 1.5e-4 eV/Å
