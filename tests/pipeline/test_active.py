"""Active learning: what a committee's disagreement is, what a budget buys, and a round that survives interruption."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("lightning")

from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset, Frames, Trajectory
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.labelling.label import label
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.model.file import load_model, save_model
from openmm_cgaa.pipeline import active
from openmm_cgaa.pipeline.active import choose, deviations, improve
from openmm_cgaa.sampling import liquids
from openmm_cgaa.training.evaluation import evaluate, predict
from openmm_cgaa.training.labelled import LabelledFrames
from openmm_cgaa.training.module import Distillation

SYSTEM = Path(__file__).parents[2] / "systems" / "ec_emc"
SPRINGS = "springs:Springs"
SETTINGS = {"stiffness": 0.01}
MODEL = {
    **{"network": "conserving", "atom_cutoff": 3.5, "grain_cutoff": 5.0, "scalars": 4, "vectors": 2, "hidden": 8},
    **{"grain_scalars": 8, "grain_vectors": 2, "pair_channels": 2, "intra_basis": 4},
}
DATA = "data.h5"
NOTHING = [[0.0, 0, 0], [0, 0, 0]]


# What a committee disagrees about


@pytest.fixture
def pair():
    """One frame of two hydrogen molecules."""
    frames = Frames(
        positions=[[[0, 0, 0], [0.74, 0, 0], [0, 0, 4], [0.74, 0, 4]]],
        cell=np.zeros((1, 3, 3)),
        elements=["H"] * 4,
        bonds=[[0, 1], [2, 3]],
        residues=[0, 0, 1, 1],
        residue_names=["H2", "H2"],
    )
    return Dataset([frames], [Trajectory("pair", "pair", "train")])


@pytest.fixture
def committee(monkeypatch):
    """Models that are no more than their forces, [atoms, 3] in eV/Å, whatever the positions."""

    class Constant:
        def __init__(self, forces):
            self.forces = np.array(forces)

        def grain_map(self, grain_map):
            return grain_map

        def evaluate(self, grain_map, positions, box):
            return 0.0, self.forces * 964.8533212331002  # kJ/mol/nm

    monkeypatch.setattr(active, "CGAAPotential", Constant)


def test_deviation_by_hand(pair, committee):
    models = [
        [[1.0, 0, 0], [2, 0, 0], [0, 5, 0], [0, -5, 0]],  # 3 on the first grain along x; nothing on the second
        NOTHING + NOTHING,
        [[0.0, 0, 0], [-3, 0, 0], [0, 0, 3], [0, 0, 0]],  # -3 on the first; 3 on the second, along z
    ]
    seen = []
    (found,) = deviations(models, pair, progress=seen.append)
    # first: mean 0, distances 3, 0, 3; second: mean 1, distances 1, 1, 2; what acts within a grain does not count
    assert found == pytest.approx(np.array([[np.sqrt(18 / 3), np.sqrt(6 / 3)]])) and seen == [1, 2, 3]


def test_equal_models_do_not_disagree(liquid, tiny_conserving_path):
    dataset = Dataset([liquid.take([0, 1])], [Trajectory("a", "liquid", "train")], {"name": "any"})
    (found,) = deviations([tiny_conserving_path] * 3, dataset)
    assert found.shape == (2, 18) and np.allclose(found, 0.0, atol=1e-7)


@pytest.fixture(scope="module")
def random_models(tmp_path_factory, tiny_conserving_path):
    """Three models whose weights differ."""
    network, metadata = load_model(tiny_conserving_path)
    random, paths = np.random.default_rng(1), []
    for number in range(3):
        for parameter in network.parameters():
            parameter.data *= float(random.uniform(1.0, 1.6))
        paths.append(tmp_path_factory.mktemp("committee") / f"{number}.safetensors")
        save_model(paths[-1], network, metadata)
    return paths


def test_deviations_are_those_of_the_predicted_forces(liquid, random_models):
    frames = liquid.take([0, 4])
    dataset = Dataset([replace(frames, trajectory=[0, 0])], [Trajectory("a", "liquid", "train")], {"name": "any"})
    (found,) = deviations(random_models, dataset)
    net = []
    for path in random_models:
        network, metadata = load_model(path)
        types = GrainMap.from_arrays(frames.elements, frames.bonds, frames.residues, frames.residue_names).types
        labelled = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff)
        net.append([np.add.reduceat(f, np.r_[0:60:10, 60:240:15]) for _, f, _ in predict(network, labelled)])
    spread = np.sqrt(np.square(net - np.mean(net, 0)).sum(-1).mean(0))
    assert found.min() > 0 and np.allclose(np.sort(found), np.sort(spread), rtol=1e-3, atol=1e-4)


def test_grains_in_another_order_keep_their_deviations(liquid, random_models):
    frames, order = liquid.take([0]), np.random.default_rng(0).permutation(18)
    atoms = np.concatenate([np.flatnonzero(frames.residues == g) for g in order])
    place = np.argsort(atoms)
    moved = Frames(
        positions=frames.positions[:, atoms],
        cell=frames.cell,
        elements=[frames.elements[i] for i in atoms],
        bonds=place[frames.bonds],
        residues=np.repeat(np.arange(18), [np.sum(frames.residues == g) for g in order]),
        residue_names=[frames.residue_names[g] for g in order],
    )
    trajectories = [Trajectory("a", "liquid", "train")]
    (one,) = deviations(random_models, Dataset([frames], trajectories, {"name": "any"}))
    (other,) = deviations(random_models, Dataset([moved], trajectories))
    assert np.ptp(one) > 0.01 and np.allclose(other, one[:, order], rtol=1e-3, atol=1e-4)


# What a budget buys


@pytest.fixture
def candidates(pair):
    """Eight frames of two grains, from four trajectories, and four of one grain from a fifth."""
    (frames,) = pair.sets
    two = replace(
        frames,
        positions=np.repeat(frames.positions, 8, 0),
        cell=np.zeros((8, 3, 3)),
        trajectory=[0, 0, 0, 0, 1, 1, 2, 3],
        time=np.arange(8.0),
        temperature=np.full(8, np.nan),
    )
    one = Frames(
        np.repeat(frames.positions[:, :2], 4, 0), np.zeros((4, 3, 3)), ["H"] * 2, [[0, 1]], [0, 0], ["H2"], [4] * 4
    )
    return Dataset([two, one], [Trajectory(name, "pair", "train") for name in "abcde"])


def chosen_frames(dataset):
    """(grains, time) of each frame, its place in its set."""
    return sorted((frames.num_grains, int(time)) for frames in dataset.sets for time in frames.time)


def test_the_highest_come_first_as_whole_frames(candidates):
    scores = [np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.8, 0.7]), np.array([0.0, 0.95, 0.05, 0.06])]
    assert chosen_frames(choose(candidates, scores, 7)) == [(1, 1), (2, 5), (2, 6), (2, 7)]
    # the last grain buys no frame of two, but one of one
    assert chosen_frames(choose(candidates, scores, 8)) == [(1, 1), (1, 3), (2, 5), (2, 6), (2, 7)]
    made = choose(candidates, scores, 7)
    assert [t.name for t in made.trajectories] == ["b", "c", "d", "e"] and not made.labelled
    everything = choose(candidates, scores, 1000)
    assert len(everything) == 12 and [len(frames) for frames in everything.sets] == [8, 4]


def test_no_trajectory_takes_everything(candidates):
    scores = [np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1]), np.zeros(4)]
    # 10 grains, 5 trajectories: at most 4 of each
    taken = np.bincount(choose(candidates, scores, 10).sets[0].trajectory)
    assert taken[0] == 2 and taken.sum() == 5


def test_a_frame_larger_than_a_share_is_still_to_be_had(candidates):
    scores = [np.linspace(1, 0.5, 8), np.zeros(4)]
    assert chosen_frames(choose(candidates, scores, 2)) == [(2, 0)]


def test_a_budget_below_every_frame_buys_nothing(candidates):
    two = candidates.select(trajectories=["a", "b"])
    assert len(choose(two, [np.ones(6)], 1)) == 0


# A round


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

    monkeypatch.setattr(active, "train", refuse)


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
    (scores,) = [values.max(1) for values in deviations(students, candidates)]
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


def test_interrupted_labelling_goes_on(copied, calls, monkeypatch, no_training, tmp_path):
    path = copied("chosen*", "own_*", "report.json")
    interrupt = tmp_path / "interrupt"
    monkeypatch.setenv("SPRINGS_INTERRUPT", str(interrupt))
    original = label

    def interrupted(*args, **options):
        def after_one(status):
            if status.frames == 1:
                interrupt.touch()

        return original(*args, progress=after_one, **options)

    monkeypatch.setattr(active, "label", interrupted)
    with pytest.raises(KeyboardInterrupt):
        improve(path, lambda line: None)
    out = path.parent / "out"
    assert len(Dataset.load(out / "chosen.h5")) == 1 and calls() == 1
    monkeypatch.setattr(active, "label", original)
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
    trained, original = [], active.train
    monkeypatch.setattr(active, "train", lambda config: trained.append(Path(config.output).name) or original(config))
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
    with pytest.raises(
        CGAAError, match="budget: 2 grains are fewer than the smallest frame has, 5; raise it and run ag"
    ):
        improve(path, lambda line: None)
    settings(path.parent, budget=5)  # what is trained and sampled stays
    with pytest.raises(AssertionError, match="improved is trained again"):
        improve(path, lambda line: None)
    assert Dataset.load(path.parent / "out/chosen.h5").num_grains == 5
    settings(path.parent, budget=10)
    with pytest.raises(CGAAError, match=r"holds a round with other settings \(different: budget\)"):
        improve(path, lambda line: None)


def test_a_student_that_blows_up_here_and_there_is_no_end(tmp_path, candidates, monkeypatch):
    said, output = [], tmp_path / "frames.h5"

    def sample(config, path, model, splits):
        if config == "some":
            candidates.save(path)
        raise CGAAError("1 trajectories failed: own-s3: blew up")

    monkeypatch.setattr(active, "sample", sample)
    assert active._sampled("some", "model", output, said.append) == output and "own-s3: blew up" in said[0]
    with pytest.raises(CGAAError, match="blew up"):  # what an earlier call left is not taken for the result
        active._sampled("none", "model", output, said.append)
