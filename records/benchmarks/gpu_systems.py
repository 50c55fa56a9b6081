"""The systems of gpu_stages.py: the frame of 983 atoms, copies of it side by side, and what OpenMM is given of them."""

import time
from pathlib import Path

import numpy as np
import openmm.app
import torch
from openmm import unit

from openmm_cgaa import CGAAPotential, Dataset
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import Layout, layout_of
from openmm_cgaa.nn.cuda.cuda_conserving import CudaConserving
from openmm_cgaa.units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

ROOT = Path(__file__).parents[2]
FRAMES = ROOT / "systems/ec_emc_lipf6/data/liquids_test.h5"


def frame():
    """Grain map, positions and box (Å) of 983 atoms."""
    of = Dataset.load(FRAMES).sets[0]
    return of.grain_map(), torch.tensor(of.positions[0]).double(), torch.tensor(of.cell[0]).double()


class Tiled:
    """`side`^3 copies of the frame in network order, for a model."""

    def __init__(self, model, precision, device, side=1):
        grain_map, positions, box = frame()
        potential = CGAAPotential(model, precision, device, fused=False)
        grains = potential.grain_map(grain_map).align(positions.numpy(), box.numpy())
        self.grains, self.evaluator = grains, potential.evaluator(grains, True)
        self.network, layout = self.evaluator.network, layout_of(grains)
        steps = np.stack(np.meshgrid(*3 * [np.arange(side)], indexing="ij"), -1).reshape(-1, 3)
        copies, atoms, places = len(steps), [], []
        first = 0
        grain = layout.atom_grain.numpy()
        for count, size in zip(layout.counts, self.network.slots):
            own = np.arange(first, first + count * size)
            atoms.append(np.tile(own, copies))
            places.append(np.repeat(np.arange(copies), len(own)))
            first += count * size
        source, place = np.concatenate(atoms), np.concatenate(places)
        where = np.empty((copies, len(grain)), int)
        where[place, source] = np.arange(len(source))
        parent = where[place, layout.parent.numpy()[source]]
        _, owner = np.unique(where[place, first_atoms(grain)[source]], return_inverse=True)
        rows = np.full((owner.max() + 1, layout.grain_atoms.size(1)), -1)
        slot = np.arange(len(source)) - np.searchsorted(owner, owner)
        rows[owner, slot] = np.arange(len(source))
        none = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
        given = (torch.from_numpy(each) for each in (np.arange(len(source)), parent, owner, rows))
        self.layout = Layout(*given, [count * copies for count in layout.counts], *none)
        self.elements = list(np.array(Dataset.load(FRAMES).sets[0].elements)[layout.atom_index.numpy()][source])
        self.positions = positions[layout.atom_index][source] + torch.from_numpy(steps[place]).double() @ box
        self.box = box * side

    def fused(self, **options):
        return CudaConserving(self.network, self.layout, **options)


def first_atoms(grain):
    """The first atom of the grain of each atom."""
    return np.searchsorted(grain, grain)


def copies(side):
    """Grain map, positions and box (Å) of `side`^3 copies of the frame, atoms in the order of the frame."""
    of = Dataset.load(FRAMES).sets[0]
    steps = np.stack(np.meshgrid(*3 * [np.arange(side)], indexing="ij"), -1).reshape(-1, 3)
    count, atoms, residues = len(steps), len(of.elements), len(of.residue_names)
    bonds = np.concatenate([np.asarray(of.bonds) + k * atoms for k in range(count)])
    owner = np.concatenate([np.asarray(of.residues) + k * residues for k in range(count)])
    grain_map = GrainMap.from_arrays(list(of.elements) * count, bonds, owner, list(of.residue_names) * count)
    shifts = torch.from_numpy(steps).double() @ torch.tensor(of.cell[0]).double()
    positions = (torch.tensor(of.positions[0]).double()[None] + shifts[:, None]).reshape(-1, 3)
    return grain_map, positions, side * torch.tensor(of.cell[0]).double()


def topology_of(side):
    """OpenMM's Topology of `copies`, with the box."""
    of, topology = Dataset.load(FRAMES).sets[0], openmm.app.Topology()
    for _ in range(side**3):
        chain, residues, atoms = topology.addChain(), {}, []
        for element, number in zip(of.elements, of.residues):
            if number not in residues:
                residues[number] = topology.addResidue(of.residue_names[number], chain)
            atoms.append(topology.addAtom(element, openmm.app.Element.getBySymbol(element), residues[number]))
        for i, j in of.bonds:
            topology.addBond(atoms[i], atoms[j])
    topology.setPeriodicBoxVectors([openmm.Vec3(*row) * side * unit.angstrom for row in of.cell[0].tolist()])
    return topology


def calling(energy, positions, box, spent=None):
    """A System of a PythonForce that calls a fused network, or nothing; `spent` gets the seconds of its parts."""
    zero = np.zeros(positions.shape, np.float32)

    def compute(state):
        if energy is None:
            return 0.0, zero
        begin = time.perf_counter()
        x = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        got = time.perf_counter()
        value, forces, _ = energy(torch.from_numpy(np.ascontiguousarray(x)), box)
        if spent is not None:
            spent.append((got - begin, time.perf_counter() - got))
        return float(value) * KJMOL_PER_EV, forces.numpy()

    system = openmm.System()
    for _ in range(len(positions)):
        system.addParticle(12.0)
    system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) * unit.angstrom for row in box.tolist()))
    force = openmm.PythonForce(compute)
    force.setUsesPeriodicBoundaryConditions(True)
    system.addForce(force)
    return system


def with_masses(of):
    """A System with the kernels in it, and the masses of the elements."""
    system = calling(of.fused(unit=KJMOL_PER_NM_PER_EV_PER_ANGSTROM), of.positions, of.box)
    for atom, element in enumerate(of.elements):
        system.setParticleMass(atom, openmm.app.Element.getBySymbol(element).mass)
    return system


def started(system, integrator, positions, device):
    """A Context at 300 K, in mixed precision where the platform is CUDA."""
    names = [openmm.Platform.getPlatform(k).getName() for k in range(openmm.Platform.getNumPlatforms())]
    name = "CUDA" if device == "cuda" and "CUDA" in names else "CPU"
    options = {"Precision": "mixed"} if name == "CUDA" else {}
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName(name), options)
    context.setPositions(positions.numpy() / ANGSTROM_PER_NM)
    context.setVelocitiesToTemperature(300.0, 1)
    return context


def kelvin(context):
    kinetic = context.getState(energy=True).getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
    gas = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin)
    return round(2.0 * kinetic / (3.0 * context.getSystem().getNumParticles() * gas), 1)
