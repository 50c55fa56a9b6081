"""The laws of both forms: what turns, mirrors, moves and changes places with its input.

Here are `graphnetworks`, `groupembedding` and `predicting`, too.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chains import chain_sequence, small_propagator
from scipy.spatial.transform import Rotation

from openmm_cgaa.errors import GrainError
from openmm_cgaa.propagate.beadgroups import GroupedGraph
from openmm_cgaa.propagate.cores import CORES
from openmm_cgaa.propagate.graphnetworks import GraphLayer, perceptron, summed
from openmm_cgaa.propagate.predicting import NextStep, euler, likelihood_loss

TURN = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
MIRROR = np.diag([1.0, 1.0, -1.0]) @ TURN
BOX = np.array([40.0, 44.0, 50.0])


def exact(form, **options):
    return small_propagator(form, **options).double()


def said(model, history, graph, box=None):
    with torch.no_grad():
        state = model.state(history, graph, box)
        return model(state, model.embedding(graph))


@pytest.fixture(scope="module")
def chain():
    return chain_sequence("a", "test", frames=6, beads=24, size=4)


def past(chain):
    return chain.positions[3:6].astype(float)


@pytest.mark.parametrize("matrix", [TURN, MIRROR, -np.eye(3)], ids=["rotation", "reflection", "inversion"])
def test_the_equivariant_form_turns_with_its_input(chain, matrix):
    model = exact("equivariant")
    here, there = said(model, past(chain), chain.graph), said(model, past(chain) @ matrix.T, chain.graph)
    assert here.mean.abs().max() > 1e-3
    assert np.allclose(here.mean.numpy() @ matrix.T, there.mean.numpy(), rtol=0, atol=1e-12)
    assert np.allclose(here.sigma, there.sigma, rtol=0, atol=1e-12)
    assert np.allclose(here.latents, there.latents, rtol=0, atol=1e-11)


def test_the_plain_form_does_not(chain):
    model = exact("plain")
    here, there = said(model, past(chain), chain.graph), said(model, past(chain) @ TURN.T, chain.graph)
    assert np.abs(here.mean.numpy() @ TURN.T - there.mean.numpy()).max() > 1e-3


@pytest.mark.parametrize("form", CORES)
def test_the_score_turns_as_its_form_does(chain, form):
    model, rng = exact(form, levels=2), np.random.default_rng(0)
    moves = rng.standard_normal((chain.graph.num_groups, 3))
    found = []
    with torch.no_grad():
        for matrix in (np.eye(3), MIRROR):
            state = model.state(past(chain) @ matrix.T, chain.graph, None)
            latents = model(state, model.embedding(chain.graph)).latents
            found.append(model.score(latents, torch.as_tensor(moves @ matrix.T), state).numpy())
    same = np.allclose(found[0] @ MIRROR.T, found[1], rtol=0, atol=1e-12)
    assert same == (form == "equivariant") and np.abs(found[0]).max() > 1e-3


@pytest.mark.parametrize("form", CORES)
def test_a_place_far_from_the_origin_changes_nothing(chain, form):
    here = said(small_propagator(form), past(chain), chain.graph)
    there = said(small_propagator(form), past(chain) + np.array([1e6, -3e5, 2e6]), chain.graph)
    assert np.allclose(here.mean, there.mean, rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", CORES)
def test_lattice_vectors_change_nothing(form):
    chain = chain_sequence("a", "test", frames=6, chains=2, box=BOX)
    shifts = np.array([[0, 0, 0]] * 3 + [[2, -1, 5]] * 3) * BOX
    here = said(exact(form), past(chain), chain.graph, BOX)
    there = said(exact(form), past(chain) + shifts, chain.graph, BOX)
    assert np.allclose(here.mean, there.mean, rtol=0, atol=1e-10)
    alone = said(exact(form), past(chain), chain.graph)
    assert alone.mean.shape == here.mean.shape


def renumbered(graph, beads, groups):
    """The graph with beads and groups in another order: place n has what place beads[n] had."""
    at = np.argsort(beads)
    return GroupedGraph(
        tuple(graph.kinds[bead] for bead in beads),
        graph.masses[beads],
        at[graph.bonds],
        graph.orders,
        np.argsort(groups)[graph.group[beads]],
        graph.size,
    )


@pytest.mark.parametrize("form", CORES)
def test_chains_and_beads_may_change_places(form):
    chain, model = chain_sequence("a", "test", frames=6, chains=2), exact(form)
    beads, groups = np.random.default_rng(0).permutation(24), np.array([3, 4, 5, 0, 1, 2])
    other = renumbered(chain.graph, beads, groups)
    here, there = said(model, past(chain), chain.graph), said(model, past(chain)[:, groups], other)
    assert np.allclose(here.mean[groups], there.mean, rtol=0, atol=1e-11)
    assert np.allclose(here.sigma[groups], there.sigma, rtol=0, atol=1e-11)


def test_ends_of_a_chain_that_are_alike_have_one_embedding():
    graph = chain_sequence("a", "test", frames=3, kinds="A", beads=12).graph
    with torch.no_grad():
        found = exact("plain").embedding(graph)
    assert torch.allclose(found[0], found[2], rtol=0, atol=1e-12)
    assert not torch.allclose(found[0], found[1])


def test_an_embedding_is_the_mean_over_the_beads_and_knows_types_of_bonds():
    chain, model = chain_sequence("a", "test", frames=3), exact("plain", embedding_layers=0)
    with torch.no_grad():
        own = model.embedding.of_bead.weight
        assert torch.allclose(model.embedding(chain.graph)[0], (2 * own[0] + 2 * own[1]) / 4)
        layered = exact("plain").embedding
        layered.orders = None  # all are known
        doubled = replace(chain.graph, orders=chain.graph.orders + 2)
        assert not torch.allclose(layered(chain.graph), layered(doubled))
        assert not torch.allclose(layered(chain.graph), layered(replace(chain.graph, masses=2 * chain.graph.masses)))


def test_kinds_of_beads_that_are_not_known():
    chain = chain_sequence("a", "test", frames=3, kinds="AC")
    with pytest.raises(GrainError, match=r"beads of kind \*C, but the propagator was trained on \*A, \*B; take one"):
        small_propagator().embedding(chain.graph)


@pytest.mark.parametrize("form", CORES)
def test_bonds_and_neighbours_are_told_apart(chain, form):
    model = exact(form)
    state = model.state(past(chain), chain.graph, None)
    with torch.no_grad():
        embedding = model.embedding(chain.graph)
        other = model(state._replace(bonded=torch.zeros_like(state.bonded)), embedding)
        assert not torch.allclose(model(state, embedding).mean, other.mean)


def test_a_layer_of_messages_by_hand():
    """Messages are summed at their first end; nodes and edges are updated by residuals."""
    layer = GraphLayer(4).double()
    nodes, edges = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    ends = torch.tensor([[0, 0, 2], [1, 2, 0]])
    messages = layer.of_edge(torch.cat([edges, nodes[ends[0]], nodes[ends[1]]], 1))
    heard = torch.stack([messages[0] + messages[1], torch.zeros(4, dtype=torch.float64), messages[2]])
    new_nodes, new_edges = layer(nodes, edges, ends)
    assert torch.allclose(new_edges, edges + messages)
    assert torch.allclose(new_nodes, nodes + layer.of_node(torch.cat([nodes, heard], 1)))
    assert summed(torch.ones(3, 1), torch.tensor([1, 1, 0]), 3).flatten().tolist() == [1.0, 2.0, 0.0]


def test_a_norm_stands_behind_all_but_decoders():
    assert isinstance(perceptron(2, 3, 4)[-1], torch.nn.LayerNorm)
    plain = small_propagator("plain")
    for decoder in (plain.dynamics.core.decode, plain.dynamics.spread, plain.inside):
        assert isinstance(decoder[-1], torch.nn.Linear)


def test_the_loss_is_that_of_a_gaussian():
    mean, sigma, x = (torch.tensor([[v, 2 * v, 3 * v]]) for v in (0.5, 0.2, 0.7))
    wanted = -torch.distributions.Normal(mean, sigma).log_prob(x).mean()
    assert torch.allclose(likelihood_loss(NextStep(mean, sigma, mean), x), wanted)


def test_sigma_has_a_floor(chain):
    model = exact("plain", floor=0.3)
    with torch.no_grad():
        model.dynamics.spread[-1].bias -= 100.0
    assert np.allclose(said(model, past(chain), chain.graph).sigma, 0.3)


def test_semi_implicit_euler_by_hand():
    """v' = v + a, x' = x + v': at x = 1, v = 2, a = -0.5 the next place is 2.5."""
    assert 1.0 + float(euler(torch.tensor(2.0), torch.tensor(-0.5))) == 2.5
