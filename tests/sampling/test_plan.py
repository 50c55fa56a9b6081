"""Plans of sampling: names, seeds and splits of trajectories, and what is wrong is named.

Also `recipes`, `moved`, `derived` and `makers`.
"""

import json
from dataclasses import replace

import pytest
from sampling_plans import (
    FORCEFIELD,
    LIQUID,
    MOLECULES,
    SYSTEMS,
    plan_file,
    short_preparation,  # noqa: F401 - for all tests here
)

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.sampling.plan import load_plan
from openmm_cgaa.sampling.sample import sample


def test_names_seeds_and_splits(tmp_path):
    grid = {**LIQUID, "temperatures": [300, 400], "densities": [1.0, 1.2], "boxes": 5, "seed": 7}
    grid["split"] = {"train": 0.8, "validation": 0.1, "test": 0.1}
    plan = load_plan(plan_file(tmp_path, grid, LIQUID))
    runs = plan.runs[0].expand(plan)
    assert [run.name for run in runs][:2] == ["ec-300K-1g-b1", "ec-300K-1g-b2"] and runs[-1].name == "ec-400K-1.2g-b5"
    assert [run.seed for run in runs] == list(range(7, 27))
    assert [sum(run.split == split for run in runs) for split in ("train", "validation", "test")] == [16, 2, 2]
    assert (runs[5].temperatures, runs[5].densities, runs[5].boxes) == (300.0, 1.2, 1)
    (one,) = plan.runs[1].expand(plan)
    assert one.name == "ec" and one.seed != replace(plan, seed=2).runs[1].expand(replace(plan, seed=2))[0].seed


@pytest.mark.parametrize(
    "count, split, expected",
    [
        (2, {"train": 0.8, "validation": 0.2}, [1, 1, 0]),  # by rounding alone there would be no validation
        (3, {"train": 0.9, "validation": 0.05, "test": 0.05}, [1, 1, 1]),
        (4, {"validation": 0.02, "train": 0.97, "test": 0.01}, [2, 1, 1]),
        (10, {"train": 0.8, "validation": 0.1, "test": 0.1}, [8, 1, 1]),
        (3, {"train": 1.0, "test": 0.0}, [3, 0, 0]),
    ],
)
def test_a_split_that_is_named_has_a_trajectory(tmp_path, count, split, expected):
    plan = load_plan(plan_file(tmp_path, {**LIQUID, "boxes": count, "split": split}))
    splits = [run.split for run in plan.runs[0].expand(plan)]
    assert [splits.count(name) for name in ("train", "validation", "test")] == expected


@pytest.mark.parametrize(
    "run, key, told, enough",
    [
        (LIQUID, "boxes", 1, 3),
        ({**LIQUID, "temperatures": [300, 350]}, "boxes", 2, 2),
        ({"kind": "molecule", "species": ["EC"]}, "copies", 2, 2),
        ({"kind": "pair", "pairs": [["EC", "EMC"]]}, "copies", 1, 3),
    ],
)
def test_too_few_trajectories_for_the_splits(tmp_path, run, key, told, enough):
    """And the number that the message names is enough."""
    run = {**run, "split": {"train": 0.8, "validation": 0.1, "test": 0.1}}
    plan = load_plan(plan_file(tmp_path, run))
    trajectories = f"{told} trajector{'y' if told == 1 else 'ies'}"
    with pytest.raises(CGAAError, match=rf"makes {trajectories}; .* give {key}: {enough}, or name one split"):
        plan.runs[0].expand(plan)
    plan = load_plan(plan_file(tmp_path, {**run, key: enough}))
    assert {run.split for run in plan.runs[0].expand(plan)} == {"train", "validation", "test"}


@pytest.mark.parametrize(
    "runs, changes, message",
    [
        ([{**LIQUID, "temprature": 300}], {}, r"run 1 \(ec\): unknown key temprature; known are .*temperatures"),
        ([{**LIQUID, "kind": "gas"}], {}, r"run 1 \(ec\): expected a kind \(liquid, crystal, molecule"),
        ([LIQUID], {"sede": 2}, "unknown key sede"),
        ([], {}, "runs is empty"),
        ([{**LIQUID, "counts": {"XX": 1}}], {}, "run ec: counts: there is no molecule 'XX'; molecules is EC, EMC"),
        ([{**LIQUID, "counts": "pure"}], {}, "compositions has no such name"),
        ([{**LIQUID, "densities": -1.0}], {}, "densities is -1.0; expected a number from 0.0001 to 50 g/cm3"),
        ([{**LIQUID, "densities": [1.0, "x"]}], {}, "entry 2 of densities is 'x', expected float"),
        ([{**LIQUID, "ensemble": "NVE"}], {}, "ensemble is 'NVE'"),
        ([{**LIQUID, "split": "trian"}], {}, "split: 'trian' is not one of train"),
        ([{**LIQUID, "split": {"train": 0.5}}], {}, "do not add up to 1"),
        ([{**LIQUID, "split": {"train": 1.5, "test": -0.5}}], {}, "split is .*; expected a number from 0 to 1"),
        ([{**LIQUID, "split": {"train": "all"}}], {}, "split of train is 'all', expected float"),
        ([{**LIQUID, "temperatures": []}], {}, "temperatures is an empty list"),
        ([{"kind": "molecule", "species": ["EC"], "turned": True}], {}, "EC has no bond that heavy atoms turn about"),
        ([{"kind": "molecule", "strain": 2.0}], {}, "strain is 2.0; expected a number from 0 to 1 Å"),
        ([{"kind": "molecule", "species": []}], {}, "the runs make no trajectory; there is nothing to sample"),
        ([LIQUID, LIQUID], {}, "two trajectories would be called ec"),
        ([LIQUID], {"sampler": {"forcefield": ["none.xml"]}}, "none.xml: no such file"),
        ([LIQUID], {"sampler": {"forcefield": FORCEFIELD, "platform": "Abacus"}}, "no platform 'Abacus'"),
        ([LIQUID], {"sampler": None}, "run ec needs a sampler"),
        ([{"kind": "cluster"}], {}, "the plan samples no frames to cut from; give source"),
        ([{"kind": "cluster", "source": "none.h5"}], {}, "none.h5: no such file"),
        ([LIQUID, {"kind": "scan", "split": "test"}], {}, "has the split of that one"),
        ([{"kind": "pair", "pairs": [["EC"]]}], {}, "expected two names"),
        ([LIQUID], {"molecules": [*MOLECULES, MOLECULES[0]]}, "EC stands there twice"),
        ([LIQUID], {"defaults": {"gas": {}}}, "'gas' is no kind of run"),
        ([LIQUID], {"defaults": {"liquid": 3}}, "defaults of liquid is 3, expected dict"),
        ([LIQUID], {"folder": "here"}, "unknown key folder"),
        ([{**LIQUID, "counts": {"EC": "two"}}], {}, "counts of EC is 'two', expected int"),
        ([{**LIQUID, "counts": {"EC": 0}}], {}, "expected how many there are of each"),
        ([{**LIQUID, "spacing": 1e-4}], {}, "spacing is 0.0001 ps, less than a step"),
        ([{**LIQUID, "counts": {"EC": 40}, "densities": None, "box": 8.0}], {}, "a lower density"),
        ([LIQUID], {"molecules": [{"name": "EC", "smiles": "O=C1OCCO"}]}, "does not parse"),
        ([{**LIQUID, "counts": {"NEON": 2}}], {"molecules": [{"name": "NEON", "smiles": "[Ne]"}]}, "force field"),
    ],
)
def test_bad_plans(tmp_path, runs, changes, message):
    with pytest.raises(CGAAError, match=message):
        sample(plan_file(tmp_path, *runs, **changes))


def test_plan_of_the_electrolyte():
    for path in sorted((SYSTEMS / "ec_emc_lipf6").glob("sample*.yaml")):
        plan = load_plan(path)
        for run in plan.runs:
            if hasattr(run, "counts") or hasattr(run, "species"):
                assert run.expand(plan)
    assert json.dumps(plan.sampler.identity())
