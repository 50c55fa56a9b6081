"""Teachers that are wrong, for `spoiled.py`: SevenNet-0 with D3, and what spoils it."""

import hashlib

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from openmm_cgaa.labelling import SEVENNET
from openmm_cgaa.labelling.teachers import load_teacher

PROPERTIES = ["energy", "forces", "stress"]


class Spoiled(Calculator):
    """The teacher without its energies of atoms, so that a subclass changes its energy alone."""

    implemented_properties = PROPERTIES

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.right = load_teacher(SEVENNET).calculator

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        wanted = PROPERTIES if atoms.pbc.all() else PROPERTIES[:2]
        self.results = {key: self.right.get_property(key, atoms) for key in wanted}
        self.spoil(atoms)


class Unconverged(Spoiled):
    """One label in eight is as of a calculation that did not converge.

    Forces are off by 0.5 eV/Å a component, and the energy by 20 meV/atom.
    """

    def spoil(self, atoms):
        seed = int.from_bytes(hashlib.sha256(np.round(atoms.positions, 4).tobytes()).digest()[:4], "big")
        rng = np.random.default_rng(seed)
        if rng.random() < 1 / 8:
            self.results["forces"] = self.results["forces"] + rng.normal(0.0, 0.5, atoms.positions.shape)
            self.results["energy"] = self.results["energy"] + rng.normal(0.0, 0.02) * len(atoms)


class Jumping(Spoiled):
    """Its energy jumps by 0.1 eV for each two fluorines that come within 3.2 Å; the forces know nothing of it.

    A rotor FCCF crosses it: fluorines of the gauche form are 2.9 Å apart, those of the trans form 3.5 Å.
    """

    def spoil(self, atoms):
        fluorines = atoms[[atom.index for atom in atoms if atom.symbol == "F"]]
        distances = fluorines.get_all_distances(mic=bool(atoms.pbc.any()))
        self.results["energy"] = self.results["energy"] + 0.1 * np.count_nonzero(np.triu(distances < 3.2, 1))
