"""A compiled step is the step that it was compiled from, whatever the batch."""

import pytest
import torch

pytest.importorskip("lightning")

from linked import cuts_of_emc
from shared_energies import with_shares
from training_sets import MODEL, PUBLISHED, weights

from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.nn import Network, build_network
from openmm_cgaa.training import compiled
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.labelled import LabelledFrames, collate, common_types
from openmm_cgaa.training.module import set_statistics
from openmm_cgaa.training.objectives import weighted_loss
from openmm_cgaa.training.train import train

LOSS = {"energy": 10.0, "forces": 1.0, "net_force": 3.0, "torque": 2.0, "stress": 0.5}


@pytest.fixture
def written_out(monkeypatch):
    """The operations of a compiled step, but run one by one: a compilation takes minutes."""
    monkeypatch.setattr(compiled, "compile_fx", lambda program, fakes: program)


def assert_same_step(step, network, weights, items, slots):
    """One batch through the compiled step and through the network, loss, terms and gradients."""
    graph, labels, _ = collate(items, slots)
    answers = []
    for one in (step, lambda *batch: weighted_loss(network, weights, *batch)):
        network.zero_grad()
        loss, terms = one(graph, labels)
        (2 * loss).backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in network.parameters()]
        answers.append([loss.detach(), *(terms[name].detach() for name in weights), *gradients])
    for ours, reference in zip(*answers):
        scale = float(reference.abs().max()) + 1e-6
        torch.testing.assert_close(ours, reference, rtol=2e-4, atol=2e-4 * scale)


def test_a_compiled_step_is_the_step_whatever_the_batch(mixed_set, written_out):
    """Molecules cut in two and whole ones, ions, and energies of grains that some frames alone have.

    To write a step out takes half a minute, so all are of one; a network without cuts has the test after next.
    """
    dataset, loss = Dataset.load(mixed_set), LOSS | {"grain_energy": 4.0}
    dataset = with_shares(dataset.cut(cuts_of_emc(dataset.sets[0])), [0, 2, 3, 5])
    types = common_types(dataset)
    torch.manual_seed(0)
    network = build_network(MODEL, types).train()
    frames = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff)
    set_statistics(
        network,
        [graph.counts for graph, _ in frames.items],
        [labels.energy.item() for _, labels in frames.items],
        [labels.forces.numpy() for _, labels in frames.items],
    )
    step = compiled.CompiledStep(network, loss, frames.items, frames.slots)
    liquid, other, molecule, lithium, anion, pair, ions = (frames.items[i] for i in (0, 9, 16, 20, 22, 25, 28))
    for batch in ([liquid], [liquid, other], [molecule], [lithium, ions], [pair, anion, liquid], [ions]):
        assert_same_step(step, network, loss, batch, frames.slots)
    for parameter in network.parameters():  # it takes the weights of the moment
        parameter.data.mul_(1.1)
    assert_same_step(step, network, loss, [liquid, pair], frames.slots)


class Springs(Network):
    """Atoms of two grains repel each other."""

    def __init__(self):
        super().__init__([], conserving=True, permutation_invariant=True, grain_cutoff=0.0, atom_cutoff=3.5)
        self.strength = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, graph, part=0, walls=True):
        positions = graph.positions.detach().requires_grad_(True)
        i, j = graph.pair_index[0], graph.pair_index[1]
        r = (positions[j] + graph.pair_shift - positions[i]).norm(dim=1)
        energy = torch.zeros(graph.num_frames, dtype=torch.float64)
        energy = energy.index_add(0, graph.grain_frame[graph.atom_grain[i]], (self.strength.exp() / r).double())
        (gradient,) = torch.autograd.grad(energy.sum(), positions, create_graph=True)
        return energy, -gradient, torch.zeros(graph.num_frames, 3, 3)


def test_a_step_compiles(mixed_set):
    dataset = Dataset.load(mixed_set)
    types = common_types(dataset)
    frames = LabelledFrames(dataset, types, 0.0, 3.5)
    network = Springs()
    step = compiled.CompiledStep(network, LOSS, frames.items, frames.slots)
    for batch in ([0, 9], [28], [29, 1]):
        assert_same_step(step, network, LOSS, [frames.items[i] for i in batch], frames.slots)


def test_a_run_by_compiled_steps_ends_with_the_same_weights(write_config, tmp_path, written_out):
    train(load_config(write_config(output="plain")))
    train(load_config(write_config(output="compiled", compile=True)))
    plain, other = (weights(tmp_path / name / "model.safetensors") for name in ("plain", "compiled"))
    for name in plain:
        torch.testing.assert_close(other[name], plain[name], rtol=1e-3, atol=1e-4)


def test_a_step_that_cannot_be_compiled_says_why(write_config, monkeypatch, mixed_set):
    def fails(program, fakes):
        raise compiled.InductorError(RuntimeError("No working C++ compiler found"), None)

    dataset = Dataset.load(mixed_set)
    frames = LabelledFrames(dataset, common_types(dataset), 0.0, 3.5)
    monkeypatch.setattr(compiled, "compile_fx", fails)
    with pytest.raises(CGAAError, match=r"\(No working C\+\+ compiler found\).*compile: false"):
        compiled.CompiledStep(Springs(), LOSS, frames.items, frames.slots)
    with pytest.raises(CGAAError, match="no training frame has a grain of type number 2"):
        compiled.CompiledStep(Springs(), LOSS, frames.items[:16], frames.slots)
    with pytest.raises(CGAAError, match="sizes of this network follow from values.*compile: false"):
        train(load_config(write_config(model=PUBLISHED, compile=True)))
