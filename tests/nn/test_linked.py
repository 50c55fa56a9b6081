"""The conserving network on linked grains: the laws hold across the cut, and the backends agree."""

import numpy as np
import pytest
import torch
from conftest import TINY_CONSERVING
from linked import chain, cuts_of_emc, zigzag

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model.evaluator import Evaluator
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.nn import Part, batch_graphs, build_network

CONFIG = TINY_CONSERVING | {"tensors": 2}


@pytest.fixture(scope="module")
def halves(liquid):
    """(grain map, positions [240, 3], box [3, 3]) of a liquid with EMC in two grains."""
    cut = liquid.cut(cuts_of_emc(liquid))
    return cut.grain_map(), torch.tensor(cut.positions[0]).double(), torch.tensor(cut.cell[0]).double()


@pytest.fixture(scope="module")
def network(halves):
    """Random weights; the walls stand so that some are felt across links."""
    grain_map, positions, box = halves
    torch.manual_seed(3)
    made = build_network(CONFIG, grain_map.types).double().eval().requires_grad_(False)
    made.set_ranges([graph_of(grain_map, positions, box)])
    made.walls.across.low += 0.105
    made.walls.across.high -= 0.105
    return made


def graph_of(grain_map, positions, box):
    return build_graph(positions, box, layout_of(grain_map), 6.0, 4.0, torch.float64)


def test_forces_are_minus_the_gradient_and_the_virial_that_of_strain(halves, network):
    grain_map, positions, box = halves
    for part in Part:
        evaluator = Evaluator(network, grain_map, True, part)
        _, forces, virial = evaluator.compute(positions, box)
        atoms = grain_map.links[0].tolist() + grain_map.slots[0][:2].tolist()
        for atom, axis in zip(atoms, (0, 1, 2, 0)):
            step = torch.zeros_like(positions)
            step[atom, axis] = 1e-4
            up, down = (evaluator.compute(positions + sign * step, box)[0] for sign in (1, -1))
            assert abs(float(-(up - down) / 2e-4 - forces[atom, axis])) < 1e-5
        strain = torch.eye(3, dtype=torch.float64)
        strain[0, 1] = 1e-5
        other = 2 * torch.eye(3, dtype=torch.float64) - strain
        up, down = (
            Evaluator(network, grain_map, True, part).compute(positions @ s, box @ s)[0] for s in (strain, other)
        )
        assert abs(float(-(up - down) / 2e-5 - virial[0, 1])) < 1e-3


def test_backends_agree_on_every_part(halves, network):
    grain_map, positions, box = halves
    for part in Part:
        torch_, fused = (
            Evaluator(network, grain_map, True, part, own).compute(positions, box) for own in (False, True)
        )
        for one, other in zip(torch_, fused):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-8)


def test_linked_atoms_are_no_pairs_and_their_images_are(halves):
    grain_map, positions, box = halves
    graph = graph_of(grain_map, positions, box)
    alone = graph_of(
        GrainMap(grain_map.types, grain_map.type_index, grain_map.slots, grain_map.labels, 240), positions, box
    )
    assert len(graph.link_kind) == 240 and len(alone.link_kind) == 0
    linked = torch.linalg.norm(
        positions_of(graph, graph.link_index[1]) + graph.link_shift - positions_of(graph, graph.link_index[0]), dim=1
    )
    assert linked.max() < 4.0
    assert alone.pair_index.size(1) - graph.pair_index.size(1) == int((linked < 4.0).sum()) // 2


def positions_of(graph, atoms):
    return graph.positions[atoms]


def test_rotation_and_exchange_of_equal_molecules_change_nothing():
    elements, bonds, residues, names = chain(3)
    positions = zigzag(elements, bonds)
    twice = GrainMap.from_arrays(
        elements * 2, bonds + [(i + 29, j + 29) for i, j in bonds], residues + [r + 3 for r in residues], names * 2
    )
    network = build_network(CONFIG, twice.types).double().eval()
    x = torch.tensor(np.concatenate([positions, positions[::1] * [1, -1, 1] + [1.0, 4.0, 2.0]]))
    evaluator = Evaluator(network, twice, False)
    energy, forces, _ = evaluator.compute(x, None)
    swapped = evaluator.compute(torch.cat([x[29:], x[:29]]), None)
    assert abs(float(swapped[0] - energy)) < 1e-9
    torch.testing.assert_close(torch.cat([swapped[1][29:], swapped[1][:29]]), forces)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    turned = evaluator.compute(x @ turn, None)
    assert abs(float(turned[0] - energy)) < 1e-9
    torch.testing.assert_close(turned[1], forces @ turn, rtol=1e-7, atol=1e-9)


def test_molecules_far_apart_add_up():
    elements, bonds, residues, names = chain(3)
    one = GrainMap.from_arrays(elements, bonds, residues, names)
    two = GrainMap.from_arrays(
        elements * 2, bonds + [(i + 29, j + 29) for i, j in bonds], residues + [r + 3 for r in residues], names * 2
    )
    network = build_network(CONFIG, one.types).double().eval()
    x = torch.tensor(zigzag(elements, bonds))
    alone = Evaluator(network, one, False).compute(x, None)
    both = Evaluator(network, two, False).compute(torch.cat([x, x + 1000.0]), None)
    assert abs(float(both[0] - 2 * alone[0])) < 1e-8
    torch.testing.assert_close(both[1], alone[1].repeat(2, 1), rtol=1e-7, atol=1e-8)


def test_a_stretched_link_costs_energy_in_the_intra_part(halves, network):
    """So it is the fast term of RESPA that resists, though the two atoms are of different grains."""
    grain_map, positions, box = halves
    evaluator = Evaluator(network, grain_map, True, Part.REST)
    graph = graph_of(grain_map, positions, box)
    moved = graph._replace(link_shift=graph.link_shift + 0.3)
    assert abs(float(network(graph, Part.INTRA.value)[0] - network(moved, Part.INTRA.value)[0])) > 1e-4
    assert evaluator.atom_cutoff == 4.0


def test_batches_are_the_frames_one_by_one(liquid, network):
    cut = liquid.cut(cuts_of_emc(liquid))
    graphs = [
        graph_of(cut.grain_map(), torch.tensor(x).double(), torch.tensor(c).double())
        for x, c in zip(cut.positions[:3], cut.cell)
    ]
    joined, order = batch_graphs(graphs, network.slots)
    energy, forces, virial = network(joined)
    single = [network(graph) for graph in graphs]
    torch.testing.assert_close(energy, torch.cat([e for e, _, _ in single]))
    torch.testing.assert_close(forces, torch.cat([f for _, f, _ in single])[order])
    torch.testing.assert_close(virial, torch.cat([v for _, _, v in single]))


def test_the_published_network_takes_no_links(halves):
    with pytest.raises(CGAAError, match="ETO, MOC is bonded to other grains: take network: cons"):
        build_network({"network": "published"}, halves[0].types)
