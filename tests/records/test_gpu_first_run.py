"""The script for the first run on a GPU, on a CPU: its stages, and that it goes on where it was stopped."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "records" / "benchmarks"))
import gpu_first_run
import gpu_stages
from twins import needs_compiler

from openmm_cgaa.neighbors.build import build_graph


@needs_compiler
def test_numbers_of_both_models_are_right():
    found = gpu_stages.numbers("cpu")
    assert found["right"] and all(found[model]["force_error"] < 1e-5 for model in gpu_stages.MODELS)
    assert found["ec-emc-lipf6"]["repeats_are_identical"] and found["ec-emc-lipf6"]["launches"] < 100


def test_copies_side_by_side_are_as_one_box():
    """Eight copies have eight times the energy, and each the forces of the first."""
    one, eight = (gpu_stages.Tiled("ec-emc-lipf6-fast", "double", "cpu", side) for side in (1, 2))
    assert len(eight.positions) == 8 * 983 and eight.layout.counts == [8 * count for count in one.layout.counts]
    results = []
    for system in (one, eight):
        graph = build_graph(system.positions, system.box, system.layout, 0.0, 4.0, torch.float64)
        results.append(system.network(graph))
    assert float(results[1][0]) == pytest.approx(8.0 * float(results[0][0]), rel=1e-10)


@pytest.fixture
def stages(monkeypatch):
    """Stages of which one fails at first; and what was run."""
    ran = []

    def attempt(args, stage, seconds):
        ran.append(stage)
        return {"error": "out of memory"} if stage == "bare" and ran.count("bare") == 1 else {"right": stage != "wrong"}

    monkeypatch.setattr(gpu_first_run, "attempt", attempt)
    return ran


def test_it_goes_on_where_it_was_stopped(stages, tmp_path):
    output = tmp_path / "new" / "run.json"
    wanted = ["numbers", "bare", "nvt"]
    assert gpu_first_run.main([str(output), "--device", "cpu", "--stages", *wanted]) == 0
    first = json.loads(output.read_text())
    assert first["machine"]["torch"] == torch.__version__ and first["bare"]["error"] == "out of memory"
    assert gpu_first_run.main([str(output), "--device", "cpu", "--stages", *wanted]) == 0
    assert stages == [*wanted, "bare"] and "error" not in json.loads(output.read_text())["bare"]
    assert gpu_first_run.main([str(output), "--device", "cpu", "--minutes", "0"]) == 3


def test_nothing_is_timed_before_the_numbers_are_right(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_first_run, "attempt", lambda args, stage, seconds: {"right": False})
    assert gpu_first_run.main([str(tmp_path / "run.json"), "--device", "cpu"]) == 1
    assert set(json.loads((tmp_path / "run.json").read_text())) == {"machine", "numbers"}


def test_every_stage_is_there():
    assert all(callable(getattr(gpu_stages, stage)) for stage in gpu_first_run.STAGES)
