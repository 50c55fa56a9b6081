"""A configuration of training: what is wrong is named, and changes replace what the file says."""

import json
from pathlib import Path

import pytest
from conftest import EC_EMC

pytest.importorskip("lightning")


from openmm_cgaa.cli import main
from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.model.file import load_model
from openmm_cgaa.nn import build_network, complete_config
from openmm_cgaa.nn.forms import PRESETS, ConservingForm
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.labelled import common_types
from openmm_cgaa.training.train import train

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("network", ["conserving", "published"])
def test_a_whole_configuration_is_what_a_file_gives_back(network):
    whole = complete_config({"network": network})
    assert json.loads(json.dumps(whole)) == whole  # or a run could not start from its own model


@pytest.mark.parametrize("preset", PRESETS["conserving"])
def test_a_preset_stands_for_all_options(preset):
    whole = complete_config({"network": "conserving", "preset": preset})
    assert "preset" not in whole and complete_config(whole) == whole  # so a model file does not know it
    assert whole == complete_config({"network": "conserving", **PRESETS["conserving"][preset].options})
    near = complete_config({"network": "conserving", "preset": preset, "atom_cutoff": 3.5})
    assert near == {**whole, "atom_cutoff": 3.5}


def test_the_presets_are_what_was_tried():
    fast, good = (complete_config({"network": "conserving", "preset": name}) for name in ("fast", "good"))
    assert fast == complete_config(load_config(ROOT / "systems/ec_emc_lipf6" / "train_fast.yaml").model)
    assert good == {
        **complete_config(load_config(ROOT / "systems/ec_emc_lipf6" / "train_conserving.yaml").model),
        "messages": 0,
    }


def test_the_table_of_presets_is_that_of_the_guide():
    guide = (ROOT / "docs" / "training.md").read_text("utf-8")
    for name, preset in PRESETS["conserving"].items():
        assert f"| `{name}` | {preset.cost} | {preset.suits} |" in guide


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"network": "conserving", "preset": "quick"}, "conserving': unknown preset 'quick'; known are fast, good"),
        ({"network": "conserving", "preset": ["fast"]}, "unknown preset"),
        ({"network": "conserving", "preset": None}, "unknown preset None; known are fast, good"),
        ({"network": "published", "preset": "fast"}, "published': unknown preset 'fast'; it has none"),
        ({"network": "conserving", "preset": "fast", "width": 3}, "unknown key width"),
    ],
)
def test_a_wrong_preset_is_named(write_config, model, message):
    with pytest.raises(CGAAError, match=message):
        train(load_config(write_config(model=model)))
    if "has none" in message:
        assert complete_config({"network": "published", "scalars": 8})["scalars"] == 8  # as the message advises


def test_a_model_of_a_preset_is_trained_on_by_its_options(write_config, tmp_path):
    first = {"network": "conserving", "preset": "fast", "scalars": 4}
    train(load_config(write_config(model=first, output="first")))
    trained = tmp_path / "first" / "model.safetensors"
    config = load_model(trained)[1]["config"]
    assert config == complete_config(first)
    train(load_config(write_config(model=config, init=str(trained), output="second")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 3}, r"config.yaml: unknown key epochs; known are model, data"),
        ({"loss": {"virial": 1.0}}, r"config.yaml: loss: unknown key virial"),
        ({"data": {"paths": []}}, r"paths is \[\]; name at least one data set"),
        ({"data": {"paths": ["x"], "max_grains": {"liquid": "many"}}}, "max_grains of liquid is 'many'"),
        ({"data": {"paths": ["x"], "max_grains": {"gas": 10}}}, "'gas' is no kind of frames"),
        ({"loss": {"energy": 0, "forces": 0}}, "weights of 0 or more, one of them above 0"),
        ({"data": {"paths": ["x"], "kinds": ["gas"]}}, "'gas' is no kind of frames; there are liquid"),
        ({"optimizer": {"lr": "1e-3"}}, r"lr is '1e-3', expected float; YAML wants a point"),
        ({"max_steps": 9}, "multiple of validate_every"),
        ({"data": {"align": True}}, "config.yaml: data: paths is missing"),
        ({"optimizer": {"schedule": "linear"}}, "expected cosine or exponential"),
        ({"model": "conserving"}, "model is 'conserving', expected dict"),
    ],
)
def test_a_wrong_configuration_is_named(write_config, changes, message):
    with pytest.raises(CGAAError, match=message):
        load_config(write_config(**changes))


def test_changes_replace_what_the_file_says(write_config, tmp_path):
    path = write_config()
    config = load_config(
        path, ["seed=2", "data.max_grains.liquid=100", "optimizer.lr=1.0e-4", "output=runs/x", "data.kinds=[liquid]"]
    )
    assert config.seed == 2 and config.data.max_grains == {"liquid": 100} and config.optimizer.lr == 1e-4
    assert config.output == str(tmp_path / "runs" / "x") and config.data.kinds == ["liquid"]
    assert config.optimizer.warmup_steps == 3  # the rest stays
    null = load_config(path, ["data.max_grains=null", "data.max_grains.pair=3"])
    assert null.data.max_grains == {"pair": 3}
    for change, message in [
        ("seed", "expected key=value"),
        ("seed=[", "expected key=value"),
        ("=3", "expected key=value"),
        ("max_steps.deep=3", "max_steps is no block of keys"),
        ("seed.deep=3", "seed is {'deep': 3}, expected int"),
        ("sead=3", "unknown key sead"),
        ("seed=two", "seed is 'two', expected int"),
    ]:
        with pytest.raises(CGAAError, match=message):
            load_config(path, [change])


def test_the_command_takes_changes(write_config, tmp_path):
    path = write_config()
    assert main(["train", str(path), "--set", "max_steps=4", "--set", "output=here"]) == 0
    assert (tmp_path / "here" / "model.safetensors").is_file()


def test_a_missing_configuration_and_unknown_network_options(write_config, tmp_path, capsys):
    assert main(["train", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: No such file" in capsys.readouterr().err
    with pytest.raises(CGAAError, match="model: .*unknown key width"):
        train(load_config(write_config(model={"network": "conserving", "width": 3})))


def test_pseudoscalars_take_three_vectors_each(write_config):
    model = {"network": "conserving", "vectors": 8, "pseudoscalars": 3}
    with pytest.raises(CGAAError, match="set vectors to 9 or more, or take fewer pseudoscalars"):
        train(load_config(write_config(model=model)))
    for change in ({"vectors": 9}, {"pseudoscalars": 2}):
        ConservingForm(**{key: value for key, value in (model | change).items() if key != "network"})


@pytest.mark.parametrize("name", ["conserving", "no_messages", "published"])
def test_the_configurations_of_the_bundled_models_are_valid(name):
    config = load_config(EC_EMC / f"train_{name}.yaml")
    sets = [Dataset.load(path) for path in config.data.paths]
    assert [len(s) for s in sets] == [280, 500, 250]
    assert len(Dataset.merge(sets).select(splits=["train"])) == 208 + 750
    build_network(config.model, common_types(sets[0], config.data.align))
