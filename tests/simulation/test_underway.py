"""How far a run is: from its folder, and on the terminal that it was begun on."""

import json
import os
import socket

import numpy as np
import pytest
from made_runs import made_run
from short_runs import diatomics, replaced

from openmm_cgaa.errors import SimulationError
from openmm_cgaa.simulation.reporters import _Slope
from openmm_cgaa.simulation.run import simulate
from openmm_cgaa.simulation.underway import FINISHED, RUNNING, STOPPED, has_frames, last_row, look_at


def test_a_folder_tells_how_far_its_run_is(tmp_path):
    folder = made_run(tmp_path / "run", frames=10, asked=40)
    seen = look_at(folder)
    assert (seen.status, seen.part, seen.picoseconds, seen.all_picoseconds) == (STOPPED, "NVT", 1.0, 4.0)
    assert seen.ns_per_day == 12.5 and seen.seconds_left is None and has_frames(folder)
    owner = folder / ".owner"
    owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    seen = look_at(folder)
    assert seen.status == RUNNING and seen.seconds_left == pytest.approx(0.003 / 12.5 * 86400.0)
    owner.write_text(json.dumps({"pid": 2**30, "host": socket.gethostname()}))
    assert look_at(folder).status == STOPPED  # its process was killed
    owner.write_text(json.dumps({"pid": 2**30, "host": "elsewhere"}))
    assert look_at(folder).status == RUNNING  # nobody knows better
    owner.unlink()
    assert look_at(made_run(tmp_path / "whole", frames=4)).status == FINISHED
    with pytest.raises(SimulationError, match="holds no run"):
        look_at(tmp_path)


def test_half_a_row_and_half_a_header_are_passed(tmp_path):
    folder = made_run(tmp_path / "run", frames=3)
    table = folder / "state.csv"
    with open(table, "a") as file:
        file.write("400,0.4,0.0")
    assert last_row(table)["time_ps"] == pytest.approx(0.3) and "rotation_K" not in last_row(table)
    table.write_text("step,ti")
    assert last_row(table) is None and last_row(folder / "none.csv") is None
    dcd = folder / "trajectory.dcd"
    whole = dcd.read_bytes()
    for kept in (0, 50, 300):
        dcd.write_bytes(whole[:kept])
        assert not has_frames(folder)


def test_a_slope_grows_point_by_point():
    x, y = np.linspace(5.0, 6.0, 30), np.random.default_rng(0).normal(size=30) + 1e4
    slope = _Slope()
    for number, point in enumerate(zip(x, y)):
        assert (slope.value() is None) == (number < 10)
        slope.add(*point)
    assert slope.value() == pytest.approx(np.polyfit(x - 5.5, y - 1e4, 1)[0], rel=1e-9)


def test_a_run_shows_temperature_drift_speed_and_time_left(tmp_path, capsys):
    system, topology, positions = diatomics(4)
    settings = replaced(picoseconds=0.02, nve_picoseconds=0.1, report_interval=5, pressure=1.0)
    assert simulate(system, topology, positions, tmp_path / "run", settings)
    bars = [part for part in capsys.readouterr().err.replace("\r", "\n").splitlines() if "ns/day" in part]
    assert any("NVT" in one and " K, " in one and "g/cm3" in one and "drift" not in one for one in bars)
    assert any("NVE" in one and " K, drift " in one and "meV/atom/ps" in one for one in bars)
    assert all("<" in one for one in bars)  # tqdm: passed<left
    seen = look_at(tmp_path / "run")
    assert (seen.status, seen.part) == (FINISHED, "NVE")
