"""One frame labelled by a teacher: tried, repeated, described; what a worker runs."""

import json
import sys
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..data.dataset import same_teacher
from ..data.frames import UNSHARED
from ..errors import EngineError
from ..host import signals
from .parts import Label
from .teachers import Teacher, load_teacher

if TYPE_CHECKING:
    from ase import Atoms

Topology = tuple[np.ndarray, bool, str]  # atomic numbers, whether periodic, a name for messages


class Job(NamedTuple):
    """One frame to label: numbers [atoms], positions [atoms, 3] Å, cell [3, 3] Å (zeros: not periodic)."""

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray


def attempt(teacher: Teacher, job: Job) -> Label | str:
    """The label of a frame or, where the teacher raises, its reason."""
    from ase import Atoms

    periodic = bool(np.any(job.cell))
    atoms = Atoms(job.numbers, job.positions, cell=job.cell if periodic else None, pbc=periodic)
    atoms.calc = teacher.calculator
    start = time.perf_counter()
    try:
        energy, forces = float(atoms.get_potential_energy()), np.asarray(atoms.get_forces(), np.float32)
    except Exception as error:  # a foreign package: anything may come
        signals.check()
        return f"the teacher failed: {type(error).__name__}: {error}"
    stress = None
    if periodic and teacher.gives_stress:
        with suppress(Exception):  # some classes list a stress that their weights or settings do not give
            stress = np.asarray(atoms.get_stress(voigt=False), np.float32)
    energies = _energies(atoms, energy) if teacher.gives_energies else None
    if forces.shape != (len(atoms), 3):
        return f"the teacher failed: its forces have the shape {forces.shape}, expected ({len(atoms)}, 3)"
    return Label(energy, forces, stress, time.perf_counter() - start, energies)


def _energies(atoms: "Atoms", energy: float) -> np.ndarray | None:
    """The teacher's energy of each atom; None where they do not sum to its energy, for some classes list more than
    their settings give."""
    with suppress(Exception):
        energies = np.asarray(atoms.get_potential_energies(), float)
        if energies.shape == (len(atoms),) and abs(energies.sum() - energy) <= UNSHARED * len(atoms):
            return energies.astype(np.float32)
    return None


def introduce(spec: str, settings: str, topologies: list[Topology]) -> dict:
    """On a worker: the teacher's identity, once every topology is found fit for it."""
    teacher = _loaded(spec, settings)
    for topology in topologies:
        teacher.check(*topology)
    return teacher.identity


def attempt_as(identity: dict, spec: str, settings: str, threads: int, job: Job) -> Label | str:
    """On a worker: the label of a frame by the teacher of this identity, loaded once for each process."""
    teacher = _loaded(spec, settings)
    if not same_teacher(teacher.identity, identity):
        raise EngineError(f"the workers have different teachers: {teacher.identity} and {identity}; install the same")
    with torch_threads(threads):
        return attempt(teacher, job)


@cache
def _loaded(spec: str, settings: str) -> Teacher:
    return load_teacher(spec, **json.loads(settings))


def torch_threads(count: int) -> AbstractContextManager:
    """A context with so many threads of torch for this thread alone, if the teacher uses torch; its import is slow."""
    if "torch" not in sys.modules:
        return nullcontext()
    from ..host.torchstate import threads

    return threads(count)
