"""RDX: what its data promise, and that the shipped model has the errors that its record states."""

from pathlib import Path

import numpy as np
import pytest

from openmm_cgaa.data import Dataset
from openmm_cgaa.training.evaluation import evaluate

SYSTEM = Path(__file__).parents[2] / "systems" / "rdx"
FILES = {path.stem: path for path in (SYSTEM / "data").glob("*.h5")}
FORCE = {"crystal": 0.088, "liquid": 0.122}  # eV/Å


@pytest.fixture(scope="module")
def sets():
    return {name: Dataset.load(path) for name, path in FILES.items()}


def test_the_data_are_small_and_of_both_phases(sets):
    assert sum(path.stat().st_size for path in FILES.values()) < 8e6
    for split in ("train", "test"):
        kinds = {t.kind for dataset in sets.values() for t in dataset.trajectories if t.split == split}
        assert {"crystal", "liquid"} <= kinds


def test_every_label_is_of_one_teacher(sets):
    merged = Dataset.merge(list(sets.values()))
    assert merged.labelled and merged.teacher["name"] == "sevennet-0-d3"
    assert all(np.isfinite(frames.energy).all() for frames in merged.sets)


@pytest.mark.parametrize("kind", ["crystal", "liquid"])
def test_the_model_errs_as_its_record_says(kind):
    """On a few frames of test trajectories of each phase; records/rdx.md has all of them."""
    errors = evaluate(SYSTEM / "model.safetensors", list(FILES.values()), "test", [kind])
    assert errors["trained_on"] == [] and not errors["other_teacher"]
    assert errors["force"]["component"] < FORCE[kind]
