"""Cell of a crystal at 0 K: ``python records/rdx/relax.py CELL.cif teacher|MODEL.safetensors [--json OUT]``.

Atoms and all six strains are relaxed, without symmetry, until no force is above 0.01 eV/Å. The zero-point motion is
left out, so that it is a teacher's own cell beside a student's, and not what a diffractometer sees.
"""

import argparse
import json

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from openmm import unit

from openmm_cgaa.labelling import SEVENNET
from openmm_cgaa.labelling.teachers import load_teacher
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.structures.topologies import symbol

FORCE = 0.01  # eV/Å
STEPS = 300


def relaxed(path: str, potential: str) -> dict:
    """Edges (Å), angles (degrees), density (g/cm3) and energy (eV/atom), before and after."""
    topology, positions = read_structure(path)
    atoms = Atoms(
        [symbol(atom) for atom in topology.atoms()],
        np.asarray(positions.value_in_unit(unit.angstrom)),
        cell=topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom),
        pbc=True,
    )
    if potential == "teacher":
        atoms.calc = load_teacher(SEVENNET).calculator
    else:
        from openmm_cgaa.engines.ase import CGAACalculator

        atoms.calc = CGAACalculator(potential, topology)
    before = described(atoms)
    start = atoms.get_scaled_positions(wrap=False)
    with LBFGS(FrechetCellFilter(atoms)) as optimizer:
        converged = bool(optimizer.run(fmax=FORCE, steps=STEPS))
    moved = (atoms.get_scaled_positions(wrap=False) - start) @ atoms.cell
    moved -= moved.mean(0)
    return {
        "potential": potential,
        "converged": converged,
        "before": before,
        "after": described(atoms),
        "rms_moved_A": float(np.sqrt((moved**2).sum(1).mean())),
    }


def described(atoms: Atoms) -> dict:
    """What is said of a cell."""
    density = atoms.get_masses().sum() / atoms.get_volume() * 1.66053907
    return {
        "cell": [round(float(x), 4) for x in atoms.cell.cellpar()],
        "density": round(float(density), 4),
        "energy_per_atom": round(float(atoms.get_potential_energy()) / len(atoms), 6),
        "pressure_GPa": round(float(-np.trace(atoms.get_stress(voigt=False)) / 3 * 160.21766), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cell", help="structure file")
    parser.add_argument("potential", help="teacher, or a model file")
    parser.add_argument("--json", help="file that the numbers go to")
    args = parser.parse_args()
    found = relaxed(args.cell, args.potential)
    print(json.dumps(found, indent=1))
    if args.json:
        with open(args.json, "w") as out:
            json.dump(found, out, indent=1)
            out.write("\n")
