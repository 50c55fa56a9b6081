"""The salt in a polymer of systems/salt_in_polymer/salt.yaml as OpenMM has it: boxes, topologies, forces."""

import functools
import itertools
import sys
from pathlib import Path

import numpy as np
import openmm
import yaml
from openmm import app, unit

from openmm_cgaa.structures.beads import tell_beads
from openmm_cgaa.units import ANGSTROM_PER_NM

sys.path.insert(0, str(Path(__file__).parents[1]))
from bead_bonds import fene_bonds  # noqa: E402 - of the folder above

SYSTEM = Path(__file__).parents[2] / "systems/salt_in_polymer"


@functools.cache
def plan() -> dict:
    return yaml.safe_load((SYSTEM / "salt.yaml").read_text())


def molecules_of(run: str) -> list[list[str]]:
    """Kinds of the beads of each molecule, ions spread evenly among the chains."""
    values = plan()
    units, chains = values["units_of_a_chain"], values["chains"]
    salt = round(units * chains / values["runs"][run]["eo_per_li"])
    found: list[list[str]] = []
    for number in range(chains):
        found.append(["EO"] * units)
        own = (number + 1) * salt // chains - number * salt // chains
        found += [[ion] for _ in range(own) for ion in ("LI", "TFSI")]
    return found


def box_of(run: str) -> tuple[app.Topology, np.ndarray]:
    """Beads in a cubic box, and places (nm) to begin with: along a path through the sites of a cubic lattice."""
    values, topology = plan(), app.Topology()
    sigmas = {kind: one["sigma"] for kind, one in values["beads"].items()}
    chain, species, volume = None, {}, 0.0
    for molecule in molecules_of(run):
        chain, before = topology.addChain(), None
        for kind in molecule:
            residue = topology.addResidue(kind, chain)
            atom = topology.addAtom(kind, None, residue)
            species[kind] = {kind: (kind, values["beads"][kind]["mass"])}
            volume += (sigmas[kind] / sigmas["EO"]) ** 3 * (kind != "LI") / values["eo_per_nm3"]
            if before is not None:
                topology.addBond(before, atom)
            before = atom
    tell_beads(topology.residues(), species)
    edge = volume ** (1.0 / 3.0)
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    sites = int(np.ceil(topology.getNumAtoms() ** (1.0 / 3.0)))
    path = [
        (x, y if x % 2 == 0 else sites - 1 - y, z if (x * sites + y) % 2 == 0 else sites - 1 - z)
        for x, y, z in itertools.product(range(sites), repeat=3)
    ]
    return topology, (np.array(path[: topology.getNumAtoms()]) + 0.5) * edge / sites


def system_of(topology: app.Topology) -> openmm.System:
    """Springs, repulsion, charges in a dielectric, and what holds LI among EO."""
    values, system = plan(), openmm.System()
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    kinds = [atom.species for atom in topology.atoms()]
    for kind in kinds:
        system.addParticle(values["beads"][kind]["mass"])
    bonds, own, depth = fene_bonds(), values["bond"], values["repulsion"]
    bonds.setUsesPeriodicBoundaryConditions(True)
    charges = openmm.NonbondedForce()
    charges.setNonbondedMethod(openmm.NonbondedForce.PME)
    charges.setCutoffDistance(values["cutoff"] / ANGSTROM_PER_NM)
    for kind in kinds:
        charges.addParticle(values["beads"][kind]["charge"] / values["dielectric"] ** 0.5, 1.0, 0.0)
    pairs = shells(kinds, values)
    for first, second in topology.bonds():
        sigma = sigma_of(values, kinds[first.index], kinds[second.index])
        bonds.addBond(first.index, second.index, [own["k"] * depth / sigma**2, own["longest"] * sigma, sigma, depth])
        pairs.addExclusion(first.index, second.index)
        charges.addException(first.index, second.index, 0.0, 1.0, 0.0)  # beads of a chain have no charge
    for force in (bonds, charges, pairs, openmm.CMMotionRemover()):
        system.addForce(force)
    return system


def sigma_of(values: dict, first: str, second: str) -> float:
    """Mean diameter of two kinds, nm."""
    return 0.5 * (values["beads"][first]["sigma"] + values["beads"][second]["sigma"]) / ANGSTROM_PER_NM


def shells(kinds: list[str], values: dict) -> openmm.CustomNonbondedForce:
    """12-6, shifted to zero where it ends: at its minimum, and of the pair that attracts at the cutoff."""
    first, second = values["solvation"]["pair"]
    force = openmm.CustomNonbondedForce(
        "step(end-r)*4*depth*(x^2-x-y^2+y); x=(sigma/r)^6; y=(sigma/end)^6; "
        "depth=repulsion+attracts*(attraction-repulsion); end=least+attracts*(most-least); least=2^(1/6)*sigma; "
        "sigma=half1+half2; attracts=first1*second2+first2*second1"  # tables of pairs would take ten times as long
    )
    force.addGlobalParameter("repulsion", values["repulsion"])
    force.addGlobalParameter("attraction", values["solvation"]["epsilon"])
    force.addGlobalParameter("most", values["solvation"]["cutoff"] / ANGSTROM_PER_NM)
    for name in ("half", "first", "second"):
        force.addPerParticleParameter(name)
    for kind in kinds:
        force.addParticle([0.5 * sigma_of(values, kind, kind), kind == first, kind == second])
    force.setNonbondedMethod(force.CutoffPeriodic)
    force.setCutoffDistance(values["cutoff"] / ANGSTROM_PER_NM)
    return force


def integrator(values: dict) -> openmm.Integrator:
    return openmm.LangevinMiddleIntegrator(values["temperature"], values["friction"], values["step"])
