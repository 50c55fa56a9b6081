"""A model in an OpenMM System: its masses, its forces, its box."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import openmm
from openmm import app, unit

from ..errors import EngineError, GrainError
from ..inputs import arguments
from ..inputs.arguments import Numbers
from ..mapping.grains import GrainMap
from ..mapping.prior import Prior
from ..model import checks
from ..model.loaded import LoadedModel
from ..nn import Part
from ..structures import geometry
from ..structures.beads import residues_of_beads
from ..structures.density import mass_of_atom
from ..wording import counted
from . import overlap, pythonforce
from .backends import choose_backend
from .guard import BAROSTATS, NOT_CONSERVING
from .placement import Placement

NEVER_SET = 2.0 * np.eye(3)  # nm, the default box of a new openmm.System


def create_system(
    model: LoadedModel, topology: app.Topology, removeCMMotion: bool = True, hydrogenMass: Any = None, **options: Any
) -> openmm.System:
    """A System of nothing but a model, as `CGAAPotential.createSystem` says."""
    arguments.flag(removeCMMotion, "removeCMMotion")
    system = openmm.System()
    model.tell_beads(arguments.topology(topology))
    for atom in topology.atoms():
        system.addParticle(mass_of_atom(atom))
    add_forces(model, topology, system, **options)
    for atoms in residues_of_beads(topology.residues()):
        for atom in atoms:
            if not mass_of_atom(atom):
                raise GrainError(
                    f"bead {atom.name} of residue {atom.residue.name} {atom.residue.id} has no mass: neither the "
                    "topology nor the model knows one; take the topology from Mapping.on, or the model's names"
                )
    if hydrogenMass is not None:
        move_mass(GrainMap.from_topology(topology, atoms=options.get("atoms")), system, hydrogenMass)
    if removeCMMotion:
        system.addForce(openmm.CMMotionRemover())
    return system


def add_forces(
    model: LoadedModel,
    topology: app.Topology,
    system: openmm.System,
    atoms: Sequence[int] | None = None,
    forceGroup: int = 0,
    intraForceGroup: int | None = None,
    backend: str = "auto",
    useCUDAGraphs: bool = False,
    positions: Numbers | None = None,
) -> None:
    """Add a model to a System, as `CGAAPotential.addForces` says."""
    topology = arguments.topology(topology)
    arguments.instance(system, openmm.System, "system", EngineError)
    groups = [(Part.TOTAL, arguments.force_group(forceGroup, "forceGroup"), "CGAA")]
    if intraForceGroup is not None:
        intra = arguments.force_group(intraForceGroup, "intraForceGroup")
        groups = [(Part.INTRA, intra, "CGAA intra-grain"), (Part.REST, groups[0][1], "CGAA inter-grain")]
    arguments.flag(useCUDAGraphs, "useCUDAGraphs")
    place = place_grains(model, topology, system, atoms, positions)
    if not model.conserving:
        refuse_uses_of_an_energy(system, split=len(groups) > 1, use_cuda_graphs=useCUDAGraphs)
    overlap.refuse_overlap(system, place.grain_map, place.particles)
    prior = [] if model.prior is None else prior_forces(model.prior, place, system)
    make = pythonforce.make_forces
    if choose_backend(backend) == "torch":
        from . import torchforce

        make = partial(torchforce.make_forces, use_cuda_graphs=useCUDAGraphs)
    elif useCUDAGraphs:
        raise EngineError("useCUDAGraphs is a property of the torch backend; give backend='torch' with it")
    for part, group, name in groups:
        for force in make(model, place, part):
            force.setForceGroup(group)
            force.setName(name if force.getName() in ("PythonForce", "TorchForce") else force.getName())
            system.addForce(force)
    for force in prior:
        inside = not isinstance(force, openmm.CustomNonbondedForce)
        force.setForceGroup(groups[0 if inside else -1][1])
        system.addForce(force)
    if model.prior is not None:
        add_constraints(model.prior, place, system)
    bonds = molecule_bonds(place)
    bonds.setForceGroup(groups[-1][1])
    system.addForce(bonds)
    whole = place.grain_map.num_atoms == system.getNumParticles()
    model.warn_domain(place.grain_map, place.box, place.positions, whole=whole)


def place_grains(
    model: LoadedModel,
    topology: app.Topology,
    system: openmm.System,
    atoms: Sequence[int] | None,
    positions: Numbers | None,
) -> Placement:
    """Where in the System a model acts: on all atoms of the topology, or on some of them (whole residues).

    Raises
    ------
    EngineError, GrainError, GeometryError
    """
    num_atoms = topology.getNumAtoms()
    model.tell_beads(topology)
    chosen = np.arange(num_atoms) if atoms is None else arguments.subset(atoms, num_atoms)
    if atoms is None and system.getNumParticles() < num_atoms:
        raise EngineError(
            f"the system has {counted(system.getNumParticles(), 'particle')}, but the topology has "
            f"{counted(num_atoms, 'atom')}; make both from the same topology"
        )
    whole_map = GrainMap.from_topology(topology, atoms=None if atoms is None else chosen)
    grain_map = model.grain_map(checks.take_grains(whole_map, chosen))
    box = shared_box(topology, system)
    if positions is not None:
        positions = geometry.check_positions(positions, num_atoms)[chosen]
        checks.check_extent(grain_map, positions, box)
    everything = atoms is None and num_atoms == system.getNumParticles()
    return Placement(grain_map, box, [] if everything else chosen.tolist(), positions)


def prior_forces(prior: Prior, place: Placement, system: openmm.System) -> list[openmm.Force]:
    """The prior of a model as forces of the System; `EngineError` where this has other particles, too."""
    if place.grain_map.num_atoms != system.getNumParticles():
        raise EngineError(
            f"the model has a prior, which acts on all particles of a system, but it is given "
            f"{place.grain_map.num_atoms} of {counted(system.getNumParticles(), 'particle')}; "
            "put all of them into its topology"
        )
    if place.particles and place.particles != list(range(len(place.particles))):
        raise EngineError("the model has a prior, which takes the particles in their order; leave atoms out")
    return prior.forces(place.grain_map, place.box)


def add_constraints(prior: Prior, place: Placement, system: openmm.System) -> None:
    """The rigid bonds of a prior, where the System does not hold them already."""
    held = {frozenset(system.getConstraintParameters(index)[:2]) for index in range(system.getNumConstraints())}
    for i, j, distance in prior.constraints(place.grain_map):
        if {i, j} not in held:
            system.addConstraint(i, j, distance)


def refuse_uses_of_an_energy(system: openmm.System, split: bool, use_cuda_graphs: bool) -> None:
    """`EngineError` for what needs an energy whose gradient the forces are, for a model that has none."""
    found = [force.getName() for force in system.getForces() if isinstance(force, BAROSTATS)]
    if found:
        raise EngineError(f"the system has a barostat ({found[0]}): " + NOT_CONSERVING.format(what="a barostat"))
    if split:
        raise EngineError("intraForceGroup: " + NOT_CONSERVING.format(what="a split of the energy for RESPA"))
    if use_cuda_graphs:
        raise EngineError("useCUDAGraphs is for conserving models; this one has direct forces")


def shared_box(topology: app.Topology, system: openmm.System) -> np.ndarray | None:
    """Box [3, 3] in nm that a Context of this system starts with, or None if neither topology nor system is periodic.

    A default box that was never set is taken from the topology, as `ForceField.createSystem` does.
    """
    vectors = topology.getPeriodicBoxVectors()
    if system.usesPeriodicBoundaryConditions():
        return geometry.check_box(system.getDefaultPeriodicBoxVectors())
    if vectors is None:
        return None
    box = geometry.check_box(system.getDefaultPeriodicBoxVectors())
    if box is None or not np.array_equal(box, NEVER_SET):
        return box
    system.setDefaultPeriodicBoxVectors(*vectors)
    return geometry.check_box(system.getDefaultPeriodicBoxVectors())


def molecule_bonds(place: Placement) -> openmm.Force:
    """Bonds without energy: they tell OpenMM which atoms are one molecule, for barostats and wrapped output."""
    force = openmm.CustomBondForce("0")
    force.setName("CGAA molecules")
    force.setUsesPeriodicBoundaryConditions(place.periodic)
    particles = place.particles or range(place.grain_map.num_atoms)
    for t, slots in zip(place.grain_map.type_index, place.grain_map.slots):
        for i, j in place.grain_map.types[t].bonds:
            force.addBond(particles[slots[i]], particles[slots[j]])
    for i, j in place.grain_map.links.tolist():
        force.addBond(particles[i], particles[j])
    return force


def move_mass(grain_map: GrainMap, system: openmm.System, hydrogen_mass: Any) -> None:
    """Give every bound hydrogen the mass, at the cost of its heavy atom, as `ForceField.createSystem` does."""
    wanted = "a positive number in Da, or a Quantity of a mass"
    mass = arguments.number(hydrogen_mass, unit.dalton, "hydrogenMass", wanted)
    if mass <= 0.0:
        raise EngineError(f"hydrogenMass is {arguments.described(hydrogen_mass)}; give {wanted}")
    for g, (t, slots) in enumerate(zip(grain_map.type_index, grain_map.slots)):
        elements = grain_map.types[t].elements
        for bond in grain_map.types[t].bonds:
            light, heavy = sorted(bond, key=lambda slot: elements[slot] != "H")
            if elements[light] == "H" != elements[heavy]:
                moved = mass - system.getParticleMass(slots[light]).value_in_unit(unit.dalton)
                rest = system.getParticleMass(slots[heavy]).value_in_unit(unit.dalton) - moved
                if rest <= 0.0:
                    raise EngineError(
                        f"hydrogenMass {mass} Da leaves {rest:.2f} Da for atom {slots[heavy]} ({elements[heavy]}) of "
                        f"residue {grain_map.labels[g]}; give less"
                    )
                system.setParticleMass(slots[light], mass)
                system.setParticleMass(slots[heavy], rest)
