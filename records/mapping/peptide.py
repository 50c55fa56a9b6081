"""Capped polyalanine, ACE-ALA...ALA-NME, as PDBx/mmCIF: shapes by RDKit, names of the PDB.

python records/mapping/peptide.py 1 systems/alanine/alanine.cif
python records/mapping/peptide.py 15 systems/alanine/ala15.cif

More than one alanine is given as a right-handed helix.
"""

import sys

from openmm import app
from rdkit import Chem
from rdkit.Chem import AllChem, rdMolTransforms

from openmm_cgaa.structures.structure import write_structure
from openmm_cgaa.units import ANGSTROM_PER_NM

# heavy atoms of each residue in the order of its SMILES, and what the hydrogens of each are called
ACE = "CC(=O)", [("CH3", ["H1", "H2", "H3"]), ("C", []), ("O", [])]
ALA = (
    "N[C@@H](C)C(=O)",
    [("N", ["H"]), ("CA", ["HA"]), ("CB", ["HB1", "HB2", "HB3"]), ("C", []), ("O", [])],
)
NME = "NC", [("N", ["H"]), ("C", ["H1", "H2", "H3"])]
HELIX = -57.0, -47.0  # phi and psi of an alpha helix, degrees


def peptide(residues: int, seed: int = 1):
    """Topology and positions (nm) of so many L-alanines between their caps."""
    parts = [("ACE", ACE), *[("ALA", ALA)] * residues, ("NME", NME)]
    molecule = Chem.AddHs(Chem.MolFromSmiles("".join(smiles for _, (smiles, _) in parts)))
    if AllChem.EmbedMolecule(molecule, randomSeed=seed) != 0:
        raise SystemExit("RDKit found no shape of it; take another seed")
    AllChem.MMFFOptimizeMolecule(molecule, maxIters=2000)
    topology, order, made, backbone = app.Topology(), [], {}, []
    chain = topology.addChain("A")
    heavy = iter(atom for atom in molecule.GetAtoms() if atom.GetSymbol() != "H")
    for name, (_, names) in parts:
        residue = topology.addResidue(name, chain)
        for own, hydrogens in names:
            atom = next(heavy)
            backbone += [atom.GetIdx()] if own in ("N", "CA", "C") else []
            bound = [other for other in atom.GetNeighbors() if other.GetSymbol() == "H"]
            for each, label in zip([atom, *bound], [own, *hydrogens], strict=True):
                element = app.Element.getBySymbol(each.GetSymbol())
                made[each.GetIdx()] = topology.addAtom(label, element, residue)
                order.append(each.GetIdx())
    for bond in molecule.GetBonds():
        topology.addBond(made[bond.GetBeginAtomIdx()], made[bond.GetEndAtomIdx()])
    if residues > 1:
        turn_into_a_helix(molecule, backbone)
    return topology, molecule.GetConformer().GetPositions()[order] / ANGSTROM_PER_NM


def turn_into_a_helix(molecule: Chem.Mol, backbone: list[int]) -> None:
    """`backbone` are C of ACE, then N, CA and C of each alanine, then N and C of NME."""
    shape = molecule.GetConformer()
    for first in range(0, len(backbone) - 4, 3):
        c, n, ca, carbonyl, end, beyond = backbone[first : first + 6]
        rdMolTransforms.SetDihedralDeg(shape, c, n, ca, carbonyl, HELIX[0])
        rdMolTransforms.SetDihedralDeg(shape, n, ca, carbonyl, end, HELIX[1])
        rdMolTransforms.SetDihedralDeg(shape, ca, carbonyl, end, beyond, 180.0)


if __name__ == "__main__":
    write_structure(sys.argv[2], *peptide(int(sys.argv[1])))
