"""Laws of the published network, in float64 unless said otherwise.

Also `embedding`, `convolution` and `forms`.
"""

import openmm
import pytest
import torch
from conftest import TINY_PUBLISHED, tiny_model
from graphs import on_device, random_batch, random_frame
from openmm import unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainType
from openmm_cgaa.nn.convolution import CONVOLUTIONS
from openmm_cgaa.nn.forms import PublishedForm
from openmm_cgaa.nn.graph import batch_graphs, grain_centers, grain_sizes, grain_sum
from openmm_cgaa.nn.published import PublishedNetwork

SLOTS = [4, 1, 6]
COUNTS = [3, 1, 2]
CHAINS = {n: GrainType.from_bonds(f"chain{n}", ["C"] * n, [(i, i + 1) for i in range(n - 1)]) for n in (1, 4, 6)}


def random_network(slots=SLOTS, **options):
    torch.manual_seed(1)
    form = PublishedForm(**{"scalars": 8, "vectors": 6, "radial_hidden": [16, 16], **options})
    net = PublishedNetwork([CHAINS[n] for n in slots], form)
    net.set_reference([-10.0 * (t + 1) for t in range(len(slots))])
    net.set_scale(0.5, 0.3)
    return net.double().eval()


@pytest.fixture
def network(device):
    """Makes networks with random weights on a device, which take and give tensors of the CPU."""

    def make(slots=SLOTS, **options):
        net = random_network(slots, **options).to(device)
        if device != "cpu":
            net.register_forward_pre_hook(lambda net, given: (on_device(given[0], device), *given[1:]))
            net.register_forward_hook(lambda net, given, found: tuple(result.cpu() for result in found))
        return net

    return make


@pytest.fixture(scope="module")
def graph():
    return random_frame(SLOTS, COUNTS)


def turned(graph, matrix):
    return graph._replace(positions=graph.positions @ matrix.T, edge_shift=graph.edge_shift @ matrix.T)


every_convolution = pytest.mark.parametrize("convolution", CONVOLUTIONS)
every_read_out = pytest.mark.parametrize("read_out", ["intra", "gradient"])


@every_convolution
@every_read_out
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["rotation", "rotation and inversion"])
def test_energy_is_invariant_and_forces_turn(network, graph, convolution, read_out, sign):
    generator = torch.Generator().manual_seed(3)
    matrix, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    matrix = matrix * torch.linalg.det(matrix) * sign
    net = network(convolution=convolution, read_out=read_out)
    energy, forces, virial = net(graph)
    turned_energy, turned_forces, turned_virial = net(turned(graph, matrix))
    torch.testing.assert_close(turned_energy, energy, rtol=0, atol=1e-10)
    torch.testing.assert_close(turned_forces, forces @ matrix.T, rtol=0, atol=1e-10)
    torch.testing.assert_close(turned_virial, matrix @ virial @ matrix.T, rtol=0, atol=1e-9)


def test_translation_changes_nothing(network, graph):
    net = network()
    moved = graph._replace(positions=graph.positions + torch.tensor([3.0, -50.0, 0.2], dtype=torch.float64))
    for result, expected in zip(net(moved), net(graph)):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


@every_convolution
def test_grains_of_one_type_may_be_exchanged(network, graph, convolution):
    """Grains 0 and 2, four atoms each, change places; their forces follow them."""
    net = network(convolution=convolution)
    grains, atoms = torch.arange(6), torch.arange(len(graph.positions))
    grains[[0, 2]] = grains[[2, 0]]
    atoms[:12] = atoms[:12].view(3, 4)[[2, 1, 0]].flatten()
    exchanged = graph._replace(positions=graph.positions[atoms], edge_index=grains[graph.edge_index])
    energy, forces, _ = net(graph)
    exchanged_energy, exchanged_forces, _ = net(exchanged)
    torch.testing.assert_close(exchanged_energy, energy, rtol=0, atol=1e-10)
    torch.testing.assert_close(exchanged_forces, forces[atoms], rtol=0, atol=1e-10)


@every_convolution
def test_order_of_edges_is_free(network, graph, convolution):
    net = network(convolution=convolution)
    order = torch.randperm(graph.edge_index.size(1), generator=torch.Generator().manual_seed(5))
    shuffled = graph._replace(edge_index=graph.edge_index[:, order], edge_shift=graph.edge_shift[order])
    for result, expected in zip(net(shuffled), net(graph)):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


@every_convolution
def test_edges_beyond_the_cutoff_add_nothing(network, graph, convolution):
    net = network(convolution=convolution)
    far = torch.tensor([[10.0, 1.0, 0.0], [0.0, 0.0, 30.0]], dtype=torch.float64)
    padded = graph._replace(
        edge_index=torch.cat([graph.edge_index, torch.tensor([[0, 4], [0, 4]])], 1),
        edge_shift=torch.cat([graph.edge_shift, far]),
    )
    for result, expected in zip(net(padded), net(graph)):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


@every_convolution
def test_grains_without_neighbors(network, graph, convolution):
    net = network(convolution=convolution)
    alone = graph._replace(edge_index=graph.edge_index[:, :0], edge_shift=graph.edge_shift[:0])
    energy, forces, _ = net(alone)
    assert torch.isfinite(energy).all()
    torch.testing.assert_close(grain_sum(forces, graph), torch.zeros(6, 3, dtype=torch.float64), rtol=0, atol=1e-12)


@every_convolution
def test_two_grains_pass_the_cutoff_smoothly(network, convolution):
    """No jump at the cutoff up to the second derivative of the energy, which goes as the fourth power of the gap."""
    net = network(slots=[4], convolution=convolution)
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


@every_convolution
@pytest.mark.parametrize("part", [0, 1, 2])
def test_forces_by_gradient_are_minus_the_gradient(network, graph, convolution, part):
    net = network(convolution=convolution, read_out="gradient")
    assert net.conserving and not net.permutation_invariant
    forces = net(graph, part)[1]
    for atom, axis in [(0, 0), (12, 1), (13, 2), (24, 0)]:
        step = torch.zeros_like(graph.positions)
        step[atom, axis] = 1e-4
        e = [net(graph._replace(positions=graph.positions + k * step), part)[0].item() for k in (-2, -1, 1, 2)]
        assert forces[atom, axis].item() == pytest.approx(-(e[0] - 8 * e[1] + 8 * e[2] - e[3]) / 12e-4, abs=1e-7)
    torch.testing.assert_close(forces.sum(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-10)


@every_convolution
@pytest.mark.parametrize("part", [0, 1, 2])
def test_virial_by_gradient_is_minus_the_strain_derivative(network, graph, convolution, part):
    net = network(convolution=convolution, read_out="gradient")
    virial = net(graph, part)[2][0]
    torch.testing.assert_close(virial, virial.T, rtol=0, atol=1e-9)
    for a, b in [(0, 0), (1, 2), (2, 2)]:
        strain = torch.zeros(3, 3, dtype=torch.float64)
        strain[a, b] = 1e-5
        e = [net(turned(graph, torch.eye(3, dtype=torch.float64) + k * strain), part)[0].item() for k in (-1, 1)]
        assert virial[a, b].item() == pytest.approx(-(e[1] - e[0]) / 2e-5, abs=1e-6)


def test_parts_by_gradient_add_up_and_the_first_knows_no_neighbors(network, graph):
    net = network(read_out="gradient")
    total, intra, rest = (net(graph, part) for part in (0, 1, 2))
    for whole, first, second in zip(total, intra, rest):
        torch.testing.assert_close(first + second, whole, rtol=0, atol=1e-10)
    alone = graph._replace(edge_index=graph.edge_index[:, :0], edge_shift=graph.edge_shift[:0])
    for one, other, none in zip(intra, net(alone), net(alone, 2)):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
        assert not none.any()
    assert rest[1].abs().max() > 1e-3


def test_raw_embedding_is_not_whitened(network, device):
    slots, counts = [4, 6], [3, 2]
    net, batch = network(slots=slots, raw_embedding=True), random_batch(slots, counts, 20)
    before = net(batch)
    net.calibrate(on_device(batch, device))
    for result, expected in zip(net(batch), before):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)
    assert torch.equal(net.bond_basis.matrices[1].cpu(), torch.eye(6, dtype=torch.float64))


def test_forces_between_grains_are_minus_the_gradient_by_centers(network, graph):
    net = network()
    total = grain_sum(net(graph)[1], graph)
    step = 1e-5
    for grain, axis in [(0, 0), (3, 1), (5, 2)]:
        shift = torch.zeros_like(graph.positions)
        shift[graph.atom_grain == grain, axis] = step
        plus, minus = (net(graph._replace(positions=graph.positions + s))[0] for s in (shift, -shift))
        assert total[grain, axis].item() == pytest.approx(-((plus - minus) / (2 * step)).item(), abs=1e-6)
    torch.testing.assert_close(total.sum(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-10)


def test_intra_forces_of_a_grain_sum_to_zero(network, graph):
    """Each atom carries 1/N of its grain's force; what is left has no sum, and a single atom has nothing left."""
    _, forces, virial = network()(graph)
    share = grain_sum(forces, graph) / grain_sizes(graph).unsqueeze(1)
    intra = forces - share[graph.atom_grain]
    assert intra[:12].abs().max() > 1e-3
    assert intra[12].abs().max() < 1e-12
    assert not virial.any()


def test_the_energy_is_the_reference_plus_what_is_learnt(network, graph):
    net = network()
    learnt = net(graph)[0].item() + 3 * 10.0 + 20.0 + 2 * 30.0
    net.set_scale(1.0, 0.3)
    assert net(graph)[0].item() + 110.0 == pytest.approx(2.0 * learnt, rel=1e-10)


def test_calibration_whitens_the_products_of_a_grain_and_changes_nothing_else(network, device):
    slots, counts = [4, 6], [3, 2]
    net, batch = network(slots=slots), random_batch(slots, counts, 20)
    net.calibrate(on_device(batch, device))
    seen = {}
    for product in net.interactions[0].connection.products:
        product.own.register_forward_hook(lambda module, inputs, output: seen.update({module: output.cpu()}))
    net(batch)
    for whitened in seen.values():
        torch.testing.assert_close(whitened.mean(0), torch.zeros_like(whitened[0]), rtol=0, atol=1e-9)
        covariance = torch.cov(whitened.T).diagonal()
        assert covariance.max() < 1.0 + 1e-9 and covariance.median() > 0.999


def test_frames_of_a_batch_do_not_see_each_other(network):
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
        {"convolution": "painn"},
        {"convolution": "painn", "read_out": "gradient"},
        {"read_out": "gradient"},
        {"raw_embedding": True},
        {"factorised": False},
        {"read_out": "total"},
        {"self_geometry": False},
    ],
    ids=str,
)
def test_scripted_is_eager(device, graph, options):
    net, graph = random_network(**options).to(device), on_device(graph, device)
    scripted = torch.jit.script(net)
    for _ in range(3):  # the later calls run TorchScript's specialised code
        for result, expected in zip(scripted(graph), net(graph)):
            torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_a_frozen_program_still_differentiates(device, graph):
    net, graph = random_network(read_out="gradient").to(device), on_device(graph, device)
    frozen = torch.jit.freeze(torch.jit.script(net))
    for part in range(3):
        for result, expected in zip(frozen(graph, part), net(graph, part)):
            torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_plain_pair_product_gives_the_same(network, graph):
    fast, plain = network(), network(factorised=False)
    for result, expected in zip(fast(graph), plain(graph)):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)


def test_single_precision_follows_double(network, graph):
    energy, forces, _ = network()(graph)
    single = graph._replace(positions=graph.positions.float(), edge_shift=graph.edge_shift.float())
    single_energy, single_forces, _ = network().float()(single)
    assert single_energy.dtype == torch.float64
    torch.testing.assert_close(single_energy, energy, rtol=0, atol=1e-4)
    torch.testing.assert_close(single_forces.double(), forces, rtol=0, atol=1e-4)


def test_total_forces_read_out_directly_are_not_differentiated(network, graph):
    net = network(read_out="total")
    assert grain_sum(net(graph)[1], graph)[3].abs().max() > 1e-6  # a single atom, whose intra force would be zero


@every_convolution
def test_every_weight_learns_from_forces_and_energy(network, convolution):
    slots, counts = [4, 6], [3, 2]  # no single atoms, whose r' are zero
    net = network(slots=slots, convolution=convolution).train()
    energy, forces, _ = net(random_batch(slots, counts, 2))
    (energy.sum() + forces.square().sum()).backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


@every_convolution
def test_gradient_learns_from_forces_and_virial_alone(network, convolution):
    """All weights but those of the last vectors, which no energy is read from; single atoms do no harm."""
    net = network(convolution=convolution, read_out="gradient").train()
    _, forces, virial = net(random_batch(SLOTS, COUNTS, 2))
    (forces.square().sum() + virial.square().sum()).backward()
    idle = {name for name, weight in net.named_parameters() if weight.grad is None}
    of_vectors = ("after.vector_weight", "mask.vector_weight", "scale_weight")
    assert idle == {n for n, _ in net.named_parameters() if n.startswith("interactions.1") and n.endswith(of_vectors)}
    assert all(weight.grad.isfinite().all() for weight in net.parameters() if weight.grad is not None)


@every_read_out
def test_evaluation_keeps_no_graph(network, graph, read_out):
    assert not any(result.requires_grad for result in network(read_out=read_out)(graph))


def test_a_network_by_gradient_is_a_conserving_model(liquid, solvent, tmp_path):
    """Minimisation, a barostat, a split of the energy: all that needs an energy is allowed."""
    config = {**TINY_PUBLISHED, "read_out": "gradient"}
    potential = CGAAPotential(tiny_model(tmp_path / "model.safetensors", config, liquid), precision="double")
    assert potential.conserving and "conserving" in repr(potential)
    topology, positions, box = solvent
    system = potential.createSystem(topology, intraForceGroup=1)
    system.addForce(openmm.MonteCarloBarostat(1.0 * unit.bar, 300.0 * unit.kelvin, 1))
    integrator = openmm.VerletIntegrator(1e-5)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)

    def energy(groups=-1):
        return context.getState(energy=True, groups=groups).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)

    before = energy()
    assert before == pytest.approx(potential.evaluate(topology, positions, box)[0], rel=1e-9)
    assert before == pytest.approx(energy({0}) + energy({1}), rel=1e-9)
    integrator.step(2)  # before the minimisation, in which random weights pull molecules out of their box
    before = energy()
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=3)
    assert energy() < before


def test_there_is_no_part_to_take(network, graph):
    with pytest.raises(ValueError, match="part 0"):
        network()(graph, 1)


@pytest.mark.parametrize("options", [{"convolution": "mace"}, {"read_out": "torque"}], ids=str)
def test_unknown_options_are_named(options):
    with pytest.raises(CGAAError, match="expected"):
        random_network(**options)
