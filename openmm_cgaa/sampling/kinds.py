"""What ``openmm-cgaa sample`` can do: one class a kind of run, each with the keys that its block in the YAML has."""

import itertools
import zlib
from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase

import numpy as np

from ..building.boxes import DENSITIES, EDGES, check_edges
from ..data.dataset import KINDS, SPLITS
from ..errors import CGAAError
from ..inputs.ranges import SEEDS, bounded, one_of
from ..inputs.settings import Checked

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


@dataclass(frozen=True, kw_only=True)
class Run(Checked):
    """What all kinds have in common.

    A key that takes a number or a list makes one trajectory for each entry of a list, which then adds to the name; a
    single number adds nothing. So every trajectory is itself a run whose lists have gone, and can be written as one.

    Attributes
    ----------
    name : str
        Of the trajectory, or how the names of all begin.
    split : str or dict
        ``train``, ``validation`` or ``test`` for all; or the fraction of the trajectories for each of them.
    seed : int, optional
        Of the first trajectory, counted on from there; otherwise it follows from the names.
    """

    name: str
    split: str | dict[str, float] = bounded("", 0.0, 1.0)
    seed: int | None = bounded(None, *SEEDS)

    def __post_init__(self):
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

    def _grown(self, variants, seed):
        """One run for each (suffix, changed keys), with seed and split settled."""
        runs = [replace(self, name=self.name + suffix, **changes) for suffix, changes in variants]
        splits = _assign(self.split, len(runs), zlib.crc32(self.name.encode()) + seed)
        seeds = [
            (seed + zlib.crc32(run.name.encode())) % 2**31 if self.seed is None else self.seed + k
            for k, run in enumerate(runs)
        ]
        return [replace(run, seed=s, split=split) for run, s, split in zip(runs, seeds, splits)]

    def settings(self) -> dict:
        """All that decides what comes out; the split does not."""
        return {key: value for key, value in asdict(self).items() if key != "split"}


@dataclass(frozen=True, kw_only=True)
class Liquid(Run):
    """Molecular dynamics of a periodic box.

    Attributes
    ----------
    counts : dict or str, optional
        Molecules of each name, or the name of one of the file's compositions; packed anew for each trajectory.
    structure : str, optional
        PDB or PDBx/mmCIF file to begin with, in place of counts.
    temperatures : float or list, K
    ensemble : str
        ``NVT`` or ``NPT``.
    densities : float or list, g/cm3, optional
        Of NVT; NPT begins there (1.0 if not given).
    box : float or list of three floats, Å, optional
        Edges, in place of the densities.
    pressures : float or list, bar
        Of NPT.
    boxes : int
        Independent boxes of each of these.
    equilibration, spacing : float
        ps before the first frame is due, and between frames.
    frames : int
    step : float, fs, optional
        1.0, or 0.5 with a CGAA model.
    friction : float, 1/ps
    tolerance : float
        Least distance between molecules in packing, Å.
    save_as : str
        Kind that the trajectory is filed under: ``liquid``, or ``pair`` for two molecules in a box.
    strain : float
        Å; above 0 one to three atoms of every molecule of the species `strained` (a list; by default all) are moved at
        random by up to so much, in every frame: see `Molecules`. For ions, which do not exist alone. Such frames are
        filed under ``scan``, as others that are no liquid in equilibrium.
    """

    counts: dict[str, int] | str | None = bounded(None, 0, 10**6)
    structure: str | None = None
    temperatures: float | list[float] = bounded(300.0, *TEMPERATURES)
    ensemble: str = one_of("NVT", "NPT")
    densities: float | list[float] | None = bounded(None, *DENSITIES)
    box: float | list[float] | None = bounded(None, *EDGES)
    pressures: float | list[float] = bounded(1.0, -1e4, 1e6, "bar")
    boxes: int = bounded(1, *COPIES)
    equilibration: float = bounded(10.0, *TIMES)
    spacing: float = bounded(0.5, *SPACINGS)
    frames: int = bounded(10, *FRAMES)
    step: float | None = bounded(None, *STEPS)
    friction: float = bounded(2.0, *FRICTIONS)
    tolerance: float = bounded(2.0, 0.1, 10.0, "Å")
    save_as: str = one_of("liquid", "pair")
    strain: float = bounded(0.0, *STRAINS)
    strained: list[str] | None = None

    def __post_init__(self):
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
        if self.strained is not None and not self.strain:
            raise CGAAError("strained names species, but strain is 0; give by how many Å their atoms are moved")

    def expand(self, plan, source=None):
        """One run a trajectory."""
        counts = self.counts
        if isinstance(counts, str):
            if counts not in plan.compositions:
                raise CGAAError(f"run {self.name}: counts is {counts!r}, but compositions has no such name")
            counts = plan.compositions[counts]
        for name in counts or {}:
            plan.molecule(name, f"run {self.name}: counts")
        for name in self.strained or []:
            plan.molecule(name, f"run {self.name}: strained")
            if counts and not counts.get(name):
                raise CGAAError(f"run {self.name}: strained is {name}, of which there is none in the box")
        points = itertools.product(
            _points(self.temperatures, "{:g}K"),
            _points(self.densities, "{:g}g"),
            _points(self.pressures if self.ensemble == "NPT" else 1.0, "{:g}bar"),
            _copies(self.boxes, "b"),
        )
        variants = []
        for (t, temperature), (d, density), (p, pressure), copy in points:
            changes = dict(temperatures=temperature, densities=density, pressures=pressure, boxes=1, counts=counts)
            variants.append((t + d + p + copy, changes))
        return self._grown(variants, plan.seed)


@dataclass(frozen=True, kw_only=True)
class Molecules(Run):
    """Molecular dynamics of single molecules, without a box.

    Attributes
    ----------
    species : list of str, optional
        Names of molecules; all by default.
    temperatures : float or list, K
    copies : int
        Independent trajectories of each.
    equilibration, spacing, frames, step, friction
        As of a liquid.
    turned : bool
        Every frame is another one: the bonds that heavy atoms turn about are set to random angles and held there for
        `spacing` at the temperature, so that the frames cover barriers which dynamics does not cross.
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

    def expand(self, plan, source=None):
        """One run a trajectory."""
        names = self.species if self.species is not None else [m.name for m in plan.molecules]
        variants = []
        for name, (t, temperature), copy in itertools.product(
            names, _points(self.temperatures, "{:g}K"), _copies(self.copies, "c")
        ):
            plan.molecule(name, f"run {self.name}: species")
            variants.append((f"-{name}{t}{copy}", dict(species=[name], temperatures=temperature, copies=1)))
        return self._grown(variants, plan.seed)


@dataclass(frozen=True, kw_only=True)
class Pairs(Run):
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

    def __post_init__(self):
        super().__post_init__()
        if self.orientations * self.distances > FRAMES[1]:
            raise CGAAError(f"orientations times distances are frames; expected at most {FRAMES[1]} of them")
        for pair in self.pairs or []:
            if len(pair) != 2:
                raise CGAAError(f"pairs holds {pair!r}, expected two names")

    def expand(self, plan, source=None):
        """One run a trajectory."""
        names = self.species if self.species is not None else [m.name for m in plan.molecules]
        pairs = self.pairs or [list(p) for p in itertools.combinations_with_replacement(names, 2)]
        variants = []
        for pair, (t, temperature), copy in itertools.product(
            pairs, _points(self.temperatures, "{:g}K"), _copies(self.copies, "c")
        ):
            for name in pair:
                plan.molecule(name, f"run {self.name}: pairs")
            changes = dict(pairs=[pair], species=None, temperatures=temperature, copies=1)
            variants.append((f"-{pair[0]}-{pair[1]}{t}{copy}", changes))
        return self._grown(variants, plan.seed)


@dataclass(frozen=True, kw_only=True)
class Cut(Run):
    """What is made from the frames of other trajectories; each has the split of the one it comes from.

    Attributes
    ----------
    source : str, optional
        Data set (.h5) with the frames; without it those that the same file samples.
    trajectories : list of str
        Which trajectories of it: names, with ``*`` for anything.
    kinds : list of str
        Which kinds of it.
    frames : int
        Taken at random from each trajectory.
    """

    source: str | None = None
    trajectories: list[str] = field(default_factory=lambda: ["*"])
    kinds: list[str] = field(default_factory=lambda: ["liquid"])
    frames: int = bounded(1, *FRAMES)

    def __post_init__(self):
        super().__post_init__()
        for kind in self.kinds:
            if kind not in KINDS:
                raise CGAAError(f"kinds: {kind!r} is not one of {', '.join(KINDS)}")

    def expand(self, plan, source):
        """One run for each trajectory of the source."""
        parents = [
            t
            for t in source.select(kinds=self.kinds).trajectories
            if any(fnmatchcase(t.name, pattern) for pattern in self.trajectories)
        ]
        if not parents:
            where = self.source or "what this file samples"
            raise CGAAError(
                f"run {self.name}: {where} has no trajectory of kind {' or '.join(self.kinds)} named "
                f"{' or '.join(self.trajectories)}"
            )
        runs = self._grown([(f"-{t.name}", dict(trajectories=[t.name], kinds=[t.kind])) for t in parents], plan.seed)
        return [replace(run, split=t.split) for run, t in zip(runs, parents)]


@dataclass(frozen=True, kw_only=True)
class Clusters(Cut):
    """A molecule and its first shell, cut from periodic frames.

    Attributes
    ----------
    centers : list of str, optional
        Names of molecules in the middle; any by default.
    per_frame : int
        Clusters of a frame.
    distance : float
        Å; a molecule belongs to the shell if any of its atoms is as close to any of the central one.
    max_molecules : int, optional
        Only the closest, with the central one.
    """

    name: str = "cluster"
    centers: list[str] | None = None
    per_frame: int = bounded(1, *FRAMES)
    distance: float = bounded(3.0, *LENGTHS)
    max_molecules: int | None = bounded(None, 1, 10**6)


@dataclass(frozen=True, kw_only=True)
class Scans(Cut):
    """Periodic frames with their volume scaled: centers move, molecules stay as they are.

    Attributes
    ----------
    factors : list of float
        Of the volume.
    """

    name: str = "scan"
    factors: list[float] = bounded(lambda: [0.9, 0.95, 1.05, 1.1], 0.1, 10.0)


@dataclass(frozen=True, kw_only=True)
class Bursts(Cut):
    """Short bursts of the teacher's own dynamics.

    Attributes
    ----------
    teacher : str
        As ``openmm-cgaa label`` takes it: ``sevennet-0-d3``, ``package.module:Class``, ``openmm:system.xml``.
    teacher_settings : dict
        Its settings.
    temperature : float, K, optional
        That of the frame by default.
    thermostat : str
        ``langevin``, or ``none``: velocity Verlet from velocities at the temperature.
    step : float, fs
    steps, save_every : int
        Length of a burst, and steps between two frames.
    friction : float, 1/ps
    """

    name: str = "dynamics"
    teacher: str = "sevennet-0-d3"
    teacher_settings: dict = field(default_factory=dict)
    temperature: float | None = bounded(None, *TEMPERATURES)
    thermostat: str = one_of("langevin", "none")
    step: float = bounded(0.5, *STEPS)
    steps: int = bounded(100, 1, 10**9)
    save_every: int = bounded(25, 1, 10**9)
    friction: float = bounded(5.0, *FRICTIONS)

    def __post_init__(self):
        super().__post_init__()
        if self.save_every > self.steps:
            raise CGAAError(f"save_every is {self.save_every}, but a burst has {self.steps} steps only")


RUNS = {
    "liquid": Liquid,
    "molecule": Molecules,
    "pair": Pairs,
    "cluster": Clusters,
    "scan": Scans,
    "dynamics": Bursts,
}


def _points(values, text):
    """(What it adds to the name, value) of a number or a list of them."""
    if isinstance(values, list):
        return [("-" + text.format(value), float(value)) for value in values]
    return [("", values)]


def _copies(count, letter):
    return [f"-{letter}{i + 1}" for i in range(count)] if count > 1 else [""]


def _assign(split, count, seed):
    """Split of each of `count` trajectories."""
    if isinstance(split, str):
        return [split] * count
    ends = np.round(np.cumsum(list(split.values())) * count)
    order = np.random.default_rng(seed).permutation(count)
    return [list(split)[int(np.searchsorted(ends, place, side="right"))] for place in order]
