"""What a plan is expected to take, and how it is made to fit a budget."""

from dataclasses import replace

import pytest

from openmm_cgaa.distill.distillplan import plan_of_smiles
from openmm_cgaa.distill.timing import LEAST_STEPS, Clock, Expected, Rates, expected, fitted, measure
from openmm_cgaa.errors import CGAAError

RATES = Rates(240, classical=0.001, fast=0.002, form=0.006, teacher=0.6, learn_fast=0.007, learn_form=0.03)


@pytest.fixture
def plan():
    return plan_of_smiles("COCCOC", ["DME"], {"workers": 1})


def minutes(plan, rates=RATES):
    return sum(row.minutes for row in expected(plan, rates))


def test_work_that_grows_takes_longer(plan):
    usual = minutes(plan)
    assert usual > 60.0
    for part, key, value in (
        ("classical", "frames", 32),
        ("own", "rounds", 4),
        ("training", "steps", 120000),
        ("training", "last", 300000),
    ):
        more = replace(plan, **{part: replace(getattr(plan, part), **{key: value})})
        assert minutes(more) > usual + 1.0
    for key in ("classical", "fast", "form", "teacher", "learn_fast", "learn_form"):
        assert minutes(plan, replace(RATES, **{key: 2 * getattr(RATES, key)})) > usual
    assert minutes(replace(plan, workers=2)) < usual


def test_labels_are_counted(plan):
    labels = [row.labels for row in expected(plan, RATES) if row.what == "the teacher labels"]
    wanted = plan.classical
    boxes = 9 + 2 + wanted.validation + wanted.test
    assert labels[0] == pytest.approx(
        boxes * wanted.frames + ((wanted.turned + wanted.strained) * 16 + wanted.pairs * 32) / 240, abs=1
    )
    assert len(labels) == 1 + plan.own.rounds + 1


def test_a_budget_is_kept_by_fewer_steps(plan):
    assert fitted(plan, RATES, 1e6) == plan
    short = fitted(plan, RATES, 0.8 * minutes(plan))
    assert 0.7 * minutes(plan) < minutes(short) <= 0.81 * minutes(plan)
    assert LEAST_STEPS <= short.training.steps < plan.training.steps and short.own == plan.own
    assert short.training.last / plan.training.last == pytest.approx(
        short.training.steps / plan.training.steps, rel=0.01
    )
    kept = replace(plan, training=replace(plan.training, last=0))
    assert fitted(kept, RATES, 0.8 * minutes(kept)).training.last == 0
    with pytest.raises(CGAAError, match="the budget is 0.17 h, but this plan takes .* h with the fewest steps"):
        fitted(plan, RATES, 10.0)


def test_this_machine_is_timed():
    made = {"teacher": "springs:Springs", "form": "fast", "classical": {"atoms": 60}}
    rates = measure(plan_of_smiles("COCCOC", ["DME"], made))
    assert rates.atoms == 64 and min(vars(rates).values()) > 0.0


def test_the_time_that_is_left_follows_what_stages_have_taken():
    clock = Clock([Expected(name, "", 60.0) for name in "abc"])
    assert clock.left({}, "a") == 3 * 3600.0
    assert clock.left({"a": 3600.0}, "b") == 2 * 3600.0
    slow = clock.left({"a": 7200.0}, "b")
    assert 1.8 * 7200.0 < slow < 2 * 7200.0
    assert clock.left({"a": 0.0}, "b") == 2 * 3600.0  # finished by an earlier call that nobody timed
    assert clock.left({"a": 3600.0, "c": 3600.0}, "b", {"a", "c"}) == 3600.0  # b and c were begun together
    assert not clock.left({}, "unknown") > 0
