"""Windows of sequences: the state behind a frame, and where it goes from there."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import DatasetError
from ..wording import counted
from .groupstates import GroupState, joined_states
from .predicting import euler, likelihood_loss
from .propagator import Propagator
from .sequences import GroupSequence

LEAST = 1e-9  # of a noise, which has a logarithm


class Batch(NamedTuple):
    """Windows of several sequences as one state.

    Attributes
    ----------
    state : GroupState
    embedding : Tensor, [groups, width]
    acceleration : Tensor, [groups, 3]
        To the next frame, by the scale.
    inner : Tensor, [groups], Å^2
        Squared radius of gyration inside of each group.
    window : Tensor, [groups]
        Number of the window.
    """

    state: GroupState
    embedding: Tensor
    acceleration: Tensor
    inner: Tensor
    window: Tensor


def check_length(sequences: list[GroupSequence], history: int) -> None:
    """Refuse sequences that are shorter than a window.

    Raises
    ------
    DatasetError
    """
    needed = history + 2
    for one in sequences:
        if len(one) < needed:
            raise DatasetError(
                f"sequence {one.name} has {counted(len(one), 'frame')}, but a window has {needed} (history and the "
                "next); give a longer one, or a shorter history"
            )


def noisy(past: np.ndarray, least: float, most: float, rng: np.random.Generator) -> np.ndarray:
    """Positions with noise of one size on all of them, which is drawn between two, evenly in its logarithm."""
    size = np.exp(rng.uniform(np.log(max(least, LEAST)), np.log(max(most, LEAST))))
    return past + size * rng.standard_normal(past.shape)


def batch_of(
    model: Propagator,
    sequences: list[GroupSequence],
    chosen: list[tuple[int, int]],
    noise: tuple[float, float] = (0.0, 0.0),
    rng: np.random.Generator | None = None,
) -> Batch:
    """Windows behind some frames of some sequences.

    Parameters
    ----------
    model : Propagator
    sequences : list of GroupSequence
    chosen : list of (int, int)
        Number of a sequence, and of a frame of it that has a history and a next one.
    noise : (float, float), Å
        Least and largest, on all positions of the history; the acceleration leads to where it comes without noise.
    rng : numpy.random.Generator, optional
        Of the noise.
    """
    history, scale = model.form.history, model.scales.step
    known: dict[int, Tensor] = {}
    states, embeddings, targets, inner, window = [], [], [], [], []
    for place, (number, frame) in enumerate(chosen):
        one = sequences[number]
        positions = one.positions[frame - history : frame + 2].astype(float)
        past, following = positions[:-1], positions[-1]
        if rng is not None and noise[1] > 0.0:
            past = noisy(past, *noise, rng)
        states.append(model.state(past, one.graph, one.box))
        targets.append((following - 2.0 * past[-1] + past[-2]) / scale)
        inner.append(one.inner[frame])
        window.append(np.full(one.graph.num_groups, place))
        if number not in known:
            known[number] = model.embedding(one.graph)
        embeddings.append(known[number])
    like = embeddings[0]
    return Batch(
        joined_states(states),
        torch.cat(embeddings),
        torch.as_tensor(np.concatenate(targets), dtype=like.dtype, device=like.device),
        torch.as_tensor(np.concatenate(inner), dtype=like.dtype, device=like.device),
        torch.as_tensor(np.concatenate(window), device=like.device),
    )


def batch_losses(model: Propagator, batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
    """Loss of each part of a propagator; they are added.

    Parameters
    ----------
    model : Propagator
    batch : Batch
    rng : numpy.random.Generator
        Of the noise that a score learns from: one of its levels for each window.
    """
    said = model(batch.state, batch.embedding)
    found = {
        "likelihood": likelihood_loss(said, batch.acceleration),
        "inner": model.inner_loss(said.latents, batch.inner),
    }
    if model.score is not None:
        windows = int(batch.window[-1]) + 1
        levels = model.score.levels[torch.as_tensor(rng.integers(len(model.score.levels), size=windows))]
        sigma = (levels[batch.window] / model.scales.step).to(batch.acceleration.dtype)[:, None]
        noise = torch.as_tensor(rng.standard_normal(batch.acceleration.shape), dtype=batch.acceleration.dtype)
        moved = euler(batch.state.velocities[:, 0], batch.acceleration)
        found["score"] = model.score.loss(said.latents, moved, batch.state, sigma, noise)
    return found
