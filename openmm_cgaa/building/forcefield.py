"""A generic classical force field for organic molecules, to sample configurations that a teacher labels.

* lengths and angles: the teacher's own minimum of the single molecule, or MMFF94's where no teacher is given;
* bond, angle and torsion constants, out-of-plane constants, charges and the 1-4 Coulomb factor: MMFF94, as RDKit
  computes them;
* Lennard-Jones: OPLS-AA for the kinds in `OPLS_AA` (water: TIP3P), UFF for all others; planarity of carbonyls: OPLS-AA.

It is no model to publish with: it holds molecules together, near the teacher's geometry, at about the right density.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from openmm import app, unit

from ..errors import CGAAError
from ..mapping.matching import symmetry_classes
from ..structures.smiles import parse_smiles
from ..units import KJ_PER_KCAL as KJ
from .molecules import embed

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator
    from rdkit import Chem
    from rdkit.ForceField.rdForceField import MMFFMolProperties

MDYNE = 143.9325  # kcal/mol/Å per mdyn: T. A. Halgren, J. Comput. Chem. 17, 490 (1996), eqs. 2, 3 and 6
# SMARTS, kind, sigma (nm), epsilon (kJ/mol); the first that fits is taken.
# W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996)
OPLS_AA = (
    ("[CX3]=[OX1]", "carbonyl C", 0.375, 0.105 * KJ),
    ("[OX1]=[CX3]", "carbonyl O", 0.296, 0.21 * KJ),
    ("[OX2H0][CX3]=[OX1]", "ester O", 0.300, 0.17 * KJ),
    # with UFF's hydrogen, hydroxyls come no closer than 2.3 Å to the oxygens that they should bind at 1.8 Å
    ("[OX2H2]", "water O (TIP3P)", 0.31506, 0.1521 * KJ),
    ("[OX2H1][CX3]=[OX1]", "acid O", 0.300, 0.17 * KJ),
    ("[OX2H1]", "hydroxyl O", 0.312, 0.17 * KJ),
    ("[H][OX2]", "hydroxyl H", 0.1, 0.0),  # none: its oxygen's keeps others away
    ("[CX4]", "sp3 C", 0.350, 0.066 * KJ),
    ("[H][CX4][OX2]", "alpha H", 0.242, 0.015 * KJ),
    ("[H][CX4]", "alkane H", 0.250, 0.030 * KJ),
)
PLANARITY = 10.5 * KJ  # kJ/mol, k (1 + cos(2 phi - 180)): improper O-C-X-Y of OPLS-AA
# MMFF94 adds 1/2 koop chi^2 for each of the three out-of-plane angles; the one improper dihedral is 2/sqrt(3) chi
OUT_OF_PLANE = 9 / 16 * MDYNE * KJ
FLAT = np.radians(10)  # a centre further out of its plane than this gets no planarity


@dataclass
class Parameters:
    """Lines of XML of one molecule by section, and its minimum.

    Attributes
    ----------
    elements : list of str
    bonds : list of (int, int)
    positions : array [atoms, 3], Å
    lines : dict of lists of str
    """

    elements: list[str]
    bonds: list[tuple[int, int]]
    positions: np.ndarray
    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def parametrize(
    name: str,
    smiles: str,
    calculator: "BaseCalculator | None" = None,
    teacher: str = "MMFF94",
    conformers: int = 10,
    free_bonds: Iterable[tuple[int, int]] = (),
    bonds: Iterable[tuple[int, int]] | None = None,
) -> Parameters:
    """Parameters of one molecule.

    Parameters
    ----------
    name : str
        Residue name; begins the names of the atom types.
    smiles : str
    calculator : ASE calculator, optional
        The teacher whose minimum gives lengths and angles; MMFF94's own minimum without it.
    teacher : str
        What the comments call it.
    conformers : int
        How many embeddings are minimised; the lowest minimum counts.
    free_bonds : sequence of (int, int)
        Bonds about which no torsion acts, where MMFF94's contradict the teacher.
    bonds : sequence of (int, int), optional
        The molecule's bonds in the order that they are to be written in.

    Raises
    ------
    CGAAError
        The SMILES does not parse, or MMFF94 or UFF does not cover the molecule.
    """
    from rdkit import rdBase
    from rdkit.Chem import rdForceFieldHelpers

    molecule = parse_smiles(name, smiles)
    with rdBase.BlockLogs():
        mmff = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule)
    if mmff is None:
        raise CGAAError(
            f"molecule {name}: MMFF94 has no parameters for {smiles}; write its force field by hand, as "
            "systems/ec_emc_lipf6/ions.xml does for PF6, and leave it out here (in a box: give its structure file)"
        )
    elements = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    found = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    bonds = found if bonds is None else [(i, j) for i, j in bonds]
    if {frozenset(pair) for pair in bonds} != {frozenset(pair) for pair in found}:
        raise CGAAError(f"molecule {name}: the bonds given are not those of {smiles}")
    out = Parameters(elements, bonds, minimum(name, molecule, calculator, conformers))
    classes = symmetry_classes(tuple(elements), tuple(sorted(tuple(sorted(pair)) for pair in bonds)))
    kinds = [f"{name}-{elements[i]}{i}" for i in (classes.index(c) for c in classes)]
    _atoms(out, name, molecule, mmff, kinds)
    _terms(out, molecule, mmff, kinds, teacher, {frozenset(pair) for pair in free_bonds})
    _planarity(out, molecule, mmff, kinds)
    return out


def minimum(
    name: str, molecule: "Chem.Mol", calculator: "BaseCalculator | None" = None, conformers: int = 10
) -> np.ndarray:
    """Positions [atoms, 3] (Å, centered) of the lowest minimum found from several embeddings.

    Parameters
    ----------
    name : str
        For messages.
    molecule : rdkit.Chem.Mol
        With hydrogens.
    calculator : ASE calculator, optional
        MMFF94 without it.
    conformers : int
    """
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    ids = list(rdDistGeom.EmbedMultipleConfs(molecule, conformers, randomSeed=1))
    if not ids:
        embed(name, molecule)
        ids = [0]
    energies = [energy for _, energy in rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(molecule, maxIters=5000)]
    found = [molecule.GetConformer(i).GetPositions() for i in ids]
    if calculator is not None:
        from ase import Atoms
        from ase.optimize import BFGS

        energies = []
        for k, positions in enumerate(found):
            atoms = Atoms([atom.GetSymbol() for atom in molecule.GetAtoms()], positions=positions)
            atoms.calc = calculator
            BFGS(atoms, logfile=None).run(fmax=0.005, steps=500)
            energies.append(atoms.get_potential_energy())
            found[k] = atoms.positions
    best = found[int(np.argmin(energies))]
    return best - best.mean(0)


def forcefield_xml(parameters: Iterable[Parameters], comment: str = "sources beside the numbers") -> str:
    """Text of an OpenMM force field file from `Parameters` of several molecules."""
    merged: dict[str, list[str]] = defaultdict(list)
    for molecule in parameters:
        for section, lines in molecule.lines.items():
            merged[section] += lines
    return "\n".join(
        ["<ForceField>", f" <!-- {comment} -->"]
        + [" <AtomTypes>", *merged["type"], " </AtomTypes>"]
        + [" <!-- charges: MMFF94 (RDKit) -->", " <Residues>", *merged["residue"], " </Residues>"]
        + [" <HarmonicBondForce>", *merged["bond"], " </HarmonicBondForce>"]
        + [" <HarmonicAngleForce>", *merged["angle"], " </HarmonicAngleForce>"]
        + [" <PeriodicTorsionForce>", *merged["torsion"], " </PeriodicTorsionForce>"]
        + [" <!-- 1-4 pairs: Coulomb 0.75 as in MMFF94, Lennard-Jones 0.5 as in OPLS-AA -->"]
        + [' <NonbondedForce coulomb14scale="0.75" lj14scale="0.5">', '  <UseAttributeFromResidue name="charge"/>']
        + [*merged["nonbonded"], " </NonbondedForce>", "</ForceField>", ""]
    )


def lennard_jones(name: str, molecule: "Chem.Mol") -> dict[int, tuple[float, float, str]]:
    """Of each atom: sigma (nm), epsilon (kJ/mol) and the source in words.

    Raises
    ------
    CGAAError
        Neither `OPLS_AA` nor UFF knows the atom.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdForceFieldHelpers

    found: dict[int, tuple[float, float, str]] = {}
    for smarts, kind, sigma, epsilon in OPLS_AA:
        for match in molecule.GetSubstructMatches(Chem.MolFromSmarts(smarts), maxMatches=10000):
            found.setdefault(match[0], (sigma, epsilon, f"OPLS-AA {kind}"))
    for i in range(molecule.GetNumAtoms()):
        if i in found:
            continue
        with rdBase.BlockLogs():
            values = rdForceFieldHelpers.GetUFFVdWParams(molecule, i, i)
        if values is None:
            symbol = molecule.GetAtomWithIdx(i).GetSymbol()
            raise CGAAError(f"molecule {name}: UFF has no Lennard-Jones parameters for its atom {i} ({symbol})")
        found[i] = (values[0] / 10 / 2 ** (1 / 6), values[1] * KJ, "UFF, Rappe et al. 1992")  # x is the minimum
    return found


def _atoms(out: Parameters, name: str, molecule: "Chem.Mol", mmff: "MMFFMolProperties", kinds: list[str]) -> None:
    """Types, residue and Lennard-Jones."""
    nonbonded = lennard_jones(name, molecule)
    out.lines["residue"] += [f'  <Residue name="{name}">']
    for i, element in enumerate(out.elements):
        charge = mmff.GetMMFFPartialCharge(i)
        out.lines["residue"] += [f'   <Atom name="{element}{i + 1}" type="{kinds[i]}" charge="{charge:.4f}"/>']
        if kinds.index(kinds[i]) == i:
            mass = app.Element.getBySymbol(element).mass.value_in_unit(unit.dalton)
            sigma, epsilon, source = nonbonded[i]
            out.lines["type"] += [f'  <Type name="{kinds[i]}" class="{kinds[i]}" element="{element}" mass="{mass}"/>']
            out.lines["nonbonded"] += [
                f'  <Atom type="{kinds[i]}" sigma="{sigma:.4f}" epsilon="{epsilon:.6f}"/> <!-- {source} -->'
            ]
    out.lines["residue"] += [f'   <Bond from="{i}" to="{j}"/>' for i, j in out.bonds] + ["  </Residue>"]


def _terms(
    out: Parameters,
    molecule: "Chem.Mol",
    mmff: "MMFFMolProperties",
    kinds: list[str],
    teacher: str,
    free_bonds: set[frozenset[int]],
) -> None:
    """Bonds, angles and torsions; those between atoms of the same types are averaged into one."""
    groups = defaultdict(list)  # by the atoms' types, read in the one direction or the other
    for term in _bonded_terms(out.bonds, len(out.elements)):
        forward = tuple(kinds[a] for a in term)
        groups[min(forward, forward[::-1])].append(term)
    x = out.positions
    for key, terms in sorted(groups.items()):
        names = " ".join(f'type{n + 1}="{t}"' for n, t in enumerate(key))
        if len(key) == 2:
            length = np.mean([np.linalg.norm(x[i] - x[j]) for i, j in terms]) / 10
            kb = np.mean([mmff.GetMMFFBondStretchParams(molecule, *t)[1] for t in terms])
            source = f"<!-- length: {teacher} minimum; k: MMFF94 kb {kb:.3f} mdyn/Å -->"
            out.lines["bond"] += [f'  <Bond {names} length="{length:.5f}" k="{MDYNE * kb * 100 * KJ:.1f}"/> {source}']
        elif len(key) == 3:
            theta = np.mean([_angle(x, *t) for t in terms])
            ka = np.mean([mmff.GetMMFFAngleBendParams(molecule, *t)[1] for t in terms])
            source = f"<!-- angle: {teacher} minimum; k: MMFF94 ka {ka:.3f} mdyn Å/rad2 -->"
            out.lines["angle"] += [f'  <Angle {names} angle="{theta:.5f}" k="{MDYNE * ka * KJ:.3f}"/> {source}']
        else:
            found = [mmff.GetMMFFTorsionParams(molecule, *t) for t in terms if frozenset(t[1:3]) not in free_bonds]
            found = [values[1:] for values in found if values]  # MMFF94 has none about a straight angle
            if not found:
                continue
            v = np.mean(found, 0)  # V1, V2, V3, kcal/mol
            series = " ".join(
                f'periodicity{n}="{n}" phase{n}="{phase:.6f}" k{n}="{v[n - 1] / 2 * KJ:.5f}"'
                for n, phase in ((1, 0.0), (2, np.pi), (3, 0.0))
            )
            source = "<!-- MMFF94 V1 {:.3f}, V2 {:.3f}, V3 {:.3f} kcal/mol -->".format(*v)
            out.lines["torsion"] += [f"  <Proper {names} {series}/> {source}"]


def _planarity(out: Parameters, molecule: "Chem.Mol", mmff: "MMFFMolProperties", kinds: list[str]) -> None:
    """One improper for each flat atom with three neighbours."""
    from rdkit import Chem

    carbonyls = {match[0] for match in molecule.GetSubstructMatches(Chem.MolFromSmarts(OPLS_AA[0][0]))}
    neighbours = _neighbours(out.bonds, len(out.elements))
    written = set()
    for center, around in enumerate(neighbours):
        if len(around) != 3 or abs(_out_of_plane(out.positions, center, around)) > FLAT:
            continue
        if center in carbonyls:
            k, source = PLANARITY, "OPLS-AA improper O-C-X-Y, 10.5 kcal/mol"
        else:
            koop = mmff.GetMMFFOopBendParams(molecule, around[0], center, around[1], around[2])
            if koop is None or koop <= 0:
                continue
            k, source = OUT_OF_PLANE * koop, f"MMFF94 koop {koop:.3f} mdyn Å/rad2"
        types = tuple(kinds[a] for a in (center, *sorted(around, key=lambda n: len(neighbours[n]))))
        if (types[0], *sorted(types[1:])) in written:
            continue
        written.add((types[0], *sorted(types[1:])))
        names = " ".join(f'type{n + 1}="{t}"' for n, t in enumerate(types))
        series = f'periodicity1="2" phase1="{np.pi:.6f}" k1="{k:.3f}"'
        out.lines["torsion"] += [f"  <Improper {names} {series}/> <!-- {source} -->"]


def _neighbours(bonds: list[tuple[int, int]], num_atoms: int) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(num_atoms)]
    for i, j in sorted(tuple(sorted(pair)) for pair in bonds):
        found[i].append(j)
        found[j].append(i)
    return [sorted(around) for around in found]


def _bonded_terms(bonds: list[tuple[int, int]], num_atoms: int) -> Iterator[tuple[int, ...]]:
    """Pairs, triples and quadruples of atoms along bonds, each once."""
    neighbours = _neighbours(bonds, num_atoms)
    for i, j in bonds:
        yield i, j
        for h in neighbours[i]:
            for k in neighbours[j]:
                if len({h, i, j, k}) == 4:
                    yield h, i, j, k
    for j, around in enumerate(neighbours):
        for i, k in combinations(around, 2):
            yield i, j, k


def _angle(x: np.ndarray, i: int, j: int, k: int) -> float:
    """Angle i-j-k in radians."""
    a, b = x[i] - x[j], x[k] - x[j]
    return np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))


def _out_of_plane(x: np.ndarray, center: int, around: list[int]) -> float:
    """How far the improper dihedral of an atom with three neighbours is from flat, radians."""
    a, b, c = (x[n] - x[center] for n in around)
    normal = np.cross(b, c)
    return np.arcsin(a @ normal / np.linalg.norm(a) / np.linalg.norm(normal))
