"""Files of Amber, GROMACS and CHARMM, written by hand from an OpenMM System of standard forces."""

import re

import numpy as np
import openmm
from openmm import app, unit

from openmm_cgaa.building.boxes import pack
from openmm_cgaa.building.forcefield import forcefield_xml, parametrize
from openmm_cgaa.building.molecules import from_smiles
from openmm_cgaa.structures.structure import write_structure

KCAL = 4.184
AMBER_CHARGE = 18.2223


def ethers(tmp_path, counts=(6, 3), edge=1.3, coulomb14=1.0):
    """Dimethyl ether and 1,2-difluoroethane in a box: topology, positions (nm), ForceField.

    1-4 pairs are those that CHARMM can say, too: Coulomb whole, Lennard-Jones 0.5.
    """
    kinds = {"DMT": "COC", "DFE": "FCCF"}
    text = forcefield_xml([parametrize(name, smiles) for name, smiles in kinds.items()])
    path = tmp_path / "forcefield.xml"
    path.write_text(text.replace('coulomb14scale="0.75"', f'coulomb14scale="{coulomb14}"'))
    molecules = [(*from_smiles(name, smiles), count) for (name, smiles), count in zip(kinds.items(), counts)]
    topology, positions = pack(molecules, edge)
    return topology, positions.value_in_unit(unit.nanometer), app.ForceField(str(path))


class Terms:
    """The numbers of a System of harmonic bonds and angles, periodic torsions and NonbondedForce: nm, kJ/mol, Da."""

    def __init__(self, topology, system):
        forces = {type(force): force for force in system.getForces()}
        plain = lambda force, kind: [  # noqa: E731
            [getattr(v, "_value", v) for v in getattr(force, f"get{kind}Parameters")(i)]
            for i in range(getattr(force, f"getNum{kind}s")())
        ]
        self.topology, self.atoms = topology, list(topology.atoms())
        self.masses = [system.getParticleMass(i)._value for i in range(system.getNumParticles())]
        self.bonds = plain(forces[openmm.HarmonicBondForce], "Bond")
        self.angles = plain(forces[openmm.HarmonicAngleForce], "Angle")
        self.torsions = [t for t in plain(forces[openmm.PeriodicTorsionForce], "Torsion") if t[6]]
        self.particles = plain(forces[openmm.NonbondedForce], "Particle")
        self.exceptions = plain(forces[openmm.NonbondedForce], "Exception")
        self.pairs14 = [e for e in self.exceptions if e[2] or e[4]]
        kinds = {}
        self.types = [kinds.setdefault((a.residue.name, a.name), f"T{len(kinds)}") for a in self.atoms]
        self.unlike = list(dict.fromkeys(self.types))

    def first(self, kind):
        """Index of the first atom of a type."""
        return self.types.index(kind)


def gro(topology, positions, box):
    """Coordinates of GROMACS with six digits, which its format allows; the box in its order of nine numbers."""
    rows = ["title", str(topology.getNumAtoms())]
    for atom, (x, y, z) in zip(topology.atoms(), positions):
        number = (atom.index + 1) % 100000
        names = f"{atom.residue.index + 1:5d}{atom.residue.name:<5s}{atom.name:>5s}{number:5d}"
        rows.append(f"{names}{x:11.6f}{y:11.6f}{z:11.6f}")
    order = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    return "\n".join([*rows, " ".join(f"{box[ij]:.6f}" for ij in order)]) + "\n"


def inside(own, rows, size):
    """Terms of which all atoms are among some."""
    return [row for row in rows if set(row[:size]) <= own.keys()]


def gromacs_top(terms, molecules="molecules.itp"):
    """A .top and the text of the file that it includes, with a molecule type for each residue name."""
    lines = ["[ defaults ]", "1 2 yes 0.5 1.0", "[ atomtypes ]"]
    for kind in terms.unlike:
        _, sigma, epsilon = terms.particles[terms.first(kind)]
        lines.append(f"{kind} {terms.masses[terms.first(kind)]:.4f} 0.0 A {sigma:.10f} {epsilon:.10f}")
    residues = list(terms.topology.residues())
    inner = []
    for residue in {residue.name: residue for residue in residues}.values():
        atoms = [atom.index for atom in residue.atoms()]
        own = {index: n for n, index in enumerate(atoms, 1)}
        inner += ["[ moleculetype ]", f"{residue.name} 3", "[ atoms ]"]
        inner += [
            f"{own[i]} {terms.types[i]} 1 {residue.name} {terms.atoms[i].name} {own[i]} {terms.particles[i][0]} "
            f"{terms.masses[i]}"
            for i in atoms
        ]
        inner += ["[ bonds ]", *(f"{own[i]} {own[j]} 1 {r} {k}" for i, j, r, k in inside(own, terms.bonds, 2))]
        inner += ["[ pairs ]", *(f"{own[i]} {own[j]} 1" for i, j, *_ in inside(own, terms.pairs14, 2))]
        inner += ["[ angles ]"]
        inner += [f"{own[i]} {own[j]} {own[l]} 1 {np.degrees(t)} {k}" for i, j, l, t, k in inside(own, terms.angles, 3)]
        inner += ["[ dihedrals ]"]
        for *four, n, phase, k in inside(own, terms.torsions, 4):
            inner.append(f"{' '.join(str(own[a]) for a in four)} 9 {np.degrees(phase)} {k} {n}")
    lines += [f'#include "{molecules}"', "[ system ]", "some molecules", "[ molecules ]"]
    return "\n".join([*lines, *(f"{residue.name} 1" for residue in residues)]) + "\n", "\n".join(inner) + "\n"


def amber_prmtop(terms, box=None, numbers=True):
    """A whole prmtop; `box` in Å (a cube) or None; without ATOMIC_NUMBER if not `numbers`."""
    atoms, residues = terms.atoms, list(terms.topology.residues())
    light = {atom.index for atom in atoms if atom.element.symbol == "H"}
    kinds = terms.unlike
    lj = [terms.particles[terms.first(kind)][1:] for kind in kinds]
    acoef, bcoef, place = [], [], []
    for i in range(len(kinds)):
        for j in range(len(kinds)):
            place.append(max(i, j) * (max(i, j) + 1) // 2 + min(i, j) + 1)
            if j <= i:
                sigma, epsilon = 5 * (lj[i][0] + lj[j][0]), np.sqrt(lj[i][1] * lj[j][1]) / KCAL
                acoef.append(4 * epsilon * sigma**12)
                bcoef.append(4 * epsilon * sigma**6)
    excluded = [sorted(max(e[:2]) + 1 for e in terms.exceptions if min(e[:2]) == i) or [0] for i in range(len(atoms))]
    split = lambda rows, size: [  # noqa: E731
        [n for row in rows if bool(light & set(row[0])) == inc for n in (*(3 * a for a in row[0]), row[1])]
        for inc in (True, False)
    ]
    bonds = split([(b[:2], n) for n, b in enumerate(terms.bonds, 1)], 2)
    angles = split([(a[:3], n) for n, a in enumerate(terms.angles, 1)], 3)
    torsions, seen = {True: [], False: []}, set()
    scaled = {frozenset(e[:2]) for e in terms.pairs14}
    for n, (*four, _, _, _) in enumerate(terms.torsions, 1):
        four = list(four) if 0 not in four[2:] else list(four)[::-1]  # a sign is put on the last two
        ends = frozenset((four[0], four[3]))
        ignored = ends in seen or ends not in scaled
        seen.add(ends)
        row = [3 * four[0], 3 * four[1], -3 * four[2] if ignored else 3 * four[2], 3 * four[3], n]
        torsions[bool(light & set(four))] += row
    assert seen >= scaled
    pointers = [0] * 31
    counts = {0: len(atoms), 1: len(kinds), 2: len(bonds[0]) // 3, 3: len(bonds[1]) // 3, 4: len(angles[0]) // 4}
    counts |= {5: len(angles[1]) // 4, 6: len(torsions[True]) // 5, 7: len(torsions[False]) // 5}
    counts |= {10: sum(map(len, excluded)), 11: len(residues), 12: len(bonds[1]) // 3, 13: len(angles[1]) // 4}
    counts |= {14: len(torsions[False]) // 5, 15: len(terms.bonds), 16: len(terms.angles), 17: len(terms.torsions)}
    for at, value in (counts | {18: len(kinds), 27: int(box is not None)}).items():
        pointers[at] = value
    sections = [
        ("POINTERS", "10I8", pointers),
        ("ATOM_NAME", "20a4", [atom.name for atom in atoms]),
        ("CHARGE", "5E16.8", [p[0] * AMBER_CHARGE for p in terms.particles]),
        ("ATOMIC_NUMBER", "10I8", [atom.element.atomic_number for atom in atoms]),
        ("MASS", "5E16.8", terms.masses),
        ("ATOM_TYPE_INDEX", "10I8", [kinds.index(kind) + 1 for kind in terms.types]),
        ("NUMBER_EXCLUDED_ATOMS", "10I8", [len(e) for e in excluded]),
        ("NONBONDED_PARM_INDEX", "10I8", place),
        ("RESIDUE_LABEL", "20a4", [residue.name for residue in residues]),
        ("RESIDUE_POINTER", "10I8", [next(residue.atoms()).index + 1 for residue in residues]),
        ("BOND_FORCE_CONSTANT", "5E16.8", [b[3] / 2 / KCAL / 100 for b in terms.bonds]),
        ("BOND_EQUIL_VALUE", "5E16.8", [10 * b[2] for b in terms.bonds]),
        ("ANGLE_FORCE_CONSTANT", "5E16.8", [a[4] / 2 / KCAL for a in terms.angles]),
        ("ANGLE_EQUIL_VALUE", "5E16.8", [a[3] for a in terms.angles]),
        ("DIHEDRAL_FORCE_CONSTANT", "5E16.8", [t[6] / KCAL for t in terms.torsions]),
        ("DIHEDRAL_PERIODICITY", "5E16.8", [float(t[4]) for t in terms.torsions]),
        ("DIHEDRAL_PHASE", "5E16.8", [t[5] for t in terms.torsions]),
        ("SCEE_SCALE_FACTOR", "5E16.8", [1.0] * len(terms.torsions)),
        ("SCNB_SCALE_FACTOR", "5E16.8", [2.0] * len(terms.torsions)),
        ("LENNARD_JONES_ACOEF", "5E16.8", acoef),
        ("LENNARD_JONES_BCOEF", "5E16.8", bcoef),
        ("BONDS_INC_HYDROGEN", "10I8", bonds[0]),
        ("BONDS_WITHOUT_HYDROGEN", "10I8", bonds[1]),
        ("ANGLES_INC_HYDROGEN", "10I8", angles[0]),
        ("ANGLES_WITHOUT_HYDROGEN", "10I8", angles[1]),
        ("DIHEDRALS_INC_HYDROGEN", "10I8", torsions[True]),
        ("DIHEDRALS_WITHOUT_HYDROGEN", "10I8", torsions[False]),
        ("EXCLUDED_ATOMS_LIST", "10I8", sum(excluded, [])),
        ("HBOND_ACOEF", "5E16.8", []),
        ("HBOND_BCOEF", "5E16.8", []),
        ("AMBER_ATOM_TYPE", "20a4", terms.types),
    ]
    if box is not None:
        sections.append(("BOX_DIMENSIONS", "5E16.8", [90.0, box, box, box]))
    text = "%VERSION  VERSION_STAMP = V0001.000\n"
    for name, layout, values in sections:
        if name == "ATOMIC_NUMBER" and not numbers:
            continue
        count, kind, width = re.match(r"(\d+)([IaE])(\d+)", layout).groups()
        form = {"I": f"{{:{width}d}}", "a": f"{{:<{width}s}}", "E": f"{{:{width}.8E}}"}[kind]
        items = [form.format(value) for value in values]
        rows = ["".join(items[i : i + int(count)]) for i in range(0, len(items), int(count))] or [""]
        text += f"%FLAG {name}\n%FORMAT({layout})\n" + "".join(row + "\n" for row in rows)
    return text


def amber_inpcrd(positions, box=None):
    """Coordinates of Amber; `box` in Å, a cube."""
    numbers = [f"{x:12.7f}" for x in 10 * np.asarray(positions).ravel()]
    rows = ["".join(numbers[i : i + 6]) for i in range(0, len(numbers), 6)]
    last = [] if box is None else ["".join(f"{x:12.7f}" for x in (box, box, box, 90.0, 90.0, 90.0))]
    return "\n".join(["title", f"{len(positions):5d}", *rows, *last]) + "\n"


def charmm_psf(terms):
    """A .psf with all its sections."""
    rows = ["PSF", "", "       1 !NTITLE", " REMARKS molecules", "", f"{len(terms.atoms):8d} !NATOM"]
    for atom, kind, mass, (charge, _, _) in zip(terms.atoms, terms.types, terms.masses, terms.particles):
        residue = f"{atom.residue.index + 1:<4d} {atom.residue.name:<4s}"
        rows.append(f"{atom.index + 1:8d} BOX  {residue} {atom.name:<4s} {kind:<4s} {charge:.8f} {mass:.4f} 0")
    torsions = list(dict.fromkeys(tuple(t[:4]) for t in terms.torsions))
    for name, per, terms_of in (
        ("NBOND: bonds", 4, [b[:2] for b in terms.bonds]),
        ("NTHETA: angles", 3, [a[:3] for a in terms.angles]),
        ("NPHI: dihedrals", 2, torsions),
    ):
        numbers = [f"{a + 1:8d}" for term in terms_of for a in term]
        width = per * len(terms_of[0])
        rows += ["", f"{len(terms_of):8d} !{name}"]
        rows += ["".join(numbers[i : i + width]) for i in range(0, len(numbers), width)]
    for name in ("NIMPHI: impropers", "NDON: donors", "NACC: acceptors"):
        rows += ["", f"       0 !{name}", ""]
    empty = ["", "       0 !NNB", "", "".join(["       0"] * len(terms.atoms)), "", "       1       0 !NGRP"]
    return "\n".join([*rows, *empty, "       0       0       0", ""]) + "\n"


def charmm_prm(terms):
    """Parameters of it."""
    name = terms.types
    rows = ["* parameters", "*", "", "ATOMS"]
    rows += [f"MASS -1 {kind} {terms.masses[terms.first(kind)]:.4f}" for kind in terms.unlike]
    lines = {
        "BONDS": [f"{name[i]} {name[j]} {k / 2 / KCAL / 100:.10f} {10 * r:.10f}" for i, j, r, k in terms.bonds],
        "ANGLES": [
            f"{name[i]} {name[j]} {name[l]} {k / 2 / KCAL:.10f} {np.degrees(t):.10f}" for i, j, l, t, k in terms.angles
        ],
        "DIHEDRALS": [
            f"{' '.join(name[a] for a in four)} {k / KCAL:.10f} {n} {np.degrees(phase):.6f}"
            for *four, n, phase, k in terms.torsions
        ],
    }
    for section, found in lines.items():
        rows += ["", section, *dict.fromkeys(found)]
    rows += ["", "NONBONDED nbxmod 5 atom cdiel fshift vatom vdistance vfswitch -"]
    rows += ["cutnb 14.0 ctofnb 12.0 ctonnb 10.0 eps 1.0 e14fac 1.0 wmin 1.5"]
    for kind in terms.unlike:
        _, sigma, epsilon = terms.particles[terms.first(kind)]
        half, depth = 10 * sigma * 2 ** (1 / 6) / 2, epsilon / KCAL
        rows.append(f"{kind} 0.0 {-depth:.10f} {half:.10f} 0.0 {-depth / 2:.10f} {half:.10f}")
    return "\n".join([*rows, "", "END"]) + "\n"


def charmm_crd(topology, positions):
    """Cards of CHARMM."""
    rows = ["* coordinates", "*", f"{topology.getNumAtoms():5d}"]
    for atom, (x, y, z) in zip(topology.atoms(), 10 * np.asarray(positions)):
        number = atom.residue.index + 1
        rows.append(
            f"{atom.index + 1:5d}{number:5d} {atom.residue.name:<4s} {atom.name:<4s}{x:10.5f}{y:10.5f}{z:10.5f} BOX  "
            f"{number:<4d}{0.0:10.5f}"
        )
    return "\n".join(rows) + "\n"


def write_all(folder, topology, positions, system, edge):
    """The files of all programs of a cubic box, by the name `box`; what the .top includes is in a folder of its own."""
    terms = Terms(topology, system)
    top, molecules = gromacs_top(terms)
    (folder / "includes").mkdir()
    texts = {
        "box.prmtop": amber_prmtop(terms, 10 * edge),
        "box.inpcrd": amber_inpcrd(positions, 10 * edge),
        "box.top": top,
        "includes/molecules.itp": molecules,
        "box.gro": gro(topology, positions, edge * np.eye(3)),
        "box.psf": charmm_psf(terms),
        "box.prm": charmm_prm(terms),
        "box.crd": charmm_crd(topology, positions),
        "system.xml": openmm.XmlSerializer.serialize(system),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    write_structure(folder / "box.cif", topology, positions)


SMILES = [{"name": "DMT", "smiles": "COC"}, {"name": "DFE", "smiles": "FCCF"}]
ORIGINS = {  # files that belong together, and SMILES of molecules without bonds in them
    "amber": (["box.prmtop", "box.inpcrd"], []),
    "gromacs": (["box.gro", "box.top"], []),
    "charmm": (["box.psf", "box.prm", "box.cif"], []),
    "openmm": (["system.xml", "box.cif"], []),
    "openmm, no bonds": (["bare.pdb", "system.xml"], SMILES),
}


def write_given(folder, edge):
    """A box of two ethers for Amber, GROMACS and CHARMM, as PDB without bonds, and as a System in XML."""
    topology, positions, forcefield = ethers(folder, edge=edge)
    terms = Terms(topology, forcefield.createSystem(topology, constraints=None))
    top, molecules = gromacs_top(terms)
    (folder / "box.prmtop").write_text(amber_prmtop(terms, 10 * edge))
    (folder / "box.inpcrd").write_text(amber_inpcrd(positions, 10 * edge))
    (folder / "box.top").write_text(top)
    (folder / "molecules.itp").write_text(molecules)
    (folder / "rigid").mkdir()
    (folder / "rigid/molecules.itp").write_text(molecules + "[ constraints ]\n1 4 1 0.35\n")
    (folder / "rigid/box.top").write_text(top)
    (folder / "box.psf").write_text(charmm_psf(terms))
    (folder / "box.prm").write_text(charmm_prm(terms))
    (folder / "box.gro").write_text(gro(topology, positions, edge * np.eye(3)))
    write_structure(folder / "box.cif", topology, positions)
    with open(folder / "bare.pdb", "w") as file:
        app.PDBFile.writeFile(topology, positions * unit.nanometer, file)
    text = (folder / "bare.pdb").read_text()
    (folder / "bare.pdb").write_text("".join(r for r in text.splitlines(True) if not r.startswith("CONECT")))
    options = dict(nonbondedMethod=app.PME, nonbondedCutoff=0.5)
    free = forcefield.createSystem(topology, constraints=None, removeCMMotion=False, **options)
    (folder / "system.xml").write_text(openmm.XmlSerializer.serialize(free))
    rigid = forcefield.createSystem(topology, constraints=app.HBonds, **options)
    (folder / "rigid.xml").write_text(openmm.XmlSerializer.serialize(rigid))
