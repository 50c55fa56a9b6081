"""Time per step, everything counted: a CGAA model, its teacher and a classical force field on one box."""

import platform
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import openmm
import torch
from openmm import app, unit

from ..building.boxes import classical_system
from ..engines.backends import missing_torchforce
from ..labelling.teachers import Teacher
from ..units import ANGSTROM_PER_NM

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

    from ..potential import CGAAPotential

STEP = 0.0005  # ps
CHUNK = 30  # steps


class Timing(NamedTuple):
    """Median wall time of a step.

    Attributes
    ----------
    what, where : str
        What was timed, and on which platform.
    ms : float
        Milliseconds per step.
    steps : int
        Steps timed, after the warm-up.
    peak_mib : float or None
        Largest memory that torch had on the CUDA device, MiB.
    """

    what: str
    where: str
    ms: float
    steps: int
    peak_mib: float | None = None


def best_platform() -> str:
    """``"CUDA"`` where both OpenMM and torch have it, else ``"CPU"``."""
    names = {openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())}
    return "CUDA" if "CUDA" in names and torch.cuda.is_available() else "CPU"


def time_openmm(
    system: openmm.System, topology: app.Topology, positions: unit.Quantity, where: str, threads: int, steps: int
) -> tuple[float, int]:
    """Median milliseconds of a Langevin step of 0.5 fs, and how many were timed.

    The median is over chunks of up to 30 steps, in which neighbours are listed once or twice. Each is ended by a read
    of the positions, so that an accelerator has finished. A tenth of the steps, at least five, goes before as warm-up.
    """
    chunk = min(CHUNK, max(5, steps // 5))
    integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, STEP)
    properties = {"Threads": str(threads)} if where == "CPU" else {}
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName(where), properties)
    simulation.context.setPositions(positions)
    simulation.context.setVelocitiesToTemperature(300.0, 1)
    integrator.step(max(5, steps // 10))
    times = []
    for _ in range(max(1, steps // chunk)):
        start = time.perf_counter()
        integrator.step(chunk)
        simulation.context.getState(positions=True)
        times.append((time.perf_counter() - start) / chunk)
    return 1000.0 * float(np.median(times)), chunk * len(times)


def time_model(
    potential: "CGAAPotential",
    name: str,
    topology: app.Topology,
    positions: unit.Quantity,
    threads: int,
    steps: int = 50,
    backends: Sequence[str] | None = None,
) -> list[Timing]:
    """A `Timing` of each backend of a model in OpenMM: of the given ones, or of all that are installed."""
    where = best_platform()
    out = []
    for backend in backends or (["python"] if missing_torchforce() else ["torch", "python"]):
        if where == "CUDA":
            torch.cuda.reset_peak_memory_stats()
        system = potential.createSystem(topology, backend=backend, positions=positions)
        ms, count = time_openmm(system, topology, positions, where, threads, steps)
        peak = torch.cuda.max_memory_allocated() / 2**20 if where == "CUDA" else None
        out.append(Timing(f"{name}, backend {backend}", where, ms, count, peak))
    return out


def time_classical(
    forcefield: app.ForceField | openmm.System,
    topology: app.Topology,
    positions: unit.Quantity,
    threads: int,
    steps: int = 200,
) -> Timing:
    """A `Timing` of a classical force field with PME: an ``openmm.app.ForceField``, or a System of these atoms."""
    where, made = best_platform(), isinstance(forcefield, openmm.System)
    system = forcefield if made else classical_system(topology, forcefield)
    return Timing("classical force field", where, *time_openmm(system, topology, positions, where, threads, steps))


def time_calculator(
    name: str, calculator: "BaseCalculator", topology: app.Topology, positions: unit.Quantity, calls: int = 3
) -> Timing:
    """A `Timing` of energy and forces of an ASE calculator, each call at new positions, after one to warm up."""
    from ase import Atoms

    box = topology.getPeriodicBoxVectors()
    cell = None if box is None else np.array(box.value_in_unit(unit.angstrom))
    numbers = [atom.element.atomic_number for atom in topology.atoms()]
    xyz = ANGSTROM_PER_NM * np.asarray(positions.value_in_unit(unit.nanometer))
    atoms = Atoms(numbers, xyz, cell=cell, pbc=cell is not None, calculator=calculator)
    random = np.random.default_rng(0)
    times = []
    for _ in range(calls + 1):
        atoms.positions = xyz + random.normal(scale=1e-3, size=xyz.shape)
        start = time.perf_counter()
        atoms.get_potential_energy()
        atoms.get_forces()
        times.append(time.perf_counter() - start)
    where = "CUDA" if torch.cuda.is_available() else "CPU"
    return Timing(name, where, 1000.0 * float(np.median(times[1:])), calls)


def time_teacher(
    teacher: Teacher, name: str, topology: app.Topology, positions: unit.Quantity, calls: int = 3
) -> Timing:
    """A `Timing` of a `labelling.teachers.Teacher`, as `time_calculator` has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return time_calculator(name, teacher.calculator, topology, positions, calls)


def machine(threads: int) -> dict:
    """What the numbers were taken on."""
    return {
        "processor": _processor(),
        "threads": threads,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: version(name) for name in ("openmm-cgaa", "openmm", "torch")},
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
