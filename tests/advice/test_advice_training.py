"""What messages about training, evaluation and active learning advise is done to the letter, and helps.

See `test_advice_work.py`.
"""

import json
import re
import shlex
from dataclasses import replace

import pytest
import yaml

pytest.importorskip("lightning")

from followed import done, refused  # noqa: E402
from training_sets import MODEL, PUBLISHED  # noqa: E402

from openmm_cgaa.data import Dataset  # noqa: E402
from openmm_cgaa.training.config import load_config  # noqa: E402
from openmm_cgaa.training.evaluation import evaluate  # noqa: E402
from openmm_cgaa.training.train import train  # noqa: E402


@pytest.fixture
def configured(write_config):
    """A short configuration with changes."""
    return lambda **changes: load_config(write_config(**{"max_steps": 2, "validate_every": 2, "threads": 1} | changes))


@pytest.fixture(scope="module")
def model(small_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    config = {
        **{"model": MODEL, "data": {"paths": [str(small_set)]}, "output": "run", "max_steps": 2, "validate_every": 2},
        **{"batch_grains": 36, "threads": 1, "accelerator": "cpu"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return train(load_config(folder / "config.yaml"))


def test_a_damaged_checkpoint(configured, tmp_path):
    """That of the best weights is needed at the end, but told before the first step."""
    advice = "bring the file back from a copy, or start again: with --restart, or with the folder moved away"
    own = train(configured())
    best = own.parent / "best.ckpt"
    whole = best.read_bytes()
    best.write_bytes(whole[:500])
    with refused(f"best.ckpt: not a whole checkpoint (its checksum does not fit); {advice}"):
        train(configured())
    best.write_bytes(whole)
    assert train(configured()) == own
    best.unlink()
    with refused(f"best.ckpt: not a whole checkpoint (No such file or directory); {advice}"):
        train(configured())
    assert train(configured(), restart=True) == own
    best.write_bytes(whole[:500])
    own.parent.rename(tmp_path / "away")
    assert train(configured()) == own


def test_a_run_of_another_configuration(configured, tmp_path):
    train(configured())
    with refused("choose another output folder, or start over with --restart"):
        train(configured(seed=2))
    assert train(configured(seed=2, output="another"))
    assert train(configured(seed=2), restart=True)


def test_a_run_that_blows_up(configured):
    with refused("lower optimizer lr or clip and start again with --restart"):
        train(configured(optimizer={"lr": 100.0, "warmup_steps": 0, "clip": 0}))
    assert train(configured(optimizer={"lr": 1e-3, "warmup_steps": 0, "clip": 1.0}), restart=True)


@pytest.mark.parametrize(
    ("wrong", "advice", "right"),
    [
        ({"batch_grains": 10**6}, "give more frames, or a smaller batch_grains", {"batch_grains": 36}),
        ({"validate_every": 3}, "expected a multiple of validate_every, which is 3", {"validate_every": 1}),
        ({"loss": {"stress": 1.0}}, "label them with one, or set it 0", {"loss": {"stress": 0}}),
        ({"model": PUBLISHED, "compile": True}, "set compile: false", {"model": PUBLISHED, "compile": False}),
        ({"loss": {"energy": 0, "forces": 0}}, "one of them above 0", {"loss": {"energy": 0, "forces": 1}}),
        ({"name": 5}, "put it in quotes", {"name": "5"}),
    ],
)
def test_configurations(configured, wrong, advice, right):
    with refused(advice):
        train(configured(**wrong))
    assert train(configured(**right))


def test_changes_on_the_command_line(write_config, told):
    words = ["train", write_config(max_steps=2, validate_every=2), "--set"]
    with told(*words, "seed:2", advice="for example seed=2 or data.max_grains.liquid=10000"):
        done(*words, "seed=2", "--set", "data.max_grains.liquid=10000")
    with told(*words, "name=7", "--restart", advice="name is 7, expected str; put it in quotes"):
        done(*words, 'name="7"', "--restart")
    with told(*words, "seed=[", advice="expected key=value, such as seed=2"):
        pass


def test_trajectories_without_a_split(configured, small_set, tmp_path):
    dataset = Dataset.load(small_set)
    loose = replace(dataset, trajectories=[replace(t, split="") for t in dataset.trajectories])
    loose.save(tmp_path / "loose.h5")
    data = {"data": {"paths": ["loose.h5"]}}
    with refused(
        "Load the data set, give each of its trajectories one of train, validation, test (dataclasses.replace"
    ):
        train(configured(**data))
    loaded = Dataset.load(tmp_path / "loose.h5")
    splits = ["train", "validation", "test"] * 2
    loaded.trajectories = [replace(t, split=split) for t, split in zip(loaded.trajectories, splits)]
    loaded.save(tmp_path / "loose.h5")
    assert train(configured(**data))


def test_no_frame_of_a_split(configured, small_set):
    for wrong in ({"kinds": ["pair"]}, {"max_grains": {"liquid": 1}}):
        with refused("give more of them, or other kinds and max_grains"):
            train(configured(data={"paths": [str(small_set)]} | wrong))
    assert train(configured(data={"paths": [str(small_set)], "kinds": ["liquid"], "max_grains": {"liquid": 100}}))


def test_frames_without_labels(configured, small_set, tmp_path):
    full = Dataset.load(small_set)
    bare = [replace(frames, energy=None, forces=None) for frames in full.sets]
    Dataset(bare, full.trajectories).save(tmp_path / "bare.h5")
    with refused("have no labels; run openmm-cgaa label on them first"):
        train(configured(data={"paths": ["bare.h5"]}))
    done("label", tmp_path / "bare.h5", tmp_path / "labels.h5", "--teacher", "springs:Springs")
    assert train(configured(data={"paths": ["labels.h5"]}, loss={"stress": 1.0}))


def test_frames_without_energies_of_grains(configured, small_set, tmp_path):
    with refused("label them anew (openmm-cgaa label) by a teacher that tells energies of atoms, or set it 0"):
        train(configured(loss={"grain_energy": 1.0}))
    done("label", small_set, tmp_path / "labels.h5", "--teacher", "ase.calculators.lj:LennardJones")
    assert train(configured(data={"paths": ["labels.h5"]}, loss={"grain_energy": 1.0}))


def test_a_start_from_another_model(configured, model, small_set, tmp_path, capsys):
    wide = MODEL | {"hidden": 9}
    with refused("give the model block that it was trained with (openmm-cgaa info shows it), or leave init away"):
        train(configured(init=str(model), model=wide))
    done("info", model)
    block = json.JSONDecoder().raw_decode(capsys.readouterr().out.split("config: ")[1])[0]
    assert train(configured(init=str(model), model=block))
    with refused("has no reference geometries to align to; leave data.align away"):
        train(configured(init=str(model), data={"paths": [str(small_set)], "align": True}, output="b"))
    replace(Dataset.load(small_set), teacher={"name": "another"}).save(tmp_path / "other.h5")
    with refused("the model keeps its own: leave init away"):
        train(configured(init=str(model), data={"paths": ["other.h5"]}, output="c"))
    assert train(configured(data={"paths": ["other.h5"]}, output="c"))


def test_evaluation(model, small_set):
    with refused("no frame of split test and these kinds") as error:
        evaluate(model, small_set, split="test", kinds=["pair"])
    kind, split = re.search(r"it has (\w+) \((\w+)\)", str(error.value)).groups()
    assert evaluate(model, small_set, split=split, kinds=[kind])["frames"]


def test_what_the_end_of_training_says(write_config, capsys):
    done("train", write_config(max_steps=2, validate_every=2, output="my run"))
    command = re.search("errors on the test split: openmm-cgaa (.*)", capsys.readouterr().out)[1]
    done(*shlex.split(command))
