"""Laws of the published network, in float64 unless said otherwise."""

import pytest
import torch
from graphs import random_batch, random_frame

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.nn.convolution import CONVOLUTIONS
from openmm_cgaa.nn.graph import batch_graphs, grain_centers, grain_sizes, grain_sum
from openmm_cgaa.nn.published import PublishedNetwork

SLOTS = [4, 1, 6]
COUNTS = [3, 1, 2]
CHAINS = {n: [(i, i + 1) for i in range(n - 1)] for n in (1, 4, 6)}  # bonds


def network(slots=SLOTS, **options):
    torch.manual_seed(1)
    trees = [CHAINS[n] for n in slots]
    net = PublishedNetwork(slots, **{"bonds": trees, "scalars": 8, "vectors": 6, "radial_hidden": (16, 16), **options})
    net.set_reference([-10.0 * (t + 1) for t in range(len(slots))])
    net.set_scale(0.5, 0.3)
    return net.double().eval()


@pytest.fixture(scope="module")
def graph():
    return random_frame(SLOTS, COUNTS)


def turned(graph, matrix):
    return graph._replace(positions=graph.positions @ matrix.T, edge_shift=graph.edge_shift @ matrix.T)


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["rotation", "rotation and inversion"])
def test_energy_is_invariant_and_forces_turn(graph, convolution, sign):
    generator = torch.Generator().manual_seed(3)
    matrix, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    matrix = matrix * torch.linalg.det(matrix) * sign
    net = network(convolution=convolution)
    energy, forces, _ = net(graph)
    turned_energy, turned_forces, _ = net(turned(graph, matrix))
    torch.testing.assert_close(turned_energy, energy, rtol=0, atol=1e-10)
    torch.testing.assert_close(turned_forces, forces @ matrix.T, rtol=0, atol=1e-10)


def test_translation_changes_nothing(graph):
    net = network()
    moved = graph._replace(positions=graph.positions + torch.tensor([3.0, -50.0, 0.2], dtype=torch.float64))
    for result, expected in zip(net(moved), net(graph)):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_grains_of_one_type_may_be_exchanged(graph):
    """Grains 0 and 2, four atoms each, change places; their forces follow them."""
    net = network()
    grains, atoms = torch.arange(6), torch.arange(len(graph.positions))
    grains[[0, 2]] = grains[[2, 0]]
    atoms[:12] = atoms[:12].view(3, 4)[[2, 1, 0]].flatten()
    exchanged = graph._replace(positions=graph.positions[atoms], edge_index=grains[graph.edge_index])
    energy, forces, _ = net(graph)
    exchanged_energy, exchanged_forces, _ = net(exchanged)
    torch.testing.assert_close(exchanged_energy, energy, rtol=0, atol=1e-10)
    torch.testing.assert_close(exchanged_forces, forces[atoms], rtol=0, atol=1e-10)


def test_order_of_edges_is_free(graph):
    net = network()
    order = torch.randperm(graph.edge_index.size(1), generator=torch.Generator().manual_seed(5))
    shuffled = graph._replace(edge_index=graph.edge_index[:, order], edge_shift=graph.edge_shift[order])
    for result, expected in zip(net(shuffled), net(graph)):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_edges_beyond_the_cutoff_add_nothing(graph):
    net = network()
    far = torch.tensor([[10.0, 1.0, 0.0], [0.0, 0.0, 30.0]], dtype=torch.float64)
    padded = graph._replace(
        edge_index=torch.cat([graph.edge_index, torch.tensor([[0, 4], [0, 4]])], 1),
        edge_shift=torch.cat([graph.edge_shift, far]),
    )
    for result, expected in zip(net(padded), net(graph)):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


def test_grains_without_neighbors(graph):
    net = network()
    alone = graph._replace(edge_index=graph.edge_index[:, :0], edge_shift=graph.edge_shift[:0])
    energy, forces, _ = net(alone)
    assert torch.isfinite(energy).all()
    torch.testing.assert_close(grain_sum(forces, graph), torch.zeros(6, 3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_two_grains_pass_the_cutoff_smoothly():
    """No jump at the cutoff up to the second derivative of the energy, which goes as the fourth power of the gap."""
    net = network(slots=[4])
    pair = random_frame([4], [2])
    edge_index = torch.tensor([[0, 1], [1, 0]])
    centers = grain_centers(pair)

    def at(distance):
        shift = torch.tensor([[distance, 0.0, 0.0], [-distance, 0.0, 0.0]], dtype=torch.float64)
        own = (centers[0] - centers[1]).expand(2, 3) * torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        return net(pair._replace(edge_index=edge_index, edge_shift=own + shift))

    energy, forces, _ = at(15.0)
    far, near = ([(e - energy).abs().max(), (f - forces).abs().max()] for e, f, _ in (at(9.91), at(9.97)))
    # three times nearer to the cutoff: an order above 2 for the energy, above 1 for its derivative
    assert 0 < 20 * near[0] < far[0]
    assert 0 < 9 * near[1] < far[1]


def test_forces_between_grains_are_minus_the_gradient_by_centers(graph):
    net = network()
    total = grain_sum(net(graph)[1], graph)
    step = 1e-5
    for grain, axis in [(0, 0), (3, 1), (5, 2)]:
        shift = torch.zeros_like(graph.positions)
        shift[graph.atom_grain == grain, axis] = step
        plus, minus = (net(graph._replace(positions=graph.positions + s))[0] for s in (shift, -shift))
        assert total[grain, axis].item() == pytest.approx(-((plus - minus) / (2 * step)).item(), abs=1e-6)
    torch.testing.assert_close(total.sum(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-10)


def test_intra_forces_of_a_grain_sum_to_zero(graph):
    """Each atom carries 1/N of its grain's force; what is left has no sum, and a single atom has nothing left."""
    _, forces, virial = network()(graph)
    share = grain_sum(forces, graph) / grain_sizes(graph).unsqueeze(1)
    intra = forces - share[graph.atom_grain]
    assert intra[:12].abs().max() > 1e-3
    assert intra[12].abs().max() < 1e-12
    assert not virial.any()


def test_the_energy_is_the_reference_plus_what_is_learnt(graph):
    net = network()
    learnt = net(graph)[0].item() + 3 * 10.0 + 20.0 + 2 * 30.0
    net.set_scale(1.0, 0.3)
    assert net(graph)[0].item() + 110.0 == pytest.approx(2.0 * learnt, rel=1e-10)


def test_calibration_whitens_the_products_of_a_grain_and_changes_nothing_else():
    slots, counts = [4, 6], [3, 2]
    net, batch = network(slots=slots), random_batch(slots, counts, 20)
    net.calibrate(batch)
    seen = {}
    for product in net.interactions[0].connection.products:
        product.own.register_forward_hook(lambda module, inputs, output: seen.update({module: output}))
    net(batch)
    for whitened in seen.values():
        torch.testing.assert_close(whitened.mean(0), torch.zeros_like(whitened[0]), rtol=0, atol=1e-9)
        covariance = torch.cov(whitened.T).diagonal()
        assert covariance.max() < 1.0 + 1e-9 and covariance.median() > 0.999


def test_frames_of_a_batch_do_not_see_each_other():
    net = network()
    frames = [random_frame(SLOTS, COUNTS, seed=seed) for seed in range(3)]
    batch, order = batch_graphs(frames, SLOTS)
    energy, forces, _ = net(batch)
    alone = [net(frame) for frame in frames]
    torch.testing.assert_close(energy, torch.cat([a[0] for a in alone]), rtol=0, atol=1e-10)
    torch.testing.assert_close(forces, torch.cat([a[1] for a in alone])[order], rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"convolution": "nequip"},
        {"factorised": False},
        {"read_out": "total"},
        {"self_geometry": False},
        {"bonds": None},
    ],
    ids=str,
)
def test_scripted_is_eager(graph, options):
    net = network(**options)
    scripted = torch.jit.script(net)
    for _ in range(3):  # the later calls run TorchScript's specialised code
        for result, expected in zip(scripted(graph), net(graph)):
            torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_plain_pair_product_gives_the_same(graph):
    fast, plain = network(), network(factorised=False)
    for result, expected in zip(fast(graph), plain(graph)):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_single_precision_follows_double(graph):
    energy, forces, _ = network()(graph)
    single = graph._replace(positions=graph.positions.float(), edge_shift=graph.edge_shift.float())
    single_energy, single_forces, _ = network().float()(single)
    assert single_energy.dtype == torch.float64
    torch.testing.assert_close(single_energy, energy, rtol=0, atol=1e-4)
    torch.testing.assert_close(single_forces.double(), forces, rtol=0, atol=1e-4)


def test_total_forces_read_out_directly_are_not_differentiated(graph):
    net = network(read_out="total")
    assert grain_sum(net(graph)[1], graph)[3].abs().max() > 1e-6  # a single atom, whose intra force would be zero


def test_every_weight_learns_from_forces_and_energy():
    slots, counts = [4, 6], [3, 2]  # no single atoms, whose r' are zero
    net = network(slots=slots).train()
    energy, forces, _ = net(random_batch(slots, counts, 2))
    (energy.sum() + forces.square().sum()).backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


def test_evaluation_keeps_no_graph(graph):
    assert not any(result.requires_grad for result in network()(graph))


def test_there_is_no_part_to_take(graph):
    with pytest.raises(ValueError, match="part 0"):
        network()(graph, 1)


@pytest.mark.parametrize("options", [{"convolution": "mace"}, {"read_out": "torque"}], ids=str)
def test_unknown_options_are_named(options):
    with pytest.raises(CGAAError, match="expected"):
        network(**options)
