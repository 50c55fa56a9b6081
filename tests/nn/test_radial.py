"""Radial functions: smooth to nothing at the cutoff, and the basis that they claim to be."""

import pytest
import torch

from openmm_cgaa.nn.radial import BesselBasis, DistanceGaussians, envelope

CUTOFF = 4.5


def derivatives(function, r):
    """The function, its slope and its curvature at a distance, each [values]."""
    found = []
    for n in range(len(function(torch.tensor(r, dtype=torch.float64)).reshape(-1))):
        x = torch.tensor(r, dtype=torch.float64, requires_grad=True)
        value = function(x).reshape(-1)[n]
        (slope,) = torch.autograd.grad(value, x, create_graph=True)
        (curvature,) = torch.autograd.grad(slope, x)
        found.append(torch.stack([value, slope, curvature]).detach())
    return torch.stack(found, 1)


@pytest.mark.parametrize("function", [lambda r: envelope(r, CUTOFF), BesselBasis(CUTOFF, 5).double()])
def test_value_slope_and_curvature_vanish_at_the_cutoff_and_beyond(function):
    for gap in (1e-3, 1e-4):  # they go as its third, second and first power
        near = derivatives(function, CUTOFF - gap).abs()
        assert all(near[order].max() < 60.0 * gap ** (3 - order) for order in range(3))
        assert near[2].max() > 0.0
    for r in (CUTOFF, CUTOFF + 1e-9, 20.0):
        assert not derivatives(function, r).any()


def test_bessel_functions_are_orthonormal_without_the_envelope():
    """The integral of two of them over r^2 dr from 0 to the cutoff is 1 or 0."""
    basis = BesselBasis(CUTOFF, 4).double()
    r = (torch.arange(20000, dtype=torch.float64) + 0.5) * (CUTOFF / 20000)
    inside = r < 0.999 * CUTOFF  # where the envelope can be divided out
    bare = basis(r[inside]) / envelope(r[inside], CUTOFF)[:, None]
    overlap = torch.einsum("ra,rb,r->ab", bare, bare, r[inside].square()) * (CUTOFF / 20000)
    torch.testing.assert_close(overlap, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-4)


def test_gaussians_tell_bond_lengths_apart():
    """Each is 1 at its own center and between 0 and 1 elsewhere; 0.05 Å of a bond are seen by all that are near."""
    basis = DistanceGaussians(8).double()
    r = torch.linspace(0.8, 8.0, 200, dtype=torch.float64)
    values = basis(r)
    assert values.shape == (200, 8) and values.min() >= 0.0 and values.max() <= 1.0
    at_centers = basis(-basis.decay * torch.log(basis.centers[1:].double()))
    torch.testing.assert_close(at_centers[:, 1:].diagonal(), torch.ones(7, dtype=torch.float64), rtol=0, atol=1e-9)
    bonds = basis(torch.tensor([1.09, 1.14, 6.00, 6.05], dtype=torch.float64))
    assert (bonds[0] - bonds[1]).norm() > 5 * (bonds[2] - bonds[3]).norm()
