"""Plans of ensembles: what cannot be is said, with its place, before anything is run."""

import re
from pathlib import Path

import pytest
from ensembles import plan_file

from openmm_cgaa.ensemble.ensembleplan import read_ensemble
from openmm_cgaa.errors import CGAAError

BOX = {"box": "words.yaml"}
LADDER = {"nve_picoseconds": None, "exchange": 10, "sweep": {"temperatures": [300, 330]}}
DENSE = {"sweep": {"densities": [1.2]}}
WRONG = [  # what is changed, what is told, and what is changed as it says
    ({"temprature": 300}, "unknown key temprature; known are temperature,", {"temperature": 300}),
    ({"box": None}, "box is missing", {}),
    ({"box": "none.cif"}, "none.cif: no such file; paths are relative to the plan", {}),
    ({"box": ["words.yaml", "box.cif"]}, "a description (YAML) says all; give it alone", BOX),
    ({"box": []}, "box is empty; name structure files, or the description of a box (YAML)", BOX),
    ({"model": None}, "give either model, or models in sweep", {"model": "ec-emc"}),
    (
        {"sweep": {"models": ["a"]}},
        "give either model, or models in sweep",
        {"model": None, "sweep": {"models": ["a"]}},
    ),
    ({"temperature": 0}, "temperature is 0.0; expected a number from 0.001", {"temperature": 0.001}),
    ({"sweep": {"temperatures": [300, 0]}}, "temperatures is [300.0, 0.0]; expected a number from 0.001", {}),
    ({"sweep": {"temperatures": [5, 5]}}, "has 5.0 twice; more runs of one kind are replicas", {"replicas": 2}),
    ({"temperature": 9, "sweep": {"temperatures": [9]}}, "leave one of them out", {"sweep": {"temperatures": [9]}}),
    (DENSE, "densities of sweep need boxes that are packed for them; let box name a description", DENSE | BOX),
    ({"sweep": {"compositions": {"a/b": {"EC": 1}}}}, "'a/b' is no name; take letters, digits, -, _ and . inside", {}),
    ({"sweep": {"compositions": {"a": {"EC": 0}}}}, "expected how many there are of each molecule", {}),
    ({"sweep": {"speeds": [1]}}, "sweep: unknown key speeds", {}),
    ({"replicas": 0}, "replicas is 0", {}),
    ({"seed": 0}, "seed is 0", {}),
    ({"begin": 0.08}, "a frame comes every 0.005 ps, but a run has 0.08 ps; begin earlier, or", {"begin": 0.07}),
    ({"begin": 0.08}, "run longer", {"begin": 0.08, "picoseconds": 0.05}),
    ({"lags": [3, 2]}, "expected where they begin and where they end, in ps", {"lags": [2, 3]}),
    (LADDER | {"sweep": {}}, "exchange needs two temperatures or more", LADDER),
    (LADDER | {"pressure": 1.0}, "leave pressure, nve_picoseconds and stress_interval out", LADDER),
    (LADDER | {"stress_interval": 10}, "tells no stress; leave pressure", LADDER),
    (LADDER | {"exchange": 7}, "with exchange take a multiple of 7 steps", LADDER),
    (LADDER | {"lags": [0.01, 0.02]}, "lags tell no diffusion", LADDER),
]


@pytest.mark.parametrize(("changes", "told", "mended"), WRONG)
def test_what_cannot_be_is_said_with_the_file_and_what_helps(tmp_path, changes, told, mended):
    (tmp_path / "words.yaml").touch()
    with pytest.raises(CGAAError, match=re.escape(told)) as error:
        read_ensemble(plan_file(tmp_path, **changes))
    assert "plan.yaml" in str(error.value)
    read_ensemble(plan_file(tmp_path, **mended))


def test_paths_are_relative_to_the_plan_and_options_to_where_one_is(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    plan = read_ensemble(plan_file(tmp_path))
    assert plan.files == [tmp_path / "box.cif"] and Path(plan.output) == tmp_path / "ensemble"
    moved = read_ensemble(tmp_path / "plan.yaml", "here", workers=3)
    assert Path(moved.output) == tmp_path / "other/here" and moved.workers == 3


def test_settings_of_a_member_are_those_of_the_plan_but_for_temperature_and_seed(tmp_path):
    settings = read_ensemble(plan_file(tmp_path, friction=2.0, threads=2)).settings(310.0, 5)
    assert (settings.temperature, settings.seed, settings.friction, settings.threads) == (310.0, 5, 2.0, 2)
    assert settings.platform == "Reference" and settings.steps(settings.picoseconds) == 40
