"""Molecular dynamics that looks after itself: whole molecules on a grid go in and out, a blow-up is named."""

from collections.abc import Sequence

import numpy as np
import openmm
from numpy.typing import ArrayLike
from openmm import app, unit

from ..data.dataset import Frames
from ..data.frames import arrays_of
from ..errors import CGAAError, SimulationError
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frame
from ..simulation.temperature import Moving
from ..units import ANGSTROM_PER_NM, BOLTZMANN_KJMOL

GRID = 4096  # positions lie on multiples of 1/4096 Å, which float32 holds exactly within +-1024 Å
CHECK_EVERY = 250  # steps
MAX_STRETCH = 0.05  # nm that a bond may be off its start
MAX_HEAT = 3.0  # times the target temperature


def on_grid(values: ArrayLike) -> np.ndarray:
    """Å, rounded to multiples of 1/4096 Å."""
    return np.round(np.asarray(values) * GRID) / GRID


def scaled(grain_map: GrainMap, positions: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """Centers of whole molecules scaled by a factor, or by one along each axis; the molecules as they are."""
    out = positions.copy()
    for atoms in grain_map.molecules.slots:
        out[atoms] += positions[atoms].mean(0) * (factor - 1)
    return out


def frames_of(
    topology: app.Topology,
    positions: Sequence[np.ndarray] | np.ndarray,
    cells: ArrayLike | None,
    times: np.ndarray,
    temperature: float | np.ndarray,
) -> Frames:
    """Unlabelled `Frames` of trajectory 0.

    Parameters
    ----------
    topology : openmm.app.Topology
    positions : array [frames, atoms, 3], Å
    cells : array [frames, 3, 3], Å, or None
    times : array [frames], ps
    temperature : float or array [frames], K
    """
    count = len(positions)
    return Frames(
        positions=on_grid(positions),
        cell=np.zeros((count, 3, 3)) if cells is None else on_grid(cells),
        **arrays_of(topology),
        trajectory=np.zeros(count, int),
        time=times,
        temperature=np.broadcast_to(temperature, count),
    )


class Dynamics:
    """Langevin dynamics of one system, checked as it goes.

    Parameters
    ----------
    topology : openmm.app.Topology
    system : openmm.System
    positions : array [atoms, 3], nm
        Every molecule whole.
    box : array [3, 3], nm, or None
    temperature : float, K
    friction : float, 1/ps
    seed : int
    platform : list
        Arguments for ``app.Simulation`` after the integrator.
    """

    def __init__(
        self,
        topology: app.Topology,
        system: openmm.System,
        positions: np.ndarray,
        box: np.ndarray | None,
        temperature: float,
        friction: float,
        seed: int,
        platform: list,
    ) -> None:
        self.topology, self.temperature, self.seed = topology, temperature, seed
        self.grain_map = GrainMap.from_topology(topology)
        self.bonds = np.array([(i.index, j.index) for i, j in topology.bonds()], int).reshape(-1, 2)
        self.periodic = box is not None
        self.freedom = Moving.of(system).freedom
        integrator = openmm.LangevinMiddleIntegrator(temperature, friction, 0.001)
        integrator.setRandomNumberSeed(seed)
        try:
            self.simulation = app.Simulation(topology, system, integrator, *platform)
            self.place(positions, box)
        except openmm.OpenMMException as error:
            raise CGAAError(f"OpenMM cannot run this system: {error}") from error
        self.lengths = self._bond_lengths(positions)

    @property
    def positions(self) -> np.ndarray:
        """[atoms, 3], nm, never wrapped."""
        state = self.simulation.context.getState(positions=True)
        return state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)

    @property
    def box(self) -> np.ndarray | None:
        """[3, 3], nm, or None."""
        if not self.periodic:
            return None
        vectors = self.simulation.context.getState().getPeriodicBoxVectors(asNumpy=True)
        return vectors.value_in_unit(unit.nanometer)

    def place(self, positions: np.ndarray, box: np.ndarray | None) -> None:
        """Put the atoms somewhere, in a box of this size."""
        if box is not None:
            self.simulation.context.setPeriodicBoxVectors(*(openmm.Vec3(*row) for row in box))
        self.simulation.context.setPositions(positions)

    def minimize(self, iterations: int = 500) -> None:
        """Go downhill; bonds are then compared with what they are here."""
        try:
            self.simulation.minimizeEnergy(maxIterations=iterations)
        except openmm.OpenMMException as error:
            raise SimulationError(f"minimisation failed: {error}") from error
        self.lengths = self._bond_lengths(self.positions)

    def heat(self, seed: int | None = None) -> None:
        """Velocities at the temperature."""
        self.simulation.context.setVelocitiesToTemperature(self.temperature, self.seed if seed is None else seed)

    def run(self, steps: int, timestep: float, phase: str) -> None:
        """Run steps of `timestep` fs.

        Raises
        ------
        SimulationError
            Something is not finite, a bond broke, or the system is too hot; names the phase and the step.
        """
        self.simulation.integrator.setStepSize(timestep / 1000)
        done = 0
        while done < steps:
            now = min(CHECK_EVERY, steps - done)
            try:
                self.simulation.step(now)
                wrong = self._wrong()
            except (openmm.OpenMMException, CGAAError) as error:
                wrong = str(error).split("  For more")[0].rstrip(".")
            done += now
            if wrong:
                raise SimulationError(
                    f"blew up by step {done} of {steps} of {phase}: {wrong}; take a shorter step than {timestep:g} fs, "
                    "a lower density or temperature, or a better force field"
                )

    def frame(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Positions [atoms, 3], every molecule whole and inside the box, and cell [3, 3] or None, Å."""
        box = self.box
        positions = whole_frame(self.grain_map, self.positions, box, wrap=True) * ANGSTROM_PER_NM
        return positions, None if box is None else box * ANGSTROM_PER_NM

    def _bond_lengths(self, positions: np.ndarray) -> np.ndarray:
        return np.linalg.norm(positions[self.bonds[:, 0]] - positions[self.bonds[:, 1]], axis=1)

    def _wrong(self) -> str:
        """What is wrong in words, or nothing."""
        state = self.simulation.context.getState(positions=True, energy=True)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        if not (np.isfinite(energy) and np.isfinite(positions).all()):
            return "energy or positions are not finite"
        change = np.abs(self._bond_lengths(positions) - self.lengths)
        if len(change) and change.max() > MAX_STRETCH:
            i, j = self.bonds[change.argmax()]
            return f"the bond of atoms {i} and {j} is off its start by {ANGSTROM_PER_NM * change.max():.2f} Å"
        freedom = max(self.freedom, 1)
        kinetic = state.getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
        heat = 2 * kinetic / (freedom * BOLTZMANN_KJMOL) / self.temperature
        # the temperature of a few atoms fluctuates by sqrt(2 / freedom) of itself
        if heat > max(MAX_HEAT, 1 + 12 * np.sqrt(2 / freedom)):
            return f"the temperature is {heat * self.temperature:.0f} K, where {self.temperature:g} K is meant"
        return ""
