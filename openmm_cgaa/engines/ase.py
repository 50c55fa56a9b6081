"""ASE calculator: energy in eV, forces in eV/Å, stress in eV/Å^3."""

import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import natural_cutoffs
from ase.optimize.optimize import Optimizer
from ase.stress import full_3x3_to_voigt_6_stress
from openmm import app

from ..errors import CGAADomainWarning, EngineError, GeometryError, GrainError
from ..inputs.arguments import FilePath
from ..mapping.grains import GrainMap
from ..mapping.prior import BoundPrior
from ..model import checks
from ..model.loaded import LoadedModel
from ..structures import geometry, lattice
from ..structures.beads import is_bead
from ..structures.bonding import bonds_by_distance, molecule_indices
from ..units import ANGSTROM_PER_NM
from .binding import Binding
from .guard import NOT_CONSERVING

BROKEN = 1.4  # times the covalent radii: a longer bond is none, however hot the run
JUMP = 0.5  # Å


class CGAACalculator(Calculator):
    """A CGAA model in ASE.

    Parameters
    ----------
    model : CGAAPotential, str, path-like or bytes
        A potential, or what makes one.
    topology : openmm.app.Topology or GrainMap, optional
        Without it molecules are found by distance: atoms closer than 1.25 times the sum of their covalent radii
        (`ase.neighborlist.natural_cutoffs`) are bonded, bonded atoms are one grain. Alkali and alkaline earth metals
        are ions and have no bonds. Molecules are looked for again when the elements change, or when a bond is longer
        than 1.4 times that sum and an atom has jumped by more than 0.5 Å. So one calculator can go from one Atoms
        object to another.
    precision : str
    device : str, optional

    Notes
    -----
    Stress is there for conserving models without a prior. Rigid bonds of a prior are constraints of OpenMM Systems; ASE
    is told none of them. For models that do not conserve energy, ASE's optimizers are
    refused.
    """

    def __init__(
        self,
        model: LoadedModel | FilePath | bytes,
        topology: app.Topology | GrainMap | None = None,
        precision: str = "double",
        device: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.potential = model if isinstance(model, LoadedModel) else LoadedModel(model, precision, device)
        self.implemented_properties = ["energy", "forces"]
        if self.potential.conserving:
            self.implemented_properties += ["free_energy"]
        self.has_stress = self.potential.conserving and self.potential.prior is None
        if self.has_stress:
            self.implemented_properties += ["stress"]
        self.grain_map = None if topology is None else self.potential.grain_map(topology)
        self.bound: _Bound | None = None
        self.prior: BoundPrior | None = None
        self.told: set = set()  # what was warned of

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Called by ASE.

        Raises
        ------
        GeometryError, GrainError, SimulationError
            The atoms cannot be used.
        EngineError
            An optimizer is used with a model whose forces are not the gradient of its energy.
        """
        super().calculate(atoms, properties, system_changes)
        if not self.potential.conserving and _optimizing():
            raise EngineError("optimisation: " + NOT_CONSERVING.format(what="the optimizer"))
        periodic = bool(self.atoms.pbc.any())
        if periodic and not self.atoms.pbc.all():
            raise GeometryError(f"pbc is {self.atoms.pbc.tolist()}; give a box in all three directions, or in none")
        cell = lattice.reduced(self.atoms.cell.array) if periodic else None
        box = None if cell is None else geometry.check_box(cell / ANGSTROM_PER_NM)
        positions = geometry.check_positions(self.atoms.positions / ANGSTROM_PER_NM, len(self.atoms))
        binding = self._bind(box)
        evaluator = binding(positions, box)
        tensor = evaluator.tensor
        answer = evaluator.compute(tensor(self.atoms.positions), None if cell is None else tensor(cell))
        energy, (forces, virial) = float(answer[0]), (each.double().cpu().numpy() for each in answer[1:])
        if self.potential.prior is not None:
            prior = self._bound_prior(binding)(self.atoms.positions, cell)
            energy, forces = energy + prior[0], forces + prior[1]
        checks.check_finite(energy, forces, binding.grain_map)
        self.results = {"energy": energy, "forces": forces}
        if self.potential.conserving:
            self.results["free_energy"] = energy
        if self.has_stress and periodic:
            self.results["stress"] = full_3x3_to_voigt_6_stress(-virial / self.atoms.get_volume())

    def _bound_prior(self, binding: Binding) -> BoundPrior:
        """The model's prior on these molecules; made anew with them."""
        bound = None if self.prior is None else (self.prior.grain_map, self.prior.periodic)
        if bound != (binding.grain_map, binding.periodic):
            assert self.potential.prior is not None
            self.prior = self.potential.prior.on(binding.grain_map, binding.periodic)
        assert self.prior is not None
        return self.prior

    def _bind(self, box: np.ndarray | None) -> Binding:
        """The model on the current atoms; made anew when they are other molecules."""
        valid_for = self.atoms.get_chemical_symbols(), box is not None
        if self.bound is None or self.bound.valid_for != valid_for:
            self.bound = _Bound(valid_for, self._new_binding(box), self.atoms)
        broken = self.bound.broken(self.atoms)
        if broken and self.grain_map is None and self.bound.jumped(self.atoms):
            try:
                self.bound = _Bound(valid_for, self._new_binding(box), self.atoms)
            except GrainError as error:
                raise GrainError(
                    f"{broken}, and an atom has moved by more than {JUMP} Å since the last call. In a run: use a "
                    f"shorter time step or relax the start. As other molecules: {error}"
                ) from None
            broken = self.bound.broken(self.atoms)
        self.bound.last = self.atoms.positions.copy()
        if broken and "bonds" not in self.told:
            self.told.add("bonds")
            warnings.warn(
                f"{broken}. The model knows no molecules that come apart: use a shorter time step or relax the start; "
                "where a topology is given, check that the atoms are in its order",
                CGAADomainWarning,
                stacklevel=2,
            )
        return self.bound.binding

    def _new_binding(self, box: np.ndarray | None) -> Binding:
        elements = self.atoms.get_chemical_symbols()
        grain_map = self.grain_map
        if grain_map is None:
            try:
                grain_map = self.potential.grain_map(infer_grains(self.atoms))
            except GrainError as error:
                raise GrainError(
                    f"{error}. These molecules were found by distance; where they are wrong, as in a frame with broken "
                    "or touching molecules, give them: CGAACalculator(model, topology)"
                ) from None
        positions = geometry.check_positions(self.atoms.positions / ANGSTROM_PER_NM, grain_map.num_atoms)
        for t, slots in zip(grain_map.type_index, grain_map.slots):
            expected = ["X" if is_bead(element) else element for element in grain_map.types[t].elements]
            if any(elements[atom] != element for atom, element in zip(slots, expected)):
                raise GeometryError(
                    f"atoms {slots.tolist()} are {[elements[a] for a in slots]}, but the topology has "
                    f"{expected} there; are both in the same order?"
                )
        checks.check_extent(grain_map, positions, box)
        self.potential.warn_domain(grain_map, box, told=self.told)
        return Binding(self.potential, grain_map, box is not None)


class _Bound:
    """A binding, and what it holds for: elements, periodicity, and bonds that are bonds.

    Parameters
    ----------
    valid_for : tuple
    binding : Binding
    atoms : ase.Atoms
    """

    def __init__(self, valid_for: tuple, binding: Binding, atoms: Atoms):
        self.valid_for = valid_for
        self.binding = binding
        grain_map = binding.grain_map
        bonds = [
            (g, slots[i], slots[j])
            for g, (t, slots) in enumerate(zip(grain_map.type_index, grain_map.slots))
            for i, j in grain_map.types[t].bonds
            if not grain_map.types[t].beads  # nothing is known of how long their bonds may be
        ]
        self.grains, self.first, self.second = np.array(bonds, dtype=int).reshape(-1, 3).T
        radii = BROKEN * np.array(natural_cutoffs(atoms))
        self.limits = radii[self.first] + radii[self.second]
        self.last = atoms.positions.copy()

    def broken(self, atoms: Atoms) -> str | None:
        """A sentence about the first bond that is none, or None."""
        lengths = _lengths(atoms, atoms.positions[self.second] - atoms.positions[self.first])
        if (lengths < self.limits).all():
            return None
        worst = int(np.argmin(lengths < self.limits))
        return (
            f"atoms {self.first[worst]} and {self.second[worst]} are bonded in residue "
            f"{self.binding.grain_map.labels[self.grains[worst]]}, but are {lengths[worst]:.2f} Å apart"
        )

    def jumped(self, atoms: Atoms) -> bool:
        """Whether an atom is too far from where it was at the last call for a step of a run."""
        return bool((_lengths(atoms, atoms.positions - self.last) > JUMP).any())


def _lengths(atoms: Atoms, vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(lattice.nearest_image(vectors, atoms.cell.array) if atoms.pbc.all() else vectors, axis=1)


def infer_grains(atoms: Atoms) -> GrainMap:
    """Molecules of an ``ase.Atoms``, found by distance."""
    bonds = bonds_by_distance(atoms)
    return GrainMap.from_arrays(atoms.get_chemical_symbols(), bonds, molecule_indices(len(atoms), bonds))


def _optimizing() -> bool:
    """Whether one of ASE's optimizers waits for this call."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), Optimizer):
            return True
        frame = frame.f_back
    return False
