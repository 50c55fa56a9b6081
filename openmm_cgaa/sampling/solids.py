"""Crystals, sampled by molecular dynamics from a structure file, at its cell or at strained ones."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data.dataset import Dataset
from ..errors import CGAAError
from ..inputs.ranges import Range, bounded, one_of
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frame
from ..model.checks import check_extent
from ..simulation.barostats import ANISOTROPIC, FLEXIBLE, ISOTROPIC
from ..structures.geometry import check_box, check_positions
from .dynamics import scaled
from .liquids import run_box
from .periodic import Periodic
from .recipes import Made, Recipe, copies, entries

if TYPE_CHECKING:
    from .plan import Plan

STRETCHES = Range(float, 0.5, 2.0)  # of an edge


@dataclass(frozen=True, kw_only=True)
class Solid(Periodic):
    """Molecular dynamics of a crystal, which `building.crystals` makes; what else there is: see `Periodic`.

    Attributes
    ----------
    strains : list
        Each makes a trajectory: a factor of all edges, or a list of three, along x, y and z. Of NVT.
    barostat : str
        Of NPT: ``anisotropic``, ``flexible`` or ``isotropic``.
    held : float
        Å; above 0 a spring holds each atom to its site, from which it alone would let it go so far (rms). A force field
        that would turn molecules, or bend them to another shape, then keeps those of the crystal. Of NVT.
    """

    strains: list[float | list[float]] | None = None
    barostat: str = one_of(ANISOTROPIC, FLEXIBLE, ISOTROPIC)
    held: float = bounded(0.0, 0.0, 10.0, "Å")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.structure is None:
            raise CGAAError("structure is missing; give the file of a crystal (openmm-cgaa build makes one)")
        if self.strains == []:
            raise CGAAError("strains is an empty list; leave the key out, or give a factor")
        if self.strains is not None and self.ensemble == "NPT":
            raise CGAAError("strains are of NVT; at a pressure the cell finds its own size, so leave them out")
        if self.held and self.ensemble == "NPT":
            raise CGAAError("held is of NVT: sites are those of one cell, and at a pressure it finds its own size")
        for strain in self.strains or ():
            factors = strain if isinstance(strain, list) else [strain]
            numbers = all(isinstance(factor, int | float) and factor in STRETCHES for factor in factors)
            if len(factors) not in (1, 3) or not numbers:
                raise CGAAError(f"strains holds {strain}; expected {STRETCHES}, or three of them, along x, y and z")

    def expand(self, plan: "Plan", source: Dataset | None = None) -> Sequence[Recipe]:
        """One recipe a trajectory."""
        for name in self.strained or []:
            plan.check(name, f"run {self.name}: strained")
        points = itertools.product(
            entries(self.temperatures, "{:g}K"),
            [(_named(strain), [strain]) for strain in self.strains] if self.strains else [("", None)],
            entries(self.pressures if self.ensemble == "NPT" else 1.0, "{:g}bar"),
            copies(self.boxes, "b"),
        )
        variants = []
        for (t, temperature), (s, strains), (p, pressure), copy in points:
            changes = dict(temperatures=temperature, strains=strains, pressures=pressure, boxes=1)
            variants.append((t + s + p + copy, changes))
        return self._grown(variants, plan.seed)


def sample_solid(recipe: Solid, plan: "Plan") -> Made:
    """One trajectory of a `Solid` recipe: its frames, the kind it is filed under, details for its record."""
    topology, quantity = plan.structure(recipe)
    box = check_box(topology.getPeriodicBoxVectors())
    if box is None:
        named = ", ".join(recipe.structure_files)
        raise CGAAError(f"{named} has no box, and a crystal is periodic; openmm-cgaa build makes one with its box")
    positions = check_positions(quantity, topology.getNumAtoms())
    grain_map = GrainMap.from_topology(topology)
    check_extent(grain_map, positions, box)
    positions = whole_frame(grain_map, positions, box, wrap=True)
    factors = np.broadcast_to(recipe.strains[0] if recipe.strains else 1.0, 3)
    # a model moves it from the beginning: nothing is packed, and a force field would have another cell
    begin, final = box, box * factors
    if recipe.held:  # at once, since springs at other sites than those of its cell would pull a crystal apart
        positions, begin = scaled(grain_map, positions, factors), final
    sets, kind, details = run_box(
        recipe, plan, topology, positions, begin, final, recipe.barostat, "crystal", held=recipe.held
    )
    about = {"cell_factors": factors.tolist()} | ({"held": recipe.held} if recipe.held else {})
    return sets, kind, details | about


def _named(strain: float | list[float]) -> str:
    return "-x" + "_".join(f"{factor:g}" for factor in (strain if isinstance(strain, list) else [strain]))
