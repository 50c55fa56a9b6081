"""Graphs of bonds: kinds, masses and orders as a topology tells them."""

import mdtraj
import numpy as np
import pytest
from openmm import app

from openmm_cgaa.errors import GrainError
from openmm_cgaa.structures.beads import tell_beads
from openmm_cgaa.structures.bondgraph import ORDERS, BondGraph, bond_graph


def two_beads():
    topology = app.Topology()
    residue = topology.addResidue("PAIR", topology.addChain())
    first, second = (topology.addAtom(name, None, residue) for name in ("X", "Y"))
    topology.addBond(second, first)
    return topology


def test_elements_bonds_and_orders_of_both_kinds_of_topology():
    topology = app.Topology()
    residue = topology.addResidue("CO2", topology.addChain())
    carbon, *oxygens = (topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("C", "O1", "O2"))
    topology.addBond(oxygens[1], carbon, app.Double)
    topology.addBond(carbon, oxygens[0])
    found = bond_graph(topology)
    assert found.kinds == ("C", "O", "O")
    assert found.bonds.tolist() == [[0, 1], [0, 2]] and found.orders.tolist() == [0, ORDERS.index("Double")]
    assert np.allclose(found.masses, [12.011, 15.999, 15.999], atol=0.01)
    other = bond_graph(mdtraj.Topology.from_openmm(topology))
    assert other.kinds == found.kinds and np.array_equal(other.bonds, found.bonds)


def test_molecules_in_the_order_of_their_first_bead():
    bonds = np.array([[0, 3], [1, 2]])
    graph = BondGraph(("C",) * 5, np.ones(5), bonds, np.zeros(2, int))
    assert graph.molecules() == [[0, 3], [1, 2], [4]]


def test_beads_need_a_mass_that_is_told_or_given():
    topology = two_beads()
    with pytest.raises(GrainError, match="has no mass; give the System of its run"):
        bond_graph(topology)
    assert bond_graph(topology, [2.0, 3.0]).masses.tolist() == [2.0, 3.0]
    assert bond_graph(topology, [2.0, 3.0]).kinds == ("*X", "*Y")
    tell_beads(topology.residues(), {"PAIR": {"X": ("big", 4.0), "Y": ("small", 1.0)}})
    assert bond_graph(topology).kinds == ("*big", "*small") and bond_graph(topology).masses.tolist() == [4.0, 1.0]


def test_masses_of_another_system():
    with pytest.raises(GrainError, match="1 mass, but the topology has 2 particles; give the System of this topology"):
        bond_graph(two_beads(), [2.0])
    assert bond_graph(two_beads(), [2.0, 1.0]).masses.tolist() == [2.0, 1.0]
