"""A benchmark: each subject on each box with so many threads, in a process of its own, one after the other."""

import math
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from openmm import app, unit

from ..building.molecules import append_molecule
from ..host.environment import environment
from ..host.processes import side_by_side
from ..host.torchstate import threads
from ..mapping.grains import GrainMap
from ..structures.structure import read_structure
from ..units import ANGSTROM_PER_NM
from .ase_timer import forget_peak, resident
from .subjects import Amount, Subject
from .timers import CLASSICAL, STEP

LARGE = 5000  # atoms, from which on the growth of the time is looked at: below, other costs count


@dataclass(frozen=True)
class Case:
    """One figure to be taken.

    Attributes
    ----------
    subject : Subject
    box : str
        File of a structure with a box.
    repeat : int
        Copies of the box along each of its vectors.
    amount : Amount
    """

    subject: Subject
    box: str
    repeat: int
    amount: Amount


@dataclass(frozen=True)
class Cost:
    """What was found.

    Attributes
    ----------
    what, where : str
        What was timed, and on which platform.
    atoms, threads, steps : int
        How many; steps are calls where no dynamics was run.
    ms, low, high : float
        Milliseconds of a step: median, and from where to where the middle four fifths go.
    kb_per_atom : float or None
        What the process had more at most than before the model was loaded, kB. In small boxes fixed costs rule it.
    peak_mib : float or None
        Largest memory that torch had on the CUDA device, MiB.
    failed : str
        Why there is no figure.
    """

    what: str
    where: str
    atoms: int
    threads: int
    steps: int = 0
    ms: float = math.nan
    low: float = math.nan
    high: float = math.nan
    kb_per_atom: float | None = None
    peak_mib: float | None = None
    failed: str = ""

    @property
    def us_per_atom(self) -> float:
        """Microseconds a step and atom."""
        return 1e3 * self.ms / self.atoms

    @property
    def ns_per_day(self) -> float:
        """In steps of 0.5 fs."""
        return 86.4e3 * STEP / self.ms

    def as_json(self) -> dict:
        """What a file of timings holds; of a row without a figure the reason."""
        kept = {key: value for key, value in asdict(self).items() if value is not None and value != ""}
        return {key: value for key, value in kept.items() if value == value}


def cases(
    subjects: Sequence[Subject],
    box: str,
    atoms: int,
    repeats: Iterable[int],
    counts: Iterable[int],
    steps: int,
    calls: int,
    most: int,
) -> list[Case]:
    """All cases, the cheap ones first.

    Parameters
    ----------
    subjects : list of Subject
    box : str
        File of a structure.
    atoms : int
        In the box.
    repeats, counts : iterable of int
        Copies of the box along each vector; numbers of threads.
    steps, calls : int
    most : int
        Atoms, in boxes up to which subjects that are expensive are timed.
    """
    return [
        Case(subject, box, repeat, Amount(count, steps, calls))
        for repeat in repeats
        for count in counts
        for subject in subjects
        if not subject.expensive or atoms * repeat**3 <= most
    ]


def measured(case: Case) -> Cost:
    """Take a figure in this process."""
    topology, positions = repeated_box(*read_structure(case.box), case.repeat)
    with threads(case.amount.threads):
        known, before = forget_peak(), resident()
        timing, kb = case.subject.time(topology, positions, case.amount)
        peak = resident("VmHWM") if known else None
    if kb is None and peak is not None and before is not None:
        kb = peak - before
    atoms = topology.getNumAtoms()
    return Cost(
        timing.what,
        timing.where,
        atoms,
        case.amount.threads,
        timing.steps,
        timing.ms,
        timing.low,
        timing.high,
        None if kb is None else kb / atoms,
        timing.peak_mib,
    )


def take(wanted: Sequence[Case], atoms: int, ended: Callable[[Cost], object]) -> None:
    """Take the figures, each in a process of its own with as many threads of OpenMP as it is told.

    Parameters
    ----------
    wanted : list of Case
    atoms : int
        In the box.
    ended : callable
        Called with each `Cost` as soon as it is there. One that failed says why; the others are taken.
    """
    for case in wanted:
        count = case.amount.threads

        def told(_: int, row: Cost | None, error: Exception | None, case: Case = case, count: int = count) -> None:
            if row is None:
                row = Cost(case.subject.named, "", atoms * case.repeat**3, count, failed=str(error).splitlines()[0])
            ended(row)

        # OpenMP reads these when the libraries that use it are loaded
        with environment(OMP_NUM_THREADS=str(count), MKL_NUM_THREADS=str(count), OPENBLAS_NUM_THREADS=str(count)):
            side_by_side([partial(measured, case)], 1, told)


def repeated_box(topology: app.Topology, positions: unit.Quantity, repeat: int) -> tuple[app.Topology, unit.Quantity]:
    """So many copies of a box along each of its vectors."""
    if repeat == 1:
        return topology, positions
    box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
    given = np.asarray(positions.value_in_unit(unit.nanometer), np.float64)
    grains = GrainMap.from_topology(topology)
    whole = grains.whole(ANGSTROM_PER_NM * given, ANGSTROM_PER_NM * box) / ANGSTROM_PER_NM
    larger = app.Topology()
    for _ in range(repeat**3):
        append_molecule(larger, larger.addChain(), topology)
    larger.setPeriodicBoxVectors(repeat * box * unit.nanometer)
    steps = np.array(list(np.ndindex(repeat, repeat, repeat))) @ box
    return larger, (steps[:, None] + whole).reshape(-1, 3) * unit.nanometer


def classical_steps(row: Cost, rows: Iterable[Cost]) -> float | None:
    """A step in steps of the classical force field of the same box and threads; None where it was not timed."""
    same = (other.ms for other in rows if (other.what, *_size(other)) == (CLASSICAL, *_size(row)) and not other.failed)
    classical = next(same, None)
    return None if classical is None else row.ms / classical


def growth(rows: Iterable[Cost]) -> dict[tuple[str, int], float]:
    """Exponent with which the time of a step grows with the atoms, by what was timed and threads.

    It is a least-squares fit of the logarithms, over boxes of 5,000 atoms and more; it needs two of them.
    """
    points: dict[tuple[str, int], list] = {}
    for row in rows:
        if row.atoms >= LARGE and not row.failed:
            points.setdefault((row.what, row.threads), []).append((math.log(row.atoms), math.log(row.ms)))
    several = {key: np.array(own).T for key, own in points.items() if len({x for x, _ in own}) > 1}
    return {key: float(np.polyfit(x, y, 1)[0]) for key, (x, y) in several.items()}


def machine() -> dict:
    """What figures are taken on, and its load before."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: version(name) for name in ("openmm-cgaa", "openmm", "torch", "numba")},
        "python": platform.python_version(),
    }


def _size(row: Cost) -> tuple[int, int]:
    return row.atoms, row.threads


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
