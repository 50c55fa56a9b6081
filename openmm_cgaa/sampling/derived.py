"""Recipes of a plan that are made from the frames of other trajectories: clusters, volume scans, bursts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..data.dataset import Dataset
from ..data.kinds import EQUILIBRIUM, KINDS
from ..errors import CGAAError
from ..inputs.ranges import bounded, one_of
from ..labelling import SEVENNET
from ..wording import counted
from .recipes import FRAMES, FRICTIONS, LENGTHS, STEPS, TEMPERATURES, Recipe

if TYPE_CHECKING:
    from .plan import Plan


@dataclass(frozen=True, kw_only=True)
class Cut(Recipe):
    """What is made from the frames of other trajectories; each has the split of the one it comes from.

    Attributes
    ----------
    source : str, optional
        Data set (.h5) with the frames; without it those that the same file samples.
    trajectories : list of str
        Which trajectories of it: names, with ``*`` for anything.
    kinds : list of str
        Which kinds of it.
    frames : int
        Taken at random from each trajectory.
    """

    source: str | None = None
    trajectories: list[str] = field(default_factory=lambda: ["*"])
    kinds: list[str] = field(default_factory=lambda: list(EQUILIBRIUM))
    frames: int = bounded(1, *FRAMES)

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind in self.kinds:
            if kind not in KINDS:
                raise CGAAError(f"kinds: {kind!r} is not one of {', '.join(KINDS)}")

    @property
    def files(self) -> dict[str, list[str]]:
        """As of all."""
        return {} if self.source is None else {"source": [self.source]}

    def expand(self, plan: "Plan", source: Dataset | None = None) -> Sequence[Recipe]:
        """One recipe for each trajectory of the source."""
        assert source is not None  # of its plan, or what that samples
        parents = [
            t
            for t in source.select(kinds=self.kinds).trajectories
            if any(fnmatchcase(t.name, pattern) for pattern in self.trajectories)
        ]
        if not parents:
            where = self.source or "what this file samples"
            raise CGAAError(
                f"run {self.name}: {where} has no trajectory of kind {' or '.join(self.kinds)} named "
                f"{' or '.join(self.trajectories)}"
            )
        recipes = self._grown([(f"-{t.name}", dict(trajectories=[t.name], kinds=[t.kind])) for t in parents], plan.seed)
        return [replace(recipe, split=t.split) for recipe, t in zip(recipes, parents)]


@dataclass(frozen=True, kw_only=True)
class Clusters(Cut):
    """A molecule and its first shell, cut from periodic frames.

    Attributes
    ----------
    centers : list of str, optional
        Names of molecules in the middle; any by default.
    per_frame : int
        Clusters of a frame.
    distance : float
        Å; a molecule belongs to the shell if any of its atoms is as close to any of the central one.
    max_molecules : int, optional
        Only the closest, with the central one.
    """

    name: str = "cluster"
    centers: list[str] | None = None
    per_frame: int = bounded(1, *FRAMES)
    distance: float = bounded(3.0, *LENGTHS)
    max_molecules: int | None = bounded(None, 1, 10**6)


@dataclass(frozen=True, kw_only=True)
class Scans(Cut):
    """Periodic frames with their volume scaled: centers move, molecules stay as they are.

    Attributes
    ----------
    factors : list of float
        Of the volume.
    """

    name: str = "scan"
    factors: list[float] = bounded(lambda: [0.9, 0.95, 1.05, 1.1], 0.1, 10.0)


@dataclass(frozen=True, kw_only=True)
class Bursts(Cut):
    """Short bursts of the teacher's own dynamics.

    Attributes
    ----------
    teacher : str
        As ``openmm-cgaa label`` takes it: ``sevennet-0-d3``, ``package.module:Class``, ``openmm:system.xml``.
    teacher_settings : dict
        Its settings.
    temperature : float, K, optional
        That of the frame by default.
    thermostat : str
        ``langevin``, or ``none``: velocity Verlet from velocities at the temperature.
    step : float, fs
        Time step.
    steps, save_every : int
        Length of a burst, and steps between two frames.
    friction : float, 1/ps
        Of the Langevin thermostat.
    """

    name: str = "dynamics"
    teacher: str = SEVENNET
    teacher_settings: dict = field(default_factory=dict)
    temperature: float | None = bounded(None, *TEMPERATURES)
    thermostat: str = one_of("langevin", "none")
    step: float = bounded(0.5, *STEPS)
    steps: int = bounded(100, 1, 10**9)
    save_every: int = bounded(25, 1, 10**9)
    friction: float = bounded(5.0, *FRICTIONS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.save_every > self.steps:
            raise CGAAError(f"save_every is {self.save_every}, but a burst has {counted(self.steps, 'step')} only")
