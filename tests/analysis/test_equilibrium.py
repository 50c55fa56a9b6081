"""Where equilibrium begins, of series and of runs for which it is known, and by pymbar."""

import json
import logging

import numpy as np
import pytest
from made_runs import made_run
from test_drift import correlated_noise

from openmm_cgaa.analysis import drift
from openmm_cgaa.analysis.equilibrium import equilibrated, equilibrium, read_begun
from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.analysis.sidebyside import compare_runs
from openmm_cgaa.cli import main
from openmm_cgaa.errors import SimulationError

KEYS = "mean_g_per_ml", "error_g_per_ml"


def relaxing(size, memory, height, decay, seed=1):
    """A correlated series of spread 1 that comes down from a height."""
    return correlated_noise(np.random.default_rng(seed), size, memory) + height * np.exp(-np.arange(size) / decay)


def table(potential, density=None):
    rows = np.zeros(len(potential), [("time_ps", float), ("potential_kjmol", float), ("density_gml", float)])
    rows["time_ps"] = 0.1 * np.arange(1, len(potential) + 1)
    rows["potential_kjmol"], rows["density_gml"] = potential, np.nan if density is None else density
    return rows


@pytest.mark.parametrize("series", [relaxing(1500, 0.8, 8.0, 50.0), relaxing(700, 0.95, 0.0, 1.0, seed=4)])
def test_pymbar_finds_the_same(series):
    logging.getLogger("pymbar").setLevel(logging.ERROR)  # notices of its import
    timeseries = pytest.importorskip("pymbar.timeseries", reason="pymbar is not installed: pip install pymbar")
    assert drift.inefficiency(series) == pytest.approx(timeseries.statistical_inefficiency(series), rel=1e-9)
    found = equilibrated(series)
    begin, memory, _ = timeseries.detect_equilibration(series, fast=False, nskip=len(series) // 100)
    assert found.begin == begin and (len(series) - begin) / found.independent == pytest.approx(memory, rel=1e-5)


def test_a_beginning_that_is_off_is_left_out_and_means_become_right():
    """Its mean over all is off by 0.4, of which each error is a tenth."""
    off = []
    for seed in range(15):
        series = relaxing(2000, 0.8, 8.0, 100.0, seed)
        found = equilibrated(series)
        assert 100 <= found.begin <= 900 and found.away > 5.0 and found.enough(len(series))
        whole, rest = drift.mean(series), drift.mean(series[found.begin :])
        assert whole.value > 2.0 * rest.error
        off.append(rest.value / rest.error)
    assert np.sqrt(np.mean(np.square(off))) < 1.8  # 1 without what is left of the beginning


def test_what_is_in_equilibrium_stays():
    found = [equilibrated(relaxing(2000, 0.8, 0.0, 1.0, seed)) for seed in range(20)]
    assert np.median([one.begin for one in found]) < 200 and all(one.enough(2000) for one in found)
    assert np.median([one.away for one in found]) < 2.0
    assert equilibrated(np.ones(50)) == (0, 1.0, 0.0) and not equilibrated(np.ones(50)).enough(50)
    assert equilibrated([1.0]).independent == 1.0


def test_the_slowest_series_decides_and_one_that_does_not_tell_is_named():
    quick, slow = relaxing(1000, 0.5, 10.0, 20.0), relaxing(1000, 0.8, 10.0, 60.0, seed=2)
    found = equilibrium(table(quick, slow), pressure=1.0)
    assert found.begin == found.numbers["series"]["density"]["begin_ps"] > 5.0 and found.numbers["told"]
    assert found.numbers["text"].startswith(f"from {found.begin:g} ps on, by the density, whose mean before is ")
    assert equilibrium(table(quick, slow)).numbers["series"].keys() == {"potential energy"}
    climbing = equilibrium(table(quick, 0.02 * np.arange(1000)), pressure=1.0)
    assert (
        climbing.begin == 0.0
        and not climbing.numbers["told"]
        and "independent samples of its density from " in climbing.numbers["text"]
    )


def relaxing_run(folder, **changed):
    """400 frames 0.1 ps apart at constant pressure, whose density comes down within some ps."""
    made_run(folder, frames=400, pressure=1.0, **changed)
    lines = [line.split(",") for line in (folder / "state.csv").read_text().splitlines()]
    place = lines[0].index("density_gml")
    for row, value in zip(lines[1:], 1.2 + 0.01 * relaxing(400, 0.5, 10.0, 20.0)):
        row[place] = f"{value:.5f}"
    (folder / "state.csv").write_text("".join(",".join(row) + "\n" for row in lines))
    return folder


def test_analyze_tells_where_equilibrium_begins_and_begins_there(tmp_path, capsys, without_figures):
    run = relaxing_run(tmp_path / "run")
    found = analyze(run, teacher_frames=0, tell=lambda line: None).summary
    begin = found["equilibrium"]["begin_ps"]
    assert 3.0 < begin < 15.0 and found["run"]["picoseconds"] == pytest.approx([0.1, 40.0])
    told = f"equilibrium  from {begin:g} ps on, by the density, whose mean before is "
    text = (run / "analysis/summary.txt").read_text()
    assert told in text and "; --begin auto leaves out what comes before\n" in text
    assert main(["analyze", str(run), "--teacher-frames", "0", "--begin", "auto", "--html"]) == 0
    auto = json.loads((run / "analysis/summary.json").read_text())
    assert auto["run"]["picoseconds"] == pytest.approx([begin, 40.0]) and auto["equilibrium"] == found["equilibrium"]
    assert told in capsys.readouterr().out and told[13:] in (run / "analysis/report.html").read_text()
    (all_of_it, error), (rest, _) = ([one["density"][key] for key in KEYS] for one in (found, auto))
    assert all_of_it > 1.203 and abs(rest - 1.2) < 3 * error


def test_a_reference_begins_where_its_own_equilibrium_does(tmp_path, without_figures):
    run, other = made_run(tmp_path / "run", frames=400, pressure=1.0), relaxing_run(tmp_path / "other", seed=2)
    made = compare_runs([run], reference=other, begin="auto", teacher_frames=0, tell=lambda line: None)
    found = made.known.summary["density"]
    assert abs(found["mean_g_per_ml"] - 1.2) < 3 * found["error_g_per_ml"]


def test_what_does_not_tell_is_said(tmp_path, capsys, without_figures):
    run = made_run(tmp_path / "run")  # at constant volume, and its table has no potential energy
    assert main(["analyze", str(run), "--teacher-frames", "0", "--begin", "auto"]) == 0
    assert "equilibrium  not told by the table, without energies\n" in capsys.readouterr().out
    (run / "state.csv").unlink()
    assert "equilibrium" not in analyze(run, teacher_frames=0, tell=lambda line: None).summary
    with pytest.raises(SimulationError, match=r"state\.csv: has no rows that tell .*; give begin in ps"):
        read_begun(run, "auto")
    with pytest.raises(SimulationError, match="begin is 'soon'; give a number of ps, or auto"):
        read_begun(run, "soon")
    assert main(["analyze", str(run), "--begin", "soon"]) == 2
    assert "'soon' is not a number from 0 to 1e+09 ps, or auto" in capsys.readouterr().err
