"""RDX: what its data promise, and that the shipped model has the errors that its record states."""

from pathlib import Path

import numpy as np
import pytest

from openmm_cgaa.data import Dataset
from openmm_cgaa.training.evaluation import evaluate

SYSTEM = Path(__file__).parents[2] / "systems" / "rdx"
DATA = SYSTEM / "data" / "distilled.h5"
FORCE = {"crystal": 0.05, "liquid": 0.06}  # eV/Å, of records/rdx.md


@pytest.fixture(scope="module")
def labels():
    return Dataset.load(DATA)


def test_the_data_are_small_and_of_both_phases(labels):
    assert DATA.stat().st_size < 8e6
    for split in ("train", "test"):
        kinds = {t.kind for t in labels.trajectories if t.split == split}
        assert {"crystal", "liquid"} <= kinds


def test_every_label_is_of_one_teacher(labels):
    assert labels.labelled and labels.teacher["name"] == "sevennet-0-d3"
    assert all(np.isfinite(frames.energy).all() for frames in labels.sets)


@pytest.mark.parametrize("kind", ["crystal", "liquid"])
def test_the_model_errs_as_its_record_says(kind):
    """On all test frames of each phase."""
    errors = evaluate(SYSTEM / "model.safetensors", [DATA], "test", [kind])
    assert errors["trained_on"] == [] and not errors["other_teacher"]
    assert errors["force"]["component"] < FORCE[kind]
