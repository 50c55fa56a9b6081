"""The kernels of `fused` networks by themselves, against numpy in double precision.

`vectors` and `jit` that they are written in; `phases` and the `tape` that names their steps; `dense_steps` and
`layers`; `polynomials` and `radial_tables`; `spans`; `geometry_rows` and `neighbor_rows`. What `pair_kernels` lists
is in neighbors/test_verlet.py. What `gathered`, `gather_steps`, `exchange_steps` (both on `radial_functions`),
`atom_steps` and `pull_kernels` do is in test_fused.py, where torch does it, too.
"""

import numpy as np
import pytest
import torch

pytest.importorskip("numba")

from openmm_cgaa.nn.kernels.dense_steps import ONE_ROW, linear_by_slot, silu, silu_back
from openmm_cgaa.nn.kernels.layers import Linear
from openmm_cgaa.nn.kernels.neighbor_rows import INDEX, Candidates, RowsWithin
from openmm_cgaa.nn.kernels.phases import ATOMS, GRAINS
from openmm_cgaa.nn.kernels.radial_tables import INTERVALS, LOW, Knots, gaussian_table
from openmm_cgaa.nn.kernels.spans import Span, spans_of
from openmm_cgaa.nn.kernels.tape import Bound, Tape
from openmm_cgaa.nn.radial import BesselBasis, DistanceGaussians

PRECISIONS = [(np.float32, torch.float32), (np.float64, torch.float64)]


def of_table(table, channels, x):
    """Values at x, in units of intervals, by numpy."""
    powers = table.reshape(-1, 6, channels).astype(float)
    interval = np.floor(x).astype(int)
    return sum(powers[interval, k] * ((x - interval) ** k)[:, None] for k in range(6))


class Alone:
    """A tape of one phase, for rows that are atoms and grains at once."""

    def __init__(self, number, rows):
        self.tape = Tape(np.arange(rows + 1, dtype=INDEX), number)
        self.span = Span(0, rows, 0, rows)

    def rows(self, values):
        return self.tape.fixed(np.asarray(values, self.tape.dtype).ravel().copy(), ATOMS)

    def run(self, *refs):
        Bound(self.tape, self.span, {}).run(0)
        return [self.tape.array(ref).reshape(self.span.num_atoms, -1) for ref in refs]


@pytest.mark.parametrize("number", [np.float32, np.float64])
def test_activations_and_their_slopes(number):
    width = 24  # of one register and a half
    x = np.concatenate([np.linspace(-90, 90, 40 * width - 1), [0.0]]).astype(number)
    exact = x.astype(float)
    sigmoid = 1.0 / (1.0 + np.exp(-exact))
    rounding = 16.0 * np.finfo(number).eps

    def both(x):
        own = Alone(number, len(x) // width)
        given, out, slope = own.rows(x), own.rows(np.zeros_like(x)), own.rows(np.full_like(x, 2.0))
        own.tape.add(silu, ATOMS, [given, out], width)
        own.tape.add(silu_back, ATOMS, [given, slope], width)
        return [each.ravel() for each in own.run(out, slope)]

    values, slope = both(x)
    np.testing.assert_allclose(values, exact * sigmoid, rtol=rounding, atol=1e-30)
    np.testing.assert_allclose(
        slope, 2.0 * sigmoid * (1.0 + exact * (1.0 - sigmoid)), rtol=rounding, atol=20 * rounding
    )
    assert np.isnan(both(np.full(width, np.nan, number))).all()
    assert (both(np.full(width, np.inf, number))[0] == np.inf).all()


@pytest.mark.parametrize("number", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(1, 3, 1), (7, 64, 64), (23, 5, 24), (100, 128, 200), (4, 6, 0)]
)
def test_linear_maps_forward_and_back(number, rows, inputs, outputs):
    """Numbers of rows that no block divides, and widths that no register does; with biases of all rows and of each."""
    rng = np.random.default_rng(0)
    weight, x, y = (rng.normal(size=shape) for shape in ((outputs, inputs), (rows, inputs), (rows, outputs)))
    layer, own = Linear(torch.from_numpy(weight.astype(number))), Alone(number, rows)
    rounding = 30.0 * np.finfo(number).eps * (inputs + outputs) ** 0.5
    given, gradient = own.rows(x), own.rows(y)
    plain, twice, with_one, with_rows = (own.rows(np.full((rows, outputs), 7.0)) for _ in range(4))
    back = own.rows(np.zeros((rows, inputs)))
    layer.write(own.tape, given, plain)
    layer.write(own.tape, given, twice, adds=True)
    layer.write(own.tape, given, with_one, bias=own.tape.fixed(y[0].astype(number)))
    layer.write(own.tape, given, with_rows, bias=gradient)
    layer.write_back(own.tape, gradient, back, adds=True)
    plain, twice, with_one, with_rows, back = own.run(plain, twice, with_one, with_rows, back)
    for found, begins in ((plain, 0.0), (twice, 7.0), (with_one, y[:1]), (with_rows, y)):
        np.testing.assert_allclose(found, begins + x @ weight.T, atol=2 * rounding)
    np.testing.assert_allclose(back, y @ weight, atol=rounding)


def test_linear_maps_of_slots():
    """Each slot has weights of its own, whatever part of a class a thread has."""
    rng = np.random.default_rng(0)
    sizes, counts, inputs, outputs = [3, 1, 2], [4, 5, 7], 5, 9
    start = np.append(0, np.cumsum(np.repeat(sizes, counts))).astype(INDEX)
    weights, bias, x = rng.normal(size=(6, inputs, outputs)), rng.normal(size=(6, outputs)), rng.normal(size=(31, 5))
    slots = np.concatenate([np.tile(first + np.arange(n), k) for first, n, k in zip((0, 3, 4), sizes, counts)])
    places = np.array([[0, 3, 0, 4, 0], [3, 1, 4, 5, 12], [4, 2, 9, 7, 17]], INDEX).ravel()
    tape = Tape(start, np.float64)
    out = tape.fixed(np.zeros(31 * outputs), ATOMS)
    given = [tape.fixed(x.ravel(), ATOMS), tape.fixed(weights.ravel()), out, tape.fixed(bias.ravel())]
    tape.add(linear_by_slot, GRAINS, [*given, tape.fixed(places)], inputs, outputs, 3, ONE_ROW)
    for first, last in ((0, 3), (3, 11), (11, 16)):
        Bound(tape, Span(first, last, int(start[first]), int(start[last])), {}).run(0)
    wanted = np.einsum("ni,nio->no", x, weights[slots]) + bias[slots]
    np.testing.assert_allclose(tape.array(out).reshape(31, outputs), wanted, atol=1e-13)


@pytest.mark.parametrize(("number", "dtype"), PRECISIONS)
def test_tables_are_the_radial_functions_to_rounding(number, dtype):
    """Up to the cutoff, where the interval of zeros begins; and those of distances inside grains."""
    basis, cutoff = BesselBasis(5.5, 8), 5.5
    knots, weight = Knots.of(basis, 0.14, dtype), torch.randn(8, 5, dtype=dtype)
    r = np.linspace(LOW, cutoff, 20011)
    table = knots.table(weight)
    assert knots.radial.dtype == number
    np.testing.assert_allclose(knots.radial, [LOW, 8 * INTERVALS[dtype] / (cutoff - LOW)], rtol=1e-7)
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
    within = RowsWithin(4.0)
    within.room(near, x.dtype)
    for first, last in ((12, 20), (0, 12)):  # in any order, as threads do
        within.fill(first, last, x.ravel(), lattice.ravel(), near)
    for first, last in ((12, 20), (0, 12)):
        within.settle(first, last, near, False)
    rows = within.rows
    there = np.concatenate([np.arange(a, b) for a, b in zip(rows.start, rows.end)])
    n = len(there)
    away = x[pairs[1]] + lattice[image] - x[pairs[0]]
    assert n == 2 * (np.linalg.norm(away, axis=1) < 4.0).sum()
    receiver = np.full(len(rows.sender), -1)
    receiver[there] = np.repeat(np.arange(20), rows.end - rows.start)
    back = rows.partner[there]
    assert (rows.partner[back] == there).all() and (receiver[back] == rows.sender[there]).all()
    unit, r = rows.unit.reshape(-1, 3), rows.distance[there]
    vectors = x[rows.sender[there]] + lattice[rows.image[there]] - x[receiver[there]]
    np.testing.assert_allclose(unit[there] * r[:, None], vectors, atol=1e-12)
    assert (unit[back] == -unit[there]).all()
    own = np.concatenate([np.arange(a, b) for a, b in zip(rows.start, rows.middle)])
    assert len(own) == n // 2 and not np.isin(rows.partner[own], own).any()  # one way of each pair
    assert (rows.middle - rows.start > 0.2 * (rows.end - rows.start)).all()


def test_spans_have_about_as_much_work():
    start = np.append(0, np.cumsum([10] * 6 + [1] * 40))
    for count in (1, 2, 3, 7, 100):
        spans = spans_of(start, start, count)
        assert spans[0].first_grain == spans[0].first == 0 and spans[-1].last == start[-1] == 100
        assert all(a.last == b.first and a.last_grain == b.first_grain for a, b in zip(spans, spans[1:]))
        assert all(span.num_atoms > 0 and span.num_grains > 0 for span in spans) and len(spans) <= count
        if count < 7:
            assert max(span.num_atoms for span in spans) <= 100 / count + 10
    x = np.arange(300)
    assert (
        spans[-1].atoms(x, 3).tolist() == list(range(297, 300)) == spans_of(start, start, 100)[-1].atoms(x, 3).tolist()
    )
