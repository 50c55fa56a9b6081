"""All of a plan: what is finished is kept, what fails is named."""

import os
import signal
import time
from contextlib import suppress

import pytest
from sampling_plans import (
    LIQUID,
    plan_file,
    sampled,
    short_preparation,  # noqa: F401 - for all tests here
)

from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.errors import CGAAError, SamplingWarning
from openmm_cgaa.host import signals
from openmm_cgaa.sampling.sample import sample


def test_a_restart_makes_nothing_twice(every_kind, monkeypatch):
    folder, dataset = every_kind
    before = {path: path.stat().st_mtime_ns for path in (folder / "frames.h5.parts").iterdir()}
    (folder / "frames.h5").unlink()
    (folder / "frames.h5.parts" / "scan-nvt-350K.h5").unlink()
    again = Dataset.load(sample(folder / "plan.yaml"))
    after = {path: path.stat().st_mtime_ns for path in (folder / "frames.h5.parts").iterdir()}
    assert set(after) == set(before) and sum(after[path] != before[path] for path in after) == 1
    assert sorted(key for frames in again.sets for key in frames.keys()) == sorted(
        key for frames in dataset.sets for key in frames.keys()
    )


def test_a_blow_up_is_named_and_the_rest_is_kept(tmp_path, capsys):
    plan = plan_file(tmp_path, {**LIQUID, "name": "wild", "step": 30.0, "spacing": 3.0}, LIQUID)
    assert main(["sample", str(plan)]) == 2
    text = capsys.readouterr().err
    assert "failed: 1 trajectory, the others are in" in text
    assert "wild: blew up by step" in text and "take a shorter step than 30 fs" in text
    kept = Dataset.load(tmp_path / "frames.h5")
    assert [t.name for t in kept.trajectories] == ["ec"] and len(kept) == 2
    wild = {**LIQUID, "name": "wild", "step": 30.0, "spacing": 3.0}
    kept_run = {**LIQUID, "name": "kept", "split": "test"}
    plan_file(tmp_path, wild, kept_run, {"kind": "cluster", "name": "c", "trajectories": ["wild"]})
    assert main(["sample", str(plan)]) == 2
    text = capsys.readouterr().err  # what the cuts lack is not all that is told
    assert "wild: blew up by step" in text and "what is cut from them: " in text and "the others are in" in text
    plan_file(tmp_path, LIQUID)
    assert main(["sample", str(plan)]) == 0
    assert "1 trajectory, 2 frames, 8 grains" in capsys.readouterr().out


def test_densities_are_shown_and_a_box_that_strays_is_told(tmp_path, capsys):
    """It is to begin at twice the density that it can have: packed at 0.85 g/cm3, it stays far below 1.7."""
    boxes = {**LIQUID, "name": "kept"}, {**LIQUID, "name": "strays", "ensemble": "NPT", "densities": 2.0}
    plan = plan_file(tmp_path, *boxes)
    for _ in range(2):  # made, and taken from where it lies
        with pytest.warns(
            SamplingWarning, match="strays: the density of its frames is .* g/cm3, begun at 2.000"
        ) as told:
            assert main(["sample", str(plan)]) == 0
        assert len(told) == 1
        text = capsys.readouterr().out
        rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines()]
        assert ["kept", "NVT", "300", "1.100", "1.100", ""] in rows
        (strays,) = [row for row in rows if row[0] == "strays"]
        (kept,) = Dataset.load(tmp_path / "frames.h5").select(trajectories=["strays"]).sets
        assert strays == ["strays", "NPT", "300", "2.000", f"{kept.density.mean():.3f}", "strayed"]


def test_finished_trajectories_of_other_settings_are_not_taken(tmp_path):
    sampled(tmp_path, LIQUID)
    part = next(tmp_path.glob("*.parts")) / "ec.h5"
    older = Dataset.load(part)
    assert older.provenance["made"]["run"].pop("strain") == 0.0  # as written before there was such a key
    older.save(part, precision="single")
    sampled(tmp_path, LIQUID)
    with pytest.raises(CGAAError, match=r"ec.h5 was made with other settings \(frames: 2 -> 3\); move it away"):
        sampled(tmp_path, {**LIQUID, "frames": 3})
    assert sampled(tmp_path, {**LIQUID, "split": "validation"}).trajectories[0].split == "validation"


def test_a_signal_that_a_package_has_swallowed_ends_the_work(tmp_path, monkeypatch):
    """Within a callback (of HDF5, of a weak reference) Python ignores what is raised."""
    run = {"kind": "molecule", "species": ["EC"], "copies": 3, "equilibration": 0.01, "spacing": 0.01, "frames": 1}
    path, asked = plan_file(tmp_path, run), []

    def progress(done, total, name):
        asked.append(done)
        with suppress(signals.Interrupted):
            if done == 1:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.1)

    with signals.answered(), pytest.raises(signals.Interrupted):
        sample(path, tmp_path / "out.h5", progress=progress)
    assert asked == [0, 1]
