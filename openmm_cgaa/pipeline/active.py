"""One round of active learning: students sample, the frames that they disagree about are labelled and learned."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from ..data.dataset import Dataset, describe_teacher, same_teacher
from ..errors import CGAAError
from ..host.files import check_folder, write_bytes
from ..host.formats import ROUND
from ..inputs.arguments import FilePath
from ..inputs.ranges import PROCESSES, bounded
from ..inputs.settings import Checked, completed, from_mapping
from ..inputs.yamlfile import read_yaml
from ..labelling.teachers import load_teacher
from ..sampling.derived import Cut
from ..sampling.plan import load_plan
from ..training.config import TrainingConfig, load_config
from ..training.evaluation import evaluate
from ..wording import counted
from .disagreement import choose, correlation, disagreements
from .stages import Pipeline, Stage
from .work import Work

RECORD = "round.json"
FILES = ("before.h5", "chosen.h5", "own_before.h5", "improved", "after.h5", "own_after.h5", "report.json")


@dataclass(frozen=True)
class Round(Checked):
    """What ``openmm-cgaa active`` reads; paths are relative to the YAML file.

    Attributes
    ----------
    train : str
        Training configuration of all students.
    sample : str
        What the first student samples (``openmm-cgaa sample``); its sampler gets that student as the model. Of the
        trajectories of split ``train`` frames are chosen, those of split ``test`` show the error before and after.
    output : str
        Folder.
    members : int
        Students, which differ by their seed. At least three.
    budget : int
        Grains to label for training.
    teacher : str, optional
        As ``openmm-cgaa label`` takes it; by default the one that labelled the training data.
    teacher_settings : dict
        Of the teacher.
    changes : list of str
        Changes of the training configuration, ``key=value``.
    workers : int
        Processes that train the committee, and label.
    """

    train: str
    sample: str
    output: str = "active"
    members: int = bounded(3, 1, 100)
    budget: int = bounded(3000, 1, 10**9, "grains")
    teacher: str | None = None
    teacher_settings: dict = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    workers: int = bounded(1, *PROCESSES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.members < 3:
            raise CGAAError(f"members is {self.members}; a committee has at least three, or its spread says little")


def improve(path: FilePath, progress: Callable = print) -> dict:
    """One round. Each step leaves a file in the output folder; what is there is not done again.

    Parameters
    ----------
    path : path
        YAML, see `Round`.
    progress : callable
        Called with a line of text at each step.

    Returns
    -------
    dict
        As in ``report.json``.
        ``before`` and ``after``: the student on its own trajectories, as `evaluation.evaluate` says.
        ``same``: the new student on the old one's. ``others``: the rest of the committee on it, which shows what chance
        does.
        ``correlation`` of the committee's spread with the error of the net force.

    Raises
    ------
    CGAAError
        Of any of the steps; the finished ones stay.
    """
    path = Path(path)
    plan = from_mapping(Round, read_yaml(path, "a round of active learning"), str(path))
    folder, out = path.parent, path.parent / plan.output
    config = load_config(folder / plan.train, plan.changes)
    if plan.teacher is None:
        plan = _with_teacher(plan, config, path)
    identity = _begin(plan, config, folder / plan.sample, out)
    with Pipeline.owning(out, progress) as pipeline:
        _holds(out, identity)  # asked again, now that no other process can change it
        write_bytes(out / RECORD, record(identity))
        return _go_on(plan, config, folder / plan.sample, pipeline)


def _with_teacher(plan: Round, config: TrainingConfig, path: Path) -> Round:
    """The round with the teacher of the training data."""
    if plan.teacher_settings:
        raise CGAAError(f"{path}: teacher_settings are for a teacher; name it with teacher")
    identity = Dataset.load(config.data.paths[0]).teacher
    if identity is None:
        raise CGAAError(f"{config.data.paths[0]}: has no labels, so no teacher; name one with teacher in {path}")
    return replace(plan, teacher=identity["name"], teacher_settings=identity.get("settings") or {})


def _go_on(plan: Round, config: TrainingConfig, source: Path, pipeline: Pipeline) -> dict:
    work, out = Work(pipeline, str(plan.teacher), plan.teacher_settings, plan.workers), pipeline.folder
    trainings = [
        work.training(f"student{seed}", f"student {seed} of {plan.members}", replace(config, seed=seed))
        for seed in range(1, plan.members + 1)
    ]
    pipeline.do_all(trainings, plan.workers)
    students = [work.model(one.name) for one in trainings]
    before = work.sampled("before", "the first student samples", source, students[0])
    frames = Dataset.load(before)
    candidates, own = frames.select(splits=["train"]), frames.select(splits=["test"])
    if not len(candidates) or not len(own):
        raise CGAAError(f"{before}: no trajectory of split {'test' if len(candidates) else 'train'} is left")

    comparing = f"the committee compares {counted(len(candidates), 'frame')}"
    needs = [before, *students]
    choice = work.kept("chosen", comparing, lambda: _chosen(plan, students, candidates), plan.budget, needs)
    chosen = Dataset.load(choice)
    many = f"{counted(len(chosen), 'frame')}, {counted(_grains(chosen), 'grain')}"
    added = work.labelled("chosen", f"the teacher labels {many}", choice)
    own_frames = work.kept("own_before", "test frames are set apart", lambda: own, None, [before])
    own_before = work.labelled("own_before", "the teacher labels them", own_frames)

    more = replace(config.data, paths=[*config.data.paths, str(added)])
    new = work.trained("improved", "the student learns them", replace(config, data=more, seed=1))
    after = work.sampled("after", "the new student samples", source, new, ["test"])
    its_frames = work.kept("own_after", "test frames are set apart", lambda: Dataset.load(after), None, [after])
    own_after = work.labelled("own_after", "the teacher labels its frames", its_frames)

    def report() -> None:
        found = {
            "budget": plan.budget,
            "chosen": {"frames": len(chosen), "grains": _grains(chosen)},
            "deviation": {
                name: float(np.mean(np.concatenate([v.max(1) for v in disagreements(students, part)])))
                for name, part in (("candidates", candidates), ("chosen", chosen))
            },
            "before": evaluate(students[0], own_before),
            "same": evaluate(new, own_before),
            "others": [evaluate(student, own_before) for student in students[1:]],
            "after": evaluate(new, own_after),
            "correlation": correlation(students, Dataset.load(own_before)),
        }
        write_bytes(out / "report.json", (json.dumps(found, indent=1) + "\n").encode())

    inputs = [*students, new, before, choice, own_before, own_after]
    pipeline.do(Stage("report", report, [out / "report.json"], None, inputs, title="all are held against the teacher"))
    return json.loads((out / "report.json").read_text())


def _chosen(plan: Round, students: list[Path], candidates: Dataset) -> Dataset:
    scores = disagreements(students, candidates)
    chosen = choose(candidates, [values.max(1) for values in scores], plan.budget)
    if not len(chosen):
        least = min(one.num_grains for one in candidates.sets)
        raise CGAAError(
            f"budget: {counted(plan.budget, 'grain')}, but the smallest frame has {least}; raise it and run again, "
            "what is finished stays"
        )
    return chosen


def _begin(plan: Round, config: TrainingConfig, sampling: Path, out: Path) -> dict:
    """Refuse at once what would fail after hours, and a folder of another round; gives what decides this one."""
    # through JSON, which makes lists of tuples
    identity = json.loads(json.dumps({"round": asdict(plan), "training": config.result_key()}))
    for key in ("output", "workers"):
        del identity["round"][key]
    data = identity["training"]["data"]
    data["paths"] = [Path(p).name for p in data["paths"]]  # a folder may be moved
    check_folder(out, RECORD, [*(f"student{seed}" for seed in range(1, plan.members + 1)), *FILES])
    if _holds(out, identity):
        return identity
    sampler = load_plan(sampling, model=str(out / "student1" / "model.safetensors"))
    runs = [one for run in sampler.runs if not isinstance(run, Cut) for one in run.expand(sampler)]
    missing = {"train", "test"} - {run.split for run in runs}
    if missing:
        raise CGAAError(
            f"{sampling}: no run of split {' and '.join(sorted(missing))}; some must be of split train (to choose "
            "frames from) and some of split test (to show the error)"
        )
    teacher = load_teacher(str(plan.teacher), **plan.teacher_settings).identity
    for file in config.data.paths:
        labelled = Dataset.load(file)
        if not same_teacher(labelled.teacher, teacher):
            raise CGAAError(
                f"{file}: its labels are by {describe_teacher(labelled.teacher)}, but the teacher of this round is "
                f"{describe_teacher(teacher)}; labels of different teachers do not mix"
            )
        twice = sorted({run.name for run in runs} & {t.name for t in labelled.trajectories})
        if twice:
            raise CGAAError(
                f"{sampling}: {', '.join(twice)}: trajectories of these names are in {file}; give the runs other names"
            )
    return identity


def record(identity: dict) -> bytes:
    """The file that marks a folder as that of a round."""
    return (json.dumps({"format": ROUND.mark} | identity, indent=1) + "\n").encode()


def _holds(out: Path, identity: dict) -> bool:
    """Whether a folder holds the round already; refuses another one. The budget is free until it is spent."""
    path = out / RECORD
    if not path.is_file():
        return False
    try:
        held = {"format": 1} | json.loads(path.read_text())
        kinds = {"round": Round, "training": TrainingConfig}
        old = {part: completed(kind, held[part]) for part, kind in kinds.items()}
        changed = [key for part, new in identity.items() for key in new if old[part].get(key) != new[key]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CGAAError(f"{path}: is damaged, or no record of a round; bring the file back from a copy") from None
    ROUND.check(held["format"], path)
    if changed and (changed != ["budget"] or (out / "chosen.frames.h5").exists()):
        raise CGAAError(
            f"{out} holds a round with other settings (different: {', '.join(changed)}); choose another output "
            "folder, or move this one away"
        )
    return True


def _grains(dataset: Dataset) -> int:
    return sum(len(frames) * frames.num_grains for frames in dataset.sets)
