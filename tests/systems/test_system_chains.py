"""The bead-spring chains: forces by hand, sequences of their classes, and configurations that can be read."""

import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app

from openmm_cgaa.propagate.fitsettings import load_propagation
from openmm_cgaa.structures.bondgraph import bond_graph

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "records/chains"))
import beadspring  # noqa: E402 - a script of its folder, not of the package


@pytest.fixture
def short(monkeypatch):
    """The plan, for chains of 6 units."""
    values = {**beadspring.plan(), "units_of_a_chain": 6}
    monkeypatch.setattr(beadspring, "plan", lambda: values)
    return values


def energies(system, positions):
    """Of each force, in its order."""
    for number, force in enumerate(system.getForces()):
        force.setForceGroup(number)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    states = (context.getState(energy=True, groups={number}) for number in range(system.getNumForces()))
    return [state.getPotentialEnergy()._value for state in states]


def test_class_one_repeats_four_units_and_class_two_does_not():
    train, test = beadspring.sequences("train"), beadspring.sequences("test")
    assert (len(train), len(beadspring.sequences("validation")), len(test)) == (24, 4, 8)
    assert all(len(chain) == 100 and chain == chain[:4] * 25 for chain in train)
    assert all(len(set(chain)) <= 4 and chain != (chain[:4] * 25) for chain in test)
    assert not {tuple(chain) for chain in train} & {tuple(chain) for chain in test}


def test_a_unit_and_its_pendants():
    assert beadspring.beads_of(["A", ["C", "D"], "B"]) == [("A", -1), ("C", 0), ("D", 1), ("B", 0)]
    counts = [len(beadspring.beads_of(unit)) for unit in beadspring.plan()["units"].values()]
    assert np.mean(counts) == 2.2 and len(counts) == 10


def test_chains_are_whole_and_far_from_each_other(short):
    topology, positions = beadspring.topology_of("validation")
    graph = bond_graph(topology)
    assert len(graph.molecules()) == 4 and set(graph.kinds) <= {"*A", "*B", "*C", "*D"} and (graph.masses == 1.0).all()
    first, second = positions[graph.bonds].swapaxes(0, 1)
    assert np.linalg.norm(first - second, axis=1).max() < 1.5
    centers = np.array([positions[own].mean(0) for own in graph.molecules()])
    assert np.linalg.norm(centers[0] - centers[1]) > 100.0


def test_forces_by_hand(short):
    """Four units of one bead A: bonds, angles, one torsion, and the pair of both ends."""
    topology = app.Topology()
    chain, atoms = topology.addChain(), []
    for _ in range(4):
        residue = topology.addResidue("U01", chain)
        atoms.append(topology.addAtom("A0", None, residue))
    for one, other in zip(atoms, atoms[1:]):
        topology.addBond(one, other)
    beadspring.tell_beads(topology.residues(), {"U01": {"A0": ("A", 1.0)}})
    positions = np.array([[0.0, 1.0, 0], [0, 0, 0], [1.2, 0, 0], [1.2, 0.0, 1.0]])
    bonds, angles, torsions, pairs = energies(beadspring.system_of(topology), positions)

    def fene(r):
        repulsion = 4.0 * (r**-12 - r**-6) + 1.0 if r < 2 ** (1 / 6) else 0.0
        return -0.5 * 30.0 * 1.5**2 * np.log(1.0 - (r / 1.5) ** 2) + repulsion

    assert bonds == pytest.approx(2 * fene(1.0) + fene(1.2), rel=1e-6)
    assert angles == pytest.approx(2 * 5.0 * np.radians(90.0 - 110.0) ** 2, rel=1e-6)
    assert torsions == pytest.approx(0.5 * (1.0 + np.cos(np.pi / 2)), abs=1e-6)

    def lennard_jones(r):
        return 4.0 * 0.1 * ((r**-9 - r**-6) - (2.5**-9 - 2.5**-6))

    far = [np.linalg.norm(positions[i] - positions[j]) for i, j in ((0, 2), (1, 3), (0, 3))]
    assert pairs == pytest.approx(sum(map(lennard_jones, far)), rel=1e-5)


def test_means_of_two_kinds():
    assert beadspring.pair(beadspring.plan(), "A", "D") == pytest.approx((1.1, np.sqrt(0.1 * 0.45)))


@pytest.mark.parametrize("name", ["propagator.yaml", "paper.yaml"])
def test_configurations_can_be_read(name):
    config = load_propagation(ROOT / "systems/chains" / name)
    assert config.clip == 20.0 and config.final == 0.1 and config.lr == 2e-4
