"""The densities that sampled liquids have, beside those that were asked for: a box at constant pressure may stray."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from .dataset import Dataset
from .kinds import EQUILIBRIUM
from .summary import composition
from .trajectory import Trajectory

STRAYED = 0.85  # of the density that NPT begins at, or that its first frame has
EVAPORATED = 0.5  # of the density that it begins at


@dataclass(frozen=True)
class Sampled:
    """Densities of one trajectory, g/cm3.

    Attributes
    ----------
    trajectory : Trajectory
    asked : float or None
        Of NVT; NPT begins there. None where the record does not say.
    mean, first, last : float
        Of its frames.
    """

    trajectory: Trajectory
    asked: float | None
    mean: float
    first: float
    last: float

    @classmethod
    def of(cls, trajectory: Trajectory, found: np.ndarray) -> Self:
        """Of the densities of its frames in the order of time, [frames]."""
        return cls(
            trajectory, trajectory.details.get("density"), float(found.mean()), float(found[0]), float(found[-1])
        )

    @property
    def strayed(self) -> str:
        """What a user is told of a box at constant pressure that is no longer the liquid that was meant, or nothing."""
        if self.trajectory.details.get("ensemble") != "NPT":
            return ""
        begun = self.asked or self.first
        falls = self.last < STRAYED * self.first
        if self.mean >= STRAYED * begun and not falls:
            return ""
        what = f"falls from {self.first:.3f} to {self.last:.3f}" if falls else f"is {self.mean:.3f}"
        gone = ": the box evaporated" if min(self.mean, self.last) < EVAPORATED * begun else ""
        return (
            f"trajectory {self.trajectory.name}: the density of its frames {what} g/cm3, begun at {begun:.3f}{gone}; "
            "if the liquid is not that light, sample it at constant volume (ensemble: NVT) at densities that you know"
        )


def sampled(dataset: Dataset) -> Iterator[Sampled]:
    """Of each trajectory in equilibrium that has a box, in the order of the data set."""
    for index, trajectory in enumerate(dataset.trajectories):
        if trajectory.kind in EQUILIBRIUM:
            own = [frames.density[frames.trajectory == index] for frames in dataset.sets if frames.periodic]
            found = np.concatenate([*own, np.empty(0)])
            if len(found):
                yield Sampled.of(trajectory, found)


def by_temperature(dataset: Dataset) -> dict[tuple[str, str, str, str], np.ndarray]:
    """Densities of frames with a box, ``{(composition, kind, ensemble, K): g/cm3 [frames]}``; "-": not known."""
    rows: dict[tuple[str, str, str, str], list] = {}
    for frames in (frames for frames in dataset.sets if frames.periodic):
        found, name = frames.density, composition(frames)
        for place, index in enumerate(frames.trajectory):
            trajectory, kelvin = dataset.trajectories[index], frames.temperature[place]
            ensemble = trajectory.details.get("ensemble", "-")
            key = name, trajectory.kind, ensemble, "-" if np.isnan(kelvin) else f"{kelvin:.0f}"
            rows.setdefault(key, []).append(found[place])
    return {key: np.array(rows[key]) for key in sorted(rows)}
