"""A verdict says yes and no where those who distilled by hand did, and never more than was measured.

Tests of `criteria` and of `readings` stand here, too.
"""

import dataclasses
import json
import math
import re
from pathlib import Path

import distilled
import pytest

import openmm_cgaa
from openmm_cgaa.distill.criteria import CRITERIA
from openmm_cgaa.distill.distillplan import DistillPlan
from openmm_cgaa.distill.verdict import EXIT_STATUS, NOT_READY, READY, WITHIN_LIMITS, judge, right_on_own
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.validation.row import markdown_table

DOCS = Path(openmm_cgaa.__file__).parents[1] / "docs"


def of_status(verdict, *statuses):
    return {check.name for check in verdict.checks if check.status in statuses}


def test_a_model_that_meets_all_bars_is_ready():
    verdict = judge(distilled.DME)
    assert verdict.status == READY and verdict.exit_status == 0
    assert of_status(verdict, "met") == {check.name for check in verdict.checks}
    assert verdict.limits == verdict.advice == []
    assert verdict.sentence == "The model is ready for 300 K and 1 bar. Diffusion was not measured."


@pytest.mark.parametrize(
    ("measured", "status", "failed"),
    [
        (distilled.DME_FIRST, NOT_READY, {"own_nvt_net_force", "own_nvt_mean_energy", "own_nvt_pressure"}),
        (distilled.DME_SECOND, WITHIN_LIMITS, set()),
        (distilled.DME_GOOD, WITHIN_LIMITS, set()),
        (distilled.ACETONITRILE_FIRST, NOT_READY, {"test_net_force", "own_nvt_net_force"}),
        (distilled.ACETONITRILE_SECOND, NOT_READY, {"own_npt_net_force", "own_npt_mean_energy", "density"}),
        (distilled.ACETONITRILE_THIRD, NOT_READY, {"test_energy", "own_npt_mean_energy"}),
        (distilled.ACETONITRILE_GOOD, WITHIN_LIMITS, set()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_models_that_were_judged_by_hand(measured, status, failed):
    verdict = judge(measured)
    assert (verdict.status, of_status(verdict, "failed")) == (status, failed)


@pytest.mark.parametrize("measured", [distilled.DME_GOOD, distilled.ACETONITRILE_GOOD])
def test_the_limits_of_good_models_are_what_was_not_measured(measured):
    assert of_status(judge(measured), "weak", "failed") == set()
    assert of_status(judge(measured), "undecided") <= {"drift"}  # -0.006(3) meV/atom/ps, of two picoseconds


NO = {
    "spoiled labels": (
        {"test_force": 0.32, "test_force_relative": 0.40, "test_force_curve": 0.315, "committee_force": 0.03},
        "test_force_relative",
        "Neither more labels nor another seed",
    ),
    "too few frames": (
        {"test_force": 0.16, "test_force_relative": 0.20, "test_force_curve": 0.10, "committee_force": 0.13},
        "test_force_relative",
        "Raise classical.frames",
    ),
    "a teacher whose energy jumps": ({"test_energy": 4.0}, "test_energy", "the slope of its energies"),
    "a conformer that was not sampled": (
        {"own_nvt_force": 0.11, "own_nvt_force_relative": 0.14},
        "own_over_test",
        "Raise classical.turned",
    ),
    "another run that breaks": (
        {"blown_up": {"nvt": "NVT stopped near step 6000"}},
        "runs:nvt",
        "Raise classical.strained",
    ),
    "labels that did not converge": ({"refused_labels": 0.12}, "refused_labels", "Look at *.refused.h5"),
    "boxes that fly apart": ({"own_lost": 0.1}, "own_lost", "Raise classical.strained"),
    "a run that breaks": ({"stable_ps": 3.2}, "stability", "Raise classical.strained"),
    "a student that cannot sample": ({"own_blown_up": "all boxes flew apart"}, "own_liquid", "Raise training.first"),
    "a frame that left the labels": ({"npt_inside": False}, "density", "Widen own.densities"),
    "molecules at another temperature": (
        {"temperatures": {"translation": [337.0, 3.0]}},
        "temperatures:translation",
        "",
    ),
    "a shifted structure": ({"rdf_difference": {"O-H": [0.31, 0.02]}}, "rdf_difference:O-H", "own.rounds"),
    "an infinite force": ({"test_net_force": math.inf}, "test_net_force", "Set form to good"),
}


@pytest.mark.parametrize("name", NO)
def test_it_can_say_no(name):
    changed, failed, advice = NO[name]
    verdict = judge(distilled.DME | changed)
    assert verdict.status == NOT_READY and verdict.exit_status == EXIT_STATUS[NOT_READY] == 4
    assert failed in of_status(verdict, "failed")
    (check,) = (check for check in verdict.checks if check.name == failed)
    assert check.sentence in verdict.sentence
    assert any(advice in text for text in verdict.advice), verdict.advice


def test_nothing_is_ready_without_what_is_essential():
    assert judge({}).status == NOT_READY
    for criterion in CRITERIA:
        left = {key: value for key, value in distilled.DME.items() if not key.startswith(criterion.name)}
        if criterion.name == "stability":
            del left["stable_ps"]
        if criterion.name == "own_liquid":
            left = {key: value for key, value in left.items() if not key.startswith("own_")}
        verdict = judge(left)
        if criterion.essential:
            assert verdict.status == NOT_READY and criterion.title in verdict.sentence
        elif criterion.name in of_status(verdict, "not measured") and criterion.without:
            assert verdict.status == WITHIN_LIMITS and criterion.without in verdict.limits


def test_nan_was_not_measured():
    assert of_status(judge(distilled.DME | {"drift": math.nan}), "not measured") == {"drift"}


def test_an_error_that_reaches_over_a_bar_leaves_it_undecided():
    """Of a bar of 20 and a weak one of 50 MPa, by two standard errors."""

    def status(value, error):
        verdict = judge(distilled.DME | {"own_nvt_pressure": value, "own_nvt_pressure_error": error})
        (check,) = (check for check in verdict.checks if check.name == "own_nvt_pressure")
        return check.status, verdict.status

    assert status(-10.0, 4.9) == ("met", READY)
    assert status(-10.0, 5.1) == ("undecided", WITHIN_LIMITS)
    assert status(35.0, 7.0) == ("weak", WITHIN_LIMITS)
    assert status(35.0, 8.0) == ("undecided", WITHIN_LIMITS)
    assert status(55.0, 3.0) == ("undecided", NOT_READY)
    assert status(55.0, 2.0) == ("failed", NOT_READY)
    assert status(0.0, math.nan) == ("undecided", WITHIN_LIMITS)


def test_a_density_within_its_error_of_the_last_label_is_undecided():
    verdict = judge(distilled.DME | {"density": 1.0, "density_error": 0.008})
    assert of_status(verdict, "undecided") == {"density"}
    assert "1.0000 ± 0.0080 g/cm3, where 0.78 to 1.01 were labelled: its error leaves it undecided" in verdict.sentence


def test_numbers_are_said_in_plain_words():
    said = judge(distilled.DME | {"test_net_force": 0.28}).sentence
    assert (
        "the net force on a molecule, which controls diffusion, has a relative error of 0.28; the bar is 0.25." in said
    )
    assert said.endswith("Diffusion was not measured.")
    worst = judge(distilled.ACETONITRILE_SECOND).sentence
    assert worst.startswith("The model is not ready. At 1 bar its density is 0.6090 ± 0.0090 g/cm3")
    assert "?" not in worst and "Checks that fail besides" not in worst


def test_more_failures_than_are_read_are_counted():
    bad = {"test_net_force": 0.9, "test_torque": 0.9, "test_energy": 9.0, "drift": 1.0, "largest_stretch": 0.8}
    assert "Checks that fail besides: 2." in judge(distilled.DME | bad).sentence


def test_own_liquids_are_right_by_the_same_bars():
    assert right_on_own(distilled.DME)
    assert not right_on_own(distilled.DME_GOOD)  # no box at constant pressure held
    assert not right_on_own(distilled.DME | {"own_npt_mean_energy": -0.6})
    assert right_on_own({key: value for key, value in distilled.DME.items() if "pressure" not in key})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"test_net_force": "0.2"}, "test_net_force: is '0.2'; expected what was measured, as a number"),
        ({"drift_error": [1.0]}, "drift_error: is"),
        ({"temperatures": {"translation": 300.0}}, "temperatures: is .*; expected a value and its error by name"),
        ({"rdf_difference": {"O-H": ["far", 0.0]}}, "O-H: is 'far'"),
    ],
)
def test_what_is_no_number_is_named(changed, said):
    with pytest.raises(CGAAError, match=said):
        judge(distilled.DME | changed)


def test_what_is_asked_of_crystals_alone_is_told_of_crystals_alone():
    assert not [check for check in judge(distilled.DME).checks if check.name.startswith("crystal")]
    measured = distilled.DME | {
        "crystal_sites": 0.3,
        "crystal_turned": 0.2,
        "crystal_cell": {"a": [-0.4, 0.1], "b": [2.0, 0.1]},
    }
    found = {check.name: check.status for check in judge(measured).checks if check.name.startswith("crystal")}
    assert found == {
        "crystal_sites": "failed",
        "crystal_turned": "met",
        "crystal_cell:a": "met",
        "crystal_cell:b": "weak",
    }
    ready = {key: value for key, value in measured.items() if key not in ("rdf_difference", "wandered")}
    said = {check.name: check.sentence for check in judge(measured | {"own": "crystal"}).checks}
    assert said["own_nvt_force_relative"].startswith("In its own crystal at constant volume, forces")
    limits = judge(ready | {"crystal_sites": 0.1, "crystal_cell": {"a": [0.1, 0.1]}}).limits
    assert limits == judge(distilled.DME).limits  # flow and radial distributions are asked of liquids


def test_a_verdict_is_plain_data():
    for measured in (distilled.DME, distilled.ACETONITRILE_SECOND, {"own_blown_up": "x"}, {"drift": math.inf}):
        kept = json.loads(json.dumps(judge(measured).as_dict(), allow_nan=False))
        assert kept["status"] in EXIT_STATUS and len(kept["checks"]) >= sum(not c.occasional for c in CRITERIA)


def test_statuses_are_told_apart_by_scripts():
    """1 is a fault of the program, 2 an error, 128 and more a signal."""
    assert EXIT_STATUS[READY] == 0 and len(set(EXIT_STATUS.values())) == 3
    assert not {1, 2} & set(EXIT_STATUS.values()) and max(EXIT_STATUS.values()) < 128


def test_advice_names_keys_of_the_plan():
    named = {key for criterion in CRITERIA for key in re.findall(r"\b[a-z]+\.[a-z_]+\b", " ".join(criterion.advice))}
    types = {field.name: field.default_factory for field in dataclasses.fields(DistillPlan)}
    assert len(named) > 8 and "form" in types
    for group, key in (name.split(".") for name in named):
        assert key in {field.name for field in dataclasses.fields(types[group])}, f"{group}.{key}"


def test_what_is_done_already_is_not_advised():
    measured = distilled.DME | {"test_net_force": 0.5}
    assert judge(measured).advice == ["Set form to good, which sees further", "Raise classical.frames"]
    assert judge(measured | {"form": "good"}).advice == ["Raise classical.frames"]


def test_advice_is_given_once():
    advice = judge(distilled.ACETONITRILE_SECOND).advice
    assert len(advice) == len(set(advice)) and len([text for text in advice if "own.rounds" in text]) == 1


def test_the_page_has_all_criteria():
    lines = [[f"`{c.name}`", f"{c.bar:g}", f"{c.weak:g}", c.unit, c.reason] for c in CRITERIA]
    table = markdown_table(["criterion", "bar", "weak bar", "unit", "why"], lines)
    assert table in (DOCS / "distill.md").read_text("utf-8"), table


def test_a_solid_where_a_liquid_was_promised_is_told():
    verdict = judge(distilled.DME | {"wandered": 0.08})
    assert verdict.status == WITHIN_LIMITS and of_status(verdict, "weak") == {"wandered"}
    assert any("0.08 of their distance" in line for line in verdict.limits)
    assert any("temperature" in text for text in verdict.advice)
