"""What all recipes of a plan have in common: a name, a split, a seed, and lists that make one trajectory an entry."""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from ..data.dataset import SPLITS, Dataset, Frames
from ..errors import CGAAError
from ..inputs.ranges import SEEDS, bounded
from ..inputs.settings import Checked
from ..wording import counted

if TYPE_CHECKING:
    from .plan import Plan

# (low, high, unit) of what several kinds have
TEMPERATURES = (0.001, 1e5, "K")
TIMES = (0.0, 1e9, "ps")
SPACINGS = (1e-6, 1e9, "ps")
FRAMES = (1, 10**6)
COPIES = (1, 10**4)
STEPS = (1e-6, 100.0, "fs")
FRICTIONS = (1e-6, 1e4, "1/ps")
LENGTHS = (0.1, 100.0, "Å")
STRAINS = (0.0, 1.0, "Å")

Made = tuple[list[Frames], str, dict]  # of a trajectory: its frames, its kind, details for its record


@dataclass(frozen=True, kw_only=True)
class Recipe(Checked):
    """What all kinds have in common.

    A key that takes a number or a list makes one trajectory for each entry of a list, which then adds to the name; a
    single number adds nothing. So every trajectory is itself a recipe whose lists have gone, and can be written as one.

    Attributes
    ----------
    name : str
        Of the trajectory, or how the names of all begin.
    split : str or dict
        ``train``, ``validation`` or ``test`` for all; or the fraction of the trajectories for each of them, of which it
        gets at least one.
    seed : int, optional
        Of the first trajectory, counted on from there; otherwise it follows from the names.
    """

    name: str
    split: str | dict[str, float] = bounded("", 0.0, 1.0)
    seed: int | None = bounded(None, *SEEDS)

    def __post_init__(self) -> None:
        super().__post_init__()
        for f in fields(self):
            if "range" in f.metadata and getattr(self, f.name) == []:
                raise CGAAError(f"{f.name} is an empty list; leave the key out, or give a value")
        if isinstance(self.split, str):
            bad = [self.split] if self.split not in ("", *SPLITS) else []
        else:
            bad = [key for key in self.split if key not in SPLITS]
            if not bad and abs(sum(self.split.values()) - 1) > 1e-6:
                raise CGAAError(f"split: the fractions {self.split} do not add up to 1")
        if bad:
            raise CGAAError(f"split: {bad[0]!r} is not one of {', '.join(SPLITS)}")
        if not self.name or "/" in self.name:
            raise CGAAError(f"name is {self.name!r}; it names a file, so it has no slash, and is not empty")

    def _grown(self, variants: Sequence[tuple[str, dict]], seed: int) -> list[Self]:
        """One recipe for each (suffix, changed keys), with seed and split settled."""
        recipes = [replace(self, name=self.name + suffix, **changes) for suffix, changes in variants]
        self._check_split(len(recipes))
        splits = assign(self.split, len(recipes), zlib.crc32(self.name.encode()) + seed)
        seeds = [
            (seed + zlib.crc32(recipe.name.encode())) % 2**31 if self.seed is None else self.seed + k
            for k, recipe in enumerate(recipes)
        ]
        return [replace(recipe, seed=s, split=split) for recipe, s, split in zip(recipes, seeds, splits)]

    def expand(self, plan: "Plan", source: Dataset | None = None) -> Sequence["Recipe"]:
        """One recipe a trajectory; `source` has the frames that they are made from, where they are made from others."""
        raise NotImplementedError

    def _check_split(self, count: int) -> None:
        """Every split that is named needs a trajectory."""
        named = [] if isinstance(self.split, str) else [key for key, share in self.split.items() if share > 0]
        if 0 < count < len(named):
            key = "boxes" if hasattr(self, "boxes") else "copies"
            needed = math.ceil(len(named) * getattr(self, key) / count)
            raise CGAAError(
                f"run {self.name}: split names {', '.join(named)}, but the run makes {counted(count, 'trajectory')}; "
                f"each split needs one of its own: give {key}: {needed}, or name one split"
            )

    @property
    def ingredients(self) -> list:
        """Names of the molecules in it."""
        return []

    @property
    def files(self) -> dict[str, list[str]]:
        """Files that it reads, relative to the plan's folder, by key."""
        return {}

    def settings(self) -> dict:
        """All that decides what comes out; the split does not."""
        return {key: value for key, value in asdict(self).items() if key != "split"}


def entries(values: float | list[float] | None, text: str) -> list[tuple[str, float | None]]:
    """(What it adds to the name, value) of a number or a list of them."""
    if isinstance(values, list):
        return [("-" + text.format(value), float(value)) for value in values]
    return [("", values)]


def copies(count: int, letter: str) -> list[str]:
    return [f"-{letter}{i + 1}" for i in range(count)] if count > 1 else [""]


def assign(split: str | Mapping[str, float], count: int, seed: int) -> list[str]:
    """Split of each of `count` trajectories; each that is named has one at least, where there are as many."""
    if isinstance(split, str):
        return [split] * count
    shares = np.array(list(split.values()))
    numbers = np.diff(np.round(np.cumsum(shares) * count), prepend=0.0)
    for empty in np.flatnonzero((numbers == 0) & (shares > 0)):
        numbers[numbers.argmax()] -= 1
        numbers[empty] = 1
    ends = np.cumsum(numbers)
    order = np.random.default_rng(seed).permutation(count)
    return [list(split)[int(np.searchsorted(ends, place, side="right"))] for place in order]
