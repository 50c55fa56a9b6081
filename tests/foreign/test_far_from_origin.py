"""Where nothing is periodic, molecules may be anywhere: forces do not know where the origin is.

microsoft/mattersim#171 and openmm/openmm#2862 are samples of the kind: single precision before centering.
"""

import numpy as np
import openmm
import pytest
import torch
from ase import Atoms
from openmm import app, unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.engines.backends import missing_torchforce
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.mapping.whole import network_positions
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.units import ANGSTROM_PER_NM, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

FAR = np.array([1000.0, -700.0, 400.0])  # nm
MOST = 3e-5 * KJMOL_PER_NM_PER_EV_PER_ANGSTROM  # kJ/mol/nm, what single precision errs by at the origin


@pytest.fixture
def drop(solvent):
    """Topology without a box, and whole molecules around the origin, nm."""
    topology, positions, box = solvent
    layout = layout_of(GrainMap.from_topology(topology))
    whole = np.empty_like(positions)
    whole[layout.atom_index] = network_positions(torch.tensor(positions), torch.tensor(box), layout)
    topology.setPeriodicBoxVectors(None)
    return topology, whole - whole.mean(0)


def alone(topology, molecules):
    """The Topology of these molecules, and their atoms."""
    atoms = [atom for residue in topology.residues() if residue.index in molecules for atom in residue.atoms()]
    modeller = app.Modeller(topology, np.zeros((topology.getNumAtoms(), 3)) * unit.nanometer)
    modeller.delete([atom for atom in topology.atoms() if atom.residue.index not in molecules])
    return modeller.topology, [atom.index for atom in atoms]


def fused(path, topology, positions):
    return CGAAPotential(path, device="cpu").evaluate(topology, positions)[1]


def eager(path, topology, positions):
    return CGAAPotential(path, device="cpu", fused=False).evaluate(topology, positions)[1]


def in_openmm(path, topology, positions, backend="python"):
    system = CGAAPotential(path, device="cpu").createSystem(topology, backend=backend, positions=positions)
    context = openmm.Context(system, openmm.VerletIntegrator(5e-4), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    forces = context.getState(forces=True).getForces(asNumpy=True)
    return forces.value_in_unit(unit.kilojoule_per_mole / unit.nanometer)


def in_torchforce(path, topology, positions):
    return in_openmm(path, topology, positions, "torch")


def in_ase(path, topology, positions):
    numbers = [atom.element.atomic_number for atom in topology.atoms()]
    atoms = Atoms(numbers, ANGSTROM_PER_NM * positions, calculator=CGAACalculator(path, topology, "single", "cpu"))
    return atoms.get_forces() * KJMOL_PER_NM_PER_EV_PER_ANGSTROM


def in_training(path, topology, positions):
    """The graph that a network is trained on."""
    potential = CGAAPotential(path, device="cpu")
    network, grain_map = potential.network, potential.grain_map(topology)
    grain_map = potential.aligned(grain_map, positions, None)
    layout = layout_of(grain_map)
    cutoffs = network.grain_cutoff, network.atom_cutoff
    forces = network(build_graph(ANGSTROM_PER_NM * torch.tensor(positions), None, layout, *cutoffs))[1]
    return forces[layout.atom_index.argsort()].double().numpy() * KJMOL_PER_NM_PER_EV_PER_ANGSTROM


WAYS = {f.__name__: f for f in (fused, eager, in_openmm, in_torchforce, in_ase, in_training)}


@pytest.fixture(params=WAYS)
def way(request):
    if request.param == "in_torchforce" and missing_torchforce() is not None:
        pytest.skip("no openmmtorch")
    return WAYS[request.param]


def test_a_cluster_far_away(any_path, drop, way):
    topology, positions = drop
    wanted = CGAAPotential(any_path, "double", "cpu").evaluate(topology, positions)[1]
    assert np.abs(way(any_path, topology, positions + FAR) - wanted).max() < MOST
    assert np.abs(way(any_path, topology, positions) - wanted).max() < MOST


def test_molecules_that_evaporated(any_path, drop, way):
    """A drop, a molecule 1 µm away from it, and two more on another side: each as if it were alone."""
    topology, positions = drop
    groups = {(3,): FAR, (9, 14): -3 * FAR, tuple(sorted(set(range(18)) - {3, 9, 14})): 0 * FAR}
    wanted, moved = np.empty_like(positions), positions.copy()
    double = CGAAPotential(any_path, "double", "cpu")
    for molecules, far in groups.items():
        own, atoms = alone(topology, molecules)
        wanted[atoms] = double.evaluate(own, positions[atoms])[1]
        moved[atoms] += far
    assert np.abs(way(any_path, topology, moved) - wanted).max() < MOST


@pytest.mark.parametrize("fused", [True, False])
def test_a_chain_longer_than_the_grid(tiny_conserving_path, drop, fused):
    """Neighbours on either side of a step of the grid see each other, also when atoms have moved since."""
    topology, positions = drop
    layers = app.Modeller(topology, positions * unit.nanometer)
    for step in range(1, 8):
        layers.add(topology, (positions + step * np.array([1.6, 0.1, 0.0])) * unit.nanometer)
    positions = np.array(layers.positions.value_in_unit(unit.nanometer))
    double, single = (CGAAPotential(tiny_conserving_path, p, "cpu", fused) for p in ("double", "single"))
    exact = CGAAPotential(tiny_conserving_path, "double", "cpu", fused=False)
    evaluator = single.evaluator(layers.topology, False)
    for _ in range(3):
        wanted = exact.evaluate(layers.topology, positions)[1]
        energy, forces = evaluator(single.tensor(positions), None)
        assert np.abs(forces.numpy() - wanted).max() < MOST
        assert np.abs(double.evaluate(layers.topology, positions)[1] - wanted).max() < 1e-5
        positions = positions + np.random.default_rng(0).normal(scale=0.005, size=positions.shape)


def test_far_images_in_a_box(any_path, solvent):
    """Each molecule a thousand boxes away from the last."""
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, device="cpu")
    moved = positions.copy()
    for residue in topology.residues():
        moved[[atom.index for atom in residue.atoms()]] += 1000 * residue.index * (box[0] - box[2])
    assert np.abs(
        potential.evaluate(topology, moved, box)[1] - potential.evaluate(topology, positions, box)[1]
    ).max() < (MOST)
