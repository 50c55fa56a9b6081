"""The boxes that LAMMPS and OpenMM are compared on: 983 atoms of the test frames, and 27 of these cells.

python boxes.py 983 cell        # or 26541 large: box.cif and LAMMPS's files, with velocities
"""

import sys
from pathlib import Path

import numpy as np
from openmm import app, unit

from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.engines.lammpsfiles import write_lammps
from openmm_cgaa.model.loaded import LoadedModel
from openmm_cgaa.structures.structure import write_structure

DATA = Path(__file__).parents[2] / "systems/ec_emc_lipf6/data/liquids_test.h5"
REPEATS = {983: (1, 1, 1), 3932: (4, 1, 1), 26541: (3, 3, 3)}


def test_frame():
    """Topology, whole positions and box (nm) of the first test frame of 983 atoms."""
    frames = next(one for one in Dataset.load(DATA).sets if len(one.elements) == 983)
    topology = frames.topology(0)
    whole = frames.grain_map().whole(frames.positions[0].astype(float), frames.cell[0], wrap=True)
    return topology, whole / 10.0, np.array(frames.cell[0], float) / 10.0


def supercell(repeats, seed=0):
    """The same so many times along each vector; atoms are moved by 0.02 Å, so that no cell is like another."""
    topology, positions, box = test_frame()
    cells = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), -1).reshape(-1, 3)
    modeller = app.Modeller(app.Topology(), [])
    for _ in cells:
        modeller.add(topology, positions * unit.nanometer)
    larger, box = modeller.topology, np.asarray(repeats)[:, None] * box
    larger.setPeriodicBoxVectors(box * unit.nanometer)
    places = np.concatenate([positions + cell @ (box / np.asarray(repeats)[:, None]) for cell in cells])
    return larger, places + np.random.default_rng(seed).normal(scale=0.002, size=places.shape), box


def velocities(topology, temperature=300.0, seed=1):
    """Of Maxwell and Boltzmann, nm/ps, without the motion of all."""
    masses = np.array([atom.element.mass.value_in_unit(unit.dalton) for atom in topology.atoms()])
    kt = (unit.MOLAR_GAS_CONSTANT_R * temperature * unit.kelvin).value_in_unit(unit.kilojoule_per_mole)
    found = np.random.default_rng(seed).normal(size=(len(masses), 3)) * np.sqrt(kt / masses)[:, None]
    return found - masses @ found / masses.sum()


if __name__ == "__main__":
    number, folder = int(sys.argv[1]), Path(sys.argv[2])
    topology, positions, box = supercell(REPEATS[number])
    moving = velocities(topology)
    write_lammps(folder, LoadedModel("ec-emc-lipf6", "double"), topology, positions, moving)
    write_structure(folder / "box.cif", topology, positions)
    np.savez(folder / "start.npz", positions=positions, velocities=moving, box=box)
