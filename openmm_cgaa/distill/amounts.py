"""How much work goes into the parts of a distillation: frames, steps, runs."""

from dataclasses import dataclass

from ..inputs.ranges import bounded
from ..inputs.settings import Checked

FACTORS = 0.1, 10.0
COUNTS = 0, 10**6
TIMES = 0.0, 1e6


@dataclass(frozen=True)
class ClassicalFrames(Checked):
    """What the classical force field samples first. Temperatures and densities are parts of the plan's.

    Attributes
    ----------
    atoms : int
        Of a box, about.
    temperatures, densities : list of float
        Of the boxes at constant volume: each with each. A generic force field is rather too thin.
    npt : list of float
        Temperatures of boxes at constant pressure.
    equilibration, spacing : float, ps
        Before the first frame, and between frames.
    frames : int
        Of a box.
    validation, test : int
        Boxes of their own, at temperatures and densities in between.
    turned, strained, pairs : int
        Frames of each species turned about its bonds, of each with atoms out of place, and of each pair of species.
        Atoms of pairs come closer than in any liquid.
    """

    atoms: int = bounded(240, 50, 10000)
    temperatures: list[float] = bounded(lambda: [0.95, 1.15, 1.35], *FACTORS)
    densities: list[float] = bounded(lambda: [0.95, 1.05, 1.2], *FACTORS)
    npt: list[float] = bounded(lambda: [0.95, 1.0], *FACTORS)
    equilibration: float = bounded(8.0, *TIMES, "ps")
    spacing: float = bounded(0.8, 0.001, 1e3, "ps")
    frames: int = bounded(16, 1, 10**5)
    validation: int = bounded(2, 1, 100)
    test: int = bounded(3, 1, 100)
    turned: int = bounded(150, *COUNTS)
    strained: int = bounded(1000, *COUNTS)
    pairs: int = bounded(120, *COUNTS)


@dataclass(frozen=True)
class OwnFrames(Checked):
    """What a student samples by itself, round after round, until its own liquid is right.

    Attributes
    ----------
    rounds : int
        At most so many trainings after the first.
    temperatures, densities : list of float
        Of the boxes at constant volume, as of `ClassicalFrames`.
    npt : list of float
        Temperatures of boxes at constant pressure.
    equilibration, npt_equilibration : float, ps
        Before the first frame of a box at constant volume, and at constant pressure.
    spacing : float, ps
        Between frames.
    frames : int
        Of a box.
    """

    rounds: int = bounded(3, 1, 20)
    temperatures: list[float] = bounded(lambda: [0.95, 1.15, 1.35], *FACTORS)
    densities: list[float] = bounded(lambda: [0.97, 1.06], *FACTORS)
    npt: list[float] = bounded(lambda: [0.95, 1.0, 1.1], *FACTORS)
    equilibration: float = bounded(2.0, *TIMES, "ps")
    npt_equilibration: float = bounded(8.0, *TIMES, "ps")
    spacing: float = bounded(0.3, 0.001, 1e3, "ps")
    frames: int = bounded(24, 1, 10**5)


@dataclass(frozen=True)
class CrystalFrames(Checked):
    """What is sampled of a crystal; how many frames, and how far apart, `ClassicalFrames` and `OwnFrames` say.

    Attributes
    ----------
    narrowest : float, Å
        Supercells are as high as that along each vector at least.
    temperatures, strains : list of float
        Of runs at constant volume: each with each. A strain is a factor of all edges.
    npt : list of float
        Temperatures of runs at constant pressure, in which the box changes its shape.
    held : float, Å
        The classical force field samples with springs that hold each atom to its site (`sampling.solids`), and at
        constant volume alone. Few force fields keep a crystal that they were not made for. 0: without springs.
    """

    narrowest: float = bounded(10.0, 1.0, 1000.0, "Å")
    temperatures: list[float] = bounded(lambda: [0.7, 1.0, 1.3], *FACTORS)
    strains: list[float] = bounded(lambda: [0.98, 1.01, 1.04], 0.5, 2.0)
    npt: list[float] = bounded(lambda: [0.5, 0.8, 1.0, 1.3], *FACTORS)
    held: float = bounded(0.3, 0.0, 10.0, "Å")


@dataclass(frozen=True)
class Steps(Checked):
    """How long students are trained.

    Attributes
    ----------
    first : int
        Steps of the first student, of the fast form; it samples, and is not kept.
    steps : int
        Steps of those that sample after it.
    last : int
        Steps of the model that is kept: it goes on from the last of these, with all labels. 0: that one is kept.
    batch_grains : int
        Grains of a batch.
    lr : float
        Learning rate.
    """

    first: int = bounded(6000, 10, 10**9)
    steps: int = bounded(15000, 10, 10**9)
    last: int = bounded(60000, 0, 10**9)
    batch_grains: int = bounded(24, 1, 10**6, "grains")
    lr: float = bounded(3e-3, 1e-9, 10.0)


@dataclass(frozen=True)
class Proof(Checked):
    """Runs that the verdict is judged on.

    Attributes
    ----------
    nvt, nve, npt, hot : float, ps
        At the temperature; `hot` at `hottest` times it.
    hottest : float
        Factor of the temperature.
    large : int
        Atoms of the box of `nvt` and `nve`; the others have those of `ClassicalFrames`.
    teacher_frames, structure_frames : int
        Of each run, held against the teacher; more of a liquid's `nvt`, for its radial distributions.
    committee : bool
        Train a model of another seed, and one from half of the labels; `Steps.steps` each.
    """

    nvt: float = bounded(50.0, *TIMES, "ps")
    nve: float = bounded(10.0, *TIMES, "ps")
    npt: float = bounded(100.0, *TIMES, "ps")
    hot: float = bounded(50.0, *TIMES, "ps")
    hottest: float = bounded(1.35, *FACTORS)
    large: int = bounded(1000, 50, 10**6)
    teacher_frames: int = bounded(20, 1, 10**5)
    structure_frames: int = bounded(200, 1, 10**5)
    committee: bool = True
