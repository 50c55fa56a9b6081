"""EMC cut in two at the bond of its ethoxy oxygen, and pieces of what a chain of such molecules is made of."""

import numpy as np

from openmm_cgaa.mapping.cutting import make_cuts

PARTS = {"ETO": ["C1", "C2", "O3"], "MOC": ["C4", "O5", "O6", "C7"]}  # heavy atoms: CH3CH2O - C(=O)OCH3


def cuts_of_emc(frames):
    return make_cuts({"EMC": PARTS}, [frames.grain_map()], [frames.atom_names])


def chain(monomers):
    """Elements, bonds, residues and names of an alkane, three carbons a residue."""
    elements, bonds, residues, before = [], [], [], None
    for residue in range(monomers):
        for carbon in range(3):
            end = (residue == 0 and carbon == 0) or (residue == monomers - 1 and carbon == 2)
            here = len(elements)
            elements += ["C"] + ["H"] * (3 if end else 2)
            bonds += [(here, other) for other in range(here + 1, len(elements))]
            bonds += [(before, here)] if before is not None else []
            residues += [residue] * (len(elements) - here)
            before = here
    return elements, bonds, residues, ["END" if r in (0, monomers - 1) else "MID" for r in range(monomers)]


def zigzag(elements, bonds, seed=0):
    """Positions of a chain, Å: carbons in a zigzag, hydrogens about them, all a bit off."""
    random, positions, count = np.random.default_rng(seed), np.zeros((len(elements), 3)), 0
    for atom, element in enumerate(elements):
        if element == "C":
            positions[atom] = 1.27 * count, 0.42 * (-1) ** count, 0.0
            count += 1
    for carbon, atom in bonds:
        if elements[atom] == "H":
            side = (-1) ** (atom - carbon)
            last = atom - carbon == 3
            up = np.sign(positions[carbon, 1])
            step = [0.9 * (1 if carbon else -1), -0.5 * up, 0.0] if last else [0.0, 0.6 * up, 0.9 * side]
            positions[atom] = positions[carbon] + step
    return positions + 0.05 * random.normal(size=positions.shape)
