"""An OpenMM System as an ASE calculator."""

from collections.abc import Sequence

import numpy as np
import openmm
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses
from ase.stress import full_3x3_to_voigt_6_stress
from openmm.app.internal.unitcell import reducePeriodicBoxVectors
from openmm.unit import dalton, kilojoule_per_mole, nanometer

from ..engines.saved import load_system
from ..errors import EngineError
from ..inputs.arguments import FilePath
from ..structures import lattice
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from ..wording import counted

STRAINS = {"Reference": 1e-4}  # of a finite difference, in double precision; elsewhere forces are summed in single
STRAIN = 1e-3
MASS_TOLERANCE = 0.1  # Da


class OpenMMCalculator(Calculator):
    """Energy, forces and, where it is periodic, stress of an OpenMM System.

    The stress is a central difference of the energy under affine strain of cell and atoms, for OpenMM has none.
    Interactions that end at a hard cutoff make it noisy, for a few pairs cross it; a switching function does not.

    Parameters
    ----------
    path : path
        The System, by ``openmm.XmlSerializer``.
    platform : str
        ``Reference`` is exact; the others are faster, and coarser in the stress.
    threads : int, optional
        Of the platform ``CPU``.

    Raises
    ------
    EngineError
        The file is not a System, has constraints (whose bonds would get no force), or the platform is not there.
    """

    implemented_properties = ["energy", "forces"]

    def __init__(self, path: FilePath, platform: str = "Reference", threads: int | None = None) -> None:
        super().__init__()
        self.system = _read(path)
        self.periodic = self.system.usesPeriodicBoundaryConditions()
        if self.periodic:
            self.implemented_properties = ["energy", "forces", "stress"]
            _reach_over_the_boundary(self.system)
        self.strain = STRAINS.get(platform, STRAIN)
        try:
            where = openmm.Platform.getPlatformByName(platform)
            properties = {"Threads": str(threads)} if threads and platform == "CPU" else {}
            self.context = openmm.Context(self.system, openmm.VerletIntegrator(0.001), where, properties)
        except openmm.OpenMMException as error:
            raise EngineError(f"{path}: OpenMM cannot set the System up on platform {platform}: {error}") from error

    def misfit(self, numbers: np.ndarray, periodic: bool) -> str | None:
        """Why such atoms are not those of the System, or None."""
        count = self.system.getNumParticles()
        if len(numbers) != count:
            return f"they have {counted(len(numbers), 'atom')}, but its System has {counted(count, 'particle')}"
        if periodic != self.periodic:
            kinds = {True: "periodic", False: "not periodic"}
            return f"they are {kinds[periodic]}, but its System is {kinds[self.periodic]}"
        masses = np.array([self.system.getParticleMass(i).value_in_unit(dalton) for i in range(count)])
        expected = atomic_masses[numbers]
        # repartitioned masses say nothing of the elements; the same masses in another order say much
        if np.allclose(np.sort(masses), np.sort(expected), atol=MASS_TOLERANCE):
            wrong = np.flatnonzero(np.abs(masses - expected) > MASS_TOLERANCE)
            if len(wrong):
                return f"their atoms stand in another order than its System's, whose masses differ at atom {wrong[0]}"
        return None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Called by ASE."""
        super().calculate(atoms, properties, system_changes)
        positions, cell, turn = self.atoms.positions, None, np.eye(3)
        if self.periodic:
            cell, turn = lattice.triangular(self.atoms.cell.array)
            positions = positions @ turn
        energy, forces = self._evaluate(positions, cell)
        self.results = {"energy": energy, "forces": forces @ turn.T}
        if cell is not None and "stress" in properties:
            stress = turn @ self._stress(positions, cell) @ turn.T
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)

    def _stress(self, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """[3, 3], eV/Å^3. A strain below the diagonal keeps the cell triangular, and the stress is symmetric."""
        stress = np.zeros((3, 3))
        for i, j in zip(*np.tril_indices(3)):
            energies = []
            for step in (self.strain, -self.strain):
                deformation = np.eye(3)
                deformation[i, j] += step
                energies.append(self._energy(positions @ deformation, cell @ deformation))
            stress[i, j] = stress[j, i] = (energies[0] - energies[1]) / (2 * self.strain)
        return stress / np.abs(np.linalg.det(cell))

    def _energy(self, positions: np.ndarray, cell: np.ndarray | None) -> float:
        """eV."""
        self._place(positions, cell)
        return _energy_of(self.context.getState(energy=True))

    def _evaluate(self, positions: np.ndarray, cell: np.ndarray | None) -> tuple[float, np.ndarray]:
        """Energy in eV and forces [atoms, 3] in eV/Å."""
        self._place(positions, cell)
        state = self.context.getState(energy=True, forces=True)
        found = state.getForces(asNumpy=True).value_in_unit(kilojoule_per_mole / nanometer)
        return _energy_of(state), np.array(found) / KJMOL_PER_NM_PER_EV_PER_ANGSTROM

    def _place(self, positions: np.ndarray, cell: np.ndarray | None) -> None:
        if cell is not None:
            box = [openmm.Vec3(*row) for row in cell / ANGSTROM_PER_NM]
            self.context.setPeriodicBoxVectors(*reducePeriodicBoxVectors(box))
        self.context.setPositions(positions / ANGSTROM_PER_NM)


def _energy_of(state: openmm.State) -> float:
    return state.getPotentialEnergy().value_in_unit(kilojoule_per_mole) / KJMOL_PER_EV


def _reach_over_the_boundary(system: openmm.System) -> None:
    """Bonded terms by the nearest image: frames need not hold whole molecules, as OpenMM expects by default."""
    for force in system.getForces():
        for name in ("setUsesPeriodicBoundaryConditions", "setExceptionsUsePeriodicBoundaryConditions"):
            if hasattr(force, name):
                getattr(force, name)(True)


def _read(path: FilePath) -> openmm.System:
    system = load_system(path)
    if system.getNumConstraints():
        raise EngineError(
            f"{path}: the System has {counted(system.getNumConstraints(), 'constraint')}, and bonds without a force; "
            "make it with constraints=None, rigidWater=False"
        )
    return system
