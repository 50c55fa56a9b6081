"""Capped polyalanine, ACE-ALA...ALA-NME, as PDBx/mmCIF: shapes by RDKit, names of the PDB.

python records/mapping/peptide.py 1 systems/alanine/alanine.cif
python records/mapping/peptide.py 15 systems/ala15/ala15.cif
"""

import sys

from openmm import app
from rdkit import Chem
from rdkit.Chem import AllChem

from openmm_cgaa.structures.structure import write_structure
from openmm_cgaa.units import ANGSTROM_PER_NM

# heavy atoms of each residue in the order of its SMILES, and what the hydrogens of each are called
ACE = "CC(=O)", [("CH3", ["H1", "H2", "H3"]), ("C", []), ("O", [])]
ALA = (
    "N[C@@H](C)C(=O)",
    [("N", ["H"]), ("CA", ["HA"]), ("CB", ["HB1", "HB2", "HB3"]), ("C", []), ("O", [])],
)
NME = "NC", [("N", ["H"]), ("C", ["H1", "H2", "H3"])]


def peptide(residues: int, seed: int = 1):
    """Topology and positions (nm) of so many L-alanines between their caps."""
    parts = [("ACE", ACE), *[("ALA", ALA)] * residues, ("NME", NME)]
    molecule = Chem.AddHs(Chem.MolFromSmiles("".join(smiles for _, (smiles, _) in parts)))
    if AllChem.EmbedMolecule(molecule, randomSeed=seed) != 0:
        raise SystemExit("RDKit found no shape of it; take another seed")
    AllChem.MMFFOptimizeMolecule(molecule, maxIters=2000)
    topology, order, made = app.Topology(), [], {}
    chain = topology.addChain("A")
    heavy = iter(atom for atom in molecule.GetAtoms() if atom.GetSymbol() != "H")
    for name, (_, names) in parts:
        residue = topology.addResidue(name, chain)
        for own, hydrogens in names:
            atom = next(heavy)
            bound = [other for other in atom.GetNeighbors() if other.GetSymbol() == "H"]
            for each, label in zip([atom, *bound], [own, *hydrogens], strict=True):
                element = app.Element.getBySymbol(each.GetSymbol())
                made[each.GetIdx()] = topology.addAtom(label, element, residue)
                order.append(each.GetIdx())
    for bond in molecule.GetBonds():
        topology.addBond(made[bond.GetBeginAtomIdx()], made[bond.GetEndAtomIdx()])
    return topology, molecule.GetConformer().GetPositions()[order] / ANGSTROM_PER_NM


if __name__ == "__main__":
    write_structure(sys.argv[2], *peptide(int(sys.argv[1])))
