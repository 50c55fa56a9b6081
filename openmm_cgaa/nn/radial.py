"""Radial functions. All vanish at the cutoff with their first and second derivative, and stay zero beyond it."""

import math

import torch
from torch import Tensor, nn


def envelope(r: Tensor, cutoff: float) -> Tensor:
    """(1 - (r/rc)^2)^3 inside the cutoff, zero outside: forces and their first derivative are continuous."""
    inside = torch.relu(1.0 - (r / cutoff).square())
    return inside * inside * inside


class BesselBasis(nn.Module):
    """sqrt(2/rc) sin(n pi r / rc) / r, n = 1..num_basis, times `envelope`.

    The radial Bessel functions of Gasteiger et al., DimeNet (2020), eq. 7. [...] -> [..., num_basis]; r > 0 in Å.
    """

    def __init__(self, cutoff: float, num_basis: int):
        super().__init__()
        self.cutoff = cutoff
        self.register_buffer("frequencies", torch.arange(1, num_basis + 1) * (math.pi / cutoff), persistent=False)

    def extra_repr(self) -> str:
        return f"{len(self.frequencies)} radial functions, cutoff {self.cutoff} Å"

    def forward(self, r: Tensor) -> Tensor:
        amplitude = math.sqrt(2.0 / self.cutoff) * envelope(r, self.cutoff) / r
        return torch.sin(r.unsqueeze(-1) * self.frequencies) * amplitude.unsqueeze(-1)


class DistanceGaussians(nn.Module):
    """Gaussians in exp(-r/range), dense at bond lengths and sparse far out, for distances inside a grain.

    The basis of Unke and Meuwly, PhysNet (2019), eq. 7, without its cutoff. [...] -> [..., num_basis]; r in Å.
    """

    def __init__(self, num_basis: int, shortest: float = 0.8, decay: float = 2.0):
        super().__init__()
        self.decay = decay
        top = math.exp(-shortest / decay)
        self.register_buffer("centers", torch.linspace(0.0, top, num_basis), persistent=False)
        self.inverse_width = num_basis / top

    def extra_repr(self) -> str:
        return f"{len(self.centers)} radial functions, no cutoff"

    def forward(self, r: Tensor) -> Tensor:
        x = torch.exp(r * (-1.0 / self.decay)).unsqueeze(-1)
        return torch.exp(-0.5 * ((x - self.centers) * self.inverse_width).square())
