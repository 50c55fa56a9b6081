"""How long a distillation takes on this machine: what its parts cost, and how often the plan does each."""

import math
import tempfile
import time
import warnings
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from openmm import unit

from ..benchmark.timers import time_classical, time_model, time_teacher
from ..building.boxes import build
from ..errors import CGAAError
from ..host.torchstate import threads, working
from ..labelling.teachers import load_teacher
from ..mapping.grains import GrainMap
from ..mapping.layout import layout_of
from ..model.file import save_model
from ..neighbors.build import build_graph
from ..nn import Network, build_network, complete_config
from ..potential import CGAAPotential
from ..sampling.sampler import Sampler
from ..structures.structure import read_structure
from ..training.soap import SOAP
from ..units import ANGSTROM_PER_NM
from .configs import build_config, network_of, write_config
from .crystalline import boxes_of
from .distillplan import LIQUID, DistillPlan

COMPILED = 3.0  # times faster is a compiled step of training (docs/training.md)
COMPILING = 150.0  # seconds
PREPARED = 12000  # steps that settle and compress a packed box (`sampling.liquids`)
LEAST_STEPS = 2000  # of a training that a budget may leave
OF_LABEL = 60.0  # bytes an atom: positions, forces, and what goes with them
OF_FRAME = 12.0  # bytes an atom of a run's trajectory


@dataclass(frozen=True)
class Rates:
    """What one of each costs here, in seconds, of a box of `ClassicalFrames.atoms`, on one thread.

    Attributes
    ----------
    atoms : int
    classical, fast, form : float
        A step of dynamics by the classical force field, and by students of the fast and the wanted form.
    teacher : float
        A label.
    learn_fast, learn_form : float
        A step of training.
    """

    atoms: int
    classical: float
    fast: float
    form: float
    teacher: float
    learn_fast: float
    learn_form: float


@dataclass(frozen=True)
class Expected:
    """What a stage is expected to take: its name and what it does; minutes by the clock, labels, megabytes."""

    stage: str
    what: str
    minutes: float
    labels: int = 0
    megabytes: float = 0.0


class Clock:
    """The time that is left, from what was expected and from how long the finished stages have taken."""

    def __init__(self, rows: list["Expected"]):
        self.expected = {row.stage: 60.0 * row.minutes for row in rows}

    def left(self, seconds: dict[str, float], current: str, ended: Collection[str] = ()) -> float:
        """Seconds, at most, when a stage begins, or one of several side by side ends.

        Parameters
        ----------
        seconds : dict
            What finished stages took.
        current : str
            The stage that begins, or the first of those that still run.
        ended : collection of str
            Stages that have ended, of which some may come behind that one.
        """
        names = list(self.expected)
        if current not in self.expected:
            return math.nan
        now = names.index(current)
        before = [name for n, name in enumerate(names) if (n < now or name in ended) and seconds.get(name, 0.0) > 0.0]
        taken, wanted = (sum(times[name] for name in before) for times in (seconds, self.expected))
        # a few short stages say little
        pace = (taken + 300.0) / (wanted + 300.0)
        return pace * sum(self.expected[name] for name in names[now:] if name not in ended)


@working()
def measure(plan: DistillPlan) -> Rates:
    """Time this machine; less than a minute."""
    atoms_of = {one.name: one.load()[0].getNumAtoms() for one in plan.species}
    with tempfile.TemporaryDirectory() as folder, threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a model that knows nothing yet
        place = Path(folder)
        generic = "forcefield.xml" if plan.generic else None
        values = build_config(plan, 0.8, plan.classical.atoms, atoms_of, generic)
        values = {key: value for key, value in values.items() if not key.startswith("teacher")}  # no times hang on it
        topology, positions = read_structure(build(write_config(place / "build.yaml", values, "a box to time")))
        sampler = Sampler(**plan.sampler("forcefield.xml")).within(place)
        teacher = load_teacher(plan.teacher, **plan.teacher_settings)
        grain_map = GrainMap.from_topology(topology)
        vectors = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
        x = np.asarray(positions.value_in_unit(unit.nanometer))
        classical, _ = sampler.make(topology, x, vectors)
        box, xyz = ANGSTROM_PER_NM * vectors, ANGSTROM_PER_NM * x

        students, learning = {}, {}
        for preset in {"fast", plan.form}:
            config = complete_config(network_of(plan, preset))
            network = build_network(config, grain_map.types)
            save_model(place / f"{preset}.safetensors", network, _metadata(config, grain_map))
            potential = CGAAPotential(str(place / f"{preset}.safetensors"))
            (timing,) = time_model(potential, preset, topology, positions, 1, steps=20, backends=["python"])
            students[preset], learning[preset] = timing.ms / 1000.0, _learning(network, grain_map, xyz, box)
        return Rates(
            atoms=topology.getNumAtoms(),
            classical=time_classical(classical, topology, positions, 1, 100).ms / 1000.0,
            teacher=time_teacher(teacher, "teacher", topology, positions, 2).ms / 1000.0,
            fast=students["fast"],
            form=students[plan.form],
            learn_fast=learning["fast"],
            learn_form=learning[plan.form],
        )


def _metadata(config: dict, grain_map: GrainMap) -> dict:
    return {"config": config, "types": [kind.to_dict() for kind in grain_map.types]}


def _learning(network: Network, grain_map: GrainMap, positions: np.ndarray, box: np.ndarray) -> float:
    """Seconds of a compiled step of training on one box, and of what the optimizer does with it."""
    network.train()
    optimizer = SOAP(network.parameters())
    cutoffs = network.grain_cutoff, network.atom_cutoff
    graph = build_graph(torch.from_numpy(positions), torch.from_numpy(box), layout_of(grain_map), *cutoffs)
    times, steps = [], []
    for _ in range(3):
        begun = time.perf_counter()
        energy, forces, virial = network(graph, 0, False)
        (energy.sum() + forces.square().sum() + virial.square().sum()).backward()
        times.append(time.perf_counter() - begun)
    for _ in range(12):  # of ten steps one is longer
        begun = time.perf_counter()
        optimizer.step()
        steps.append(time.perf_counter() - begun)
    return float(min(times)) / COMPILED + float(np.mean(steps[2:]))


def expected(plan: DistillPlan, rates: Rates) -> list[Expected]:
    """Each stage with its time, its labels and what it writes, at most: as if all rounds were needed."""
    classical, own, steps, proof = plan.classical, plan.own, plan.training, plan.proof
    kinds = len(plan.species)

    def sampled(boxes: int, picoseconds: float, student: float = 0.0) -> float:
        each = (PREPARED + 1000 * picoseconds) * rates.classical + 1000 * picoseconds * student
        return boxes * each / plan.workers / 60.0

    def labelled(name: str, frames: float) -> Expected:
        megabytes = frames * OF_LABEL * rates.atoms / 1e6
        minutes = frames * rates.teacher / plan.workers / 60.0
        return Expected(name, "the teacher labels", minutes, round(frames), megabytes)

    def learned(name: str, form: str, count: int, cost: float) -> Expected:
        batch = steps.batch_grains / max(1, sum(plan.counts(atoms_of, classical.atoms).values()))
        minutes = (COMPILING + count * cost * max(1.0, batch)) / 60.0
        return Expected(name, f"a student learns ({form})", minutes, 0, 2.0)

    atoms_of = {one.name: one.load()[0].getNumAtoms() for one in plan.species}
    liquid = LIQUID in plan.phases
    solid, *_ = boxes_of(plan)
    boxes = len(classical.temperatures) * len(classical.densities) + len(classical.npt)
    boxes = solid + liquid * (boxes + classical.validation + classical.test)
    length = classical.equilibration + classical.frames * classical.spacing
    rows = [Expected("box" if liquid else "crystal", "force field and box", 1.0)]
    if liquid and plan.density is None:
        rows.append(Expected("density.frames", "the classical liquid's density", sampled(2, 50.0)))
    minutes = sampled(boxes, length) + 0.2 * kinds
    rows.append(Expected("classical.frames", "the classical force field samples", minutes))
    few = kinds * (classical.turned + classical.strained) * sum(atoms_of.values()) / kinds
    few += kinds * (kinds + 1) / 2 * classical.pairs * 2 * sum(atoms_of.values()) / kinds
    rows.append(labelled("classical", boxes * classical.frames + few / rates.atoms))
    rows.append(learned("student1", "fast", steps.first, rates.learn_fast))
    own_boxes = boxes_of_own(plan)
    spacing = own.frames * own.spacing
    for number in range(1, own.rounds + 2):
        moved = rates.fast if number == 1 else rates.form
        minutes = sampled(own_boxes[0], own.equilibration + spacing, moved)
        minutes += sampled(own_boxes[1], own.npt_equilibration + spacing, moved)
        rows.append(Expected(f"own{number}.frames", f"it samples its own {plan.own_phases}", minutes))
        rows.append(labelled(f"own{number}", sum(own_boxes) * own.frames))
        if number <= own.rounds:
            rows.append(learned(f"student{number + 1}", plan.form, steps.steps, rates.learn_form))
    if steps.last:
        rows.append(learned("last", plan.form, steps.last, rates.learn_form))
    large = proof.large / rates.atoms
    runs = {
        "nvt": (large, 1000 * proof.nvt),
        "nve": (large, 2000 * (1.0 + proof.nve)),
        "npt": (1.0, 1000 * proof.npt),
        "hot": (1.0, 1000 * proof.hot),
    }
    if len(plan.phases) > 1:
        runs["liquid"] = 1.0, 1000 * proof.nvt
    made, held = [], []
    if proof.committee:
        made += [learned(name, plan.form, steps.steps, rates.learn_form) for name in ("twin", "half")]
    for name, (size, count) in runs.items():
        frames = proof.teacher_frames if plan.crystal or name != "nvt" else proof.structure_frames
        minutes, megabytes = size * count * rates.form / 60.0, count / 50 * OF_FRAME * size * rates.atoms / 1e6
        made.append(Expected(f"run-{name}", "a run of the last student", minutes, 0, megabytes))
        minutes = size * frames * rates.teacher / 60.0
        held.append(Expected(f"found-{name}", "held against the teacher", minutes, frames))
    return rows + _side_by_side(made, plan.workers) + _side_by_side(held, plan.workers)


def boxes_of_own(plan: DistillPlan) -> tuple[int, int]:
    """Boxes of a student's own, of each round: at constant volume, and at constant pressure."""
    own, liquid, (_, solid, solid_npt) = plan.own, LIQUID in plan.phases, boxes_of(plan)
    return (
        liquid * (len(own.temperatures) * len(own.densities) + 2) + solid,
        liquid * (len(own.npt) + 2) + solid_npt,
    )


def _side_by_side(rows: list[Expected], workers: int) -> list[Expected]:
    """Stages that so many processes make (`Pipeline.do_all`): minutes by the clock."""
    each = [row.minutes for row in rows]
    clock = max(sum(each) / workers, max(each))
    return [replace(row, minutes=row.minutes * clock / sum(each)) for row in rows]


def fitted(plan: DistillPlan, rates: Rates, minutes: float) -> DistillPlan:
    """The plan with as many steps of training as the minutes allow, at most those that it has.

    Raises
    ------
    CGAAError
        Even the fewest steps take longer.
    """

    def total(part: float) -> float:
        return sum(row.minutes for row in expected(_with_steps(plan, part), rates))

    if total(1.0) <= minutes:
        return plan
    least = LEAST_STEPS / max(plan.training.first, plan.training.steps)
    if least >= 1.0 or total(least) > minutes:
        need = total(min(least, 1.0)) / 60.0
        raise CGAAError(
            f"the budget is {minutes / 60.0:.2g} h, but this plan takes {need:.2g} h with the fewest steps of "
            "training; give more, or make less of it: --quick, or --write-template and smaller numbers"
        )
    low, high = least, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if total(middle) <= minutes else (low, middle)
    return _with_steps(plan, low)


def _with_steps(plan: DistillPlan, part: float) -> DistillPlan:
    steps, wanted = plan.training, asdict(plan.training)
    few = {
        key: max(10, 100 * round(part * count / 100)) for key in ("first", "steps", "last") if (count := wanted[key])
    }
    return replace(plan, training=replace(steps, **few))
