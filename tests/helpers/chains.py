"""Small chains of beads that move as an Ornstein-Uhlenbeck process does: bead-spring, of a known distribution."""

import numpy as np
import openmm
from openmm import app

from openmm_cgaa.propagate.beadgroups import GroupedGraph, group_beads
from openmm_cgaa.propagate.propagator import Propagator, PropagatorForm, Scales
from openmm_cgaa.propagate.sequences import GroupSequence, Sequences
from openmm_cgaa.structures.bondgraph import BondGraph

SMALL = {"radius": 15.0, "history": 2, "embedding": 8, "embedding_layers": 2, "width": 16, "layers": 2}
SPACING = 5.0  # ps
FRICTION, STIFF, HOT = 0.05, 1.0, 4.0  # of a step of the process; spring; Å^2


def chain_graph(beads=12, kinds="AB", chains=1) -> BondGraph:
    """Linear chains, kinds one after another, masses of 1 and 2 Da."""
    names, bonds = [], []
    for chain in range(chains):
        first = chain * beads
        names += [f"*{kinds[i % len(kinds)]}" for i in range(beads)]
        bonds += [(first + i, first + i + 1) for i in range(beads - 1)]
    masses = np.array([1.0 + (name == "*B") for name in names])
    return BondGraph(tuple(names), masses, np.array(bonds, np.int32), np.zeros(len(bonds), np.int32))


def chain_topology(beads=12, chains=1):
    """The same chains, as an OpenMM Topology and a System, which alone has their masses."""
    graph, topology, system = chain_graph(beads, chains=chains), app.Topology(), openmm.System()
    for first in range(0, beads * chains, beads):
        residue = topology.addResidue("CHA", topology.addChain())
        atoms = [topology.addAtom(f"{graph.kinds[first + n][1]}{n}", None, residue) for n in range(beads)]
        for one, other in zip(atoms, atoms[1:]):
            topology.addBond(one, other)
    for mass in graph.masses:
        system.addParticle(mass)
    return graph, (topology, system)


def walk(graph: BondGraph, frames: int, seed: int, inner_steps: int = 10) -> np.ndarray:
    """Positions of beads, Å, [frames, beads, 3]: overdamped beads on springs, which stay an ideal chain."""
    rng = np.random.default_rng(seed)
    place = np.zeros((len(graph.kinds), 3))
    for first, second in graph.bonds:
        place[second] = place[first] + np.sqrt(HOT / STIFF) * rng.standard_normal(3)
    found = []
    for _ in range(frames):
        for _ in range(inner_steps):
            force = np.zeros_like(place)
            pull = STIFF * (place[graph.bonds[:, 1]] - place[graph.bonds[:, 0]])
            np.add.at(force, graph.bonds[:, 0], pull)
            np.add.at(force, graph.bonds[:, 1], -pull)
            place = place + FRICTION * force + np.sqrt(2.0 * FRICTION * HOT) * rng.standard_normal(place.shape)
        found.append(place)
    return np.array(found)


def chain_sequence(name, split, frames=40, seed=0, size=4, kinds="AB", beads=12, chains=1, box=None, spacing=SPACING):
    """Groups of such chains."""
    beads_graph = chain_graph(beads, kinds, chains)
    graph, positions = group_beads(beads_graph, size), walk(beads_graph, frames, seed)
    inner = graph.inner(positions)
    return GroupSequence(name, split, graph, graph.centers(positions), inner, spacing, box)


def chain_sequences(**options) -> Sequences:
    """One of each split."""
    splits = enumerate(("train", "validation", "test"))
    return Sequences([chain_sequence(split, split, seed=seed, **options) for seed, split in splits])


def small_propagator(form="equivariant", size=4, **options) -> Propagator:
    """One that has learned nothing."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        scales = Scales(step=2.0, mass=6.0, bead_mass=1.5, inner=10.0, inner_spread=4.0, spacing=SPACING, size=size)
        return Propagator(PropagatorForm(form=form, **(SMALL | options)), ["*A", "*B"], scales, [0]).eval()


def moved(sequence: GroupSequence, positions: np.ndarray, box=None) -> GroupSequence:
    """The same of other positions."""
    graph: GroupedGraph = sequence.graph
    rest = sequence.inner, sequence.spacing, sequence.box if box is None else box
    return GroupSequence(sequence.name, sequence.split, graph, positions, *rest)
