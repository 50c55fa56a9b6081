"""One step: a Gaussian over the accelerations of groups (paper 002, section 3; docs/papers.md)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .cores import CORES, PLAIN
from .graphnetworks import perceptron
from .groupstates import GroupState


class NextStep(NamedTuple):
    """What is said of the next step, in units of the scale.

    Attributes
    ----------
    mean : Tensor, [groups, 3]
        Of the acceleration: displacement of the next step less that of the one before.
    sigma : Tensor, [groups, 3]
    latents : Tensor, [groups, width]
    """

    mean: Tensor
    sigma: Tensor
    latents: Tensor


class GroupDynamics(nn.Module):
    """From a state to the Gaussian of its next step.

    Parameters
    ----------
    form : str
        Of `CORES`.
    embedding : int
        Width of what stands for groups.
    history : int
        Velocities that are looked at, the present one among them.
    floor : float
        Below which no sigma is, by the scale.
    width, layers : int
    """

    def __init__(self, form: str, embedding: int, history: int, floor: float, width: int, layers: int) -> None:
        super().__init__()
        self.floor = floor
        self.core = CORES[form](embedding + 1, history, 1, width, layers)
        self.spread = perceptron(width, width, 3 if form == PLAIN else 1, normalized=False)

    def forward(self, state: GroupState, embedding: Tensor) -> NextStep:
        scalars = torch.cat([embedding, state.masses[:, None]], 1)
        latents, vectors = self.core(scalars, state.velocities, state.ends, state.ways, state.bonded)
        sigma = self.floor + softplus(self.spread(latents))
        return NextStep(vectors[:, 0], sigma.expand(-1, 3), latents)


def likelihood_loss(said: NextStep, acceleration: Tensor) -> Tensor:
    """Negative log-likelihood of accelerations [groups, 3], the mean over all components."""
    off = (acceleration - said.mean) / said.sigma
    return (0.5 * off.square() + said.sigma.log()).mean() + 0.5 * math.log(2.0 * math.pi)


def euler(velocities: Tensor, acceleration: Tensor) -> Tensor:
    """Displacements of the next step, [groups, 3], of a semi-implicit Euler step of length 1: the new velocities."""
    return velocities + acceleration
