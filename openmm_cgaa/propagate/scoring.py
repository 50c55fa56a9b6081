"""A score that refines where groups come to: denoising, and annealed Langevin dynamics (paper 002; docs/papers.md)."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from .cores import CORES
from .groupstates import GroupState

ALPHA = 5e-5  # Å^2, step of the dynamics (appendix C)
PER_LEVEL = 10  # of its steps at each level of noise


class GroupScore(nn.Module):
    """Where noisy positions came from, given what the dynamics knows (eq. 2).

    Groups see those that they saw before the step, and their bonds.

    Parameters
    ----------
    form : str
        Of `CORES`.
    levels : array, Å
        Noise, from the largest to the smallest.
    latents, width, layers : int
    radius : float
        As far as groups see each other, by the scale.
    """

    levels: Tensor

    def __init__(self, form: str, levels: np.ndarray, latents: int, width: int, layers: int, radius: float) -> None:
        super().__init__()
        self.radius = radius
        self.register_buffer("levels", torch.as_tensor(levels, dtype=torch.float32))
        self.core = CORES[form](latents, 1, 1, width, layers)

    def forward(self, latents: Tensor, moved: Tensor, state: GroupState) -> Tensor:
        """The score times the noise, [groups, 3]; `moved` are displacements from the state, by the scale."""
        to, from_ = state.ends
        ways = state.ways + (moved[to] - moved[from_]) / self.radius
        return self.core(latents, moved[:, None], state.ends, ways, state.bonded)[1][:, 0]

    def loss(self, latents: Tensor, moved: Tensor, state: GroupState, sigma: Tensor, noise: Tensor) -> Tensor:
        """Of denoising, with the weight sigma^2 of eq. 2: half of the mean square over all components.

        Parameters
        ----------
        latents : Tensor, [groups, width]
        moved : Tensor, [groups, 3]
            True displacements, by the scale.
        state : GroupState
        sigma : Tensor, [groups, 1]
            Noise by the scale, one level for each system.
        noise : Tensor, [groups, 3]
            Of a normal distribution.
        """
        return 0.5 * (self(latents, moved + sigma * noise, state) + noise).square().mean()


def annealed_langevin(
    score: Callable[[Tensor, float], Tensor],
    start: Tensor,
    levels: Iterable[float],
    draw: Callable[[Tensor], Tensor],
    alpha: float = ALPHA,
    per_level: int = PER_LEVEL,
) -> Tensor:
    """Positions refined by a score (paper 002, algorithm 1).

    Parameters
    ----------
    score : callable
        Gradient of the log density at a level of noise, of positions.
    start : Tensor
    levels : iterable of float
        From the largest to the smallest.
    draw : callable
        Numbers of a normal distribution, of the shape of a tensor.
    alpha : float
        Step, in squared units of the positions.
    per_level : int
        Steps at each level.
    """
    positions = start
    for level in levels:
        for _ in range(per_level):
            positions = positions + alpha * score(positions, level) + (2.0 * alpha) ** 0.5 * draw(positions)
    return positions
