"""The laws that a conserving model obeys, in float64 and with random weights.

Also `algebra`, `intra`, `messages`, `walls` and `graph`, on `operations`.
"""

from functools import partial

import pytest
import torch
from conftest import TINY_CONSERVING
from graphs import on_device

from openmm_cgaa.mapping import matching
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.nn import Part, batch_graphs, build_network
from openmm_cgaa.nn.graph import of_slots

BOX_SMALLER_THAN_CUTOFFS = dict(TINY_CONSERVING, grain_cutoff=16.0, messages=2)

HANDED = dict(TINY_CONSERVING, vectors=7, tensors=2, pseudoscalars=2)


class Bound:
    """A network with random weights on one topology; it takes and gives tensors of the CPU, wherever it computes."""

    def __init__(self, device, grain_map, config=TINY_CONSERVING):
        torch.manual_seed(3)
        self.device = device
        self.network = build_network(config, grain_map.types).double().eval().to(device)
        self.layout = on_device(layout_of(grain_map), device)
        self.back = torch.argsort(self.layout.atom_index)

    def graph(self, positions, box, dtype=torch.float64):
        cutoffs = self.network.grain_cutoff, self.network.atom_cutoff
        box = None if box is None else box.to(self.device)
        return build_graph(positions.to(self.device), box, self.layout, *cutoffs, dtype)

    def whole(self, positions, box):
        return self.graph(positions, box).positions[self.back].cpu()

    def __call__(self, positions, box, part=0):
        energy, forces, virial = self.network(self.graph(positions, box), part)
        return energy[0].cpu(), forces[self.back].cpu(), virial[0].cpu()


@pytest.fixture
def bound(device):
    """`Bound` on a device."""
    return partial(Bound, device)


@pytest.fixture
def frame(liquid):
    """(positions [240, 3], box [3, 3]) of the liquid, Å."""
    return torch.tensor(liquid.positions[0]), torch.tensor(liquid.cell[0])


@pytest.fixture(params=["periodic", "small box", "no box", "no messages", "tensors", "pseudoscalars"])
def case(request, bound, liquid, frame):
    config = {
        "small box": BOX_SMALLER_THAN_CUTOFFS,
        "no messages": dict(TINY_CONSERVING, messages=0),
        "tensors": dict(TINY_CONSERVING, tensors=3),
        "pseudoscalars": HANDED,
    }.get(request.param, TINY_CONSERVING)
    positions, box = frame
    model = bound(liquid.grain_map(), config)
    if request.param == "no box":
        return model, model.whole(positions, box), None
    return model, positions, box


def close(a, b, tolerance=1e-9):
    assert torch.allclose(a, b, rtol=tolerance, atol=tolerance), (a - b).abs().max()


def random_rotation():
    q = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    return q * torch.det(q)


def test_forces_are_minus_the_gradient(case):
    model, positions, box = case
    energy, forces, _ = model(positions, box)
    h = 1e-4
    for atom, x in [(0, 0), (59, 1), (100, 2), (239, 0)]:
        step = torch.zeros_like(positions)
        step[atom, x] = h
        e = [model(positions + k * step, box)[0] for k in (-2, -1, 1, 2)]
        slope = (e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h)
        close(-slope, forces[atom, x], 1e-6)


def test_energies_of_grains_sum_to_the_energy(case):
    model, positions, box = case
    network, graph = model.network, model.graph(positions, box)
    network.set_reference(torch.linspace(-5.0, -6.0, len(network.slots)))
    for walls in (True, False):
        energy, forces, virial, grains = network.with_grains(graph, walls=walls)
        for ours, plain in zip((energy, forces, virial), network(graph, walls=walls)):
            assert torch.equal(ours, plain)
        assert grains.shape == graph.grain_frame.shape and not grains.requires_grad
        close(grains.sum() + network.reference(graph), energy)


def test_virial_is_minus_the_strain_derivative(case):
    model, positions, box = case
    virial = model(positions, box)[2]
    close(virial, virial.T, 1e-8)
    h = 1e-5
    for a, b in [(0, 0), (1, 2), (2, 2)]:
        strain = torch.zeros(3, 3, dtype=torch.float64)
        strain[a, b] = h
        e = []
        for sign in (-1, 1):
            stretch = torch.eye(3, dtype=torch.float64) + sign * strain
            e.append(model(positions @ stretch, box if box is None else box @ stretch)[0])
        close(-(e[1] - e[0]) / (2 * h), virial[a, b], 1e-6)


def test_rotation_reflection_translation(case):
    model, positions, box = case
    energy, forces, _ = model(positions, box)
    for turn in (random_rotation(), *(() if model.network.pseudoscalars else (-random_rotation(),))):
        moved = positions @ turn + torch.randn(3, dtype=torch.float64)
        turned = model(moved, box if box is None else box @ turn)
        close(turned[0], energy)
        close(turned[1], forces @ turn)
    close(forces.sum(0), torch.zeros(3, dtype=torch.float64))


def test_mirror_images_are_told_by_pseudoscalars(bound):
    """Of one molecule without symmetry; a flat one is its own mirror image, and may be pushed to one side."""
    grain_map = GrainMap.from_arrays(list("CNOFH"), [(0, k) for k in range(1, 5)], [0] * 5, ["MOL"])
    around = torch.tensor([[0, 0, 0], [1.4, 0, -0.5], [-0.7, 1.2, -0.5], [-0.7, -1.1, -0.4], [0.1, 0, 1.1]])
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    for config, differ in ((HANDED, True), (dict(HANDED, pseudoscalars=0), False)):
        model = bound(grain_map, config)
        for positions, here in ((around.double(), differ), (around.double() @ torch.diag(mirror[2] + 1), False)):
            (energy, forces, _), (other, turned, _) = model(positions, None), model(positions @ mirror, None)
            assert bool((energy - other).abs() > 1e-4) == here
            if not here:
                close(energy, other)
            if not differ:
                close(turned, forces @ mirror)


def test_lattice_shift_of_one_atom(case):
    model, positions, box = case
    if box is None:
        return
    energy, forces, _ = model(positions, box)
    moved = positions.clone()
    moved[17] += box[0] - 2 * box[2]
    moved[100:150] += 3 * box[1]
    shifted = model(moved, box)
    close(shifted[0], energy)
    close(shifted[1], forces)


def test_no_torque_without_a_box(bound, liquid, frame):
    model = bound(liquid.grain_map())
    whole = model.whole(*frame)
    forces = model(whole, None)[1]
    close(torch.linalg.cross(whole, forces).sum(0), torch.zeros(3, dtype=torch.float64))


def test_permutation_of_grains_of_equivalent_atoms_and_of_the_input(bound, liquid, frame):
    model = bound(liquid.grain_map())
    positions, box = frame
    energy, forces, _ = model(positions, box)

    swapped = torch.arange(240)
    swapped[0:10], swapped[10:20] = torch.arange(10, 20), torch.arange(0, 10)  # two EC
    again = model(positions[swapped], box)
    close(again[0], energy)
    close(again[1], forces[swapped])

    # every exchange of equivalent atoms of one molecule: of methyl H, and of the two halves of EC's ring
    grain_map = liquid.grain_map()
    for grain, number in ((0, 8), (6, 72)):
        kind, slots = grain_map.types[grain_map.type_index[grain]], grain_map.slots[grain]
        permutations = matching.automorphisms(kind.elements, kind.bonds)
        assert len(permutations) == number
        for permutation in permutations[:: number // 8]:
            exchanged = torch.arange(240)
            exchanged[slots] = torch.as_tensor(slots[permutation])
            again = model(positions[exchanged], box)
            close(again[0], energy)
            close(again[1], forces[exchanged])

    order = torch.randperm(240)
    rank = torch.argsort(order)
    shuffled = GrainMap.from_arrays(
        [liquid.elements[a] for a in order],
        [(rank[i].item(), rank[j].item()) for i, j in liquid.bonds],
        [int(liquid.residues[a]) for a in order],
        liquid.residue_names,
    ).match(grain_map.types)
    again = bound(shuffled)(positions[order], box)
    close(again[0], energy)
    close(again[1], forces[order])


def test_extensive(bound, liquid, frame):
    grain_map = liquid.grain_map()
    model = bound(grain_map, BOX_SMALLER_THAN_CUTOFFS)
    positions, box = frame
    energy, forces, _ = model(positions, box)
    cells = [(i, j, k) for i in range(2) for j in range(2) for k in range(2)]
    eightfold = GrainMap.from_arrays(
        liquid.elements * 8,
        [(i + 240 * c, j + 240 * c) for c in range(8) for i, j in liquid.bonds],
        [r + 18 * c for c in range(8) for r in liquid.residues],
        liquid.residue_names * 8,
    ).match(grain_map.types)
    copies = torch.cat([positions + torch.tensor(c, dtype=torch.float64) @ box for c in cells])
    big = bound(eightfold, BOX_SMALLER_THAN_CUTOFFS)(copies, 2 * box)
    close(big[0], 8 * energy)
    close(big[1], forces.repeat(8, 1))


@pytest.mark.parametrize("messages, cutoff", [(0, 4.0), (1, 6.0)], ids=["atoms", "grains"])
def test_nothing_jumps_at_the_cutoffs(bound, messages, cutoff):
    """Two ions drawn apart: up to the second derivative the energy goes to that of infinite distance."""
    model = bound(GrainMap.from_arrays(["Li", "Li"], [], [0, 1]), dict(TINY_CONSERVING, messages=messages))

    def at(distance):
        energy, forces, _ = model(torch.tensor([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]).double(), None)
        return torch.stack([energy, forces[1, 0]])

    far, near = ((at(cutoff - gap) - at(50.0)).abs() for gap in (0.09, 0.03))
    # the energy goes as the fourth power of the gap, the force as the third; above 9 and 3 nothing jumps
    assert 0 < 40 * near[0] < far[0]
    assert 0 < 15 * near[1] < far[1]
    assert torch.equal(at(cutoff + 1e-6), at(50.0))


def test_ions(bound):
    """Single atoms and an octahedron: no NaN where a grain has no internal distance, and still F = -grad E."""
    ions = GrainMap.from_arrays(["Li", "P", *["F"] * 6], [(1, f) for f in range(2, 8)], [0] + [1] * 7, ["LI", "PF6"])
    corners = 1.6 * torch.cat([torch.zeros(1, 3), torch.eye(3), -torch.eye(3)])
    positions = torch.cat([torch.tensor([[2.0, 2.1, 1.9]]), corners]).double() + 0.1 * torch.randn(8, 3).double()
    model = bound(ions)
    for box in (None, 7.5 * torch.eye(3, dtype=torch.float64)):
        energy, forces, virial = model(positions, box)
        assert energy.isfinite() and virial.isfinite().all() and forces[0].abs().max() > 0
        step = 1e-5 * torch.randn_like(positions)
        e = [model(positions + k * step, box)[0] for k in (-1, 1)]
        close((e[0] - e[1]) / 2e-5, (forces * step).sum() / 1e-5, 1e-6)


def test_parts_add_up_and_the_intra_part_sees_one_grain(bound, liquid, frame):
    model = bound(liquid.grain_map())
    positions, box = frame
    total, intra, rest = (model(positions, box, part) for part in (0, 1, 2))
    close(intra[0] + rest[0], total[0])
    close(intra[1] + rest[1], total[1])
    moved = positions.clone()
    moved[:10] += 0.7
    close(model(moved, box, 1)[1], intra[1])


@pytest.mark.parametrize("tensors", [0, 3])
def test_scripted_equals_eager_and_single_equals_double(bound, liquid, tensors, frame):
    model = bound(liquid.grain_map(), dict(TINY_CONSERVING, tensors=tensors))
    positions, box = frame
    graph = model.graph(positions, box)
    eager = model.network(graph)
    for scripted, exact in zip(torch.jit.script(model.network)(graph), eager):
        close(scripted, exact)
    single = model.network.float()(model.graph(positions, box, torch.float32))
    close(single[0], eager[0], 1e-5)
    close(single[1].double(), eager[1], 2e-4)


def test_a_batch_is_its_frames(bound, liquid):
    model = bound(liquid.grain_map())
    graphs = [model.graph(torch.tensor(liquid.positions[f]), torch.tensor(liquid.cell[f])) for f in (0, 4)]
    joined, order = batch_graphs(graphs, model.network.slots)
    energy, forces, virial = model.network(joined)
    singles = [model.network(graph) for graph in graphs]
    close(energy, torch.cat([s[0] for s in singles]))
    close(forces, torch.cat([s[1] for s in singles])[order])
    close(virial, torch.cat([s[2] for s in singles]))


def test_training_reaches_every_weight(bound, liquid, frame):
    model = bound(liquid.grain_map())
    network = model.network.train()
    energy, forces, _ = network(model.graph(*frame))
    (energy.sum() + forces.square().sum()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_closer_than_ever_seen_costs_energy(bound, liquid, frame):
    """Below the shortest distance of two elements in the calibration frames stands a wall; above it nothing changes."""
    model = bound(liquid.grain_map())
    network = model.network
    positions, box = frame
    graph = model.graph(positions, box)
    before = network(graph)
    network.set_contacts(graph)
    for with_wall, without in zip(network(graph), before):
        close(with_wall, without)
    i, j = graph.pair_index
    r = (graph.positions[j] + graph.pair_shift - graph.positions[i]).norm(dim=1)
    elements = of_slots(network.walls.slot_element, network.slots, graph.counts)
    hydrogens = (elements[i] == 1) & (elements[j] == 1)  # of C, H, O
    close(network.walls.shortest[1, 1].double(), r[hydrogens].min(), 1e-6)
    close(network.walls.shortest, network.walls.shortest.T)

    closest = torch.where(hydrogens)[0][r[hydrogens].argmin()]
    pushed = graph.positions.clone()
    pushed[i[closest]] += 0.1 * (graph.positions[j] + graph.pair_shift - graph.positions[i])[closest] / r[closest]
    graph = graph._replace(positions=pushed)
    high = network(graph)[0]
    network.walls.height = 0.0
    assert 0.9 * 30.0 * 0.1**3 < (high - network(graph)[0]).item() < 5 * 30.0 * 0.1**3


def test_molecules_have_walls_where_they_were_not_seen(bound, liquid, frame):
    """Within the range of every distance and the margin nothing changes; outside stands a wall, if there is a range."""
    model = bound(liquid.grain_map())
    network = model.network
    graph = model.graph(*frame)
    before = network(graph)
    network.set_ranges([graph], margin=0.1)
    for with_walls, without in zip(network(graph), before):
        close(with_walls, without)
    size = network.slots[0]
    first = graph.positions[:size]
    kinds, own = network.walls.inside[0].pairs, torch.cdist(first, first)
    for i, j in ((0, 1), (2, size - 1)):
        same = torch.where((kinds == kinds[i, j]) & ~torch.eye(size, dtype=bool, device=own.device))
        grains = graph.positions[: graph.counts[0] * size].view(-1, size, 3)
        r = torch.cdist(grains, grains)[:, same[0], same[1]]
        close(network.walls.inside[0].low[kinds[i, j]].double(), r.min() - 0.1, 1e-5)
        close(network.walls.inside[0].high[kinds[i, j]].double(), r.max() + 0.1, 1e-5)

    far = own[0].argmax()
    way = (first[far] - first[0]) / own[0, far]
    beyond = float(network.walls.inside[0].high.max()) - own[0, far] + 0.2
    pulled = graph.positions.clone()
    pulled[far] += beyond * way
    moved = graph._replace(positions=pulled)
    energies = [network(moved, part)[0].item() for part in Part]
    network.walls.inside_height = 0.0
    free = [network(moved, part)[0].item() for part in Part]
    walls = [a - b for a, b in zip(energies, free)]
    assert walls[0] > 100.0 * 0.2**3 and walls[0] == pytest.approx(walls[1])
    assert walls[2] == pytest.approx(0.0, abs=1e-9)  # they belong to the intra-grain term

    network = bound(liquid.grain_map()).network
    network.set_ranges([graph._replace(counts=[0] * len(network.slots), positions=graph.positions[:0])])
    never_met = network.walls.inside[0]
    assert (never_met.low == 0.0).all() and torch.isinf(never_met.high).all()
