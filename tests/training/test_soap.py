"""SOAP: its laws, and the paper's algorithm written out for one matrix."""

import copy

import pytest
import torch

from openmm_cgaa.training.soap import LARGEST, SOAP


def gradients(shape, steps=25, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale = torch.logspace(-2, 1, shape[-1], dtype=torch.float64)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) * scale for _ in range(steps)]


def moved(parameters, rows, **options):
    """Parameters after steps with these gradients, one row of them a step."""
    optimizer = SOAP(parameters, lr=0.01, **options)
    for row in rows:
        for parameter, gradient in zip(parameters, row):
            parameter.grad = gradient
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def as_published(start, rows, lr=0.01, every=10, b=0.95):
    """Vyas et al., algorithm 3: one matrix, the mean gradient kept as it is."""
    weights, mean, square = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    left, right = rows[0] @ rows[0].T, rows[0].T @ rows[0]
    bases = [torch.linalg.eigh(each)[1] for each in (left, right)]
    for step, g in enumerate(rows, 1):
        mean = b * mean + (1 - b) * g
        square = b * square + (1 - b) * (bases[0].T @ g @ bases[1]) ** 2
        turned = bases[0].T @ mean @ bases[1] / (1 - b**step)
        change = turned / ((square / (1 - b**step)).sqrt() + 1e-8)
        weights -= lr * bases[0] @ change @ bases[1].T
        left, right = b * left + (1 - b) * g @ g.T, b * right + (1 - b) * g.T @ g
        if step % every == 0:
            for place, product in enumerate((left, right)):
                order = torch.diagonal(bases[place].T @ product @ bases[place]).argsort(descending=True)
                square = square[order] if place == 0 else square[:, order]
                bases[place] = torch.linalg.qr(product @ bases[place][:, order])[0]
    return weights


def test_it_is_the_published_algorithm():
    start, rows = gradients((5, 5), 1, seed=1)[0], gradients((5, 5))
    (weights,) = moved([torch.nn.Parameter(start.clone())], [(g,) for g in rows])
    assert torch.allclose(weights, as_published(start, rows), atol=1e-12)


def test_matrices_of_one_shape_do_not_know_each_other():
    """Those in one tensor, and those of several tensors, go as each alone."""
    rows = [gradients(shape, seed=seed) for seed, shape in enumerate([(3, 5, 4), (5, 4), (2, 5, 4), (7,), (1, 9)])]
    together = moved([torch.nn.Parameter(torch.zeros_like(each[0])) for each in rows], list(zip(*rows)))
    for own, weights in zip(rows, together):
        (alone,) = moved([torch.nn.Parameter(torch.zeros_like(own[0]))], [(g,) for g in own])
        assert torch.allclose(weights, alone, atol=1e-12)
    (last,) = moved([torch.nn.Parameter(torch.zeros(5, 4, dtype=torch.float64))], [(g[2],) for g in rows[0]])
    assert torch.allclose(together[0][2], last, atol=1e-12)


def test_steps_turn_with_the_matrix():
    """In other axes of its rows and columns a matrix takes the same way; Adam's steps do not.

    Square, for of any other one gradient leaves a part of the axes open.
    """
    turns = [torch.linalg.qr(gradients((5, 5), 1, seed=seed)[0])[0] for seed in (2, 3)]
    start, rows = gradients((5, 5), 1, seed=1)[0], gradients((5, 5))
    (plain,) = moved([torch.nn.Parameter(start.clone())], [(g,) for g in rows])
    (turned,) = moved([torch.nn.Parameter(turns[0] @ start @ turns[1])], [(turns[0] @ g @ turns[1],) for g in rows])
    assert torch.allclose(turned, turns[0] @ plain @ turns[1], atol=1e-8)


@pytest.mark.parametrize("shape", [(7,), (1, 7), (7, 1), ()])
def test_what_is_no_matrix_goes_by_adam(shape):
    rows = [g.reshape(shape) for g in gradients((7,))] if shape else [g[0] for g in gradients((1,))]
    parameter = torch.nn.Parameter(torch.zeros_like(rows[0]))
    (weights,) = moved([parameter], [(g,) for g in rows], weight_decay=0.1)
    other = torch.nn.Parameter(torch.zeros_like(rows[0]))
    adam = torch.optim.AdamW([other], lr=0.01, weight_decay=0.1)
    for g in rows:
        other.grad = g
        adam.step()
    assert torch.allclose(weights, other.detach(), atol=1e-9)


def test_a_side_that_is_too_long_is_not_turned():
    rows = gradients((LARGEST + 1, 3), 12)
    parameter = torch.nn.Parameter(torch.zeros_like(rows[0]))
    optimizer = SOAP([parameter])
    for parameter.grad in rows:
        optimizer.step()
    assert optimizer.state[parameter].keys() == {"adam", "right", "right_basis"}
    assert torch.isfinite(parameter).all()


def test_a_gradient_that_is_not_finite_is_no_traceback():
    """Training tells of it when it validates, and what to do."""
    parameter = torch.nn.Parameter(torch.zeros(4, 3))
    optimizer = SOAP([parameter])
    parameter.grad = torch.full((4, 3), torch.nan)
    optimizer.step()
    assert not torch.isfinite(parameter).any()


def test_it_goes_on_from_its_state_and_without_a_gradient():
    rows = [list(row) for row in zip(gradients((6, 4)), gradients((2, 6, 4), seed=1), gradients((5,), seed=2))]
    rows[12][0] = None
    start = [torch.nn.Parameter(torch.zeros_like(each)) for each in rows[0]]
    whole = moved([torch.nn.Parameter(p.clone()) for p in start], rows)
    first = SOAP(start, lr=0.01)
    for row in rows[:13]:
        for parameter, gradient in zip(start, row):
            parameter.grad = gradient
        first.step()
    again = [torch.nn.Parameter(p.detach().clone()) for p in start]
    second = SOAP(again, lr=0.01)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for row in rows[13:]:
        for parameter, gradient in zip(again, row):
            parameter.grad = gradient
        second.step()
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(again, whole))
