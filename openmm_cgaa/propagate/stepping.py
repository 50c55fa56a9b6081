"""Steps of a propagator, one after another: sampled, and refined where it has a score."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import GrainError, SimulationError
from ..wording import counted
from .beadgroups import longest_tie
from .groupstates import GroupState, joined_states
from .predicting import NextStep, euler
from .propagator import Propagator
from .scoring import annealed_langevin
from .sequences import EVEN, GroupSequence

Draw = Callable[[Tensor], Tensor]
FASTEST = 100.0  # times the rms displacement, of a step that nothing can take
TORN = 2.0  # times the longest distance of bonded groups in training, at which a molecule has come apart


@dataclass
class Standing:
    """Where a propagation stands.

    Attributes
    ----------
    history : array [history + 1, groups, 3], Å
        Positions of all systems, the latest last.
    step : int
    rng : numpy.random.Generator
    """

    history: np.ndarray
    step: int
    rng: np.random.Generator


def check_start(model: Propagator, start: GroupSequence, frame: int) -> None:
    """Refuse a start that a propagator cannot go on from.

    Parameters
    ----------
    model : Propagator
    start : GroupSequence
        Whose frames up to `frame` are the history.
    frame : int

    Raises
    ------
    CGAAError
        Fewer frames than the history has, frames at other times, or groups of another size.
    """
    needed = model.form.history + 1
    if not frame < len(start):
        raise SimulationError(
            f"{start.name}: it has {counted(len(start), 'frame')}, and none of number {frame}; begin with an earlier "
            "one (--frame)"
        )
    if frame + 1 < needed:
        raise SimulationError(
            f"{start.name}: {counted(frame + 1, 'frame')} up to where it begins, but the propagator looks at {needed}; "
            "begin later (--frame), or give a longer sequence"
        )
    if abs(start.spacing - model.scales.spacing) > EVEN * model.scales.spacing:
        raise SimulationError(
            f"{start.name}: its frames are {start.spacing:g} ps apart, but the propagator steps by "
            f"{model.scales.spacing:g} ps; give frames at that time from each other (openmm-cgaa group --stride)"
        )
    if start.graph.size != model.scales.size:
        raise GrainError(
            f"{start.name}: groups of {counted(start.graph.size, 'bead')}, but the propagator was trained on groups of "
            f"{model.scales.size}; make groups of that size (openmm-cgaa group --size)"
        )


class Stepper:
    """A propagator on some systems, side by side.

    Parameters
    ----------
    model : Propagator
    systems : list of GroupSequence
        Their graphs and boxes.
    refine : bool
        Refine each step, where the propagator has a score.

    Raises
    ------
    GrainError
        A kind of bead that the propagator does not know.
    """

    def __init__(self, model: Propagator, systems: list[GroupSequence], refine: bool = True) -> None:
        self.model, self.systems = model.eval(), systems
        self.refine = refine and model.score is not None
        ends = np.cumsum([one.graph.num_groups for one in systems])
        self.spans = [slice(end - one.graph.num_groups, end) for one, end in zip(systems, ends)]
        with torch.no_grad():
            self.embedding = torch.cat([model.embedding(one.graph) for one in systems])

    def begin(self, frame: int, seed: int) -> Standing:
        """The first state, at a frame of the systems."""
        first = frame - self.model.form.history
        history = np.concatenate([one.positions[first : frame + 1].astype(float) for one in self.systems], 1)
        return Standing(history, 0, np.random.default_rng(seed))

    @torch.no_grad()
    def look(self, progress: Standing) -> tuple[GroupState, NextStep]:
        """The present state, and what the propagator says of the next step.

        Raises
        ------
        GeometryError
            A box is narrower than twice the radius.
        """
        states = [
            self.model.state(progress.history[:, span], one.graph, one.box)
            for one, span in zip(self.systems, self.spans)
        ]
        state = joined_states(states)
        return state, self.model(state, self.embedding)

    @torch.no_grad()
    def inner(self, said: NextStep) -> np.ndarray:
        """Squared radius of gyration inside of each group of the state that was looked at, Å^2, [groups]."""
        return self.model.inner(said.latents).numpy()

    @torch.no_grad()
    def step(self, progress: Standing, state: GroupState, said: NextStep) -> None:
        """One step on from what was looked at, in place.

        Raises
        ------
        SimulationError
            Positions are not finite, a group would fly, or a molecule comes apart.
        """

        def draw(like: Tensor) -> Tensor:
            return torch.as_tensor(progress.rng.standard_normal(like.shape), dtype=like.dtype)

        acceleration = said.mean + said.sigma * draw(said.mean) if self.model.form.stochastic else said.mean
        displacements = euler(state.velocities[:, 0], acceleration)
        if self.refine:
            displacements = self._refined(displacements, state, said, draw)
        moved = self.model.scales.step * displacements.double().numpy()
        fast = np.abs(moved).max()
        if not fast <= FASTEST * self.model.scales.step:
            raise SimulationError(
                f"step {progress.step + 1}: a group moves by {fast:.3g} Å, more than {FASTEST:g} times what it does in "
                "training; take a propagator with a score, or one that was trained longer"
            )
        places = progress.history[-1] + moved
        self._check_bonds(places, progress.step + 1)
        progress.history = np.concatenate([progress.history[1:], places[None]])
        progress.step += 1

    def _check_bonds(self, places: np.ndarray, step: int) -> None:
        """Groups that share a bond stay near each other, where the propagator knows how near that is."""
        most = self.model.scales.stretch
        for one, span in zip(self.systems, self.spans):
            found = longest_tie(places[span], one.graph.group_bonds)
            if most and not found <= TORN * most:
                raise SimulationError(
                    f"step {step}: {one.name} comes apart: two groups that share a bond are {found:.3g} Å apart, in "
                    f"training {most:.3g} Å at most; take a propagator with a score, or one that was trained longer"
                )

    def _refined(self, displacements: Tensor, state: GroupState, said: NextStep, draw: Draw) -> Tensor:
        """Displacements after annealed Langevin dynamics, which is in Å."""
        found, scale = self.model.score, self.model.scales.step
        assert found is not None

        def score(angstroms: Tensor, level: float) -> Tensor:
            return found(said.latents, angstroms / scale, state) / level

        return annealed_langevin(score, scale * displacements, found.levels.tolist(), draw) / scale
