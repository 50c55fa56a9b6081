"""Molecules beside each other in a vacuum: how they are put there, relaxed, pulled and held against the teacher."""

import numpy as np
from openmm import unit

from ..mapping.grains import GrainMap
from ..units import ANGSTROM_PER_NM

FORCE_LIMIT = 0.02  # eV/Å, where an optimisation ends


class Beside:
    """Molecules beside each other: atoms in order, which of them belong together, and their bonds.

    Parameters
    ----------
    system : ValidatedSystem
        Which knows the molecules.
    names : list of str
    places : list of array [atoms, 3], Å
        Where the atoms of each molecule are.
    """

    def __init__(self, system, names, places):
        from ase import Atoms

        self.atoms, self.members, self.bonds, residues = Atoms(), [], [], []
        for residue, (name, place) in enumerate(zip(names, places)):
            topology, _ = system.molecule(name)
            first = len(self.atoms)
            symbols = [atom.element.symbol for atom in topology.atoms()]
            self.atoms += Atoms(symbols, place)
            self.members.append(np.arange(first, first + len(symbols)))
            self.bonds += [(first + a.index, first + b.index) for a, b in topology.bonds()]
            residues += [residue] * len(symbols)
        symbols = self.atoms.get_chemical_symbols()
        self.grain_map = GrainMap.from_arrays(symbols, self.bonds, residues, list(names))

    def calculator(self, potential):
        """Of the model, for exactly these molecules (an ion that touches its solvent is not bound to it)."""
        from ..engines.ase import CGAACalculator

        return CGAACalculator(potential, topology=self.grain_map)


def monomer(system, name):
    """Positions [atoms, 3] of one molecule, Å, its center at the origin."""
    _, positions = system.molecule(name)
    positions = np.array(positions.value_in_unit(unit.nanometer)) * ANGSTROM_PER_NM
    return positions - positions.mean(axis=0)


def optimised(atoms, calculator, steps=300, constraint=None, limit=FORCE_LIMIT):
    """A copy of the atoms in a minimum of the calculator; FIRE first, for starts that are far away."""
    from ase.optimize import BFGS, FIRE

    out = atoms.copy()
    out.calc = calculator
    if constraint is not None:
        out.set_constraint(constraint)
    else:
        FIRE(out, logfile=None).run(fmax=0.1, steps=steps)
    BFGS(out, logfile=None, maxstep=0.05).run(fmax=limit, steps=steps)
    out.set_constraint()
    return out


def energies(frames, calculator):
    """eV, one for each frame."""
    found = []
    for frame in frames:
        moved = frame.copy()
        moved.calc = calculator
        found.append(moved.get_potential_energy())
    return np.array(found)


def pulled(atoms, moving, direction, distances):
    """Frames in which some atoms are moved rigidly along a direction, by so many Å."""
    direction = np.asarray(direction) / np.linalg.norm(direction)
    frames = []
    for distance in distances:
        frame = atoms.copy()
        frame.positions[moving] += distance * direction
        frames.append(frame)
    return frames


def curve(name, x, label, teacher, model):
    """A scan as numbers: both curves from their value at the last point of `x`, and how deep their wells are."""
    curves = {"teacher": teacher - teacher[-1], "model": model - model[-1]}
    depths = {who: float(-values.min()) for who, values in curves.items()}
    return {
        "name": name,
        "x": [float(value) for value in x],
        "x_label": label,
        **{f"{who}_eV": [float(value) for value in values] for who, values in curves.items()},
        "depth_meV": {who: 1000.0 * depth for who, depth in depths.items()},
        "minimum_at": {who: float(x[int(np.argmin(values))]) for who, values in curves.items()},
        "depth_ratio": depths["model"] / depths["teacher"],
    }
