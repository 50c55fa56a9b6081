"""The stress of a run: the momentum that grains carry and hand over, from which its viscosity comes."""

import csv
import os

import numpy as np
import openmm
from openmm import app, unit

from ..engines.grainvirial import GrainVirial
from ..errors import EngineError
from ..inputs.arguments import FilePath
from ..mapping.grains import GrainMap
from ..model.loaded import LoadedModel
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, MPA_PER_EV_PER_ANGSTROM3

PARTS = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}
COLUMNS = ["step", "time_ps", *(f"{part}_MPa" for part in PARTS)]


class GrainStress:
    """``(sum of P P / M + sum of R F) / V`` over grains of center of mass R, momentum P and mass M; F acts on a grain.

    It is the pressure tensor of molecules. Its integrals in time, and so the viscosity, are those of the tensor of all
    atoms (Allen, Mol. Phys. 52, 705 (1984)), but vibrations of bonds are not in it, so that it may be looked at every
    10 fs. A moment has torques, and the tensor of molecules an antisymmetric part; it is left out.

    Parameters
    ----------
    model : LoadedModel
    grain_map : GrainMap
    masses : array [atoms], Da

    Raises
    ------
    EngineError
        The model has no virial, see `GrainVirial`.
    """

    def __init__(self, model: LoadedModel, grain_map: GrainMap, masses: np.ndarray) -> None:
        self.virial = GrainVirial(model, grain_map, masses)
        self.masses = np.zeros(grain_map.num_grains)
        np.add.at(self.masses, grain_map.atom_grain, masses)

    @classmethod
    def of(
        cls, model: LoadedModel | None, system: openmm.System, grain_map: GrainMap, box: np.ndarray | None
    ) -> "GrainStress":
        """Of a System; raises `EngineError` where there is no box, or no model."""
        if model is None or box is None:
            what = "the model that makes the forces" if model is None else "a box"
            raise EngineError(f"stress_interval: the stress needs {what}; leave stress_interval out")
        masses = (system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles()))
        return cls(model, grain_map, np.array(list(masses)))

    def __call__(self, positions: np.ndarray, velocities: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Stress [3, 3], MPa, positive where grains push each other apart.

        Parameters
        ----------
        positions : array [atoms, 3], nm
            Whole grains.
        velocities : array [atoms, 3], nm/ps
        box : array [3, 3], nm
        """
        own = self.virial.centers(velocities)
        carried = (self.masses[:, None] * own).T @ own / KJMOL_PER_EV
        handed = self.virial(ANGSTROM_PER_NM * positions, ANGSTROM_PER_NM * box)
        whole = (carried + handed) / np.linalg.det(ANGSTROM_PER_NM * box)
        return MPA_PER_EV_PER_ANGSTROM3 * 0.5 * (whole + whole.T)


class StressReporter:
    """One CSV row a report: step, time (ps) and the six parts of the stress (MPa).

    Parameters
    ----------
    path : path
        Appended to if it exists and is not empty.
    interval : int
        Steps between rows.
    stress : GrainStress
    """

    def __init__(self, path: FilePath, interval: int, stress: GrainStress) -> None:
        self.interval, self.stress = interval, stress
        new = not (os.path.exists(path) and os.path.getsize(path))
        self._file = open(path, "a", newline="")  # open for as long as the run lasts
        self._rows = csv.writer(self._file)
        if new:
            self._rows.writerow(COLUMNS)

    def describeNextReport(self, simulation: app.Simulation) -> dict:
        steps = self.interval - simulation.currentStep % self.interval
        return {"steps": steps, "periodic": False, "include": ["positions", "velocities"]}

    def report(self, simulation: app.Simulation, state: openmm.State) -> None:
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        velocities = state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond)
        box = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
        found = self.stress(positions, velocities, box)
        time = state.getTime().value_in_unit(unit.picosecond)
        values = (f"{found[place]:.4f}" for place in PARTS.values())
        self._rows.writerow([simulation.currentStep, f"{time:.6f}", *values])
        self._file.flush()  # a checkpoint that covers the row may come next

    def close(self) -> None:
        self._file.close()
