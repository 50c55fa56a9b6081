"""Bursts: short dynamics of the teacher and of the student from the same frames, velocities and random forces."""

import hashlib
import io

import mdtraj
import numpy as np

from ..host.files import write_bytes
from ..units import ANGSTROM_PER_NM


def bursts(place, who, names=None, count=None) -> list:
    """Trajectories, NVT, from independent frames of long runs: of the teacher or of the student.

    What both share (start, velocities, random forces) falls out of their differences. Each is kept as soon as it is
    done.

    Parameters
    ----------
    place : Workplace
    who : str
        ``teacher`` or ``student``.
    names : list of str, optional
        Runs to start from; by default those of the system's `BurstPlan`, as is the count.
    count : int, optional
        Of each run.

    Returns
    -------
    list of mdtraj.Trajectory
    """
    from ..engines.ase import CGAACalculator

    plan = place.system.bursts
    model = "" if who == "teacher" else place.potential().provenance()["model_sha256"]
    found = []
    for name in names or plan.runs:
        run = place.finished(name)
        chosen = np.linspace(0, run.frames.n_frames - 1, place.count(count or plan.count, 2)).round().astype(int)
        for index in chosen:
            each, start = len(found), run.frames[index]
            made = hashlib.sha256(model.encode() + start.xyz.tobytes()).hexdigest()[:12]
            path = place.folder / "bursts" / f"{who}-{each}-{made}.npy"
            if not path.is_file():
                if who == "teacher":
                    calculator = place.teacher.calculator
                else:
                    calculator = CGAACalculator(place.potential(), topology=run.grain_map)
                buffer = io.BytesIO()
                steps = place.count(plan.steps, min(plan.steps, 40))
                np.save(buffer, _burst(as_atoms(start, 0), calculator, run.settings["temperature"], plan, steps, each))
                write_bytes(path, buffer.getvalue())
            trajectory = mdtraj.Trajectory(np.load(path) / ANGSTROM_PER_NM, start.topology)
            trajectory.unitcell_vectors = np.repeat(start.unitcell_vectors, len(trajectory), axis=0)
            found.append(trajectory)
    return found


def settled(trajectory, place):
    """A burst without the time that it has to move away from its start."""
    plan = place.system.bursts
    return trajectory[place.count(round(1000.0 * plan.dropped / (plan.timestep * plan.every)), 1) :]


def as_atoms(trajectory, index):
    """A frame as ``ase.Atoms``."""
    from ase import Atoms

    numbers = [atom.element.atomic_number for atom in trajectory.topology.atoms]
    cell = ANGSTROM_PER_NM * trajectory.unitcell_vectors[index]
    return Atoms(numbers, ANGSTROM_PER_NM * trajectory.xyz[index], cell=cell, pbc=True)


def _burst(atoms, calculator, kelvin, plan, steps, seed) -> np.ndarray:
    """Positions [frames, atoms, 3] in Å, float32, one frame every `plan.every` steps."""
    from ase import units
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary

    rng, frames = np.random.default_rng(seed), []
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=kelvin, rng=rng)
    Stationary(atoms)
    friction = plan.friction / (1000.0 * units.fs)
    motion = Langevin(atoms, plan.timestep * units.fs, temperature_K=kelvin, friction=friction, fixcm=False, rng=rng)
    motion.attach(lambda: frames.append(atoms.positions.copy()), plan.every)
    motion.run(steps)
    return np.array(frames, dtype=np.float32)
