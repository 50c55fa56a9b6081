"""Bonds of residues that have none, from the SMILES of their molecule: found by distance, and held against it."""

from typing import TYPE_CHECKING

import numpy as np
from openmm import app, unit

from ..errors import CGAAError, GrainError
from ..wording import counted
from .bonding import BONDED, bonds_by_distance
from .topologies import formula, symbol

if TYPE_CHECKING:
    from rdkit import Chem

FACTORS = (BONDED, 1.15, 1.35, 1.45)  # of the sum of covalent radii, tried in turn: molecules may be strained


def parse_smiles(name: str, smiles: str) -> "Chem.Mol":
    """RDKit's molecule, with hydrogens, without a geometry.

    Raises
    ------
    CGAAError
        RDKit is missing, the SMILES does not parse, or holds several molecules.
    """
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise CGAAError("SMILES need RDKit: pip install 'openmm-cgaa[build]'") from error
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles, sanitize=False)
        problems = [] if molecule is None else [p.Message() for p in Chem.DetectChemistryProblems(molecule)]
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        reason = "; ".join(problems) or "its syntax is wrong: an open ring or bracket, or an unknown element?"
        raise CGAAError(f"molecule {name}: the SMILES {smiles!r} does not parse ({reason})")
    pieces = len(Chem.GetMolFrags(molecule))
    if pieces > 1:
        found = counted(pieces, "molecule")
        raise CGAAError(f"molecule {name}: {smiles!r} holds {found}; list each under a name of its own")
    return Chem.AddHs(molecule)


def elements_of_smiles(smiles: dict[str, str]) -> dict[str, set[str]]:
    """Symbols of the elements of each molecule, hydrogens too, by name; `smiles` as of `add_bonds_of_smiles`."""
    return {name: {atom.GetSymbol() for atom in parse_smiles(name, text).GetAtoms()} for name, text in smiles.items()}


def add_bonds_of_smiles(topology: app.Topology, positions: unit.Quantity, smiles: dict[str, str]) -> None:
    """Give an OpenMM Topology, in place, the bonds of residues that have none and whose molecule is known.

    Atoms nearer than 1.25 times the sum of their covalent radii are bonded, over the box's nearest images. What is
    found in a residue must be the molecule of its SMILES, else other distances are tried; charges and bond orders are
    not looked at.

    Parameters
    ----------
    topology : openmm.app.Topology
        Its box says what is periodic.
    positions : Quantity, [atoms, 3]
    smiles : dict
        SMILES by residue name.

    Raises
    ------
    GrainError
        The atoms or the geometry of a residue are not those of its SMILES; it is named.
    CGAAError
        A SMILES cannot be used, or RDKit or ASE is missing.
    """
    atoms, bonded = list(topology.atoms()), {atom for bond in topology.bonds() for atom in bond}
    bare = [r for r in topology.residues() if r.name in smiles and not bonded & set(r.atoms())]
    bare = [r for r in bare if all(atom.element is not None for atom in r.atoms())]  # else what cuts grains says so
    if not bare:
        return
    molecules = {name: parse_smiles(name, smiles[name]) for name in {residue.name for residue in bare}}
    for residue in bare:
        _check_formula(residue, molecules[residue.name], smiles[residue.name])
    fits: dict[tuple, bool] = {}
    left = [residue for residue in bare if len(residue) > 1]
    for factor in FACTORS:
        near, wrong = _near(topology, positions, left, factor), []
        for residue in left:
            first, elements = next(residue.atoms()).index, tuple(symbol(atom) for atom in residue.atoms())
            key = residue.name, elements, tuple((i - first, j - first) for i, j in near[residue.index])
            if key not in fits:  # most residues of a name are alike
                fits[key] = _is_molecule(*key[1:], molecules[residue.name])
            if not fits[key]:
                wrong.append(residue)
                continue
            for i, j in near[residue.index]:
                topology.addBond(atoms[i], atoms[j])
        left = wrong
        if not left:
            return
    raise GrainError(
        f"residue {left[0].name} {left[0].id}: its atoms do not lie as those of {smiles[left[0].name]} "
        f"({counted(len(left), 'such residue')}). Is it another isomer, torn apart, or in another unit (PDB and PDBx "
        "are in Å)? Give the SMILES of what the file holds, or a file with bonds"
    )


def _check_formula(residue: app.topology.Residue, molecule: "Chem.Mol", smiles: str) -> None:
    ours = [symbol(atom) for atom in residue.atoms()]
    theirs = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    found, wanted = formula(tuple(ours)), formula(tuple(theirs))
    if found == wanted:
        return
    advice = "give the SMILES of what the file holds"
    heavy = [sorted(element for element in elements if element != "H") for elements in (ours, theirs)]
    if heavy[0] == heavy[1] and len(ours) < len(theirs):
        advice = (
            "hydrogens are missing: add them to each molecule by RDKit (AllChem.AssignBondOrdersFromTemplate, then "
            "Chem.AddHs with addCoords=True, addResidueInfo=True), or make the box anew (openmm-cgaa build)"
        )
    raise GrainError(f"residue {residue.name} {residue.id} is {found}, but its SMILES {smiles} is {wanted}; {advice}")


def _near(topology: app.Topology, positions: unit.Quantity, residues: list, factor: float) -> dict[int, list]:
    """Pairs of atoms within residues that are as near as a bond, by the residue's index."""
    from ase import Atoms

    box = topology.getPeriodicBoxVectors()
    inside = [atom for residue in residues for atom in residue.atoms()]
    index = np.array([atom.index for atom in inside])
    x = np.asarray(positions.value_in_unit(unit.angstrom))[index]
    cell = None if box is None else np.array(box.value_in_unit(unit.angstrom))
    pairs = bonds_by_distance(Atoms([symbol(a) for a in inside], x, cell=cell, pbc=cell is not None), factor)
    found: dict = {residue.index: [] for residue in residues}
    for i, j in pairs:
        if inside[i].residue is inside[j].residue:
            found[inside[i].residue.index].append((int(index[i]), int(index[j])))
    return found


def _is_molecule(elements: tuple, pairs: tuple, molecule: "Chem.Mol") -> bool:
    """Whether elements and bonds are those of a molecule of RDKit, in any order of its atoms."""
    import networkx
    from networkx.algorithms.isomorphism import categorical_node_match

    ours, theirs = networkx.Graph(), networkx.Graph()
    ours.add_nodes_from((i, {"element": element}) for i, element in enumerate(elements))
    ours.add_edges_from(pairs)
    theirs.add_nodes_from((atom.GetIdx(), {"element": atom.GetSymbol()}) for atom in molecule.GetAtoms())
    theirs.add_edges_from((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds())
    return networkx.is_isomorphic(ours, theirs, categorical_node_match("element", None))
