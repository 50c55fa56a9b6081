"""Bead-spring chains of systems/chains/chains.yaml as OpenMM has them: sequences, topologies, forces."""

import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openmm
import yaml
from openmm import app

from openmm_cgaa.structures.beads import tell_beads
from openmm_cgaa.units import BOLTZMANN_KJMOL

sys.path.insert(0, str(Path(__file__).parents[1]))
from bead_bonds import fene_bonds  # noqa: E402 - of the folder above

SYSTEM = Path(__file__).parents[2] / "systems/chains"
APART = 150.0  # sigma between chains at the start
BOND, BENT = 0.95, 0.2  # sigma, of a zigzag chain at the start
UNIT_NAME = "U{:02d}"


@functools.cache
def plan() -> dict:
    return yaml.safe_load((SYSTEM / "chains.yaml").read_text())


def sequences(split: str) -> list[list[int]]:
    """Units of each chain of a split; other splits have others."""
    values, made = plan(), []
    rng = np.random.default_rng(values["seed"])
    for name, own in values["chains"].items():
        for _ in range(own["count"]):
            four = rng.choice(list(values["units"]), 4)
            length = values["units_of_a_chain"]
            chain = np.tile(four, length)[:length] if own["class"] == 1 else rng.choice(four, length)
            if name == split:
                made.append([int(one) for one in chain])
    return made


def beads_of(unit_: list) -> list[tuple[str, int]]:
    """Kinds of the beads of a unit, each with the place of the one that it hangs on; the backbone's has -1."""
    found = [(unit_[0], -1)]
    for pendant in unit_[1:]:
        for place, kind in enumerate(pendant if isinstance(pendant, list) else [pendant]):
            found.append((kind, len(found) - 1 if place else 0))
    return found


def topology_of(split: str) -> tuple[app.Topology, np.ndarray]:
    """Chains of beads, a residue for each unit, and straight chains to begin with, nm."""
    values, topology, positions = plan(), app.Topology(), []
    side = int(np.ceil(values["chains"][split]["count"] ** 0.5))
    species: dict[str, dict[str, tuple[str, float]]] = {}
    for number, sequence in enumerate(sequences(split)):
        origin = np.array([number // side, number % side, 0.0]) * APART
        chain, before = topology.addChain(), None
        for step, which in enumerate(sequence):
            residue = topology.addResidue(UNIT_NAME.format(which), chain)
            own = []
            for place, (kind, on) in enumerate(beads_of(values["units"][which])):
                own.append(topology.addAtom(f"{kind}{place}", None, residue))
                species.setdefault(residue.name, {})[own[-1].name] = kind, 1.0
                # pendants around the backbone, each unit's turned against those of the one before
                turn = 0.8 * np.pi * step + np.pi * (place - 1) * (on == 0)
                reach = BOND * (0 if on < 0 else 1 if on == 0 else 2)
                if on >= 0:
                    topology.addBond(own[on], own[-1])
                bent = BENT * np.array([np.cos(2.1 * step), np.sin(2.1 * step), 0.0])
                shift = [reach * np.cos(turn), reach * np.sin(turn), 0.9 * BOND * step]
                positions.append(origin + bent + shift)
            if before is not None:
                topology.addBond(before, own[0])
            before = own[0]
    tell_beads(topology.residues(), species)
    return topology, np.array(positions)


def backbones(topology: app.Topology) -> Iterator[list[int]]:
    for chain in topology.chains():
        yield [next(residue.atoms()).index for residue in chain.residues()]


def pair(values: dict, first: str, second: str) -> tuple[float, float]:
    """Diameter and depth for two kinds of bead."""
    a, b = values["beads"][first], values["beads"][second]
    return 0.5 * (a["sigma"] + b["sigma"]), (a["epsilon"] * b["epsilon"]) ** 0.5


def system_of(topology: app.Topology) -> openmm.System:
    values, system = plan(), openmm.System()
    kinds = [atom.species for atom in topology.atoms()]
    for _ in kinds:
        system.addParticle(1.0)
    bonds = fene_bonds()
    for first, second in topology.bonds():
        sigma, _ = pair(values, kinds[first.index], kinds[second.index])
        own = values["bond"]
        bonds.addBond(first.index, second.index, [own["k"] / sigma**2, own["longest"] * sigma, sigma, 1.0])
    angles = openmm.CustomAngleForce("k*(theta-theta0)^2")
    angles.addPerAngleParameter("k")
    angles.addPerAngleParameter("theta0")
    torsions = openmm.CustomTorsionForce("k*(1+cos(theta))")
    torsions.addGlobalParameter("k", values["torsion"]["k"])
    for chain in backbones(topology):
        for three in zip(chain, chain[1:], chain[2:]):
            own = values["angle"][kinds[three[1]]]
            angles.addAngle(*three, [own["k"], np.radians(own["theta0"])])
        for four in zip(chain, chain[1:], chain[2:], chain[3:]):
            torsions.addTorsion(*four, [])
    for force in (bonds, angles, torsions, nonbonded(topology, kinds, values)):
        system.addForce(force)
    return system


def nonbonded(topology: app.Topology, kinds: list[str], values: dict) -> openmm.Force:
    """9-6 between beads that are not bonded, shifted to zero at the cutoff; chains are too far apart to meet."""
    force = openmm.CustomNonbondedForce(
        "4*depth*(x*x*x-x*x-y*y*y+y*y); x=(s/r)^3; y=(s/cutoff)^3; s=half1+half2; depth=root1*root2"
    )
    force.addGlobalParameter("cutoff", values["nonbonded"]["cutoff"])
    force.addPerParticleParameter("half")
    force.addPerParticleParameter("root")
    for kind in kinds:
        own = values["beads"][kind]
        force.addParticle([0.5 * own["sigma"], own["epsilon"] ** 0.5])
    for first, second in topology.bonds():
        force.addExclusion(first.index, second.index)
    force.setNonbondedMethod(force.CutoffNonPeriodic)
    force.setCutoffDistance(values["nonbonded"]["cutoff"])
    return force


def integrator(values: dict) -> openmm.Integrator:
    kelvin = values["temperature"] / BOLTZMANN_KJMOL
    return openmm.LangevinMiddleIntegrator(kelvin, values["friction"], values["step"])


def relaxed(topology: app.Topology, system: openmm.System, positions: np.ndarray) -> np.ndarray:
    """Positions (nm) from which a run can begin: without overlaps, and after some steps at high friction."""
    values = plan()
    made = openmm.LangevinMiddleIntegrator(values["temperature"] / BOLTZMANN_KJMOL, 20.0, 0.0005)
    simulation = app.Simulation(topology, system, made, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy()
    simulation.step(5000)
    return simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
