"""From molecules to a tested model: the stages of a distillation, in their order.

The lesson that decides: errors on frames of a classical liquid look fine while the student's own liquid is wrong. So a
student samples its own liquid, at constant volume and at constant pressure, and learns from it until it is right there.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from openmm import unit

from ..building.boxes import build, relax
from ..data.dataset import Dataset
from ..errors import CGAAError
from ..host.files import check_folder, write_bytes
from ..inputs.arguments import FilePath
from ..labelling.assembly import refused_path
from ..nn import complete_config
from ..pipeline.stages import Pipeline, Stage
from ..pipeline.work import Work
from ..potential import CGAAPotential
from ..sampling.sampler import Sampler
from ..structures.structure import read_structure, write_structure
from ..training.config import load_config
from ..training.evaluation import evaluate
from ..wording import counted
from .configs import (
    build_config,
    classical_config,
    density_config,
    network_of,
    own_config,
    train_config,
    write_config,
)
from .crystalline import barostat_of, build_crystal_config, classical_crystals, of_crystal, own_crystals
from .diagnosis import check_files, diagnose
from .distillplan import LIQUID, DistillPlan
from .gathering import report_of
from .measures import labelled_densities, mean_density, of_evaluation, of_runs
from .others import compared, half_of
from .proof import ENDED, FOUND, SETTLED, analyse_run, run_student, runs_of
from .reportpage import write_report
from .timing import Clock, Rates, boxes_of_own, expected, measure
from .verdict import judge, right_on_own

PLAN = "plan.yaml"
RELAXED = 5.0  # ps, of a packed box by the classical force field
SUPERCELL = "crystal"  # name of the first one, and of its file
GUESS = 0.9  # g/cm3, that boxes begin at where nothing is known


class Distiller:
    """One folder in which molecules become a model.

    Parameters
    ----------
    plan : DistillPlan
        Its paths are absolute.
    pipeline : Pipeline
    share : callable, optional
        As `distill` takes it.
    """

    def __init__(self, plan: DistillPlan, pipeline: Pipeline, share: Callable[[float], object] | None = None):
        self.plan, self.pipeline, self.folder = plan, pipeline, pipeline.folder
        self.work = Work(pipeline, plan.teacher, plan.teacher_settings, plan.workers, share=share)
        loaded = {one.name: one.load() for one in plan.species}
        self.atoms_of = {name: topology.getNumAtoms() for name, (topology, _) in loaded.items()}
        self.small = plan.counts(self.atoms_of, plan.classical.atoms)
        # relative to the files that name it, so that the folder may be moved
        self.generic = "forcefield.xml" if plan.generic else None
        self.sampler = plan.sampler("forcefield.xml")
        self.forcefield = plan.classical_files or [self.folder / "forcefield.xml"]

    def run(self) -> dict:
        """All stages; what the verdict is about."""
        if self.plan.crystal:
            self.crystal(SUPERCELL, self.plan.classical.atoms // 2)
        density = self.liquid() if LIQUID in self.plan.phases else None
        labels = [self.classical(density)]
        student = self.trained("student1", "fast", labels, self.plan.training.first)
        measured: dict[str, Any] = {}
        for number in range(1, self.plan.own.rounds + 2):
            try:
                own = self.own(number, student, density)
            except CGAAError as error:  # no box of it held
                return {"model": str(student), "measured": {"own_blown_up": str(error)} | self.tested(student)}
            measured = self.judged_on_own(number, student, own, f"own{number}")
            density = measured["density"] or density  # the next one begins where this one's own liquid lies
            # without a last student nobody would learn of densities beyond the labels
            known = self.plan.training.last or is_labelled(measured["density"], labels)
            if number > 1 and known and right_on_own(measured):
                break
            if number > self.plan.own.rounds:
                break
            labels.append(own)
            student = self.trained(f"student{number + 1}", self.plan.form, labels, self.plan.training.steps, student)
        if last := self.plan.training.last:
            labels.append(own)
            student = self.trained("last", self.plan.form, labels, last, student)
            measured |= self.judged_on_own(number, student, own, "last-own")
        measured |= self.proof(student, density, labels)
        measured |= self.tested(student)
        measured["refused_labels"] = part_refused(labels)
        measured["own_over_test"] = measured["own_nvt_force"] / measured["test_force"]
        low, high = densities_of(labels)
        measured |= {"density_low": low, "density_high": high}
        if measured.get("density") is not None:
            measured["npt_inside"] = is_labelled(measured["density"], labels)
        return {"model": str(student), "measured": measured}

    def liquid(self) -> float:
        """A box of the liquid, and its density, g/cm3."""
        given = self.plan.begun.density if self.plan.begun else None
        self.box("box", self.plan.density or given or GUESS, self.plan.classical.atoms)
        return self.plan.density or self.found_density()

    def crystal(self, name: str, atoms: int) -> Path:
        """A supercell, with the generic force field where there is none."""
        path, generic = self.folder / f"{name}.cif", self.generic if name == SUPERCELL else None
        values = build_crystal_config(self.plan, atoms, generic)
        config = self.config(f"build-{name}", values, f"openmm-cgaa build build-{name}.yaml")
        made = [path, *(self.forcefield if generic else [])]
        cif = self.plan.crystal.cif if self.plan.crystal else None
        work = partial(build, config, path, self.pipeline.progress)
        title = "a supercell of " + " x ".join(map(str, values["crystal"]["supercell"])) + " cells"
        self.pipeline.do(Stage(name, work, made, None, [config, *([Path(cif)] if cif else [])], title=title))
        return path

    def crystals(self, runs: Callable[..., list[dict]], *more: int) -> list[dict]:
        """Runs of the crystal, where the plan has one."""
        path = self.folder / "crystal.cif"
        return runs(self.plan, path.name, barostat_of(path), *more) if self.plan.crystal else []

    def config(self, name: str, values: dict, said: str) -> Path:
        return write_config(self.folder / f"{name}.yaml", values, said)

    def box(self, name: str, density: float, atoms: int) -> Path:
        """A relaxed box, with the generic force field where there is none."""
        path, packed = self.folder / f"{name}.cif", self.folder / f"{name}-packed.cif"
        generic = self.generic if name == "box" and not self.plan.crystal else None
        values = build_config(self.plan, density, atoms, self.atoms_of, generic)
        config = self.config(f"build-{name}", values, f"openmm-cgaa build build-{name}.yaml")

        def make() -> None:
            build(config, packed, self.pipeline.progress)
            topology, positions = read_structure(packed)
            box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
            x = np.asarray(positions.value_in_unit(unit.nanometer))
            system, _ = Sampler(**self.sampler).within(self.folder).make(topology, x, box)
            positions = relax(topology, positions, system, self.plan.temperature, RELAXED, self.plan.seed)
            write_structure(path, topology, positions.value_in_unit(unit.nanometer))

        made = [path, packed, *(self.forcefield if generic else [])]
        inputs = [config, *([] if generic else self.forcefield)]
        title = f"a box of {counted(sum(one['count'] for one in values['molecules']), 'molecule')}"
        self.pipeline.do(Stage(name, make, made, None, inputs, title=title))
        return path

    def sampled(self, name: str, values: dict, title: str, model: Path | None = None) -> Path:
        config = self.config(f"sample-{name}", values, f"openmm-cgaa sample sample-{name}.yaml")
        inputs = [*self.forcefield, *([self.folder / "crystal.cif"] if self.plan.crystal else [])]
        workers = self.plan.workers
        return self.work.sampled(f"{name}.frames", title, config, model, workers=workers, inputs=inputs)

    def found_density(self) -> float:
        """g/cm3 of the classical liquid."""
        frames = self.sampled(
            "density", density_config(self.plan, self.sampler, self.small), "the classical liquid's density"
        )
        return mean_density(Dataset.load(frames))

    def classical(self, density: float | None) -> Path:
        crystals = self.crystals(classical_crystals)
        values = classical_config(self.plan, self.sampler, self.small, density, crystals)
        about = "" if density is None else f", about {density:.3f} g/cm3"
        frames = self.sampled("classical", values, f"the classical force field samples{about}")
        return self.labelled("classical", frames)

    def labelled(self, name: str, frames: Path) -> Path:
        dataset = Dataset.load(frames)
        molecules = sum(len(one) * one.num_grains for one in dataset.sets)
        many = f"{counted(len(dataset), 'frame')}, {counted(molecules, 'molecule')}"
        return self.work.labelled(name, f"the teacher labels {many}", frames)

    def training(
        self, name: str, form: str, labels: list[Path], steps: int, init: Path | None = None, **changes: Any
    ) -> Stage:
        """Of a student; from another one's weights if that has the same form. Changes are of the YAML's keys."""
        network = complete_config(network_of(self.plan, form))
        same = init is not None and CGAAPotential(str(init)).metadata["config"] == network
        values = train_config(self.plan, form, labels, steps, init if same else None) | changes
        config = self.config(f"train-{name}", values, f"openmm-cgaa train train-{name}.yaml")
        return self.work.training(name, f"{name} learns ({form}, {counted(steps, 'step')})", load_config(config))

    def trained(
        self, name: str, form: str, labels: list[Path], steps: int, init: Path | None = None, **changes: Any
    ) -> Path:
        """The model of a student that has learned; as of `training`."""
        self.pipeline.do(self.training(name, form, labels, steps, init, **changes))
        return self.work.model(name)

    def own(self, number: int, student: Path, density: float | None) -> Path:
        crystals = self.crystals(own_crystals, number)
        values = own_config(self.plan, self.sampler, self.small, density, number, crystals)
        frames = self.sampled(
            f"own{number}", values, f"student{number} samples its own {self.plan.own_phases}", student
        )
        return self.labelled(f"own{number}", frames)

    def judged_on_own(self, number: int, student: Path, own: Path, name: str) -> dict:
        """What the verdict asks of own test frames, at constant volume and at constant pressure.

        Of a student that student `number` has made, or of one that was trained on from it.
        """
        path = self.folder / f"{name}.json"

        def measure() -> None:
            dataset = Dataset.load(own)
            found: dict[str, Any] = {}
            for ensemble in ("nvt", "npt"):
                names = [t.name for t in dataset.trajectories if t.name.startswith(f"own{number}-test-{ensemble}")]
                part = self.folder / f"own{number}-{ensemble}.h5"
                if names:
                    dataset.select(trajectories=names).save(part)
                    errors = evaluate(student, part, "test")
                    found |= {f"own_{ensemble}_{key}": value for key, value in of_evaluation(errors).items()}
                    part.unlink()
            asked = sum(boxes_of_own(self.plan)) * self.plan.own.frames
            found["own_lost"] = max(0.0, 1.0 - len(dataset) / asked)
            boxes = {f"own{number}-test-npt-b{box}" for box in (1, 2)}  # one in which no step held has left no frames
            there = [t.name for t in dataset.trajectories if t.name in boxes]
            found["density"] = mean_density(dataset.select(trajectories=there)) if there else None
            write_bytes(path, (json.dumps(found, indent=1) + "\n").encode())

        title = f"{student.parent.name} is judged there"
        self.pipeline.do(Stage(name.replace("own", "judge"), measure, [path], None, [student, own], title=title))
        return json.loads(path.read_text())

    def tested(self, student: Path) -> dict:
        """Errors on the classical boxes that nothing was learned from."""
        path, labels = self.folder / "test.json", self.folder / "classical.h5"

        def measure() -> None:
            write_bytes(path, (json.dumps(evaluate(student, labels, "test"), indent=1) + "\n").encode())

        self.pipeline.do(Stage("test", measure, [path], None, [student, labels], title="the student is tested"))
        return {f"test_{key}": value for key, value in of_evaluation(json.loads(path.read_text())).items()}

    def proof(self, student: Path, density: float | None, labels: list[Path]) -> dict:
        """Runs of the last student, held against the teacher, and other students beside it."""
        wanted, workers = self.plan.proof, self.plan.workers
        # the first box was packed before anyone knew how dense the liquid is
        liquid = None if density is None else self.box("liquid", density, self.plan.classical.atoms)
        if self.plan.crystal:
            small, large = self.folder / "crystal.cif", self.crystal("crystal-large", wanted.large)
        else:
            assert liquid is not None and density is not None
            small, large, liquid = liquid, self.box("large", density, wanted.large), None
        stages, analyses = self.others(labels) if wanted.committee else [], []
        for name, (start, settings) in runs_of(self.plan, small, large, liquid).items():
            folder = self.folder / f"run-{name}"
            made = [folder, folder / ENDED]
            work: Callable[[], None] = partial(
                run_student, folder, start, student, settings, 1 if workers > 1 else None
            )
            title = f"{name}: {settings.picoseconds + settings.nve_picoseconds:g} ps at {settings.temperature:g} K"
            stages.append(Stage(f"run-{name}", work, made, settings.__dict__, [start, student], title=title))
            frames = wanted.teacher_frames if self.plan.crystal or name != "nvt" else wanted.structure_frames
            settled = min(SETTLED, settings.picoseconds / 4)
            work = partial(analyse_run, folder, start, student, self.plan, frames, settled)
            asked: dict[str, Any] = {"teacher_frames": frames, "settled": settled}
            asked |= {"lattice": ["sites", "turned"]} if self.plan.crystal else {}
            inputs = [start, student, folder / ENDED]
            title = f"{name} beside the teacher, {counted(frames, 'frame')}"
            analyses.append(Stage(f"found-{name}", work, [folder / FOUND], asked, inputs, title=title))
        self.pipeline.do_all(stages, workers)
        self.pipeline.do_all(analyses, workers)
        found = {one.name.removeprefix("found-"): json.loads(one.outputs[0].read_text()) for one in analyses}
        beside = self.compared_with_others(student, labels) if wanted.committee else {}
        return of_runs(found, self.plan) | of_crystal(found) | beside

    def others(self, labels: list[Path]) -> list[Stage]:
        """Trainings of a model of another seed, and of one of half the labels."""
        form, steps, seed = self.plan.form, self.plan.training.steps, self.plan.seed + 1
        data = {"paths": [str(one) for one in labels], "max_grains": half_of(labels)}
        return [
            self.training("twin", form, labels, steps, seed=seed),
            self.training("half", form, labels, steps, seed=seed, data=data),
        ]

    def compared_with_others(self, student: Path, labels: list[Path]) -> dict:
        path, inputs = self.folder / "others.json", [student, *map(self.work.model, ("twin", "half")), labels[0]]

        def measure() -> None:
            write_bytes(path, (json.dumps(compared(*inputs), indent=1) + "\n").encode())

        self.pipeline.do(Stage("others", measure, [path], None, inputs, title="the student beside others"))
        return json.loads(path.read_text())


def part_refused(labels: list[Path]) -> float:
    """Which part of the teacher's labels was refused."""
    refused = sum(len(Dataset.load(path)) for path in map(refused_path, labels) if path.is_file())
    return refused / (refused + sum(len(Dataset.load(path)) for path in labels))


def densities_of(labels: list[Path]) -> tuple[float, float]:
    """Lowest and highest density of labelled frames, g/cm3."""
    low, high = zip(*(labelled_densities(Dataset.load(path)) for path in labels))
    return min(low), max(high)


def is_labelled(density: float | None, labels: list[Path]) -> bool:
    """Whether a density (g/cm3) lies among those of labelled frames; one that is not known does."""
    low, high = densities_of(labels)
    return density is None or low <= density <= high


def distill(
    plan: DistillPlan,
    out: FilePath,
    progress: Callable[[str], object] = print,
    share: Callable[[float], object] | None = None,
    timed: Callable[[Rates], object] | None = None,
) -> dict:
    """Everything from the molecules to a tested model; see `Distiller`. A second call goes on.

    Parameters
    ----------
    plan : DistillPlan
    out : path
        Folder of everything, ``model.safetensors`` among it.
    progress : callable
        Called with a line of text at each stage, with the time that is left at most.
    share : callable, optional
        Called with how much of a stage is done, 0.0 to 1.0, where it can tell.
    timed : callable, optional
        Called with what was timed of this machine, before the first stage.

    Returns
    -------
    dict
        ``model`` (path), ``measured``, ``verdict`` (a `Verdict`), ``seconds`` of each stage, ``report`` (path).

    Raises
    ------
    CGAAError
        Of any of the stages; the finished ones stay.
    """
    out = Path(out)
    check_files(plan)
    check_folder(out, PLAN, ["stages.json", "model.safetensors", "report.html"])
    with Pipeline.owning(out, progress) as pipeline:
        write_bytes(out / PLAN, plan.text().encode())
        minded = diagnose(plan)
        for line in minded:
            progress(f"mind: {line}")
        rates = _timed(plan, pipeline)
        if timed is not None:
            timed(rates)
        clock = Clock(expected(plan, rates))

        def with_time(line: str) -> None:
            left = clock.left(pipeline.seconds, pipeline.current, pipeline.ended)
            progress(f"{line} ({_hours(left)} left at most)" if math.isfinite(left) else line)

        pipeline.progress = with_time
        found = Distiller(plan, pipeline, share).run()
        write_bytes(out / "model.safetensors", Path(found["model"]).read_bytes())
        found["measured"] |= {"form": plan.form, "own": plan.own_phases}
        found["measured"]["warnings"] = [*minded, *found["measured"].get("warnings", [])]
        found["seconds"] = dict(pipeline.seconds)
        verdict = judge(found["measured"])
        report = report_of(out, plan, found, verdict, rates)
        write_bytes(out / "use.py", report["script"].encode())
        return found | {"verdict": verdict, "report": str(write_report(out, report))}


def _timed(plan: DistillPlan, pipeline: Pipeline) -> Rates:
    """What was measured of this machine, once."""
    path = pipeline.folder / "timing.json"
    work = lambda: write_bytes(path, (json.dumps(asdict(measure(plan)), indent=1) + "\n").encode())  # noqa: E731
    settings = [plan.classical.atoms, plan.form, plan.teacher, plan.teacher_settings]
    pipeline.do(Stage("timing", work, [path], settings, title="this machine is timed"))
    return Rates(**json.loads(path.read_text()))


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60.0)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
