"""What a run writes down, and what stops it: reporters for ``openmm.app.Simulation``."""

import csv
import os
import time
import warnings
from collections.abc import Callable

import numpy as np
import openmm
from openmm import app, unit

from ..errors import CGAADomainWarning, SimulationError
from ..inputs.arguments import FilePath
from ..mapping.grains import GrainMap
from ..model.domain import SAME_DENSITY, beyond
from ..neighbors.contacts import pairs_between, shortest_contact
from ..structures.beads import without_element
from ..structures.density import density, mass_of_atom, mass_of_topology
from ..structures.lattice import edges_and_angles
from ..structures.structure import write_structure
from ..units import ANGSTROM_PER_NM, BOLTZMANN_KJMOL, KJMOL_PER_EV
from ..wording import counted
from .temperature import Moving, element_temperatures, kinetic_temperatures

BEADS = 0.5  # of its length, that a bond between beads may change: behind it atoms turn
TOO_HOT, LEAST_HOT = 10.0, 3000.0  # times what is set, and K: no start that is relaxed a little ends there
COLUMNS = (
    "step,time_ps,potential_kjmol,kinetic_kjmol,total_kjmol,"
    "temperature_K,translation_K,rotation_K,vibration_K,volume_nm3,density_gml,"
    "a_nm,b_nm,c_nm,alpha_deg,beta_deg,gamma_deg,ns_per_day"
).split(",")


class GrainStateReporter:
    """One CSV row a report: energies, temperatures of the grains' motions and of each element, box, density, speed.

    Temperatures come from the velocities that OpenMM's leapfrog integrators keep, those of the half step before. Of
    `LangevinMiddleIntegrator` they sample the set temperature whatever the time step. Velocities at the full step
    would read stiff bonds too cold. The kinetic energy is OpenMM's own ``state.getKineticEnergy()``. Of
    `VerletIntegrator` it is shifted to the time of the positions, so ``total_kjmol`` is what NVE conserves. Of
    `LangevinMiddleIntegrator` it is that of the half step. What is of the box is empty without one, a temperature where
    nothing can move that way. What counts as a degree of freedom: see `simulation.temperature`.

    Parameters
    ----------
    path : path
        Appended to if it exists and is not empty, in the columns that it has.
    interval : int
        Steps between rows.
    grain_map : GrainMap
    """

    def __init__(self, path: FilePath, interval: int, grain_map: GrainMap) -> None:
        self.interval, self.grain_map = interval, grain_map
        self._elements = np.empty(grain_map.num_atoms, dtype=object)
        for t, atoms in zip(grain_map.type_index, grain_map.slots):
            self._elements[atoms] = grain_map.types[t].elements
        columns = [*COLUMNS[:-1], *(f"{element}_K" for element in dict.fromkeys(self._elements)), COLUMNS[-1]]
        new = not (os.path.exists(path) and os.path.getsize(path))
        if not new:
            with open(path, newline="") as file:
                columns = next(csv.reader(file))
        self._latest: tuple[float, float] | None = None
        self._slope = _Slope()
        self._file = open(path, "a", newline="")  # open for as long as the run lasts
        self._rows = csv.DictWriter(self._file, columns, restval="", extrasaction="ignore")
        if new:
            self._rows.writeheader()
        self._clock: float | None = None  # until the first report is announced

    def describeNextReport(self, simulation: app.Simulation) -> dict:
        if self._clock is None:
            self._clock, self._start = time.perf_counter(), simulation.context.getTime()
            self._moving = Moving.of(simulation.system)
            own = map(mass_of_atom, simulation.topology.atoms())
            self._mass = sum(
                moving or mass for moving, mass in zip(self._moving.masses, own)
            )  # frozen atoms fill space
        steps = self.interval - simulation.currentStep % self.interval
        return {"steps": steps, "periodic": False, "include": ["positions", "velocities", "forces", "energy"]}

    def report(self, simulation: app.Simulation, state: openmm.State) -> None:
        potential = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        kinetic = state.getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
        velocities = state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        if not all(np.isfinite(values).all() for values in (potential, velocities, positions)):
            raise SimulationError(
                f"energy, positions or velocities are not finite at step {simulation.currentStep}; take a shorter time "
                "step, or relax the start"
            )
        masses, constraints, com_removed = self._moving
        kelvin = kinetic_temperatures(velocities, masses, positions, self.grain_map, com_removed, constraints)
        own = element_temperatures(velocities, masses, self._elements, com_removed, constraints, positions)
        packing = []
        if simulation.topology.getPeriodicBoxVectors() is not None:
            box = _box(state)
            packing = [f"{np.linalg.det(box):.6f}", f"{density(self._mass, ANGSTROM_PER_NM * box):.5f}"]
            packing += [f"{value:.6f}" for value in edges_and_angles(box)]
        now = state.getTime()
        days = (time.perf_counter() - (self._clock or 0.0)) / 86400
        speed = (now - self._start).value_in_unit(unit.nanosecond) / days
        energies = [f"{energy:.6f}" for energy in (potential, kinetic, potential + kinetic)]
        motions = kelvin.total, kelvin.translation, kelvin.rotation, kelvin.vibration
        temperatures, of_elements = (
            ["" if np.isnan(t) else f"{t:.3f}" for t in some] for some in (motions, own.values())
        )
        clock = f"{now.value_in_unit(unit.picosecond):.6f}"
        row = dict(zip(COLUMNS, [simulation.currentStep, clock, *energies, *temperatures, *packing]))
        row |= dict(zip((f"{element}_K" for element in own), of_elements))
        self._rows.writerow(row | {COLUMNS[-1]: f"{speed:.4f}"})
        self._file.flush()
        self._latest = kelvin.total, float(row.get("density_gml") or "nan")
        self._slope.add(now.value_in_unit(unit.picosecond), potential + kinetic)

    def said(self, conserved: bool) -> str:
        """The last row in a few words; of a run without a thermostat also how fast the energy drifts."""
        if self._latest is None:
            return ""
        kelvin, grams = self._latest
        words = [f"{kelvin:.0f} K"] + ([f"{grams:.3f} g/cm3"] if np.isfinite(grams) and not conserved else [])
        drift = self._slope.value()
        if conserved and drift is not None:
            words.append(f"drift {1000.0 / KJMOL_PER_EV / self.grain_map.num_atoms * drift:.2g} meV/atom/ps")
        return ", ".join(words)

    def close(self) -> None:
        self._file.close()


class _Slope:
    """A straight line of least squares that grows point by point."""

    LEAST = 10  # points

    def __init__(self) -> None:
        self._count, self._means = 0, (0.0, 0.0)
        self._square = self._product = 0.0

    def add(self, x: float, y: float) -> None:
        self._count += 1
        off = x - self._means[0], y - self._means[1]
        self._means = self._means[0] + off[0] / self._count, self._means[1] + off[1] / self._count
        self._square += off[0] * (x - self._means[0])
        self._product += off[0] * (y - self._means[1])

    def value(self) -> float | None:
        """None of few points."""
        return self._product / self._square if self._count >= self.LEAST and self._square else None


class StabilityReporter:
    """Stop a run whose numbers mean nothing any more, and keep its last good frame.

    Parameters
    ----------
    topology : openmm.app.Topology
    positions : array [atoms, 3], nm
        Whole grains; every bond is held against its length here.
    interval : int
        Steps between looks.
    max_stretch : float
        Å that a bond may be off its starting length. One of beads may be off by half of its length, if that is more.
    contact : float, optional
        Å, the shortest distance between grains that the model was trained on. A run in which grains come closer than
        nine tenths of it (thermal motion goes a little below what some hundred frames hold) is warned of once.
    density : (float, float), optional
        g/cm3, lowest and highest that the model was trained on; a run whose box leaves them is warned of once.
    temperature : float, optional
        K, which is set; a run that is ten times as hot, and hotter than 3,000 K, is ended.
    note : callable, optional
        Is told, too, what is warned of: what it is (``contact``, ``density``), and the sentence.
    """

    def __init__(
        self,
        topology: app.Topology,
        positions: np.ndarray,
        interval: int,
        max_stretch: float = 0.5,
        contact: float | None = None,
        density: tuple[float, float] | None = None,
        temperature: float | None = None,
        note: Callable[[str, str], object] = lambda what, text: None,
    ) -> None:
        self.topology, self.interval = topology, interval
        self.bonds = list(topology.bonds())
        self._pairs = np.array([(a.index, b.index) for a, b in self.bonds], dtype=int).reshape(-1, 2)
        self._lengths = self._measure(positions)
        beads = np.array([without_element(a) for a, _ in self.bonds], bool)
        self._allowed = np.maximum(max_stretch, np.where(beads, BEADS * ANGSTROM_PER_NM * self._lengths, 0.0))
        self._good = np.array(positions), topology.getPeriodicBoxVectors()
        self._contact, self._density, self._note = contact, density, note
        self._temperature = temperature
        if density:
            self._mass = mass_of_topology(topology)
        if contact:
            bonds = [(i.index, j.index) for i, j in topology.bonds()]
            self._contacts = pairs_between([atom.residue.index for atom in topology.atoms()], bonds)

    def describeNextReport(self, simulation: app.Simulation) -> dict:
        steps = self.interval - simulation.currentStep % self.interval
        return {"steps": steps, "periodic": False, "include": ["positions", "forces", "energy"]}

    def report(self, simulation: app.Simulation, state: openmm.State) -> None:
        """Raises
        ------
        SimulationError
            The energy, a force or a position is not finite, a bond is too far off, or all is far too hot; names the
            first such place.
        """
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
        for name, values in (("position", positions), ("force", forces)):
            bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
            if len(bad):
                atom = list(self.topology.atoms())[bad[0]]
                raise SimulationError(
                    f"the {name} of atom {atom.name} (index {atom.index}) of residue {atom.residue.name} "
                    f"{atom.residue.id} is not finite ({counted(len(bad), 'atom')} in all)"
                )
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        if not np.isfinite(energy):
            raise SimulationError(f"the potential energy is {energy}")
        self._check_bonds(positions)
        if self._temperature:
            self._check_temperature(simulation.system, state, self._temperature)
        if self._contact:
            self._check_contacts(positions, state, simulation.currentStep, self._contact)
        if self._density and self.topology.getPeriodicBoxVectors() is not None:
            self._check_density(state, simulation.currentStep, self._density)
        self._good = positions.copy(), state.getPeriodicBoxVectors() if self._good[1] is not None else None

    def save_last_good(self, path: FilePath) -> None:
        """Write the last frame that passed, PDBx/mmCIF."""
        write_structure(path, self.topology, *self._good)

    def _check_temperature(self, system: openmm.System, state: openmm.State, wanted: float) -> None:
        masses = (system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles()))
        freedom = 3 * sum(map(bool, masses)) - system.getNumConstraints()
        kinetic = state.getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
        kelvin = 2.0 * kinetic / (max(freedom, 1) * BOLTZMANN_KJMOL)
        if kelvin > max(TOO_HOT * wanted, LEAST_HOT):
            raise SimulationError(
                f"the temperature is {kelvin:.3g} K, where {wanted:g} K are set: this run is not stable"
            )

    def _check_contacts(self, positions: np.ndarray, state: openmm.State, step: int, trained: float) -> None:
        box = None if self.topology.getPeriodicBoxVectors() is None else _box(state)
        distance, pair = shortest_contact(positions, box, self._contacts)
        if ANGSTROM_PER_NM * distance < 0.9 * trained:
            atoms = list(self.topology.atoms())
            a, b = (atoms[i] for i in self._contacts[:, pair])
            self._warn(
                "contact",
                f"step {step}: {a.name} of {a.residue.name} {a.residue.id} and {b.name} of {b.residue.name} "
                f"{b.residue.id} are {ANGSTROM_PER_NM * distance:.2f} Å apart, but the model was trained on no contact "
                f"below {trained:.2f} Å: do not trust the run from here; train the model on such frames",
            )
            self._contact = None

    def _check_density(self, state: openmm.State, step: int, trained: tuple[float, float]) -> None:
        here, (lowest, highest) = density(self._mass, ANGSTROM_PER_NM * _box(state)), trained
        if beyond(here, trained, SAME_DENSITY):
            self._warn(
                "density",
                f"step {step}: the density is {here:.3f} g/cm3, but the model was trained at {lowest:.3f} to "
                f"{highest:.3f}: do not trust the run from here; train the model on such boxes",
            )
            self._density = None

    def _warn(self, what: str, text: str) -> None:
        warnings.warn(text, CGAADomainWarning, stacklevel=3)
        self._note(what, text)

    def _measure(self, positions: np.ndarray) -> np.ndarray:
        return np.linalg.norm(positions[self._pairs[:, 1]] - positions[self._pairs[:, 0]], axis=1)

    def _check_bonds(self, positions: np.ndarray) -> None:
        lengths = ANGSTROM_PER_NM * self._measure(positions)
        start = ANGSTROM_PER_NM * self._lengths
        off = np.abs(lengths - start)
        if (off > self._allowed).any():
            worst = int((off - self._allowed).argmax())
            a, b = self.bonds[worst]
            raise SimulationError(
                f"residue {a.residue.name} {a.residue.id} falls apart: its bond {a.name}-{b.name} is "
                f"{lengths[worst]:.2f} Å long, it began with {start[worst]:.2f} Å, and {self._allowed[worst]:.3g} Å of "
                "change are allowed"
            )


def _box(state: openmm.State) -> np.ndarray:
    """Box of a State, [3, 3], nm."""
    return state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
