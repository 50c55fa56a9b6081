"""A model bound to one topology, for an engine that calls it step after step.

A model that is not permutation invariant wants each of several equivalent atoms in the slot that the geometry gives it.
In a run the slots must stay, or its energy jumps; when equivalent atoms have changed places (a methyl group has turned
by 120 degrees, or a Context is given another frame) they must follow. So a grain is looked at when it has moved, and
its slots change when other ones fit better by more than a margin, or when it has moved too far for one step.
"""

from dataclasses import replace

import numpy as np

from ..mapping import matching
from ..mapping.grains import GrainMap
from ..mapping.whole import unwrap
from ..model import checks
from ..model.evaluator import Evaluator, OwnLock
from ..model.loaded import LoadedModel
from ..nn import Part
from ..structures import geometry, lattice
from ..units import ANGSTROM_PER_NM

BETTER = 1.0  # Å, root of the sum of squares over a grain; a methyl group turned by 120 degrees is 3 Å off
JUMPED = 1.0  # Å, likewise; a step of 1 fs at 500 K moves a molecule by some 0.3 Å


class Slots:
    """Which equivalent atom sits in which slot, followed through a run.

    Parameters
    ----------
    grain_map : GrainMap
        Matched to a model's types, which have reference geometries.
    """

    def __init__(self, grain_map: GrainMap):
        self.grain_map = grain_map
        self.base = grain_map
        self.kinds = []  # (reference, tree, permutations, grains) of each type that has equivalent atoms
        self.chosen = np.zeros(grain_map.num_grains, dtype=int)  # row of the permutations
        for t, kind in enumerate(grain_map.types):
            grains = np.flatnonzero(grain_map.type_index == t)
            if kind.reference is not None and kind.num_classes < kind.num_slots and len(grains):
                permutations = matching.automorphisms(kind.elements, kind.bonds)
                self.kinds.append((np.array(kind.reference), kind.tree, permutations, grains))
                self.chosen[grains] = (permutations == np.arange(kind.num_slots)).all(axis=1).argmax()
        self.slack = np.zeros(grain_map.num_grains)  # Å, how far a grain may move until it is looked at again
        self.origin: np.ndarray | None = None

    def __call__(self, positions: np.ndarray, box: np.ndarray | None) -> GrainMap:
        """The grain map of this geometry (Å): the same object as long as no atom changes its slot."""
        looked = []
        moved = np.full(self.base.num_grains, np.inf)
        for reference, tree, permutations, grains in self.kinds:
            atoms = np.array([self.base.slots[g] for g in grains])
            if self.origin is not None:
                by = positions[atoms] - self.origin[atoms]
                by = by if box is None else lattice.nearest_image(by, box)
                moved[grains] = np.linalg.norm(by - by.mean(axis=1, keepdims=True), axis=(1, 2))
            at = np.flatnonzero(moved[grains] >= self.slack[grains])
            if len(at):
                whole = unwrap(positions[atoms[at]], tree, box)
                looked.append((grains[at], matching.misfits(whole, reference, permutations)))
        if self.origin is None:
            self.origin = positions.copy()
        changed = False
        for grains, misfits in looked:
            best, rows = misfits.argmin(axis=1), np.arange(len(grains))
            worse = misfits[rows, self.chosen[grains]] - misfits[rows, best]
            change = (worse > BETTER) | ((moved[grains] > JUMPED) & (worse > 0.0))
            self.chosen[grains[change]] = best[change]
            # misfits obey the triangle inequality: a difference of two changes by twice the way at most
            self.slack[grains] = np.maximum(0.5 * (BETTER - np.where(change, 0.0, worse)), 0.0)
            for g in grains:
                self.origin[self.base.slots[g]] = positions[self.base.slots[g]]
            changed = changed or bool(change.any())
        if changed:
            slots = list(self.base.slots)
            for _, _, permutations, grains in self.kinds:
                for g in grains:
                    slots[g] = slots[g][permutations[self.chosen[g]]]
            self.grain_map = replace(self.base, slots=slots)
        return self.grain_map


class Binding:
    """Gives the evaluator of a geometry.

    Parameters
    ----------
    model : LoadedModel
    grain_map : GrainMap
        Matched to the model's types.
    periodic : bool
    part : Part or int
        A `Part`.
    """

    def __init__(self, model: LoadedModel, grain_map: GrainMap, periodic: bool, part: int = Part.TOTAL):
        self.model = model
        self.grain_map = grain_map
        self.periodic = periodic
        self.part = int(part)
        self.slots = None if model.permutation_invariant else Slots(grain_map)
        self.evaluator: Evaluator | None = None
        self.evaluated = grain_map  # the map of that evaluator
        self.lock = OwnLock()  # several Contexts of one System share what follows

    def __call__(self, positions: np.ndarray, box: np.ndarray | None) -> Evaluator:
        """The `Evaluator` for this geometry (nm); the first one is checked.

        Raises
        ------
        GeometryError
        """
        with self.lock:
            if self.evaluator is None:
                positions = geometry.check_positions(positions, self.grain_map.num_atoms)
                checks.check_extent(self.grain_map, positions, geometry.check_box(box))
            grain_map = self.evaluated
            if self.slots is not None:
                grain_map = self.slots(positions * ANGSTROM_PER_NM, None if box is None else box * ANGSTROM_PER_NM)
            if self.evaluator is None or grain_map is not self.evaluated:
                before = self.evaluator
                self.evaluator = self.model.evaluator(grain_map, self.periodic, self.part)
                if before is not None:
                    self.evaluator.check = before.check  # equal atoms have changed places: this is no new start
                self.evaluated = grain_map
            return self.evaluator
