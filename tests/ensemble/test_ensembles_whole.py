"""Ensembles from plan to report: nothing is lost, nothing is run twice, and what is said is what the runs hold.

Also `jobs`, `measured` and `pointreport`.
"""

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import TINY_CONSERVING, tiny_model
from ensembles import by_springs, plan_file
from short_runs import frames, table

from openmm_cgaa.cli import main
from openmm_cgaa.ensemble import ensembles
from openmm_cgaa.ensemble.ensembles import run_ensemble
from openmm_cgaa.errors import CGAAError, OutputError, SimulationError
from openmm_cgaa.host import signals
from openmm_cgaa.host.files import owned
from openmm_cgaa.structures.structure import write_structure


def run(folder, **changes):
    """The report of an ensemble here, and what was told."""
    told = []
    report = run_ensemble(plan_file(folder, **changes), workers=1, tell=told.append)
    return report, told


def times(out):
    return {path: path.stat().st_mtime_ns for path in out.rglob("*.dcd")}


def test_the_report_holds_what_the_runs_hold(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    sweep = {"temperatures": [200, 400]}
    report, told = run(tmp_path, replicas=3, sweep=sweep, begin=0.01)
    out = tmp_path / "ensemble"
    found = json.loads((out / "summary.json").read_text())
    assert set(found["members"]) == {f"{kelvin}K-{n}" for kelvin in (200, 400) for n in (1, 2, 3)}
    for point in ("200K", "400K"):
        runs = [out / f"{point}-{n}/run" for n in (1, 2, 3)]
        rows = [table(one / "state.csv") for one in runs]
        means = [own["temperature_K"][own["time_ps"] >= 0.01].mean() for own in rows]
        number = found["points"][point]["means"]["temperature_K"]
        assert number["value"] == pytest.approx(np.mean(means))
        assert number["error"] == pytest.approx(np.std(means, ddof=1) / 3**0.5)
        assert found["points"][point]["nanoseconds"] == pytest.approx(3 * 0.08 / 1000.0)
        for n, one in enumerate(runs, 1):
            own = found["members"][f"{point}-{n}"]
            assert own["seed"] == json.loads((one / "run.json").read_text())["settings"]["seed"]
            assert own["ns_per_day"] == table(one / "nve.csv")["ns_per_day"][-1]
            slope = np.polyfit(table(one / "nve.csv")["time_ps"], table(one / "nve.csv")["total_kjmol"], 1)[0]
            assert own["drift_meV_per_atom_per_ps"]["value"] == pytest.approx(1000.0 / 96.48533 * slope / 54, rel=1e-4)
    columns = np.genfromtxt(out / "rdf_centers_200K.csv", delimiter=",", names=True)
    assert columns.dtype.names == ("r_nm", "COCO", "COCO_error") and (columns["COCO_error"] >= 0).all()
    assert "6 members: 2 points, 3 of each" in told[0] and "1 side by side, 1 thread each" in told[1]
    text = (out / "summary.txt").read_text()
    assert re.search(r"200K +3 +\d+\.\d ± \d+\.\d", text) and "from the spread between replicas" in text
    assert len(report.figures) == 2 and all(Path(path).is_file() for path in report.figures)
    positions = [frames(out / f"200K-{n}/run") for n in (1, 2, 3)]
    assert not np.allclose(positions[0][-1], positions[1][-1]) and not np.allclose(positions[0][-1], positions[2][-1])


def test_a_second_call_runs_nothing_again_and_new_members_alone(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    run(tmp_path, replicas=2)
    out = tmp_path / "ensemble"
    before = times(out)
    run(tmp_path, replicas=2)
    assert times(out) == before
    run(tmp_path, replicas=3)
    after = times(out)
    assert len(after) == 3 and before.items() < after.items()
    run(tmp_path, replicas=3, nve_picoseconds=0.07)  # longer runs are the same, gone on with
    assert [len(frames(out / f"replica-{n}/run")) for n in (1, 2, 3)] == [18] * 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"friction": 2.0}, "has friction 1.0, but 2.0 is asked for"),
        ({"model": "of other springs"}, "has model of springs, but of other springs is asked for"),
        ({"seed": 2}, "has seed"),
        ({"nve_picoseconds": 0.05}, "has 160 steps already, more than the 140 that are asked for"),
    ],
)
def test_a_changed_plan_is_refused_before_anything_is_run(tmp_path, monkeypatch, changes, told):
    by_springs(monkeypatch)
    run(tmp_path)
    before = times(tmp_path)
    with pytest.raises(SimulationError, match=told):
        run(tmp_path, **changes, replicas=2)
    assert times(tmp_path) == before and not (tmp_path / "ensemble/replica-2").exists()
    run(tmp_path, **changes, output="another")  # as it says, or as for another run
    assert times(tmp_path).items() > before.items()


def test_one_that_fails_is_named_and_the_others_are_reported(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    usual = ensembles.work

    def broken(plan, members):
        if members[0].name == "replica-2":
            return ensembles.Outcome({}, [], "it blew up")
        return usual(plan, members)

    monkeypatch.setattr(ensembles, "work", broken)
    with pytest.raises(CGAAError, match=r"failed: 1 member, the report .*\n  replica-2: it blew up"):
        run(tmp_path, replicas=3)
    found = json.loads((tmp_path / "ensemble/summary.json").read_text())
    assert set(found["members"]) == {"replica-1", "replica-3"}
    monkeypatch.setattr(ensembles, "work", usual)
    assert len(run(tmp_path, replicas=3)[0].summary["members"]) == 3


def test_a_signal_saves_the_run_and_the_same_call_goes_on(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    path = plan_file(tmp_path, nve_picoseconds=50.0)

    def stop():
        rows = tmp_path / "ensemble/replica-1/run/nve.csv"
        while not rows.is_file() or rows.read_bytes().count(b"\n") < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    with signals.answered(), pytest.raises(signals.Interrupted):
        run_ensemble(path, workers=1, tell=str)
    thread.join()
    made = tmp_path / "ensemble/replica-1/run"
    done = len(frames(made))
    assert 6 <= done < 10_000 and not (tmp_path / "ensemble/summary.json").exists()
    run(tmp_path, nve_picoseconds=0.005 * (done + 4) - 0.02)
    assert len(frames(made)) == done + 4
    steps = np.concatenate([table(made / name)["step"] for name in ("state.csv", "nve.csv")])
    assert steps.tolist() == list(range(10, 10 * (done + 4) + 1, 10))


def test_a_folder_in_use_and_a_folder_of_others(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    with owned(tmp_path / "ensemble"):
        with pytest.raises(OutputError, match=f"process {os.getpid()} on .* works in it"):
            run(tmp_path)
    (tmp_path / "ensemble/summary.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds summary\.txt, but no ensemble\.json"):
        run(tmp_path)
    assert (tmp_path / "ensemble/summary.txt").read_text() == "mine"


@pytest.fixture
def tiny(tmp_path, liquid, solvent):
    """A folder with a box, a model that knows it, and one that does not."""
    tiny_model(tmp_path / "model.safetensors", TINY_CONSERVING, liquid)
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    return tmp_path


TINY = {"model": "model.safetensors", "timestep": 0.01, "report_interval": 2, "max_stretch": 5, "backend": "python"}


def test_what_a_model_cannot_do_is_said_before_anything_is_run(tiny, capsys):
    box = {"molecules": [{"name": "DME", "smiles": "COC", "count": 2}], "box": 12.0}
    (tiny / "dme.yaml").write_text(yaml.safe_dump(box))
    for changes, told in (
        ({"box": "dme.yaml"}, "DME"),
        ({"model": "none.safetensors"}, "none.safetensors"),
        ({"platform": "Abacus"}, "OpenMM has no platform 'Abacus' here"),
    ):
        path = plan_file(tiny, **TINY | {"picoseconds": 4e-5} | changes)
        assert main(["ensemble", str(path)]) == 2
        assert told in capsys.readouterr().err and not (tiny / "ensemble").exists()


@pytest.mark.timeout(900)  # three processes import all, one after the other on a busy machine
def test_a_member_whose_process_is_killed_goes_on_and_none_is_lost(tiny):
    plan = TINY | {"picoseconds": 2e-3, "nve_picoseconds": 0.0, "checkpoint_interval": 20}
    path = plan_file(tiny, **plan, replicas=2)
    killed = []

    def kill():
        run = tiny / "ensemble/replica-1/run"
        while not (run / "state.csv").is_file() or (run / "state.csv").read_bytes().count(b"\n") < 15:
            time.sleep(0.005)
        killed.append(json.loads((run / ".owner").read_text())["pid"])
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    report = run_ensemble(path, workers=2, tell=str)
    assert killed and killed[0] != os.getpid()
    assert set(report.summary["members"]) == {"replica-1", "replica-2"}
    for n in (1, 2):
        run = tiny / f"ensemble/replica-{n}/run"
        assert table(run / "state.csv")["step"].tolist() == list(range(2, 201, 2)) and len(frames(run)) == 100
