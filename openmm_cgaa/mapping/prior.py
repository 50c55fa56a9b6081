"""A prior: ordinary OpenMM forces between beads, which a network's forces come on top of.

It is an OpenMM ForceField of beads, so that it can be written by hand, and becomes forces of any topology. What is
learned is the rest of the labels, as by Wang et al., ACS Cent. Sci. 5, 755 (2019): no frame shows bonds that tear and
beads that overlap, so that a network knows nothing of them.

A <Bond> with the attribute ``rigid="true"`` is a constraint, for the beads of a rigid residue keep their distances.
"""

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openmm
from openmm import app, unit

from ..errors import CGAAError, GeometryError, GrainError, ModelFileError
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..structures.lattice import triangular
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from .grains import GrainMap
from .links import all_bonds

# what a prior may hold. Others read further files or run Python (Script), as no model file may, or need charges
FORCES = (
    "HarmonicBondForce",
    "HarmonicAngleForce",
    "PeriodicTorsionForce",
    "RBTorsionForce",
    "CustomBondForce",
    "CustomAngleForce",
    "CustomTorsionForce",
    "CustomNonbondedForce",
)
TAGS = ("Info", "AtomTypes", "Residues", *FORCES)
SHORTEST, LONGEST = 1.0, 100.0  # Å, of cutoffs


@dataclass(frozen=True)
class Prior:
    """Forces between beads that are added to a network's.

    Attributes
    ----------
    forcefield : str
        An OpenMM ForceField, as XML. It may hold `FORCES` alone.
    cutoff : float, Å
        Of its nonbonded forces.
    """

    forcefield: str
    cutoff: float = 10.0

    def __post_init__(self) -> None:
        arguments.instance(self.forcefield, str, "forcefield")
        if (
            not isinstance(self.cutoff, float | int)
            or isinstance(self.cutoff, bool)
            or not SHORTEST <= self.cutoff <= LONGEST
        ):
            raise CGAAError(f"cutoff is {self.cutoff!r}; expected {SHORTEST:g} to {LONGEST:g} Å")
        try:
            root = ElementTree.fromstring(self.forcefield)
        except ElementTree.ParseError as error:
            raise CGAAError(f"not XML ({error}); a prior is an OpenMM ForceField") from None
        other = [root.tag] if root.tag != "ForceField" else [child.tag for child in root if child.tag not in TAGS]
        if other:
            raise CGAAError(f"<{other[0]}> in it; a prior is an OpenMM <ForceField> that holds {', '.join(TAGS)} alone")
        rigid = {(force.tag, item.get("rigid")) for force in root for item in force.iter() if "rigid" in item.attrib}
        if wrong := sorted(rigid - {("HarmonicBondForce", "true")}):
            raise CGAAError(
                f'rigid="{wrong[0][1]}" in its {wrong[0][0]}; a bond of the HarmonicBondForce with rigid="true" is a '
                "constraint, and nothing else is: put it there, or leave rigid away"
            )
        try:
            app.ForceField(io.StringIO(self.forcefield))
        except Exception as error:  # OpenMM's reader raises all kinds
            raise CGAAError(f"OpenMM cannot read it as a force field ({_said(error)})") from None

    @classmethod
    def load(cls, path: FilePath, cutoff: float = 10.0) -> "Prior":
        """That of a ForceField file; `CGAAError` names the file if it cannot be one."""
        try:
            text = Path(arguments.path(path, "prior")).read_text("utf-8")
        except OSError as error:
            raise CGAAError(f"prior {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CGAAError(f"prior {path}: not text; a prior is an OpenMM ForceField (XML)") from None
        try:
            return cls(text, cutoff)
        except CGAAError as error:
            raise CGAAError(f"prior {path}: {error}") from None

    @classmethod
    def of_metadata(cls, metadata: dict) -> "Prior | None":
        """That of a model, if it has one."""
        entry = metadata.get("prior")
        if entry is None:
            return None
        if not isinstance(entry, dict) or entry.keys() != {"forcefield", "cutoff"}:
            raise ModelFileError("prior: expected a forcefield and a cutoff")
        return cls(**entry)

    @property
    def kinds(self) -> list[str]:
        """Its forces, as their tags call them."""
        soft, _ = self._parts
        return [child.tag for child in soft if child.tag in FORCES]

    @property
    def rigid(self) -> bool:
        """Whether it has rigid bonds."""
        return any(child.tag in FORCES for child in self._parts[1])

    @property
    def _parts(self) -> tuple[ElementTree.Element, ElementTree.Element]:
        """The ForceField without its rigid bonds, and one that has no forces but these."""
        soft, rigid = (ElementTree.fromstring(self.forcefield) for _ in range(2))
        for root, of in ((soft, False), (rigid, True)):
            for force in root.findall("HarmonicBondForce"):
                for bond in force.findall("Bond"):
                    if (bond.get("rigid") == "true") != of:
                        force.remove(bond)
                if not len(force):
                    root.remove(force)
        for force in [child for child in rigid if child.tag in FORCES and child.tag != "HarmonicBondForce"]:
            rigid.remove(force)
        return soft, rigid

    def to_dict(self) -> dict:
        return asdict(self)

    def forces(self, grain_map: GrainMap, box: np.ndarray | None) -> list[openmm.Force]:
        """OpenMM forces on the atoms of a map, in its order.

        Parameters
        ----------
        grain_map : GrainMap
            Of beads alone, those of a grain one after another.
        box : array [3, 3], nm, or None

        Raises
        ------
        GrainError
            The force field does not know a bead, or a residue of these beads.
        GeometryError
            The box is smaller than twice the cutoff.
        """
        topology = topology_of_beads(grain_map)
        method = app.CutoffNonPeriodic
        if box is not None:
            self.check_width(box)
            topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in box] * unit.nanometer)
            method = app.CutoffPeriodic
        options = {"nonbondedMethod": method, "nonbondedCutoff": self.cutoff / ANGSTROM_PER_NM}
        system = self._system(self._parts[0], topology, constraints=None, **options)
        if system.getNumConstraints():
            raise GrainError(
                "the model's prior has constraints, which are no forces; leave them out of its templates, and give the "
                'bonds that are rigid the attribute rigid="true"'
            )
        forces = [openmm.XmlSerializer.clone(force) for force in system.getForces()]
        for force in forces:
            force.setName(f"CGAA prior {force.getName()}")
            if hasattr(force, "setUsesPeriodicBoundaryConditions"):  # of bonds, which a box may cut
                force.setUsesPeriodicBoundaryConditions(box is not None)
        return forces

    def constraints(self, grain_map: GrainMap) -> list[tuple[int, int, float]]:
        """Pairs of beads that are rigid, and their distances, nm; parameters and errors as of `forces`."""
        if not self.rigid:
            return []
        system = self._system(self._parts[1], topology_of_beads(grain_map), constraints=app.AllBonds)
        held = (system.getConstraintParameters(index) for index in range(system.getNumConstraints()))
        return [(i, j, distance.value_in_unit(unit.nanometer)) for i, j, distance in held]

    def _system(self, root: ElementTree.Element, topology: app.Topology, **options: Any) -> openmm.System:
        # OpenMM holds bonds of residues called HOH rigid, if it is let
        options |= {"rigidWater": False, "removeCMMotion": False}
        made = app.ForceField(io.StringIO(ElementTree.tostring(root, "unicode")))
        sure, likely = self._templates(topology)
        try:
            try:
                return made.createSystem(topology, residueTemplates=sure | likely, **options)
            except Exception:  # ends and middles of a chain may be numbered otherwise than in the force field
                return made.createSystem(topology, residueTemplates=sure, **options)
        except Exception as error:
            raise GrainError(f"the model's prior is not of these beads ({_said(error)})") from None

    def check_width(self, box: np.ndarray) -> None:
        """`GeometryError` where a box [3, 3] (nm, as OpenMM has it) is smaller than twice the cutoff."""
        width = ANGSTROM_PER_NM * box.diagonal().min()
        if 2.0 * self.cutoff > width:
            raise GeometryError(
                f"the model's prior reaches {self.cutoff:g} Å, but the box is {width:.2f} Å wide; take a box of "
                f"{2 * self.cutoff:g} Å or more, or a prior of a shorter cutoff"
            )

    def _templates(self, topology: app.Topology) -> tuple[dict, dict]:
        """Templates of residues: those that are sure by their beads' names, and those that their own name suggests.

        OpenMM itself goes by bonds alone where elements are missing.
        """
        templates = ElementTree.fromstring(self.forcefield).iterfind("Residues/Residue")
        names = {one.get("name"): sorted(atom.get("name", "") for atom in one.iterfind("Atom")) for one in templates}
        sure, likely = {}, {}
        for residue in topology.residues():
            own = sorted(atom.name for atom in residue.atoms())
            fitting = [name for name, beads in names.items() if beads == own]
            if not fitting:
                known = "; ".join(", ".join(beads) for beads in names.values())
                raise GrainError(
                    f"the model's prior is not of these beads: no residue of it has {', '.join(own)}, as residue "
                    f"{residue.name} {residue.id} has; it knows {known}"
                )
            if len(fitting) == 1:
                sure[residue] = fitting[0]
            elif residue.name in fitting:
                likely[residue] = residue.name
        return sure, likely

    def on(self, grain_map: GrainMap, periodic: bool) -> "BoundPrior":
        """The prior of one topology, to be called with positions."""
        return BoundPrior(self, grain_map, periodic)


class BoundPrior:
    """Energy and forces of a prior on the beads of one map, by OpenMM in double precision."""

    def __init__(self, prior: Prior, grain_map: GrainMap, periodic: bool) -> None:
        self.prior, self.grain_map, self.periodic = prior, grain_map, periodic
        self.context: openmm.Context | None = None

    def __call__(self, positions: np.ndarray, box: np.ndarray | None) -> tuple[float, np.ndarray]:
        """Energy (eV) and forces [atoms, 3] (eV/Å).

        Parameters
        ----------
        positions : array [atoms, 3], Å
        box : array [3, 3], Å, or None

        Raises
        ------
        GeometryError, GrainError
            As of `Prior.forces`.
        """
        positions, turn = positions / ANGSTROM_PER_NM, np.eye(3)
        if box is not None:
            box, turn = triangular(box / ANGSTROM_PER_NM)
            self.prior.check_width(box)
        if self.context is None:
            system = openmm.System()
            for _ in range(self.grain_map.num_atoms):
                system.addParticle(1.0)
            for force in self.prior.forces(self.grain_map, box):
                system.addForce(force)
            platform = openmm.Platform.getPlatformByName("Reference")
            self.context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        if box is not None:
            self.context.setPeriodicBoxVectors(*box)
        self.context.setPositions(positions @ turn)
        state = self.context.getState(energy=True, forces=True)
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer) @ turn.T
        return energy / KJMOL_PER_EV, forces / KJMOL_PER_NM_PER_EV_PER_ANGSTROM

    def __getstate__(self) -> dict:
        """A Context cannot be copied, and is made again."""
        return self.__dict__ | {"context": None}


def topology_of_beads(grain_map: GrainMap) -> app.Topology:
    """A Topology of the beads of a map, in its order; residues and beads are named as the types name them.

    Raises
    ------
    GrainError
        Atoms among them, or beads of a grain that do not stand together.
    """
    topology = app.Topology()
    chain = topology.addChain()
    atoms: list[app.topology.Atom] = []
    for g in np.argsort([own.min() for own in grain_map.slots]):
        kind, own = grain_map.types[grain_map.type_index[g]], grain_map.slots[g]
        if not kind.beads:
            raise GrainError(f"residue {grain_map.labels[g]} is of atoms; a prior acts between beads alone")
        if sorted(own) != list(range(len(atoms), len(atoms) + len(own))):
            raise GrainError(
                f"the beads of residue {grain_map.labels[g]} do not stand together, or others stand between the "
                "model's; a model with a prior takes all particles of a system"
            )
        residue = topology.addResidue(kind.name, chain)
        atoms += [topology.addAtom(kind.names[slot], None, residue) for slot in np.argsort(own)]
    if len(atoms) != grain_map.num_atoms:
        raise GrainError("a model with a prior takes all particles of a system, or there are some that are no beads")
    for i, j in all_bonds(grain_map):
        topology.addBond(atoms[i], atoms[j])
    return topology


def _said(error: Exception) -> str:
    return next(filter(None, str(error).splitlines()), type(error).__name__)
