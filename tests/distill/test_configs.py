"""The files of a distillation are those that each command takes, with boxes of their own in each split."""

from itertools import combinations

import pytest
import yaml

from openmm_cgaa.distill.configs import classical_config, density_config, own_config, train_config, write_config
from openmm_cgaa.distill.diagnosis import diagnose
from openmm_cgaa.distill.distillplan import plan_of_smiles
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.sampling.plan import load_plan
from openmm_cgaa.training.config import load_config

COUNTS = {"DME": 15}
TEACHER = {"teacher": "springs:Springs", "teacher_settings": {"stiffness": 0.01}}


@pytest.fixture
def plan():
    return plan_of_smiles("COCCOC", ["DME"])


@pytest.fixture
def expanded(tmp_path):
    """Trajectories of a sampling configuration."""
    (tmp_path / "forcefield.xml").write_text("<ForceField></ForceField>")

    def expand(values):
        read = load_plan(write_config(tmp_path / "sample.yaml", values, "openmm-cgaa sample"))
        return [one for recipe in read.runs for one in recipe.expand(read)]

    return expand


SAMPLER = {"forcefield": ["forcefield.xml"]}


def test_what_is_sampled_classically(plan, expanded):
    made = expanded(classical_config(plan, SAMPLER, COUNTS, 0.85))
    liquids = [one for one in made if hasattr(one, "ensemble")]
    by_split = {split: [one for one in liquids if one.split == split] for split in ("train", "validation", "test")}
    assert {split: len(own) for split, own in by_split.items()} == {"train": 11, "validation": 2, "test": 3}
    assert len({one.seed for one in made}) == len(made)
    points = {split: {(one.temperatures, one.densities) for one in own} for split, own in by_split.items()}
    for one, other in combinations(points.values(), 2):
        assert not one & other  # a test box is no copy of what was learned
    train = {one.temperatures for one in by_split["train"]}
    for one in by_split["test"] + by_split["validation"]:
        assert min(train) <= one.temperatures <= max(train) and 0.95 * 0.85 <= one.densities <= 1.2 * 0.85
    assert [one.name for one in made if not hasattr(one, "ensemble")] == [
        "turned-DME-405K",
        "strained-DME-405K",
        "pair-DME-DME",
    ]


def test_what_cannot_turn_is_not_turned():
    def runs(smiles):
        return {one["name"]: one for one in classical_config(plan_of_smiles(smiles), SAMPLER, {}, 0.8)["runs"]}

    assert "turned" not in runs("CC#N") and "strained" in runs("CC#N")
    assert runs("CC#N COCCOC")["turned"]["species"] == ["C4H10O2"]


def test_what_students_sample(plan, expanded):
    made = expanded(own_config(plan, SAMPLER, COUNTS, 0.85, 2))
    assert all(one.name.startswith("own2-") and one.step == 1.0 for one in made)
    tests = [one for one in made if one.split == "test"]
    assert sorted(one.ensemble for one in tests) == ["NPT", "NPT", "NVT", "NVT"]
    assert {one.ensemble for one in made if one.split == "train"} == {"NPT", "NVT"}
    (one, other) = expanded(density_config(plan, SAMPLER, COUNTS))
    assert one.ensemble == "NPT" and one.densities is None and one.seed != other.seed


@pytest.mark.parametrize("steps", [10, 999, 20000, 60001])
def test_how_students_learn(plan, tmp_path, steps):
    path = write_config(
        tmp_path / "t.yaml", train_config(plan, "good", [tmp_path / "a.h5"], steps), "openmm-cgaa train"
    )
    config = load_config(path)
    assert config.max_steps == steps and config.max_steps % config.validate_every == 0
    assert config.compile == (steps >= 2000) and config.optimizer.method == "soap"


def test_a_file_that_says_the_same_is_left(plan, tmp_path):
    path = write_config(tmp_path / "a.yaml", {"a": 1}, "what it is")
    assert path.read_text().startswith("# what it is\n") and yaml.safe_load(path.read_text()) == {"a": 1}
    before = path.stat().st_mtime_ns
    write_config(path, {"a": 1}, "what it is")
    assert path.stat().st_mtime_ns == before


def test_students_begin_with_a_known_model_of_their_form(tmp_path):
    """The fast one is of the fast form: the first student begins with it, too. The other's form is its own."""
    found = {}
    for known in ("ec-emc-lipf6", "ec-emc-lipf6-fast"):
        plan = plan_of_smiles("COC(=O)OC", ["DMC"], {"warm_start": known, **TEACHER})
        diagnose(plan)
        for preset in ("fast", "good"):
            values = train_config(plan, preset, [tmp_path / "a.h5"], 100)
            found[known, preset] = values["model"].get("preset") or values["model"]["tensors"], values["warm_start"]
            again = train_config(plan, preset, [tmp_path / "a.h5"], 100, tmp_path / "student.safetensors")
            assert again["warm_start"] is None and again["init"]
    assert found == {
        ("ec-emc-lipf6", "fast"): ("fast", None),
        ("ec-emc-lipf6", "good"): (8, "ec-emc-lipf6"),
        ("ec-emc-lipf6-fast", "fast"): ("fast", "ec-emc-lipf6-fast"),
        ("ec-emc-lipf6-fast", "good"): (0, "ec-emc-lipf6-fast"),
    }
    assert train_config(plan_of_smiles("C", ["A"]), "good", [], 100)["warm_start"] is None
    with pytest.raises(CGAAError, match="neither a file nor a bundled model"):
        diagnose(plan_of_smiles("C", ["A"], {"warm_start": "nowhere", **TEACHER}))
