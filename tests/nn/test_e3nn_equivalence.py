"""The Cartesian layers against e3nn's, with the same weights: 1e-5 in float32, 1e-10 in float64.

These are `cartesian`.
"""

import pytest
import torch
from e3nn import nn as e3nn_nn
from e3nn import o3

from openmm_cgaa.nn.cartesian import Gate, Linear
from openmm_cgaa.nn.convolution import Filter, PairProduct, gather
from openmm_cgaa.nn.embedding import AttributeProduct, GrainEmbedding

S, V = 8, 6  # channels in
O, P = 7, 5  # channels out
PRECISIONS = [(torch.float32, 1e-5), (torch.float64, 1e-10)]
precisions = pytest.mark.parametrize("dtype, atol", PRECISIONS, ids=["single", "double"])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def irreps(scalars, vectors):
    return o3.Irreps(f"{scalars}x0e + {vectors}x1o")


def joined(scalars, vectors):
    """[..., s] and [..., 3, v] in e3nn's order: scalars, then x, y, z of each vector."""
    return torch.cat([scalars, vectors.transpose(-1, -2).flatten(-2)], -1)


def close(result, expected, atol):
    torch.testing.assert_close(joined(*result), expected, rtol=0, atol=atol)


def features(rows, dtype, scalars=S, vectors=V):
    return torch.randn(rows, scalars, dtype=dtype), torch.randn(rows, 3, vectors, dtype=dtype)


def fully_connected(irreps_1, irreps_2, irreps_out, weights, dtype):
    """e3nn's product with our weights, {(l in 1, l in 2, l out): weight}, less the factors it multiplies them with."""
    product = o3.FullyConnectedTensorProduct(irreps_1, irreps_2, irreps_out, internal_weights=False).to(dtype)
    flat = []
    for path in product.instructions:
        ls = (
            product.irreps_in1[path.i_in1].ir.l,
            product.irreps_in2[path.i_in2].ir.l,
            product.irreps_out[path.i_out].ir.l,
        )
        coupling = o3.wigner_3j(*ls, dtype=torch.float64).abs().max().item()  # 1, or 1 / sqrt(3)
        flat.append(weights[ls].flatten() / (path.path_weight * coupling))
    return lambda x, y: product(x, y, torch.cat(flat))


def linear(irreps_in, irreps_out, scalar_weight, vector_weight, dtype):
    """e3nn's linear map with our weights, less the factors it multiplies them with."""
    layer = o3.Linear(irreps_in, irreps_out, internal_weights=False).to(dtype)
    factors = [path.path_weight for path in layer.instructions]
    flat = torch.cat([w.flatten() / f for w, f in zip((scalar_weight, vector_weight), factors)])
    return lambda x: layer(x, flat)


@precisions
@pytest.mark.parametrize("factorised", [True, False], ids=["factorised", "plain"])
@pytest.mark.parametrize("channels", [(S, V, O, P), (64, 64, 128, 64)], ids=["small", "as published"])
def test_pair_product(dtype, atol, factorised, channels):
    s_in, v_in, s_out, v_out = channels
    product = PairProduct(s_in, v_in, s_out, v_out, factorised).to(dtype)
    weights = {
        (0, 0, 0): product.weight_ss,
        (1, 1, 0): product.weight_vv,
        (0, 1, 1): product.weight_sv,
        (1, 0, 1): product.weight_vs,
    }
    plain = fully_connected(irreps(s_in, v_in), irreps(s_in, v_in), irreps(s_out, v_out), weights, dtype)
    s, v = features(4, dtype, s_in, v_in)
    neighbors = torch.tensor([[1, 2, 3, 0], [0, 0, 2, 1], [3, 1, 0, 2], [2, 2, 0, 3]])
    nodes = joined(s, v)
    expected = plain(nodes.unsqueeze(1).expand(4, 4, -1), nodes[neighbors])
    close(product(s, v, neighbors), expected, atol)


@precisions
def test_linear(dtype, atol):
    layer = Linear(S, V, O, P).to(dtype)
    reference = linear(irreps(S, V), irreps(O, P), layer.scalar_weight, layer.vector_weight, dtype)
    s, v = features(4, dtype)
    close(layer(s, v), reference(joined(s, v)), atol)


@precisions
def test_gate(dtype, atol):
    """e3nn estimates the gains of silu and sigmoid from random numbers, to 3e-3; the comparison takes its own."""
    layer = Gate(O, P)
    reference = e3nn_nn.Gate(f"{O}x0e", [torch.nn.functional.silu], f"{P}x0e", [torch.sigmoid], f"{P}x1o")
    silu_gain, sigmoid_gain = reference.act_scalars.acts[0].cst, reference.act_gates.acts[0].cst
    assert (layer.silu_gain, layer.sigmoid_gain) == pytest.approx((silu_gain, sigmoid_gain), rel=3e-3)
    layer.silu_gain, layer.sigmoid_gain = silu_gain, sigmoid_gain
    s, v = features(4, dtype, O + P, P)
    close(layer(s, v), reference.to(dtype)(joined(s, v)), atol)


@precisions
def test_embedding(dtype, atol):
    """All slots side by side, zeros in those of other types, through e3nn's linear map."""
    slots, counts = [3, 1], [2, 2]
    embedding = GrainEmbedding(slots, S, V).to(dtype)
    weights = embedding.mask_weight, embedding.relative_weight
    reference = linear(irreps(4, 4), irreps(S + V, V), *weights, dtype)
    relative = torch.randn(8, 3, dtype=dtype)
    masks = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]], dtype=dtype)
    slot_vectors = torch.zeros(4, 4, 3, dtype=dtype)
    slot_vectors[masks.bool()] = relative
    raw = reference(joined(masks, slot_vectors.transpose(1, 2)))
    s, v = raw[:, : S + V], raw[:, S + V :].view(4, V, 3).transpose(1, 2)
    close(embedding(relative, counts), joined(*embedding.gate(s, v)), atol)


@precisions
def test_self_connection(dtype, atol):
    """The part of e3nn's product with the vectors of the attributes; the part with the masks is a linear map."""
    slots = 4
    layer = AttributeProduct(slots, S, V, O, P, geometry=True, first=False).to(dtype)
    s, v = features(3, dtype)
    relative = torch.randn(3, slots, 3, dtype=dtype)
    weights = {
        (1, 1, 0): layer.dot_weight.view(slots, V, O).transpose(0, 1),
        (0, 1, 1): layer.scale_weight.view(S, slots, P),
    }
    product = fully_connected(irreps(S, V), o3.Irreps(f"{slots}x1o"), irreps(O, P), weights, dtype)
    close(layer(s, v, relative), product(joined(s, v), relative.flatten(1)) + joined(*layer.mask(s, v)), atol)


@precisions
def test_filter(dtype, atol):
    """Radial weights and Y_0, Y_1 in e3nn's 'uvu' product, summed over neighbours."""
    layer = Filter(S, V, 4, [16]).to(dtype)
    s, v = features(5, dtype)
    neighbors = torch.tensor([[1, 2, 3], [0, 4, 2], [3, 1, 0], [2, 2, 0], [1, 0, 4]])
    basis = torch.randn(5, 3, 4, dtype=dtype)
    direction = torch.nn.functional.normalize(torch.randn(5, 3, 3, dtype=dtype), dim=-1)

    paths = [(0, 0, 0, "uvu", True), (1, 1, 1, "uvu", True), (0, 1, 2, "uvu", True), (1, 0, 3, "uvu", True)]
    middle = o3.Irreps(f"{S}x0e + {V}x0e + {S}x1o + {V}x1o")
    reference = o3.TensorProduct(
        irreps(S, V), "1x0e + 1x1o", middle, paths, shared_weights=False, internal_weights=False
    ).to(dtype)
    harmonics = o3.spherical_harmonics([0, 1], direction, normalize=False, normalization="component")
    picked = joined(gather(s, neighbors), gather(v, neighbors))
    expected = reference(picked, harmonics, layer.radial(basis)).sum(1)
    close(layer(gather(s, neighbors), gather(v, neighbors), basis, direction), expected, atol)
