"""Sections of a report that share the passes over trajectories: each file goes by once for all of them.

A section is a generator. It yields what it wants to see, and goes on when all of that has gone by: to tell what it has
found, or to yield what needs that. It ends where it has nothing more to look at.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import mdtraj
import numpy as np

from ..errors import CGAAError
from ..mapping.grains import GrainMap
from .rdf import center_topology, whole_grains
from .streaming import AllFrames, Observable, in_pieces

T = TypeVar("T", bound=Observable)


class Look(NamedTuple):
    """A trajectory, and who looks at it."""

    trajectory: AllFrames
    observables: Sequence[Observable]


class Tried(Generic[T]):
    """An observable among others of a section, whose error is raised when somebody asks for what it has seen."""

    def __init__(self, observable: T) -> None:
        self._observable = observable
        self._error: CGAAError | None = None

    def add(self, piece: mdtraj.Trajectory) -> None:
        if self._error is None:
            try:
                self._observable.add(piece)
            except CGAAError as error:
                self._error = error

    def seen(self) -> T:
        if self._error is not None:
            raise self._error
        return self._observable


Section: TypeAlias = Generator[list[Look], None, None]


class Centers:
    """The means of the atoms of grains, as `rdf.center_trajectory` makes them, once for all who look at a piece."""

    def __init__(self, grain_map: GrainMap) -> None:
        self.grain_map, self._topology = grain_map, center_topology(grain_map)
        self._piece: mdtraj.Trajectory | None = None
        self._made: mdtraj.Trajectory | None = None

    def of(self, piece: mdtraj.Trajectory) -> mdtraj.Trajectory:
        if self._piece is not piece or self._made is None:
            whole = whole_grains(piece, self.grain_map)
            centers = np.empty((len(whole), self.grain_map.num_grains, 3), np.float32)
            for grain, atoms in enumerate(self.grain_map.slots):
                centers[:, grain] = whole[:, atoms].mean(axis=1)
            self._piece, self._made = piece, mdtraj.Trajectory(centers, self._topology, time=piece.time)
            self._made.unitcell_vectors = piece.unitcell_vectors
        return self._made


class AtCenters:
    """An observable of atoms that shows the centers of grains to one of points."""

    def __init__(self, centers: Centers, observable: Observable) -> None:
        self.centers, self.observable = centers, observable

    def add(self, piece: mdtraj.Trajectory) -> None:
        self.observable.add(self.centers.of(piece))


def go_by(sections: Iterable[Section]) -> None:
    """Run sections to their ends.

    An error of an observable is raised in its section alone, at the place where that waits; one of reading a file is
    raised here.
    """
    waiting = [(section, looks) for section in sections if (looks := next(section, None)) is not None]
    while waiting:
        failed = _one_pass([look for _, looks in waiting for look in looks])
        waiting = [
            (section, more)
            for section, looks in waiting
            if (more := _go_on(section, [failed[id(o)] for look in looks for o in look.observables if id(o) in failed]))
            is not None
        ]


def _one_pass(looks: list[Look]) -> dict[int, CGAAError]:
    """Show each trajectory to all who look at it; the errors of those who cannot, by their id."""
    trajectories = {id(look.trajectory): look.trajectory for look in looks}
    failed: dict[int, CGAAError] = {}
    for key, trajectory in trajectories.items():
        seeing = [o for look in looks if id(look.trajectory) == key for o in look.observables]
        for piece in in_pieces(trajectory) if seeing else ():
            for observable in seeing:
                if id(observable) in failed:
                    continue
                try:
                    observable.add(piece)
                except CGAAError as error:
                    failed[id(observable)] = error
    return failed


def _go_on(section: Section, errors: list[CGAAError]) -> list[Look] | None:
    try:
        return section.throw(errors[0]) if errors else next(section)
    except StopIteration:
        return None
