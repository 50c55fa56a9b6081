"""The kinds of recipes that a plan can have: the keys of each, and what makes its trajectories."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from .cuts import cut_clusters, run_bursts, scan_volumes
from .derived import Bursts, Clusters, Scans
from .liquids import sample_liquid, sample_molecule
from .moved import Liquid, Molecules, Pairs
from .pairs import sample_pair
from .recipes import Made, Recipe
from .solids import Solid, sample_solid

if TYPE_CHECKING:
    from .plan import Plan


class Maker(NamedTuple):
    """A kind of recipe: its dataclass, and ``make(recipe, plan) -> (sets, kind of trajectory, details)``."""

    keys: type[Recipe]
    make: Callable


MAKERS = {
    "liquid": Maker(Liquid, sample_liquid),
    "crystal": Maker(Solid, sample_solid),
    "molecule": Maker(Molecules, sample_molecule),
    "pair": Maker(Pairs, sample_pair),
    "cluster": Maker(Clusters, cut_clusters),
    "scan": Maker(Scans, scan_volumes),
    "dynamics": Maker(Bursts, run_bursts),
}


def make_trajectory(recipe: Recipe, plan: "Plan") -> Made:
    """One trajectory: its sets of frames, the kind it is filed under, details for its record."""
    return next(maker for maker in MAKERS.values() if maker.keys is type(recipe)).make(recipe, plan)
