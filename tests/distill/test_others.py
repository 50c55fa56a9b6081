"""What other students say: their spread, and what more labels would give, by numbers that are known."""

import numpy as np
import pytest

from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.distill import others
from openmm_cgaa.distill.others import compared, forces_on_test, half_of
from openmm_cgaa.training.evaluation import evaluate


def test_half_of_each_kind(small_set):
    dataset = Dataset.load(small_set)
    grains = sum(len(one) * one.num_grains for one in dataset.select(["liquid"], ["train"]).sets)
    assert half_of([small_set, small_set]) == {"liquid": grains}


def test_forces_are_those_that_evaluate_holds_together(tiny_conserving_path, small_set):
    teacher, model = forces_on_test(tiny_conserving_path, small_set)
    error = evaluate(tiny_conserving_path, small_set, "test")["force"]
    assert np.sqrt(np.mean((model - teacher) ** 2)) == pytest.approx(error["component"], rel=1e-4)


def test_compared(monkeypatch):
    rng = np.random.default_rng(0)
    teacher, own, twin = np.zeros(100_000), *rng.standard_normal((2, 100_000))
    forces = {"student": own, "twin": twin, "half": 1.25 * twin}
    monkeypatch.setattr(others, "forces_on_test", lambda model, labels: (teacher, forces[model]))
    found = compared("student", "twin", "half", "labels")
    assert found["committee_force"] == pytest.approx(1.0, rel=0.01)  # two that have nothing in common
    assert found["test_force_curve"] == pytest.approx(0.8, rel=0.01)  # a fifth less, as from half to all
