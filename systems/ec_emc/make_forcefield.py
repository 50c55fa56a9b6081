"""Write forcefield.xml, EC.pdb and EMC.pdb: ``python systems/ec_emc/make_forcefield.py``.

Needs the extras ``build`` (RDKit) and ``teacher`` (SevenNet-0). Every number of the force field comes out of here:

* lengths and angles: SevenNet-0's own minimum of the single molecule;
* bond, angle and torsion constants, charges and the 1-4 Coulomb factor: MMFF94, as RDKit computes them;
* Lennard-Jones and the carbonyl's planarity: OPLS-AA (see `LENNARD_JONES`, `PLANARITY`).
"""

import json
import os
from collections import defaultdict
from itertools import permutations
from pathlib import Path

import networkx as nx
import numpy as np
from ase import Atoms
from ase.optimize import BFGS
from openmm import app, unit
from rdkit import Chem
from rdkit.Chem import AllChem
from sevenn.calculator import SevenNetCalculator

HERE = Path(__file__).parent
SMILES = {"EC": "O=C1OCCO1", "EMC": "CCOC(=O)OC"}  # RDKit's atom order is that of molecules.json
KJ = 4.184  # kJ per kcal (thermochemical)
MDYNE = 143.9325  # kcal/mol/Å per mdyn: T. A. Halgren, J. Comput. Chem. 17, 490 (1996), eqs. 2 and 3
# sigma (nm), epsilon (kJ/mol): W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996)
LENNARD_JONES = {
    "carbonyl C": (0.375, 0.105 * KJ),
    "carbonyl O": (0.296, 0.21 * KJ),
    "ester O": (0.300, 0.17 * KJ),
    "sp3 C": (0.350, 0.066 * KJ),
    "alkane H": (0.250, 0.030 * KJ),
    "alpha H": (0.242, 0.015 * KJ),
}
PLANARITY = 10.5 * KJ  # kJ/mol, k (1 + cos(2 phi - 180)): improper O-C-X-Y of OPLS-AA


def minimum(molecule, elements, conformers=10):
    """Positions [atoms, 3] (Å) of the lowest of SevenNet-0's minima found from several conformers."""
    ids = AllChem.EmbedMultipleConfs(molecule, conformers, randomSeed=1)
    AllChem.MMFFOptimizeMoleculeConfs(molecule)
    found = []
    for i in ids:
        atoms = Atoms(elements, positions=molecule.GetConformer(i).GetPositions())
        atoms.calc = SevenNetCalculator("7net-0", device="cpu")
        BFGS(atoms, logfile=None).run(fmax=0.005, steps=500)
        found.append((atoms.get_potential_energy(), atoms.positions - atoms.positions.mean(0)))
    return min(found, key=lambda pair: pair[0])[1]


def symmetry_classes(graph, elements):
    """Class of each atom: the smallest atom it can be mapped on by an automorphism of the coloured bond graph."""
    nx.set_node_attributes(graph, dict(enumerate(elements)), "element")
    matcher = nx.isomorphism.GraphMatcher(graph, graph, node_match=lambda a, b: a["element"] == b["element"])
    classes = list(range(len(elements)))
    for mapping in matcher.isomorphisms_iter():
        for atom, image in mapping.items():
            classes[atom] = min(classes[atom], image)
    return classes


def lennard_jones_name(graph, elements, atom):
    """Key into `LENNARD_JONES`."""
    neighbours = list(graph[atom])
    if elements[atom] == "H":
        return "alpha H" if any(elements[n] == "O" for n in graph[neighbours[0]]) else "alkane H"
    if elements[atom] == "O":
        return "carbonyl O" if len(neighbours) == 1 else "ester O"
    return "carbonyl C" if len(neighbours) == 3 else "sp3 C"


def angle(x, i, j, k):
    """Angle i-j-k in radians."""
    a, b = x[i] - x[j], x[k] - x[j]
    return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def parameters(name, elements, bonds):
    """Lines of XML by section for one molecule, and its minimum geometry."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(SMILES[name]))
    assert [a.GetSymbol() for a in molecule.GetAtoms()] == elements
    x = minimum(molecule, elements)
    mmff = AllChem.MMFFGetMoleculeProperties(molecule)
    graph = nx.Graph(sorted(map(tuple, bonds)))
    classes = symmetry_classes(graph, elements)
    types = [f"{name}-{elements[c]}{c}" for c in classes]
    lines = defaultdict(list)

    lines["residue"] += [f'  <Residue name="{name}">']
    for i in range(len(elements)):
        charge = mmff.GetMMFFPartialCharge(i)
        lines["residue"] += [f'   <Atom name="{elements[i]}{i + 1}" type="{types[i]}" charge="{charge:.4f}"/>']
        if classes[i] == i:
            mass = app.Element.getBySymbol(elements[i]).mass.value_in_unit(unit.dalton)
            kind = lennard_jones_name(graph, elements, i)
            sigma, epsilon = LENNARD_JONES[kind]
            lines["type"] += [f'  <Type name="{types[i]}" class="{types[i]}" element="{elements[i]}" mass="{mass}"/>']
            lines["nonbonded"] += [
                f'  <Atom type="{types[i]}" sigma="{sigma:.4f}" epsilon="{epsilon:.6f}"/> <!-- OPLS-AA {kind} -->'
            ]
    lines["residue"] += [f'   <Bond from="{i}" to="{j}"/>' for i, j in bonds] + ["  </Residue>"]

    groups = defaultdict(list)  # terms of one kind, by their atoms' types read in the one direction or the other
    for i, j in graph.edges:
        groups[min((types[i], types[j]), (types[j], types[i]))].append((i, j))
        for k in set(graph[j]) - {i}:
            for h in set(graph[i]) - {j, k}:
                quad = (h, i, j, k)
                forward = tuple(types[a] for a in quad)
                groups[min(forward, forward[::-1])].append(quad)
    for j in graph:
        for i, k in permutations(graph[j], 2):
            if i < k:
                forward = (types[i], types[j], types[k])
                groups[min(forward, forward[::-1])].append((i, j, k))

    for key, terms in sorted(groups.items()):
        kinds = " ".join(f'type{n + 1}="{t}"' for n, t in enumerate(key))
        if len(key) == 2:
            length = np.mean([np.linalg.norm(x[i] - x[j]) for i, j in terms]) / 10
            kb = np.mean([mmff.GetMMFFBondStretchParams(molecule, i, j)[1] for i, j in terms])
            source = f"<!-- length: SevenNet-0 minimum; k: MMFF94 kb {kb:.3f} mdyn/Å -->"
            lines["bond"] += [f'  <Bond {kinds} length="{length:.5f}" k="{MDYNE * kb * 100 * KJ:.1f}"/> {source}']
        elif len(key) == 3:
            theta = np.mean([angle(x, *t) for t in terms])
            ka = np.mean([mmff.GetMMFFAngleBendParams(molecule, *t)[1] for t in terms])
            source = f"<!-- angle: SevenNet-0 minimum; k: MMFF94 ka {ka:.3f} mdyn Å/rad2 -->"
            lines["angle"] += [f'  <Angle {kinds} angle="{theta:.5f}" k="{MDYNE * ka * KJ:.3f}"/> {source}']
        elif name == "EC" and key[1] == key[2]:
            continue  # about the C-C bond of EC MMFF94 puckers the ring, which is flat in SevenNet-0; see README.md
        else:
            v = np.mean([mmff.GetMMFFTorsionParams(molecule, *t)[1:] for t in terms], 0)  # V1, V2, V3, kcal/mol
            series = " ".join(
                f'periodicity{n}="{n}" phase{n}="{phase:.6f}" k{n}="{v[n - 1] / 2 * KJ:.5f}"'
                for n, phase in ((1, 0.0), (2, np.pi), (3, 0.0))
            )
            source = "<!-- MMFF94 V1 {:.3f}, V2 {:.3f}, V3 {:.3f} kcal/mol -->".format(*v)
            lines["torsion"] += [f"  <Proper {kinds} {series}/> {source}"]
    for c in (a for a in graph if lennard_jones_name(graph, elements, a) == "carbonyl C"):
        around = sorted(graph[c], key=lambda n: len(graph[n]))
        kinds = " ".join(f'type{n + 1}="{types[a]}"' for n, a in enumerate([c, *around]))
        series = f'periodicity1="2" phase1="{np.pi:.6f}" k1="{PLANARITY:.3f}"'
        lines["torsion"] += [f"  <Improper {kinds} {series}/> <!-- OPLS-AA improper O-C-X-Y, 10.5 kcal/mol -->"]
    return lines, x


def write_pdb(path, name, elements, bonds, positions):
    """The single molecule, with its bonds as CONECT records."""
    topology = app.Topology()
    residue = topology.addResidue(name, topology.addChain())
    atoms = [topology.addAtom(f"{e}{i + 1}", app.Element.getBySymbol(e), residue) for i, e in enumerate(elements)]
    for i, j in bonds:
        topology.addBond(atoms[i], atoms[j])
    with open(path, "w") as file:
        app.PDBFile.writeFile(topology, positions * unit.angstrom, file)


def main():
    molecules = json.loads((HERE / "molecules.json").read_text())
    merged = defaultdict(list)
    for name in SMILES:
        lines, positions = parameters(name, **molecules[name])
        write_pdb(HERE / f"{name}.pdb", name, molecules[name]["elements"], molecules[name]["bonds"], positions)
        for section, text in lines.items():
            merged[section] += text
    body = "\n".join(
        ["<ForceField>", " <!-- Written by make_forcefield.py; sources beside the numbers and in README.md. -->"]
        + [" <AtomTypes>", *merged["type"], " </AtomTypes>"]
        + [" <!-- charges: MMFF94 (RDKit) -->", " <Residues>", *merged["residue"], " </Residues>"]
        + [" <HarmonicBondForce>", *merged["bond"], " </HarmonicBondForce>"]
        + [" <HarmonicAngleForce>", *merged["angle"], " </HarmonicAngleForce>"]
        + [" <PeriodicTorsionForce>", *merged["torsion"], " </PeriodicTorsionForce>"]
        + [" <!-- 1-4 pairs: Coulomb 0.75 as in MMFF94, Lennard-Jones 0.5 as in OPLS-AA -->"]
        + [' <NonbondedForce coulomb14scale="0.75" lj14scale="0.5">', '  <UseAttributeFromResidue name="charge"/>']
        + [*merged["nonbonded"], " </NonbondedForce>", "</ForceField>", ""]
    )
    temporary = HERE / "forcefield.xml.tmp"
    temporary.write_text(body)
    os.replace(temporary, HERE / "forcefield.xml")


if __name__ == "__main__":
    main()
