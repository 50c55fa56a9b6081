"""Radial functions of atoms' distances as tables: a polynomial of the fifth degree for each interval and channel.

Values, slopes and curvatures agree where two intervals meet. The kernels differentiate the polynomials, so that forces
are the gradient of the energy to the last digit.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

INTERVALS = {torch.float32: 16, torch.float64: 512}  # for each basis function: errors are then those of rounding
LEAST = 8  # basis functions
LOW = 0.2  # Å; below it the first polynomial goes on


class Knots(NamedTuple):
    """A network's radial basis, from which tables of any weights are made.

    Attributes
    ----------
    radial : array, [2]
        First distance, Å, and intervals per Å.
    powers : Tensor of float64, [intervals, 6, num_basis]
        Coefficients of each basis function.
    """

    radial: np.ndarray
    powers: Tensor

    @classmethod
    def of(cls, basis: Any, scale: float, dtype: torch.dtype) -> "Knots":
        """Of a `BesselBasis`, times `scale`, for a network of this precision."""
        cutoff = float(basis.cutoff)
        intervals = INTERVALS[dtype] * max(LEAST, len(basis.frequencies))
        exact, numbers = copy.deepcopy(basis).double(), np.float32 if dtype == torch.float32 else np.float64
        told = exact.frequencies.numpy().tobytes(), scale
        powers = remembered(told, lambda r: exact(r) * scale, LOW, cutoff, intervals)
        return cls(np.array([LOW, intervals / (cutoff - LOW)], numbers), powers)

    def table(self, weight: Tensor) -> np.ndarray:
        """Of radial functions with a weight [num_basis, channels]: flat [intervals + 1, 6, channels]."""
        return flat_table(self.powers @ weight.detach().double(), weight.dtype)


def gaussian_table(basis: Any, dtype: torch.dtype) -> tuple[int, np.ndarray]:
    """Intervals and table of `DistanceGaussians` as functions of u = exp(-r / decay), from 0 to 1."""
    intervals, exact = INTERVALS[dtype] * max(LEAST, len(basis.centers)), copy.deepcopy(basis).double()

    def functions(u: Tensor) -> Tensor:
        return torch.exp(-0.5 * ((u.unsqueeze(1) - exact.centers) * exact.inverse_width).square())

    told = tuple(torch.as_tensor(each).numpy().tobytes() for each in (exact.centers, exact.inverse_width))
    return intervals, flat_table(remembered(told, functions, 0.0, 1.0, intervals), dtype)


_remembered: dict[tuple, Tensor] = {}


def remembered(told: tuple, functions: Callable[[Tensor], Tensor], low: float, high: float, intervals: int) -> Tensor:
    """The `polynomials` of functions that `told` tells, made once: a network is bound to one shell after the other."""
    key = *told, low, high, intervals
    if key not in _remembered:
        if len(_remembered) >= 16:
            _remembered.clear()
        _remembered[key] = polynomials(functions, low, high, intervals)
    return _remembered[key]


def polynomials(functions: Callable[[Tensor], Tensor], low: float, high: float, intervals: int) -> Tensor:
    """Coefficients [intervals, 6, functions] of polynomials of the part of an interval, 0 to 1.

    They have the functions' values and first two derivatives at both ends.
    """
    step = (high - low) / intervals
    with torch.enable_grad():
        x = torch.linspace(low, high, intervals + 1, dtype=torch.float64, requires_grad=True)
        columns = functions(x).unbind(1)
        slopes = [torch.autograd.grad(column.sum(), x, create_graph=True)[0] for column in columns]
        curves = [torch.autograd.grad(slope.sum(), x, retain_graph=True)[0] for slope in slopes]
    f, d, c = (torch.stack(rows, 1).detach() * step**n for n, rows in enumerate((columns, slopes, curves)))
    rise, d0, d1, c0, c1 = f[1:] - f[:-1], d[:-1], d[1:], c[:-1], c[1:]
    third = 10.0 * rise - 6.0 * d0 - 4.0 * d1 - 1.5 * c0 + 0.5 * c1
    fourth = -15.0 * rise + 8.0 * d0 + 7.0 * d1 + 1.5 * c0 - c1
    fifth = 6.0 * rise - 3.0 * d0 - 3.0 * d1 - 0.5 * c0 + 0.5 * c1
    return torch.stack([f[:-1], d0, 0.5 * c0, third, fourth, fifth], 1)


def flat_table(powers: Tensor, dtype: torch.dtype) -> np.ndarray:
    """As the kernels take it, with an interval of zeros after the last: the end itself rounds into it."""
    return torch.cat([powers, torch.zeros_like(powers[:1])]).to(dtype).numpy().reshape(-1)
