"""The kernels of `fused` networks by themselves, against numpy in double precision.

`vectors`, `simd` and `jit` that they are written in; `dense_kernels` and `layers`; `polynomials` and `radial_tables`;
`geometry_rows` and `neighbor_rows`. What `pair_kernels` lists is in neighbors/test_verlet.py. What `gathered`,
`gather_kernels`, `exchange_kernels`, `atom_kernels` and `wall_kernels` do is in test_fused.py,
where torch does it, too.
"""

import numpy as np
import pytest
import torch

pytest.importorskip("numba")

from openmm_cgaa.nn.kernels import geometry_rows
from openmm_cgaa.nn.kernels.layers import Linear, silu, silu_back
from openmm_cgaa.nn.kernels.neighbor_rows import INDEX, Candidates, RowsWithin
from openmm_cgaa.nn.kernels.radial_tables import INTERVALS, LOW, Knots, gaussian_table
from openmm_cgaa.nn.radial import BesselBasis, DistanceGaussians

PRECISIONS = [(np.float32, torch.float32), (np.float64, torch.float64)]


def of_table(table, channels, x):
    """Values at x, in units of intervals, by numpy."""
    powers = table.reshape(-1, 6, channels).astype(float)
    interval = np.floor(x).astype(int)
    return sum(powers[interval, k] * ((x - interval) ** k)[:, None] for k in range(6))


@pytest.mark.parametrize("number", [np.float32, np.float64])
def test_activations_and_their_slopes(number):
    width = 24  # of one register and a half
    x = np.concatenate([np.linspace(-90, 90, 40 * width - 1), [0.0]]).astype(number)
    exact = x.astype(float)
    sigmoid = 1.0 / (1.0 + np.exp(-exact))
    rounding = 16.0 * np.finfo(number).eps
    np.testing.assert_allclose(silu(x, width), exact * sigmoid, rtol=rounding, atol=1e-30)
    slope = silu_back(x, np.full_like(x, 2.0), width)
    np.testing.assert_allclose(
        slope, 2.0 * sigmoid * (1.0 + exact * (1.0 - sigmoid)), rtol=rounding, atol=20 * rounding
    )
    for strange in (np.nan, np.inf):
        assert np.isnan(silu(np.full(width, np.nan, number), width)).all()
        assert (silu(np.full(width, strange, number), width) == number(strange)).all() or np.isnan(strange)


@pytest.mark.parametrize("number", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(1, 3, 1), (7, 64, 64), (23, 5, 24), (100, 128, 200), (4, 6, 0)]
)
def test_linear_maps_forward_and_back(number, rows, inputs, outputs):
    """Numbers of rows that no block divides, and widths that no register does."""
    rng = np.random.default_rng(0)
    weight, x, y = (rng.normal(size=shape) for shape in ((outputs, inputs), (rows, inputs), (rows, outputs)))
    layer = Linear(torch.from_numpy(weight.astype(number)))
    rounding = 30.0 * np.finfo(number).eps * (inputs + outputs) ** 0.5
    out = layer(x.astype(number).ravel(), np.empty(rows * outputs, number))
    np.testing.assert_allclose(out.reshape(rows, outputs), x @ weight.T, atol=rounding)
    twice = layer(x.astype(number).ravel(), out.copy(), adds=True)
    np.testing.assert_allclose(twice.reshape(rows, outputs), 2 * x @ weight.T, atol=2 * rounding)
    back = layer.back(y.astype(number).ravel(), np.zeros(rows * inputs, number), adds=True)
    if outputs:
        np.testing.assert_allclose(back.reshape(rows, inputs), y @ weight, atol=rounding)


@pytest.mark.parametrize(("number", "dtype"), PRECISIONS)
def test_tables_are_the_radial_functions_to_rounding(number, dtype):
    """Up to the cutoff, where the interval of zeros begins; and those of distances inside grains."""
    basis, cutoff = BesselBasis(5.5, 8), 5.5
    knots, weight = Knots.of(basis, 0.14, dtype), torch.randn(8, 5, dtype=dtype)
    r = np.linspace(LOW, cutoff, 20011)
    table = knots.table(weight)
    assert knots.radial == (number(LOW), number(8 * INTERVALS[dtype] / (cutoff - LOW)))
    assert table.dtype == number and len(table) == (8 * INTERVALS[dtype] + 1) * 6 * 5
    found = of_table(table, 5, (r - LOW) * (8 * INTERVALS[dtype] / (cutoff - LOW)))
    exact = 0.14 * basis.double()(torch.from_numpy(r)) @ weight.double()
    far = r > 1.0
    limit = {np.float32: 1e-7, np.float64: 1e-13}[number]
    np.testing.assert_allclose(found[far], exact.numpy()[far], atol=limit * float(exact[far].abs().max()) * 10)
    assert np.abs(found[-1]).max() == 0.0

    gaussians = DistanceGaussians(16)
    intervals, table = gaussian_table(gaussians, dtype)
    r = np.linspace(0.7, 20.0, 5003)
    found = of_table(table, 16, intervals * np.exp(-r / gaussians.decay))
    exact = gaussians.double()(torch.from_numpy(r)).numpy()
    np.testing.assert_allclose(found, exact, atol=10 * limit)


def test_rows_hold_both_ways_of_what_is_within_the_cutoff():
    """Each entry's partner is the way back, over the images of a small box, too."""
    rng = np.random.default_rng(1)
    x = rng.uniform(0.0, 6.0, size=(20, 3))
    lattice = np.array([[6.0 * a, 6.0 * b, 6.0 * c] for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)])
    i, j = (each.ravel() for each in np.triu_indices(20, 1))
    pairs = np.stack([np.repeat(i, 27), np.repeat(j, 27)])
    image, opposite = np.tile(np.arange(27), len(i)), np.arange(27)[::-1].copy()
    near = Candidates.of_pairs(20, pairs, image, opposite)
    kind = rng.integers(0, 3, 20).astype(INDEX)
    rows = RowsWithin(4.0, kind)(torch.from_numpy(x), torch.from_numpy(lattice), near)
    n = rows.start[-1]
    away = x[pairs[1]] + lattice[image] - x[pairs[0]]
    assert n == 2 * (np.linalg.norm(away, axis=1) < 4.0).sum()
    receiver = np.repeat(np.arange(20), np.diff(rows.start))
    back = rows.partner[:n]
    assert (back[back] == np.arange(n)).all() and (receiver[back] == rows.sender[:n]).all()
    unit, r = rows.unit[: 3 * n].reshape(-1, 3), rows.distance[:n]
    vectors = x[rows.sender[:n]] + lattice[rows.image[:n]] - x[receiver]
    np.testing.assert_allclose(unit * r[:, None], vectors, atol=1e-12)
    np.testing.assert_allclose(unit[back], -unit, atol=1e-15)
    assert (rows.group[:n] == kind[rows.sender[:n]]).all()


def test_the_basis_of_edges_and_its_slope():
    basis, r = BesselBasis(10.0, 8), np.linspace(1.0, 10.0, 501)
    values, slopes = np.empty(8 * 501), np.empty(8 * 501)
    geometry_rows.bessel_rows(r, 501, basis.frequencies.double().numpy(), 10.0, values, slopes)
    x = torch.from_numpy(r).requires_grad_(True)
    exact = basis.double()(x)
    np.testing.assert_allclose(values.reshape(-1, 8), exact.detach().numpy(), atol=1e-14)
    for k in range(8):
        (slope,) = torch.autograd.grad(exact[:, k].sum(), x, retain_graph=True)
        np.testing.assert_allclose(slopes.reshape(-1, 8)[:, k], slope.numpy(), atol=1e-13)
