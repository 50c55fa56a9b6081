"""A run that cuts molecules into grains: the model knows its cuts, and takes whole molecules wherever it is used."""

import json

import numpy as np
import pytest

pytest.importorskip("lightning")

from linked import PARTS

from openmm_cgaa.cli import main
from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.model.file import load_model
from openmm_cgaa.potential import CGAAPotential
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.evaluation import evaluate
from openmm_cgaa.training.train import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_set):
    """(model file, its configuration as a dict) after a few steps."""
    from training_sets import MODEL

    folder = tmp_path_factory.mktemp("cut")
    config = {
        "model": MODEL,
        "data": {"paths": [str(small_set)], "cuts": {"EMC": PARTS}},
        "loss": {"energy": 10.0, "net_force": 1.0, "torque": 1.0},
        "optimizer": {"lr": 1e-2, "warmup_steps": 3},
        "output": "run",
        **{
            "max_steps": 8,
            "validate_every": 4,
            "batch_grains": 60,
            "ema_decay": 0.9,
            "threads": 1,
            "accelerator": "cpu",
        },
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    return train(load_config(folder / "config.yaml")), config


def test_the_file_has_cuts_links_and_walls_across(trained):
    network, metadata = load_model(trained[0])
    assert [kind["name"] for kind in metadata["types"]] == ["EC", "ETO", "MOC"]
    assert [cut["name"] for cut in metadata["cuts"]] == ["EMC"]
    assert metadata["domain"]["shortest_contact"] > 1.0
    assert metadata["domain"]["species"]["ETO"] == [0.4, 0.4]
    low, high = network.walls.across.low, network.walls.across.high
    assert (0.5 < low).all() and (low < high).all() and (high < 4.5).all()


def test_errors_are_those_of_the_run_and_of_forces_asked_one_by_one(trained, small_set):
    model, _ = trained
    errors = evaluate(model, small_set, "validation")
    assert errors["force"]["component"] == pytest.approx(load_model(model)[1]["errors"]["forces"], rel=1e-4)
    assert errors["grains"] == 60
    frames = Dataset.load(small_set).select(splits=["validation"]).sets[0]
    potential = CGAAPotential(model)
    forces = [potential.evaluate(frames.topology(0), x / 10, c / 10)[1] for x, c in zip(frames.positions, frames.cell)]
    off = np.array(forces) / 964.8533 - frames.forces
    assert errors["force"]["component"] == pytest.approx(float(np.sqrt(np.square(off).mean())), rel=1e-3)


def test_a_run_goes_on_from_such_a_model_and_cuts_in_the_same_way(trained, tmp_path):
    model, config = trained
    data = {"paths": config["data"]["paths"]}
    (tmp_path / "next.yaml").write_text(json.dumps(config | {"init": str(model), "data": data, "max_steps": 4}))
    again = train(load_config(tmp_path / "next.yaml"))
    assert load_model(again)[1]["cuts"] == load_model(model)[1]["cuts"]


def test_info_shows_the_cuts_of_a_model_and_of_a_file(trained, tmp_path, solvent, capsys, monkeypatch):
    from openmm_cgaa.structures.structure import write_structure

    monkeypatch.setenv("COLUMNS", "200")
    model, _ = trained
    topology, positions, _ = solvent
    write_structure(tmp_path / "liquid.cif", topology, positions)
    assert main(["info", str(model)]) == 0
    shown = capsys.readouterr().out
    assert "cut: EMC C4H8O3: 2 grains, ETO C2H5O, MOC C2H3O2" in shown
    assert "links between grains, at element:class ETO O:2 - MOC C:" in shown
    assert main(["info", str(tmp_path / "liquid.cif"), "--model", str(model)]) == 0
    shown = capsys.readouterr().out
    assert "30 grains, 240 atoms" in shown and "links between grains: 12, at" in shown and "knows all grains" in shown
    (tmp_path / "cuts.yaml").write_text(json.dumps({"EMC": PARTS}))
    assert main(["info", str(tmp_path / "liquid.cif"), "--cuts", str(tmp_path / "cuts.yaml")]) == 0
    assert "30 grains, 240 atoms" in capsys.readouterr().out
    (tmp_path / "cuts.yaml").write_text(json.dumps({"DMC": 4}))
    assert main(["info", str(tmp_path / "liquid.cif"), "--cuts", str(tmp_path / "cuts.yaml")]) == 2
    assert "cut DMC: there is no such molecule; there are EC, EMC" in capsys.readouterr().err


def test_a_cut_of_no_molecule_is_told_before_training(write_config, small_set):
    with pytest.raises(CGAAError, match="cut DMC: there is no such molecule"):
        train(load_config(write_config(data={"paths": [str(small_set)], "cuts": {"DMC": 4}})))
