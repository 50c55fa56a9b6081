"""Where a step goes: time of the parts of the package in a step of PythonForce, on one thread of a CPU."""

import cProfile
import os
import pstats
import time
from pathlib import Path
from typing import NamedTuple

from openmm import app, unit

import openmm_cgaa

from ..host.torchstate import threads
from ..potential import CGAAPotential
from .timers import CHUNK, running

PACKAGE = Path(openmm_cgaa.__file__).parent
WORDS = {  # what a folder or file of the package does in a step; the first that fits is taken
    "nn/kernels/phases.py": "network: gatherings, dense parts, messages, there and back",
    "nn/kernels/pull_kernels.py": "pulls of pairs collected; walls, virial",
    "nn/kernels/geometry_rows.py": "pairs within the cutoffs, out of the lists",
    "nn/kernels/neighbor_rows.py": "pairs within the cutoffs, out of the lists",
    "nn": "network: calls of its kernels",
    "neighbors": "lists of neighbours, kept or made anew",
    "mapping": "whole grains",
    "engines": "the force's call: positions and box in, forces out",
    "model": "order of atoms, units, checks",
    "structures": "order of atoms, units, checks",
    "host": "threads, torch's settings",
}
OPENMM = "OpenMM: integrator, copies, its call of Python"


class PartOfStep(NamedTuple):
    """Milliseconds of a step that a part takes."""

    part: str
    ms: float


def profile(
    potential: CGAAPotential, topology: app.Topology, positions: unit.Quantity, steps: int = 150
) -> list[PartOfStep]:
    """The parts of a step, from the longest on; their sum is the step.

    Python's own profiler takes the times of functions and kernels, which makes parts of many short calls longer.
    """
    with threads(1):
        system = potential.createSystem(topology, backend="python", positions=positions)
        simulation = running(system, topology, positions, "CPU", 1)
        steps = max(CHUNK, steps - steps % CHUNK)
        simulation.step(CHUNK)
        watch = cProfile.Profile()
        begin = time.perf_counter()
        watch.enable()
        simulation.integrator.step(steps)
        watch.disable()
        whole = 1e3 * (time.perf_counter() - begin) / steps
    return parts_of(pstats.Stats(watch).stats, whole, steps)  # type: ignore[attr-defined]  # pstats sets it


def parts_of(stats: dict, whole: float, steps: int) -> list[PartOfStep]:
    """The parts of a step that takes `whole` ms, from what functions took by themselves.

    Parameters
    ----------
    stats : dict
        As of `pstats.Stats`. A function of another package counts for the part that called it.
    whole : float, ms
    steps : int
    """
    found: dict[str, float] = {}

    def add(function: tuple, seconds: float, below: tuple = ()) -> None:
        part, callers = part_of(function[0]), stats[function][4] if function in stats else {}
        among = {caller: numbers[2] for caller, numbers in callers.items() if caller not in below}
        if part is None and among:
            total = sum(among.values())
            for caller, own in among.items():
                add(caller, seconds * (own / total if total else 1.0 / len(among)), (*below, function))
        else:
            found[part or OPENMM] = found.get(part or OPENMM, 0.0) + 1e3 * seconds / steps

    for function, (_, _, own, _, _) in stats.items():
        add(function, own)
    found[OPENMM] = found.get(OPENMM, 0.0) + max(0.0, whole - sum(found.values()))
    return sorted((PartOfStep(*item) for item in found.items()), key=lambda part: -part.ms)


def part_of(file: str) -> str | None:
    """The part of a step that a file of the package does; None for files of others, and for this one."""
    if not file.startswith(f"{PACKAGE}{os.sep}"):
        return None
    inside = Path(file).relative_to(PACKAGE).as_posix()
    return next((words for start, words in WORDS.items() if inside.startswith(start)), None)
