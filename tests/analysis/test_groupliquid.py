"""Groups among each other: overlaps, radial distributions and motion with known answers."""

import numpy as np
import pytest
from chains import chain_graph, moved

from openmm_cgaa.analysis.groupliquid import between_molecules, motion, names_of_groups, names_of_molecules, nearness
from openmm_cgaa.errors import GeometryError, SimulationError
from openmm_cgaa.propagate.beadgroups import GroupedGraph
from openmm_cgaa.propagate.sequences import GroupSequence
from openmm_cgaa.structures.bondgraph import BondGraph

EDGE = 20.0  # Å


def liquid(frames, pairs=10, singles=20, seed=0, box=EDGE):
    """Molecules of two groups (A and B) and single groups (C), at random in a box."""
    kinds = ("*A", "*B") * pairs + ("*C",) * singles
    bonds = np.arange(2 * pairs, dtype=np.int32).reshape(-1, 2)
    masses = np.array([1.0 + (kind == "*B") for kind in kinds])
    beads = BondGraph(kinds, masses, bonds, np.zeros(pairs, np.int32))
    graph = GroupedGraph(beads.kinds, beads.masses, beads.bonds, beads.orders, np.arange(len(kinds), dtype=np.int32), 1)
    places = np.random.default_rng(seed).uniform(0.0, EDGE, (frames, len(kinds), 3))
    inner = np.zeros((frames, len(kinds)))
    return GroupSequence("liquid", "test", graph, places, inner, 5.0, None if box is None else np.full(3, box))


def test_groups_and_molecules_have_the_names_of_their_beads():
    one = liquid(1, 2, 1)
    assert names_of_groups(one.graph) == ["A", "B", "A", "B", "C"]
    assert names_of_molecules(one.graph) == ["A+B", "A+B", "C"]
    whole = chain_graph(4)
    joined = GroupedGraph(whole.kinds, whole.masses, whole.bonds, whole.orders, np.array([0, 0, 1, 1]), 2)
    assert names_of_groups(joined) == ["A+B", "A+B"]


@pytest.mark.parametrize("box", [EDGE, None])
def test_pairs_that_are_too_near_are_counted_across_the_box(box):
    grid = np.stack(np.meshgrid(*[np.arange(3) * 6.0] * 3), -1).reshape(-1, 3)
    one = liquid(2, 0, 27, box=box)
    places = np.stack([grid, grid])
    places[1, 3] = places[1, 0] - [0.3, 0.0, 0.0]  # across the border, where there is one
    places[1, 5] = places[1, 8] + [0.0, 1.5, 0.0] + 3.0 * EDGE * (box is not None)  # and some boxes away
    found = nearness(moved(one, places))
    assert found.pairs.tolist() == [[0, 0, 0], [1, 1, 2]]
    assert found.closest == pytest.approx([6.0, 0.3])
    assert nearness(moved(one, places), first=1).pairs.tolist() == [[1, 1, 2]]


def test_each_pair_is_counted_once_as_a_loop_does():
    one = liquid(3, seed=4)
    found = nearness(one, distances=(1.0, 3.0))
    for frame, places in enumerate(one.positions):
        apart = places[:, None] - places
        apart -= EDGE * np.round(apart / EDGE)
        distances = np.linalg.norm(apart, axis=-1)[np.triu_indices(len(places), 1)]
        assert found.pairs[frame].tolist() == [(distances < 1.0).sum(), (distances < 3.0).sum()]
        assert found.closest[frame] == pytest.approx(distances.min(), rel=1e-6)


def test_an_ideal_gas_of_molecules_has_no_structure_between_them():
    one = liquid(400, 20, 20)
    places = one.positions.copy()
    places[:, 1:40:2] = places[:, 0:40:2] + [2.0, 0.0, 0.0]  # each B sits beside its own A
    found = between_molecules(moved(one, places + 7.0 * EDGE))
    assert set(found) == {"A-A", "A-B", "A-C", "B-B", "B-C", "C-C"}
    for kind, (rdf, expected) in found.items():
        number = 400 * {"A-A": 190, "A-B": 380, "A-C": 400, "B-B": 190, "B-C": 400, "C-C": 190}[kind]
        inside = 4.0 / 3.0 * np.pi * (10.0 * rdf.r[-1] + 0.05) ** 3
        assert expected.sum() == pytest.approx(number * inside / EDGE**3, rel=1e-3)
        far = rdf.r > 0.15
        assert rdf.g[far].mean() == pytest.approx(1.0, abs=0.02), kind
    with pytest.raises(GeometryError, match="liquid: radial distributions need a box; group without --separate"):
        between_molecules(liquid(2, box=None))
    near = np.abs(found["A-B"].rdf.r - 0.2) < 0.01
    assert found["A-B"].rdf.g[near].max() < 3.0  # its own partner would stand there as a spike of hundreds


def test_molecules_move_as_random_walks_and_the_box_does_not():
    one, frames = liquid(2000, 30, 60), 2000
    steps = (
        np.random.default_rng(2).normal(size=(frames, 90, 3)) * np.where(np.arange(90) < 30, 0.4, 0.8)[:, None]
    )  # Å a frame
    molecule = one.graph.molecules
    walks = np.cumsum(steps, 0)[:, molecule]
    drift = np.arange(frames)[:, None, None] * np.array([3.0, 0.0, 0.0])
    found = motion(moved(one, walks + drift), 20.0, 100.0)
    for name, step in (("A+B", 0.4), ("C", 0.8)):
        expected = 1e-2 * step**2 / (2.0 * one.spacing) * 1e3  # Å^2/ps is 1e-8 m^2/s
        assert found[name].value == pytest.approx(expected, abs=4.0 * found[name].error, rel=0.05)
    with pytest.raises(SimulationError, match="each block must be longer than the last lag"):
        motion(moved(one, walks), 20.0, 1e5)
