"""How noisy mapped forces are beside the mean forces that a model learns, and how many frames that asks for."""

from typing import NamedTuple

import numpy as np
import openmm

from ..errors import CGAAError
from ..labelling.held import HeldBeads
from ..mapping.forcemaps import force_map
from ..structures.lattice import reduced
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .bead_frames import BeadFrames

PICOSECONDS = 1.0  # of sampling behind held beads
FRAMES = 3  # that beads are held in
ERROR = 0.1  # of the mean force that noise may leave in what is learned
FREEDOM = 50  # numbers that a mean force between two species has, about: a curve of the distance, and some of angles
KELVIN = 1.0, 1e5


class ForceNoise(NamedTuple):
    """Forces on the beads of a species.

    Attributes
    ----------
    species : str
    noise : float, eV/Å
        Root mean square of a component about the mean force: the floor under every error.
    mean : float, eV/Å
        Root mean square of a component of the mean force, what the sampling was too short for taken out.
    frames : float
        Frames of this size after which noise leaves `ERROR` of the mean force, for a model with `FREEDOM` numbers for
        the pairs of this species with each. An order of magnitude.
    """

    species: str
    noise: float
    mean: float
    frames: float


def constraints_of(system: openmm.System) -> list[tuple[int, int]]:
    """Pairs of atoms whose distance a System holds."""
    return [tuple(system.getConstraintParameters(index)[:2]) for index in range(system.getNumConstraints())]


def check_particles(system: openmm.System, count: int) -> None:
    """Refuse a System of another number of atoms."""
    if system.getNumParticles() != count:
        raise CGAAError(
            f"the System has {counted(system.getNumParticles(), 'particle')}, but the topology "
            f"{counted(count, 'atom')}; make both from the same files"
        )


def force_noise(frames: BeadFrames, system: openmm.System, temperature: float) -> list[ForceNoise]:
    """For each species, from a few frames whose beads are held (`HeldBeads`).

    Raises
    ------
    CGAAError
        The System is not that of the frames, or the temperature is none.
    """
    check_particles(system, frames.atoms.shape[1])
    if frames.boxes is None and system.usesPeriodicBoundaryConditions():
        raise CGAAError("the System is periodic, but the frames have no box; write them with one")
    low, high = KELVIN
    if not low <= temperature <= high:
        raise CGAAError(f"temperature is {temperature}; give that of the run in K, from {low:g} to {high:g}")
    constraints = constraints_of(system)
    held = HeldBeads(system, frames.mapped, force_map("sum", frames.mapped, constraints), temperature, PICOSECONDS)
    chosen = np.unique(np.linspace(0, len(frames.atoms) - 1, FRAMES).astype(int))
    found = []
    for index in chosen:
        box = None if frames.boxes is None else ANGSTROM_PER_NM * reduced(frames.boxes[index] / ANGSTROM_PER_NM)
        found.append(held(frames.atoms[index], box))
    squares = [np.square(np.stack([getattr(each, name) for each in found])) for name in ("spread", "mean", "error")]
    spread, mean, error = (each.mean((0, 2)) for each in squares)  # [beads]
    species = np.array([atom.species for atom in frames.mapped.topology.atoms()])
    kinds = list(dict.fromkeys(species.tolist()))
    out = []
    for kind in kinds:
        own = species == kind
        noise, signal = float(spread[own].mean()), max(float((mean - error)[own].mean()), 0.0)
        wanted = noise / (ERROR**2 * signal) * FREEDOM * len(kinds) / (3 * own.sum()) if signal else np.inf
        out.append(ForceNoise(kind, noise**0.5, signal**0.5, wanted))
    return out
