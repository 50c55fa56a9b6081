"""Time per step, everything counted: a CGAA model, its teacher and a classical force field on one box."""

import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import openmm
import torch
from openmm import app, unit

from ..building.boxes import classical_system
from ..engines.backends import missing_torchforce
from ..labelling.teachers import Teacher
from ..structures.beads import atomic_number
from ..units import ANGSTROM_PER_NM
from .ase_timer import time_calls

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import BaseCalculator

    from ..potential import CGAAPotential

STEP = 0.0005  # ps
CHUNK = 30  # steps
WARM = 5  # calls, before the first that counts
CLASSICAL = "classical force field"
BACKENDS = {"python": "PythonForce", "torch": "TorchForce"}


class Timing(NamedTuple):
    """Wall time of a step, or of a call.

    Attributes
    ----------
    what, where : str
        What was timed, and on which platform.
    ms : float
        Milliseconds, the median.
    steps : int
        Steps timed, after the warm-up.
    peak_mib : float or None
        Largest memory that torch had on the CUDA device, MiB.
    low, high : float
        A tenth of the times are below the one and above the other, ms.
    """

    what: str
    where: str
    ms: float
    steps: int
    peak_mib: float | None = None
    low: float = 0.0
    high: float = 0.0


def summarised(what: str, where: str, times: Sequence[float], steps: int, peak_mib: float | None = None) -> Timing:
    """The `Timing` of so many single times, ms."""
    low, median, high = (float(number) for number in np.quantile(times, (0.1, 0.5, 0.9)))
    return Timing(what, where, median, steps, peak_mib, low, high)


def best_platform() -> str:
    """``"CUDA"`` where both OpenMM and torch have it, else ``"CPU"``."""
    names = {openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())}
    return "CUDA" if "CUDA" in names and torch.cuda.is_available() else "CPU"


def running(
    system: openmm.System, topology: app.Topology, positions: unit.Quantity, where: str, threads: int
) -> app.Simulation:
    """Langevin dynamics in steps of 0.5 fs at 300 K, ready to go."""
    integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, STEP)
    properties = {"Threads": str(threads)} if where == "CPU" else {}
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName(where), properties)
    simulation.context.setPositions(positions)
    simulation.context.setVelocitiesToTemperature(300.0, 1)
    return simulation


def time_openmm(
    system: openmm.System, topology: app.Topology, positions: unit.Quantity, where: str, threads: int, steps: int
) -> tuple[list[float], int]:
    """Milliseconds of a Langevin step of 0.5 fs, of each chunk, and how many steps were timed.

    Chunks are of up to 30 steps, in which neighbours are listed once or twice. Each is ended by a read of the
    positions, so that an accelerator has finished. A tenth of the steps, at least five, goes before as warm-up.
    """
    chunk = min(CHUNK, max(5, steps // 5))
    simulation = running(system, topology, positions, where, threads)
    simulation.integrator.step(max(5, steps // 10))
    times = []
    for _ in range(max(1, steps // chunk)):
        start = time.perf_counter()
        simulation.integrator.step(chunk)
        simulation.context.getState(positions=True)
        times.append(1e3 * (time.perf_counter() - start) / chunk)
    return times, chunk * len(times)


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
    for backend in backends or usual_backends():
        if where == "CUDA":
            torch.cuda.reset_peak_memory_stats()
        system = potential.createSystem(topology, backend=backend, positions=positions)
        times, count = time_openmm(system, topology, positions, where, threads, steps)
        peak = torch.cuda.max_memory_allocated() / 2**20 if where == "CUDA" else None
        out.append(summarised(f"{name}, {BACKENDS[backend]}", where, times, count, peak))
    return out


def usual_backends() -> list[str]:
    """All that are installed."""
    return ["python"] if missing_torchforce() else ["torch", "python"]


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
    return summarised(CLASSICAL, where, *time_openmm(system, topology, positions, where, threads, steps))


def ase_atoms(topology: app.Topology, positions: unit.Quantity) -> "Atoms":
    """The same in ASE, with its box where it has one; beads have no element there, X."""
    from ase import Atoms

    box = topology.getPeriodicBoxVectors()
    cell = None if box is None else np.array(box.value_in_unit(unit.angstrom))
    numbers = [atomic_number(atom) for atom in topology.atoms()]
    xyz = ANGSTROM_PER_NM * np.asarray(positions.value_in_unit(unit.nanometer))
    return Atoms(numbers, xyz, cell=cell, pbc=cell is not None)


def time_calculator(
    name: str, calculator: "BaseCalculator", topology: app.Topology, positions: unit.Quantity, calls: int = 3
) -> Timing:
    """A `Timing` of energy and forces of an ASE calculator, each call at new positions, after one to warm up."""
    atoms = ase_atoms(topology, positions)
    atoms.calc = calculator
    where = "CUDA" if torch.cuda.is_available() else "CPU"
    return summarised(name, where, time_calls(atoms, calls), calls)


def time_teacher(
    teacher: Teacher, name: str, topology: app.Topology, positions: unit.Quantity, calls: int = 3
) -> Timing:
    """A `Timing` of a `labelling.teachers.Teacher`, as `time_calculator` has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return time_calculator(name, teacher.calculator, topology, positions, calls)


def time_evaluator(
    potential: "CGAAPotential", name: str, topology: app.Topology, positions: unit.Quantity, calls: int = 50
) -> Timing:
    """A `Timing` of calls without any engine; atoms move by some 0.001 Å, so that no list is made anew."""
    box = topology.getPeriodicBoxVectors()
    evaluator = potential.evaluator(potential.grain_map(topology), periodic=box is not None)
    start = np.asarray(positions.value_in_unit(unit.nanometer), np.float64)
    cell = None if box is None else evaluator.tensor(np.array(box.value_in_unit(unit.nanometer)))
    random, times = np.random.default_rng(0), []
    device = next(evaluator.network.parameters()).device
    for _ in range(WARM + calls):
        moved = start + random.normal(0.0, 1e-4, start.shape)
        begin = time.perf_counter()
        evaluator(evaluator.tensor(moved), cell)[1].cpu()
        times.append(1e3 * (time.perf_counter() - begin))
    return summarised(name, "CUDA" if device.type == "cuda" else "CPU", times[WARM:], calls)
