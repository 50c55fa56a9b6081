"""Recipes of a plan whose atoms the sampler moves: liquids, single molecules, pairs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..building.boxes import DENSITIES, EDGES, check_edges
from ..data.dataset import Dataset
from ..errors import CGAAError
from ..inputs.ranges import bounded, one_of
from .periodic import Periodic
from .recipes import (
    COPIES,
    FRAMES,
    FRICTIONS,
    LENGTHS,
    SPACINGS,
    STEPS,
    STRAINS,
    TEMPERATURES,
    TIMES,
    Recipe,
    copies,
    entries,
)

if TYPE_CHECKING:
    from .plan import Plan


@dataclass(frozen=True, kw_only=True)
class Liquid(Periodic):
    """Molecular dynamics of a liquid; what is not explained here is explained in `Periodic`.

    Attributes
    ----------
    counts : dict or str, optional
        Molecules of each name, or the name of one of the file's compositions; packed anew for each trajectory.
    structure : str or list of str, optional
        Structure file to begin with, in place of counts, or files that belong together (see `structures.given`). One
        trajectory of a plan begins as the file says; further ones have their molecules packed anew.
    densities : float or list, g/cm3, optional
        Of NVT; NPT begins there (1.0 if not given).
    box : float or list of three floats, Å, optional
        Edges, in place of the densities.
    tolerance : float
        Least distance between molecules in packing, Å.
    save_as : str
        Kind that the trajectory is filed under: ``liquid``, or ``pair`` for two molecules in a box.
    repacked : bool
        The molecules of the structure are packed anew, since another trajectory begins with it; not a key.
    """

    counts: dict[str, int] | str | None = bounded(None, 0, 10**6)
    densities: float | list[float] | None = bounded(None, *DENSITIES)
    box: float | list[float] | None = bounded(None, *EDGES)
    tolerance: float = bounded(2.0, 0.1, 10.0, "Å")
    save_as: str = one_of("liquid", "pair")
    repacked: bool = field(default=False, metadata={"internal": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.counts is None) == (self.structure is None):
            raise CGAAError("give either counts or structure")
        if isinstance(self.counts, dict) and not any(self.counts.values()):
            raise CGAAError(f"counts is {self.counts}; expected how many there are of each molecule")
        if self.box is not None and self.densities is not None:
            raise CGAAError("give either densities or box")
        if self.box is not None:
            object.__setattr__(self, "box", check_edges(self.box))
        if self.ensemble == "NVT" and self.structure is None and self.box is None and self.densities is None:
            raise CGAAError("NVT needs densities (g/cm3) or box (edges in Å)")

    @property
    def ingredients(self) -> list[str]:
        """As of all."""
        return list(self.counts or ())

    def expand(self, plan: "Plan", source: Dataset | None = None) -> Sequence[Recipe]:
        """One recipe a trajectory."""
        counts = self.counts
        if isinstance(counts, str):
            if counts not in plan.compositions:
                raise CGAAError(f"run {self.name}: counts is {counts!r}, but compositions has no such name")
            counts = plan.compositions[counts]
        for name in counts or {}:
            plan.check(name, f"run {self.name}: counts")
        for name in self.strained or []:
            plan.check(name, f"run {self.name}: strained")
            if counts and not counts.get(name):
                raise CGAAError(f"run {self.name}: strained is {name}, of which there is none in the box")
        points = itertools.product(
            entries(self.temperatures, "{:g}K"),
            entries(self.densities, "{:g}g"),
            entries(self.pressures if self.ensemble == "NPT" else 1.0, "{:g}bar"),
            copies(self.boxes, "b"),
        )
        variants = []
        for (t, temperature), (d, density), (p, pressure), copy in points:
            changes = dict(temperatures=temperature, densities=density, pressures=pressure, boxes=1, counts=counts)
            variants.append((t + d + p + copy, changes))
        return self._grown(variants, plan.seed)


@dataclass(frozen=True, kw_only=True)
class Molecules(Recipe):
    """Molecular dynamics of single molecules, without a box.

    Attributes
    ----------
    species : list of str, optional
        Names of molecules; all by default.
    temperatures : float or list, K
        Each makes a trajectory of each molecule.
    copies : int
        Independent trajectories of each.
    equilibration, spacing, frames, step, friction
        As of a liquid.
    turned : bool
        Every frame is another one: the bonds that heavy atoms turn about are set to random angles and held there for
        `spacing` at the temperature. So the frames cover barriers which dynamics does not cross.
    strain : float
        Å; above 0 one to three atoms of every frame are moved at random by up to so much. What such frames cost tells a
        model how stiff a molecule is beyond what thermal motion shows, and where it would break.
    """

    name: str = "molecule"
    species: list[str] | None = None
    temperatures: float | list[float] = bounded(lambda: [300.0, 800.0], *TEMPERATURES)
    copies: int = bounded(1, *COPIES)
    equilibration: float = bounded(2.0, *TIMES)
    spacing: float = bounded(0.5, *SPACINGS)
    frames: int = bounded(20, *FRAMES)
    step: float | None = bounded(None, *STEPS)
    friction: float = bounded(2.0, *FRICTIONS)
    turned: bool = False
    strain: float = bounded(0.0, *STRAINS)

    @property
    def ingredients(self) -> list[str]:
        """As of all."""
        return self.species or []

    def expand(self, plan: "Plan", source: Dataset | None = None) -> Sequence[Recipe]:
        """One recipe a trajectory."""
        names = self.species if self.species is not None else plan.names
        variants = []
        for name, (t, temperature), copy in itertools.product(
            names, entries(self.temperatures, "{:g}K"), copies(self.copies, "c")
        ):
            plan.check(name, f"run {self.name}: species")
            variants.append((f"-{name}{t}{copy}", dict(species=[name], temperatures=temperature, copies=1)))
        return self._grown(variants, plan.seed)


@dataclass(frozen=True, kw_only=True)
class Pairs(Recipe):
    """Two molecules without a box, turned at random, from contact outwards.

    Attributes
    ----------
    species : list of str, optional
        All pairs of these, each with itself too; of all molecules by default.
    pairs : list of pairs of str, optional
        These pairs, in place of species.
    temperatures : float or list, K
        Of the short runs of the single molecules that their shapes are taken from.
    copies : int
        Independent trajectories of each pair.
    orientations, distances : int
        How many orientations, and frames at different distances of each.
    contact : float
        Where they touch: atoms come no closer than this part of the sum of their radii.
    farthest : float
        Largest of the closest approaches, Å.
    radii : dict
        Radii of elements in Å, where the van der Waals radius (for single ions: the ionic one) does not serve.
    dynamics : float
        ps of dynamics at the temperature before a frame is taken; 0: it is taken as placed.
    step, friction
        As of a liquid.
    """

    name: str = "pair"
    species: list[str] | None = None
    pairs: list[list[str]] | None = None
    temperatures: float | list[float] = bounded(300.0, *TEMPERATURES)
    copies: int = bounded(1, *COPIES)
    orientations: int = bounded(10, *FRAMES)
    distances: int = bounded(4, *FRAMES)
    contact: float = bounded(0.8, 0.1, 10.0)
    farthest: float = bounded(8.0, *LENGTHS)
    radii: dict[str, float] = bounded(dict, 0.1, 10.0, "Å")
    dynamics: float = bounded(0.0, *TIMES)
    step: float | None = bounded(None, *STEPS)
    friction: float = bounded(2.0, *FRICTIONS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.orientations * self.distances > FRAMES[1]:
            raise CGAAError(f"orientations times distances are frames; expected at most {FRAMES[1]} of them")
        for pair in self.pairs or []:
            if len(pair) != 2:
                raise CGAAError(f"pairs holds {pair!r}, expected two names")

    @property
    def ingredients(self) -> list[str]:
        """As of all."""
        return sum(self.pairs or [], [])

    def expand(self, plan: "Plan", source: Dataset | None = None) -> Sequence[Recipe]:
        """One recipe a trajectory."""
        names = self.species if self.species is not None else plan.names
        pairs = self.pairs or [list(p) for p in itertools.combinations_with_replacement(names, 2)]
        variants = []
        for pair, (t, temperature), copy in itertools.product(
            pairs, entries(self.temperatures, "{:g}K"), copies(self.copies, "c")
        ):
            for name in pair:
                plan.check(name, f"run {self.name}: pairs")
            changes = dict(pairs=[pair], species=None, temperatures=temperature, copies=1)
            variants.append((f"-{pair[0]}-{pair[1]}{t}{copy}", changes))
        return self._grown(variants, plan.seed)
