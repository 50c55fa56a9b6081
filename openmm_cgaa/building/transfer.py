"""A force field that came as a System, for other numbers of its molecules: terms are copied residue by residue.

A user's force field for one box is so a sampler of single molecules, pairs, and boxes of other sizes. A term that joins
residues cannot be copied, and neither can a force that is not listed here.
"""

import copy
from collections.abc import Sequence
from functools import cached_property
from xml.etree import ElementTree

import openmm
from openmm import app, unit

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frame
from ..structures import geometry
from ..structures.given import read_given
from ..structures.topologies import symbol
from ..wording import counted
from .conformers import Shape
from .flexible import CUTOFF, PAIRS, flexible_system, freed
from .molecules import of_residue, shapes_of

# what a term is called, and where its atoms stand in its parameters
TERMS = {
    openmm.HarmonicBondForce: ("Bond", slice(0, 2)),
    openmm.HarmonicAngleForce: ("Angle", slice(0, 3)),
    openmm.PeriodicTorsionForce: ("Torsion", slice(0, 4)),
    openmm.RBTorsionForce: ("Torsion", slice(0, 4)),
    openmm.CMAPTorsionForce: ("Torsion", slice(1, 9)),
    openmm.CustomBondForce: ("Bond", slice(0, 2)),
    openmm.CustomAngleForce: ("Angle", slice(0, 3)),
    openmm.CustomTorsionForce: ("Torsion", slice(0, 4)),
    openmm.NonbondedForce: ("Exception", slice(0, 2)),
    openmm.CustomNonbondedForce: ("Exclusion", slice(0, 2)),
}
LISTS = {"Bonds", "Angles", "Torsions", "Particles", "Exceptions", "Exclusions"}  # of a force in XML


def read_transfer(files: FilePath | Sequence[FilePath], smiles: dict[str, str] | None = None) -> "Transfer":
    """The force field that came with a topology: of Amber, GROMACS or CHARMM, or a System in XML beside a structure.

    Parameters
    ----------
    files, smiles
        As of `structures.structure.read_structure`.

    Raises
    ------
    CGAAError
        A file is missing or cannot be read, or bonds are rigid in it.
    """
    given = read_given(files, smiles=smiles)
    where = ", ".join(map(str, files)) if isinstance(files, list | tuple) else str(files)
    if given.system is not None:
        system = flexible_system(given.system)
    elif given.make is not None:
        method = app.NoCutoff if given.topology.getPeriodicBoxVectors() is None else app.PME
        system = given.make(nonbondedMethod=method, nonbondedCutoff=CUTOFF)
        freed(system, where, "write [ constraints ] and [ settles ] of the .top as [ bonds ] with force constants")
    else:
        raise CGAAError(
            given.missing
            or f"{where} holds no force field; give its files as well (.prmtop, .top, .psf with parameters, a "
            "System in .xml), or OpenMM force field files by the key forcefield"
        )
    if given.positions is None:
        raise CGAAError(given.missing)
    return Transfer(given.topology, system, where, given.positions)


class Transfer:
    """The force field of a System's molecules.

    Parameters
    ----------
    topology : openmm.app.Topology
        What the System was made for.
    system : openmm.System
        Without constraints.
    where : str
        Its file, for messages.
    positions : Quantity, [atoms, 3], optional
        Of the same atoms.
    """

    def __init__(
        self, topology: app.Topology, system: openmm.System, where: str, positions: unit.Quantity | None = None
    ):
        self.topology, self.given, self.where, self.positions = topology, system, where, positions
        if system.getNumParticles() != topology.getNumAtoms():
            raise CGAAError(
                f"{where} has {counted(system.getNumParticles(), 'particle')}, but the structure has "
                f"{counted(topology.getNumAtoms(), 'atom')}; begin runs with the structure that it was made for, or "
                "give that beside it: system: [system.xml, structure.cif]"
            )
        self._kinds: dict[tuple, list] | None = None

    @cached_property
    def molecules(self) -> dict[str, tuple[app.Topology, unit.Quantity]]:
        """Topology and positions, in one piece, of the first residue of each name.

        Raises
        ------
        CGAAError
            A residue is no grain, such as one without bonds.
        """
        found: dict[str, tuple[app.Topology, unit.Quantity]] = {}
        box = geometry.check_box(self.topology.getPeriodicBoxVectors())
        positions = geometry.check_positions(self.positions, self.topology.getNumAtoms())
        whole = whole_frame(GrainMap.from_topology(self.topology), positions, box)
        for residue in self.topology.residues():
            if residue.name not in found:
                atoms = [atom.index for atom in residue.atoms()]
                found[residue.name] = of_residue(residue), whole[atoms] * unit.nanometer
        return found

    @cached_property
    def shapes(self) -> dict[str, list[Shape]]:
        """Shapes in a liquid of each of these molecules."""
        return {name: shapes_of(*molecule) for name, molecule in self.molecules.items()}

    @cached_property
    def charges(self) -> dict[str, float]:
        """Charge of the first residue of each name, e."""
        found: dict[str, float] = {}
        charges = [0.0] * self.given.getNumParticles()
        for force in self.given.getForces():
            if isinstance(force, openmm.NonbondedForce):
                charges = [
                    charges[i] + force.getParticleParameters(i)[0].value_in_unit(unit.elementary_charge)
                    for i in range(force.getNumParticles())
                ]
        for residue in self.topology.residues():
            found.setdefault(residue.name, sum(charges[atom.index] for atom in residue.atoms()))
        return found

    def system(self, topology: app.Topology) -> openmm.System:
        """A new System of molecules that the given one has, in any number and order; the same one where all are there.

        Raises
        ------
        CGAAError
            A molecule is not in the given System, or the System's forces cannot be transferred.
        """
        if _molecules(topology) == _molecules(self.topology):
            return copy.deepcopy(self.given)
        if self._kinds is None:
            self._kinds = self._read()
        made, forces = openmm.System(), [_empty(force) for force in self.given.getForces()]
        for residue in topology.residues():
            terms = self._kinds.get(_kind(residue))
            if terms is None:
                known = ", ".join(sorted({name for name, _ in self._kinds}))
                raise CGAAError(
                    f"{self.where} has no molecule like residue {residue.name} {residue.id}, of the same atoms in the "
                    f"same order; it is a force field of {known} alone"
                )
            atoms = [atom.index for atom in residue.atoms()]
            for mass in terms[0]:
                made.addParticle(mass)
            for force, own in zip(forces, terms[1:]):
                for name, local, rest in own:
                    _add(force, name, [atoms[a] for a in local], rest)
        for force in forces:
            made.addForce(force)
        if topology.getPeriodicBoxVectors() is not None:
            made.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
        return made

    def _read(self) -> dict[tuple, list]:
        """Of each kind of residue: masses, and of each force what it does in there, by the residue's own numbers."""
        residues = list(self.topology.residues())
        place = {atom.index: (r, a) for r, residue in enumerate(residues) for a, atom in enumerate(residue.atoms())}
        masses = [self.given.getParticleMass(i) for i in range(self.given.getNumParticles())]
        found: list[list] = [[[masses[atom.index] for atom in residue.atoms()]] for residue in residues]
        for force in self.given.getForces():
            for own in found:
                own.append([])
            for name, atoms, rest in self._terms(force):
                owners = sorted({place[atom][0] for atom in atoms})
                if len(owners) > 1:
                    names = " and ".join(f"{residues[r].name} {residues[r].id}" for r in owners[:2])
                    raise CGAAError(
                        f"{self.where}: {name.lower()}s of its {force.getName()} act between molecules ({names}), so "
                        "that it is a force field of this box alone; begin runs with the structure that it was made for"
                    )
                local = [place[atom][1] for atom in atoms]
                if not isinstance(force, openmm.CMAPTorsionForce):
                    local = min(local, local[::-1])  # the same term: Amber reverses some of the first molecule
                found[owners[0]][-1].append((name, local, rest))
        kinds: dict[tuple, list] = {}
        for residue, own in zip(residues, found):
            first = kinds.setdefault(_kind(residue), own)
            if first is not own and _plain(first) != _plain(own):
                raise CGAAError(
                    f"{self.where}: residue {residue.name} {residue.id} has other parameters than the first "
                    f"{residue.name}; give each kind of molecule a residue name of its own"
                )
        return kinds

    def _terms(self, force: openmm.Force) -> list[tuple[str, list[int], list]]:
        """(name, atoms, parameters) of all that a force lists."""
        if type(force) not in TERMS or _depends(force):
            raise CGAAError(
                f"{self.where}: its {force.getName()} ({type(force).__name__}) is not transferred to other numbers of "
                "molecules; begin runs with the structure that it was made for"
            )
        name, where = TERMS[type(force)]
        get = force.getExclusionParticles if name == "Exclusion" else getattr(force, f"get{name}Parameters")
        terms = []
        if isinstance(force, PAIRS):
            terms = [("Particle", [i], list(_listed(force, i))) for i in range(force.getNumParticles())]
        for i in range(getattr(force, f"getNum{name}s")()):
            values = list(get(i))
            terms.append((name, values[where], values[: where.start] + values[where.stop :]))
        return terms


def _listed(force: openmm.Force, index: int) -> Sequence:
    """Parameters of a particle as `addParticle` takes them."""
    values = force.getParticleParameters(index)
    return [values] if isinstance(force, openmm.CustomNonbondedForce) else values


def _add(force: openmm.Force, name: str, atoms: list[int], rest: list) -> None:
    if name == "Particle":
        force.addParticle(*rest)
    elif isinstance(force, openmm.CMAPTorsionForce):
        force.addTorsion(rest[0], *atoms)
    else:
        getattr(force, f"add{name}")(*atoms, *rest)


def _empty(force: openmm.Force) -> openmm.Force:
    """The force with its settings and without its terms."""
    root = ElementTree.fromstring(openmm.XmlSerializer.serialize(force))
    for child in root:
        if child.tag in LISTS:
            child.clear()
    return openmm.XmlSerializer.deserialize(ElementTree.tostring(root, encoding="unicode"))


def _depends(force: openmm.Force) -> bool:
    """Whether a force has what is not listed by term: offsets, groups of particles."""
    if isinstance(force, openmm.NonbondedForce):
        return bool(force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets())
    return isinstance(force, openmm.CustomNonbondedForce) and bool(
        force.getNumInteractionGroups() or force.getNumComputedValues()
    )


def _kind(residue: app.topology.Residue) -> tuple[str, tuple[str, ...]]:
    # Where a name is a standard residue's, as MET is, `write_structure` has put "_" behind it.
    return residue.name.rstrip("_"), tuple(symbol(atom) for atom in residue.atoms())


def _molecules(topology: app.Topology) -> list[tuple]:
    return [_kind(residue) for residue in topology.residues()]


def _plain(values: object) -> object:
    """Numbers without their units, in lists that compare; terms in one order."""
    if isinstance(values, list | tuple):
        plain = [_plain(value) for value in values]
        return sorted(plain, key=repr) if plain and isinstance(values[0], tuple) else plain
    return getattr(values, "_value", values)
