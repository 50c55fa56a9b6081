"""Groups of beads: what METIS makes, centers of mass, and sizes by the parallel axes."""

import sys

import networkx
import numpy as np
import pytest
from chains import chain_graph

from openmm_cgaa.errors import CGAAError, GrainError
from openmm_cgaa.propagate.beadgroups import group_beads, squared_gyration
from openmm_cgaa.structures.bondgraph import BondGraph


def test_groups_are_pieces_of_one_size_along_a_chain():
    graph = group_beads(chain_graph(beads=24, chains=2), 6)
    assert graph.num_groups == 8 and graph.molecules.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert set(np.bincount(graph.group)) <= {5, 6, 7}
    whole = networkx.Graph(graph.bonds.tolist())
    assert all(networkx.is_connected(whole.subgraph(np.flatnonzero(graph.group == g))) for g in range(8))
    assert graph.group_bonds.tolist() == [[0, 1], [1, 2], [2, 3], [4, 5], [5, 6], [6, 7]]


def test_small_molecules_are_groups_of_their_own():
    chain, ion = chain_graph(beads=12), 3
    kinds = (*chain.kinds, *["Li"] * ion)
    graph = group_beads(BondGraph(kinds, np.ones(12 + ion), chain.bonds, chain.orders), 4)
    assert graph.num_groups == 3 + ion and graph.molecules.tolist() == [0, 0, 0, 1, 2, 3]
    alone = BondGraph(("Li",) * 4, np.ones(4), np.zeros((0, 2), int), np.zeros(0, int))
    assert group_beads(alone, 7).num_groups == 4


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_branched_chains_are_whole_and_of_one_size(seed):
    """METIS alone leaves pendants in pieces of one and two beads."""
    rng, bonds = np.random.default_rng(seed), []
    before = last = 0
    for _ in range(99):  # a backbone whose beads have up to three pendants
        for hangs in range(rng.integers(4)):
            last += 1
            bonds.append((before if hangs < 2 else last - 1, last))
        last += 1
        bonds.append((before, last))
        before = last
    graph = group_beads(
        BondGraph(("A",) * (last + 1), np.ones(last + 1), np.array(bonds), np.ones(len(bonds), int)), 25
    )
    sizes, whole = np.bincount(graph.group), networkx.Graph(bonds)
    assert len(sizes) == round((last + 1) / 25) and sizes.min() >= 12 and sizes.max() <= 38
    assert all(networkx.is_connected(whole.subgraph(np.flatnonzero(graph.group == g))) for g in range(len(sizes)))


def test_groups_of_one_bead_are_the_beads():
    graph, positions = group_beads(chain_graph(), 1), np.random.default_rng(0).standard_normal((2, 12, 3))
    assert graph.group.tolist() == [*range(12)] and graph.group_bonds.tolist() == graph.bonds.tolist()
    assert np.allclose(graph.centers(positions), positions) and np.allclose(graph.inner(positions), 0.0, atol=1e-12)


def test_masses_are_sums_and_places_are_centers_of_mass():
    graph, rng = group_beads(chain_graph(), 4), np.random.default_rng(0)
    positions = rng.standard_normal((5, 12, 3)) + 1e4
    for g in range(graph.num_groups):
        own = graph.group == g
        mass = graph.masses[own].sum()
        assert graph.group_masses[g] == mass
        center = (graph.masses[own, None] * positions[:, own]).sum(1) / mass
        assert np.allclose(graph.centers(positions)[:, g], center, rtol=0, atol=1e-9)
        assert np.allclose(graph.inner(positions)[:, g], squared_gyration(positions[:, own], graph.masses[own]))


def test_the_size_of_a_molecule_is_exact():
    """That of groups, and what is inside of them: the theorem of parallel axes."""
    graph, rng = group_beads(chain_graph(chains=2), 4), np.random.default_rng(1)
    positions = 5.0 * rng.standard_normal((3, 24, 3))
    direct = [squared_gyration(positions[:, own], graph.masses[own]) for own in (slice(0, 12), slice(12, 24))]
    assert np.allclose(graph.gyration(graph.centers(positions), graph.inner(positions)), np.stack(direct, 1))


def test_squared_gyration_by_hand():
    assert squared_gyration(np.array([[0.0, 0, 0], [4.0, 0, 0]]), np.array([1.0, 3.0])) == pytest.approx(3.0)


def test_groups_as_large_as_a_molecule_are_refused_and_half_of_it_is_not():
    with pytest.raises(GrainError, match="groups of 12, but the largest molecule has 12 beads.* at most 6"):
        group_beads(chain_graph(), 12)
    assert group_beads(chain_graph(), 6).num_groups == 2
    with pytest.raises(GrainError, match="groups of 11, but the largest molecule has 12 beads"):
        group_beads(chain_graph(), 11)  # one group alone


def test_metis_that_is_missing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymetis", None)
    with pytest.raises(CGAAError, match=r"needs pymetis: pip install 'openmm-cgaa\[metis\]'"):
        group_beads(chain_graph(), 4)
