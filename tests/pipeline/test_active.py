"""A round of active learning: its files, its report, and that it survives interruption."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("lightning")

from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.labelling.label import label
from openmm_cgaa.model.file import load_model
from openmm_cgaa.pipeline import work
from openmm_cgaa.pipeline.active import improve
from openmm_cgaa.pipeline.disagreement import disagreements
from openmm_cgaa.sampling import liquids
from openmm_cgaa.training.evaluation import evaluate
from openmm_cgaa.training.module import Distillation

SYSTEM = Path(__file__).parents[2] / "systems" / "ec_emc"


SPRINGS = "springs:Springs"


SETTINGS = {"stiffness": 0.01}


MODEL = {
    **{"network": "conserving", "atom_cutoff": 3.5, "grain_cutoff": 5.0, "scalars": 4, "vectors": 2, "hidden": 8},
    **{"grain_scalars": 8, "grain_vectors": 2, "pair_channels": 2, "intra_basis": 4},
}


DATA = "data.h5"


def write_yaml(path, values):
    path.write_text(yaml.safe_dump(values))
    return path


def settings(folder, **changes):
    """The three files of a round, and its path."""
    short = {"equilibration": 0.004, "spacing": 0.002, "step": 0.5, "counts": {"EC": 4, "EMC": 1}, "densities": 0.8}
    molecules = [{"name": name, "structure": str(SYSTEM / f"{name}.pdb")} for name in ("EC", "EMC")]
    runs = [
        {"kind": "liquid", "name": "learn", "temperatures": [300, 400], "frames": 3, "split": "train"},
        {"kind": "liquid", "name": "own", "frames": 2, "split": "test"},
    ]
    sampler = {"forcefield": [str(SYSTEM / "forcefield.xml")]}
    plan = {"sampler": sampler, "molecules": molecules, "defaults": {"liquid": short}, "runs": runs}
    training = {
        **{"model": MODEL, "data": {"paths": [DATA]}, "output": "run", "max_steps": 4, "validate_every": 2},
        **{"batch_grains": 18, "ema_decay": 0.5, "threads": 1, "accelerator": "cpu"},
        "optimizer": {"lr": 1e-3, "warmup_steps": 1},
    }
    round_ = {"train": "train.yaml", "sample": "sample.yaml", "output": "out", "budget": 17}
    round_ |= {"teacher": SPRINGS, "teacher_settings": SETTINGS}
    write_yaml(folder / "train.yaml", training | changes.pop("train", {}))
    write_yaml(folder / "sample.yaml", plan | changes.pop("sample", {}))
    return write_yaml(folder / "round.yaml", round_ | changes)


@pytest.fixture(autouse=True)
def short_preparation(monkeypatch):
    monkeypatch.setattr(liquids, "SETTLE", (100, 0.5))
    monkeypatch.setattr(liquids, "SHRINK", (4, 10))


@pytest.fixture(scope="module")
def data(tmp_path_factory, liquid):
    """Six frames by the teacher of these rounds: four train, two validate."""
    folder = tmp_path_factory.mktemp("data")
    frames = replace(liquid.take(range(6)), trajectory=[0, 0, 0, 0, 1, 1], energy=None, forces=None)
    trajectories = [Trajectory(name, "liquid", name) for name in ("train", "validation")]
    Dataset([frames], trajectories).save(folder / "frames.h5")
    label(folder / "frames.h5", folder / DATA, SPRINGS, settings=SETTINGS)
    return folder / DATA


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data):
    """Folder of a round, its report, and what it said on the way."""
    folder, said = tmp_path_factory.mktemp("round"), []
    shutil.copy(data, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liquids, "SETTLE", (100, 0.5))
        patch.setattr(liquids, "SHRINK", (4, 10))
        report = improve(settings(folder), said.append)
    return folder, report, said


@pytest.fixture
def copied(finished, tmp_path):
    """The round.yaml of a copy of the finished round, less what a pattern names."""

    def copy(*patterns):
        shutil.copytree(finished[0], tmp_path / "copy", ignore=shutil.ignore_patterns(*patterns))
        return tmp_path / "copy" / "round.yaml"

    return copy


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """How often the teacher was called by now."""
    path = tmp_path / "calls.log"
    path.touch()
    monkeypatch.setenv("SPRINGS_LOG", str(path))
    return lambda: len(path.read_text().splitlines())


@pytest.fixture
def no_training(monkeypatch):
    def refuse(config, restart=False):
        raise AssertionError(f"{config.output} is trained again")

    monkeypatch.setattr(work, "train", refuse)


def test_a_round_leaves_its_files(finished):
    folder, report, said = finished
    out = folder / "out"
    students = [out / name / "model.safetensors" for name in ("student1", "student2", "student3")]
    assert [load_model(path)[1]["provenance"]["training"]["seed"] for path in students] == [1, 2, 3]
    before, after = Dataset.load(out / "before.h5"), Dataset.load(out / "after.h5")
    assert [(t.name, t.split) for t in after.trajectories] == [("own", "test")]
    assert len(before) == 8 and len(before.trajectories) == 3
    assert before.provenance["sampler"]["sha256"] != after.provenance["sampler"]["sha256"]  # another model moved them
    # of the candidates those that the committee disagrees about most
    chosen, candidates = Dataset.load(out / "chosen.h5"), before.select(splits=["train"])
    (scores,) = [values.max(1) for values in disagreements(students, candidates)]
    best = {candidates.sets[0].keys()[i] for i in np.argsort(-scores)[:3]}
    assert set(chosen.sets[0].keys()) == best and chosen.num_grains == 15
    assert chosen.teacher["name"] == SPRINGS and chosen.teacher["settings"] == SETTINGS
    new = load_model(out / "improved" / "model.safetensors")[1]["provenance"]
    assert set(new["trajectories"]["train"]) == {"train", *(t.name for t in chosen.trajectories)}
    assert said[0] == "student 1 of 3" and "the teacher labels 3 frames, 15 grains" in said


def test_the_report_is_what_the_files_say(finished):
    folder, report, _ = finished
    out = folder / "out"
    old, new = (out / name / "model.safetensors" for name in ("student1", "improved"))
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(report))
    for key, model, labels in (
        ("before", old, "own_before.h5"),
        ("same", new, "own_before.h5"),
        ("after", new, "own_after.h5"),
    ):
        expected = evaluate(model, out / labels)
        assert report[key]["force"] == expected["force"] and report[key]["frames"] == 2
        assert report[key]["trained_on"] == []
    assert len(report["others"]) == 2 and report["chosen"] == {"frames": 3, "grains": 15}
    assert report["deviation"]["chosen"] >= report["deviation"]["candidates"] > 0
    assert -1 <= report["correlation"] <= 1


def test_a_finished_round_is_not_done_again(copied, no_training, calls, capsys, finished, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    path = copied()
    kept = [*path.parent.glob("out/**/*.safetensors"), *path.parent.glob("out/**/*.parts/*.h5")]
    kept += path.parent.glob("out/*.frames.h5")
    before = {file: file.stat().st_mtime_ns for file in kept}
    assert len(before) == 4 + 4 + 3
    assert main(["active", str(path)]) == 0
    assert {file: file.stat().st_mtime_ns for file in kept} == before and calls() == 0
    printed = capsys.readouterr().out
    assert "chosen: 3 frames, 15 grains of 17" in printed and "student 3 of the committee" in printed
    assert json.loads((path.parent / "out/report.json").read_text()) == json.loads(json.dumps(finished[1]))


def test_interrupted_labelling_goes_on(copied, calls, monkeypatch, tmp_path):
    path = copied("chosen*", "own_*", "report.json")
    interrupt = tmp_path / "interrupt"
    monkeypatch.setenv("SPRINGS_INTERRUPT", str(interrupt))
    original = label

    def interrupted(*args, **options):
        def after_one(status):
            if status.frames == 1:
                interrupt.touch()

        return original(*args, progress=after_one, **options)

    monkeypatch.setattr(work, "label", interrupted)
    with pytest.raises(KeyboardInterrupt):
        improve(path, lambda line: None)
    out = path.parent / "out"
    assert len(Dataset.load(out / "chosen.h5")) == 1 and calls() == 1
    monkeypatch.setattr(work, "label", original)
    report = improve(path, lambda line: None)
    assert len(Dataset.load(out / "chosen.h5")) == 3 and report["chosen"]["frames"] == 3
    assert calls() == 3 + 2 + 2  # those to learn, and the old and the new student's own: each once


def test_killed_training_goes_on(copied, calls, monkeypatch, finished):
    path = copied("improved", "after*", "own_after*", "report.json")
    end = Distillation.on_train_batch_end

    def dies(self, *args):
        end(self, *args)
        if self.trainer.global_step == 3:
            raise RuntimeError("killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(Distillation, "on_train_batch_end", dies)
        improve(path, lambda line: None)
    trained, original = [], work.train
    monkeypatch.setattr(work, "train", lambda config: trained.append(Path(config.output).name) or original(config))
    report = improve(path, lambda line: None)
    assert trained == ["improved"] and calls() <= 2
    # an interrupted round ends as an unbroken one
    assert report["same"]["force"]["component"] == pytest.approx(finished[1]["same"]["force"]["component"], rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 6}, "budget"),
        ({"changes": ["max_steps=6"]}, "changes, max_steps"),
        ({"teacher_settings": {"stiffness": 1.0}}, "teacher_settings"),
    ],
)
def test_a_folder_holds_one_round(copied, changes, message, no_training, calls):
    path = copied()
    settings(path.parent, **changes)
    with pytest.raises(CGAAError, match=f"holds a round with other settings.*({message})"):
        improve(path)
    assert calls() == 0


def test_another_round_takes_another_folder(copied, no_training):
    path = copied()
    out, record = path.parent / "out", path.parent / "out/round.json"
    settings(path.parent, budget=6)
    with pytest.raises(CGAAError, match="choose another output folder, or move this one away"):
        improve(path)
    settings(path.parent, budget=6, output="another")
    with pytest.raises(AssertionError, match="another/student1 is trained again"):
        improve(path, lambda line: None)
    settings(path.parent)
    kept = record.read_bytes()
    record.write_text("{")
    with pytest.raises(CGAAError, match="round.json: is damaged, or no record of a round; bring the file back from a"):
        improve(path)
    record.write_bytes(kept)
    improve(path, lambda line: None)
    settings(path.parent, budget=6)
    out.rename(path.parent / "away")
    with pytest.raises(AssertionError, match="out/student1 is trained again"):
        improve(path, lambda line: None)


def test_a_round_that_names_no_teacher_has_that_of_its_data(copied, no_training, calls):
    path = copied()
    settings(path.parent, teacher=None, teacher_settings={})
    improve(path, lambda line: None)
    assert calls() == 0
    settings(path.parent, teacher=None, teacher_settings={"stiffness": 1.0})
    with pytest.raises(CGAAError, match="teacher_settings are for a teacher; name it with teacher"):
        improve(path, lambda line: None)


def test_more_workers_are_no_other_round(copied, no_training, calls):
    path = copied()
    settings(path.parent, workers=2)
    improve(path, lambda line: None)
    assert calls() == 0


LIQUID = {"kind": "liquid", "frames": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 2}, r"round.yaml: members is 2; a committee has at least three"),
        ({"budget": 0}, r"round.yaml: budget is 0; expected a whole number from 1"),
        ({"budget": "many"}, r"budget is 'many', expected int"),
        ({"bugdet": 5}, r"unknown key bugdet; known are train, sample"),
        ({"changes": ["max_stps=6"]}, r"unknown key max_stps"),
        ({"train": {"max_steps": 0}}, r"max_steps is 0; expected a whole number"),
        ({"teacher": "springs:Sprungs"}, r"springs.*Sprungs"),
        ({"teacher_settings": {"stiffness": 1.0}}, r"labels are by springs:Springs \(stiffness=0.01\).*stiffness=1.0"),
        ({"sample": {"runs": [LIQUID | {"name": "a", "split": "train"}]}}, r"sample.yaml: no run of split test"),
        ({"sample": {"runs": [LIQUID | {"name": "a", "split": "test"}]}}, r"sample.yaml: no run of split train"),
        (
            {"sample": {"runs": [LIQUID | {"name": name, "split": name} for name in ("train", "test")]}},
            r"sample.yaml: train: trajectories of these names are in .*data.h5",
        ),
        ({"sample": {"sampler": {"forcefield": ["absent.xml"]}}}, r"absent.xml: no such file"),
    ],
)
def test_bad_input_is_refused_before_anything_is_done(tmp_path, data, changes, message, no_training):
    shutil.copy(data, tmp_path)
    with pytest.raises(CGAAError, match=message):
        improve(settings(tmp_path, **changes))
    assert not (tmp_path / "out").exists()


def test_missing_files_are_named(tmp_path, capsys, no_training):
    assert main(["active", str(tmp_path / "round.yaml")]) == 2
    assert "round.yaml: No such file" in capsys.readouterr().err
    with pytest.raises(DatasetError, match=r"data.h5: no such file"):
        improve(settings(tmp_path))


def test_a_budget_below_a_frame_is_said(copied, no_training):
    path = copied("chosen*", "improved")
    settings(path.parent, budget=2)
    record = path.parent / "out/round.json"
    held = json.loads(record.read_text())
    held["round"]["budget"] = 2
    record.write_text(json.dumps(held))
    with pytest.raises(CGAAError, match="budget: 2 grains, but the smallest frame has 5; raise it and run ag"):
        improve(path, lambda line: None)
    settings(path.parent, budget=5)  # what is trained and sampled stays
    with pytest.raises(AssertionError, match="improved is trained again"):
        improve(path, lambda line: None)
    assert Dataset.load(path.parent / "out/chosen.h5").num_grains == 5
    settings(path.parent, budget=10)
    with pytest.raises(CGAAError, match=r"holds a round with other settings \(different: budget\)"):
        improve(path, lambda line: None)
