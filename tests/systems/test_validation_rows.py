"""The validation of the electrolyte: peaks, weights and errors of its rows, and a run that is made, kept and read."""

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.errors import CGAADomainWarning, CGAAError, SimulationError

pytest.importorskip("ase")
pytest.importorskip("matplotlib")
RESULTS = Path(__file__).parents[2] / "systems" / "ec_emc_lipf6" / "validation" / "results.json"
VALIDATION = RESULTS.parent
sys.path.insert(0, str(VALIDATION))
import dynamics  # noqa: E402 - scripts of their folder, not of the package
import figures  # noqa: E402
import liquid  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
import runs  # noqa: E402

R = np.arange(0.025, 7.0, 0.05)


def curve(place, height, width=0.5):
    return 1.0 + height * np.exp(-((R - place) ** 2) / width)


def test_first_peak_lies_between_bins():
    position, height = liquid._first_peak(R, curve(4.23, 2.0))
    assert position == pytest.approx(4.23, abs=5e-3) and height == pytest.approx(3.0, rel=1e-2)
    two = curve(2.7, 0.5, 0.05) + curve(5.5, 3.0) - 1.0
    assert liquid._first_peak(R, two)[0] == pytest.approx(2.7, abs=0.01)  # the first, not the highest
    faint = curve(2.7, 0.3, 0.15) + curve(4.2, 1.0, 2.0) - 1.0
    assert liquid._first_peak(R, faint)[0] > 4.0  # it hardly stands out before the next one
    assert liquid._first_peak(R, faint, 2.7)[0] < 3.0
    for none in (R, np.zeros_like(R), np.ones_like(R)):  # the end of the range is no peak
        assert np.isnan(liquid._first_peak(R, none)).all()


def test_peaks_beside_each_other_with_their_errors():
    rng = np.random.default_rng(0)

    def curves(place, height):
        return [curve(place + 0.02 * rng.standard_normal(), height) for _ in range(10)], np.ones(10)

    found = liquid._beside(R, {"student": curves(4.3, 2.2), "teacher": curves(4.2, 2.0)}, 0.05)
    assert found["shift_A"]["value"] == pytest.approx(0.1, abs=4 * found["shift_A"]["error"])
    assert 0.003 < found["shift_A"]["error"] < 0.03
    assert found["relative_height"]["value"] == pytest.approx(0.2 / 3.0, abs=0.01)
    assert found["difference"] > 3.0 * found["by_chance"] > 0.0
    same = liquid._beside(R, {"student": curves(4.2, 2.0), "teacher": curves(4.2, 2.0)}, 0.05)
    assert same["difference"] < 2.5 * same["by_chance"]
    flat = np.ones((10, len(R))), np.ones(10)
    assert "shift_A" not in liquid._beside(R, {"student": flat, "teacher": flat}, 0.05)


def test_weights_count_frames_and_not_parts():
    even = ([curve(4.0, 1.0), 3.0 * curve(4.0, 3.0)], [1.0, 3.0])  # sums of weighed curves: one frame, and three
    found = liquid._beside(R, {"student": even, "teacher": even}, 0.01)
    assert found["peak_height"]["teacher"] == pytest.approx(0.25 * 2.0 + 0.75 * 4.0, rel=1e-2)
    assert found["shift_A"]["value"] == 0.0 and found["relative_height"]["value"] == 0.0


def test_verlet_loses_a_bond_beyond_a_swing():
    x, mass, step = np.linspace(-0.2, 0.5, 15), 0.93, 2.0
    stiffest = 4.0 * mass * 103.6427 / step**2  # eV/Å^2, where omega times the step is 2
    harmonic = {scale: dynamics.largest_swing(x, 0.5 * scale * stiffest * x**2, mass, step) for scale in (0.9, 1.1)}
    assert np.isinf(harmonic[0.9]) and harmonic[1.1] == pytest.approx(0.02)
    bond = 4.8 * (1.0 - np.exp(-1.85 * x)) ** 2  # about a C-H bond
    assert np.isinf(dynamics.largest_swing(x, bond, mass, 1.0))
    assert 0.1 < dynamics.largest_swing(x, bond, mass, 2.0) < 0.4


def test_a_short_run_is_kept_and_measured(tmp_path, monkeypatch):
    monkeypatch.setitem(runs.RUNS, "small-300", runs._nvt("small", 300.0, 0.0))
    monkeypatch.setitem(runs.RUNS, "nve-0.5", runs._nve(0.5, box="small", nve=0.01))
    monkeypatch.setattr(dynamics, "SMALL", ["small-300"])
    monkeypatch.setattr(dynamics, "LARGE", [])
    place = runs.Workplace(tmp_path, {runs.MODEL: "ec-emc-lipf6-fast"}, short=True)
    monkeypatch.setattr(place, "settings", lambda name: _brief(runs.RUNS[name].settings))
    found = dynamics.drift(place, ["nve-0.5"])["nve-0.5"]
    assert abs(found["slope_meV_per_atom_per_ps"]["value"]) < 5.0 and found["spread_meV_per_atom"] < 1.0
    before = (tmp_path / "nve-0.5" / "trajectory.dcd").stat().st_mtime
    place.run("nve-0.5")
    assert (tmp_path / "nve-0.5" / "trajectory.dcd").stat().st_mtime == before  # finished runs are left alone
    other = runs.Workplace(tmp_path, {}, short=True)
    with pytest.raises(CGAAError, match="holds a run with model_sha256"):  # never a run of another model
        other.run("small-300")
    temperatures = dynamics.temperatures(place)
    assert {"translation", "rotation", "vibration", "Li", "F"} <= set(temperatures["small-300"])
    stable = dynamics.stability(place)["small-300"]
    assert stable["largest_bond_deviation_A"] < 0.4 and stable["shortest_contact_A"] > 1.2
    spread = dynamics.spread(place, frames=10)["small-300"]
    assert 0.0 < spread["largest_eV_per_A"] < 1.0
    json.dumps([found, temperatures, stable, spread])  # all that is kept can be written down
    monkeypatch.setattr(liquid, "STRUCTURE", ("small-300",))
    student = CGAACalculator(place.potential(), topology=place.finished("small-300").grain_map)
    monkeypatch.setattr(liquid, "load_teacher", lambda _: SimpleNamespace(calculator=student))
    both = [[t.xyz for t in liquid.bursts(place, who)] for who in ("student", "teacher")]
    assert len(both[0]) == 2 and np.array_equal(*both)  # one start, one sequence of random forces


def test_how_a_run_ended_names_no_place_of_its_files(tmp_path):
    (tmp_path / "hot").mkdir()
    (tmp_path / "hot" / "nve.csv").write_text("time_ps,temperature_K\n")
    (tmp_path / "hot" / "state.csv").write_text("time_ps,temperature_K\n0.5,300\n1.25,812.4\n")
    place = runs.Workplace(tmp_path, {})
    error = CGAAError(f"EMC 3 falls apart. The last good frame is {tmp_path}/last_good.cif; relax the start")
    assert dynamics.how_it_ended(place, "hot", error) == "1.25 ps, 812 K: EMC 3 falls apart."


def test_a_run_that_blows_up_has_the_slope_of_its_first_half(monkeypatch):
    time = 0.01 * np.arange(1, 41)
    nve = np.zeros(40, dtype=[("time_ps", float), ("total_kjmol", float), ("temperature_K", float)])
    nve["time_ps"], nve["temperature_K"] = time, 300.0 + 50.0 * time
    nve["total_kjmol"] = np.where(time < 0.3, 96.485 * time, 1e6)  # 1 eV/ps, until it ends
    half = SimpleNamespace(nve=nve, trajectory=SimpleNamespace(n_atoms=10))

    def ends(name):
        raise SimulationError("EMC 3 falls apart")

    monkeypatch.setattr(dynamics, "how_it_ended", lambda *_: "1.25 ps, 812 K: EMC 3 falls apart.")
    monkeypatch.setattr(dynamics, "read_run", lambda _: half)
    found = dynamics.drift(SimpleNamespace(folder=Path("runs"), finished=ends), ["nve-published"])
    row = found["nve-published"]
    assert row["end"].endswith("falls apart.") and row["picoseconds"] == pytest.approx(0.19) and "order" not in found
    assert row["slope_meV_per_atom_per_ps"]["value"] == pytest.approx(100.0, rel=1e-4)
    assert row["kelvin_per_ps"]["value"] == pytest.approx(50.0)
    assert report._nve_published({"published": found})[0].endswith("K/ps; ended at 1.25 ps, 812 K: EMC 3 falls apart.")
    half.nve = nve[:12]  # too few for a slope
    found = dynamics.drift(SimpleNamespace(folder=Path("runs"), finished=ends), ["nve-2"])
    assert set(found["nve-2"]) == {"step", "end"}


def test_warnings_are_kept_at_once_and_once(tmp_path):
    path = tmp_path / "warnings.txt"
    with pytest.warns(UserWarning, match="another"), runs._warnings_to(path):
        for step in (10, 20):
            warnings.warn(f"step {step}: the density is 1.4", CGAADomainWarning, stacklevel=1)
            assert path.read_text() == "step 10: the density is 1.4\n"
        warnings.warn("another", UserWarning, stacklevel=1)


def test_tables_of_whatever_was_measured(tmp_path, monkeypatch):
    value = {"value": 1.234, "error": 0.056}
    assert report.number(value) == "1.234 ± 0.056" and report.number({"value": 2.0, "error": 0.0}) == "2"
    nve = {"step": 0.5, "picoseconds": 20.0, "spread_meV_per_atom": 0.1}
    nve |= {"slope_meV_per_atom_per_ps": value, "kelvin_per_ps": value}
    motions = {motion: value for motion in dynamics.MOTIONS}
    whole = nve | {"step": 1.0, "temperatures_K": motions, "rdf_difference": {"EC-EMC": 0.01}}
    results = {
        "drift": {"nve-0.5": nve, "nve-2": {"step": 2.0, "end": "blew up"}, "order": 2.0},
        "respa": {"respa-1": whole, "respa-4": {"step": 4.0, "end": "blew up"}}
        | {"rdf_difference_by_chance": {"EC-EMC": 0.02}},
    }
    page = tmp_path / "page.md"
    page.write_text(
        "a\n<!-- drift -->\nold\n<!-- end -->\nb\n<!-- respa -->\n<!-- end -->\n<!-- rdf -->\n<!-- end -->\n"
    )
    monkeypatch.setattr(report, "PAGE", page)
    assert report.write(results) == ["drift", "respa"]
    text = page.read_text()
    assert text.startswith("a\n<!-- drift -->\n| ") and "old" not in text and "blew up" in text and "by chance" in text
    assert report.write(results) and page.read_text() == text
    summary = {line.split(" | ")[1]: line for line in report.summary(results).splitlines()}
    assert "1.234 ± 0.056 meV/atom/ps; its spread grows with the step to the power 2.0 | **no**" in summary["`drift`"]
    assert "none" in summary["`respa`"] and "not measured yet" in summary["`rdf`"]  # the slope is not a small one
    whole["slope_meV_per_atom_per_ps"] = {"value": 0.001, "error": 0.001}
    whole["temperatures_K"] = dict.fromkeys(dynamics.MOTIONS, {"value": 301.0, "error": 1.0})
    assert report._respa(results)[0] == "1 fs"
    row = {
        "C": {"value": 299.0, "error": 0.5},
        "H": {"value": 301.0, "error": 0.5},
        "Li": {"value": 310.0, "error": 8.0},
    }
    text = "299.0 to 301.0 K over all runs, as at 300 K (C, H); Li 310.0 ± 8.0"
    assert report._temperatures({"temperatures": {"all, as at 300 K": row}}) == (text, "yes")


def test_the_page_shows_what_was_measured():
    results, page = json.loads(RESULTS.read_text()), report.PAGE.read_text()
    assert report.summary(results) in page
    for make in (report.drift, report.stability, report.molecules, report.transport):
        assert make.__name__ not in results or make(results) in page


def _brief(settings):
    from dataclasses import replace

    nve = 0.05 if settings.nve_picoseconds else 0.0
    return replace(settings, picoseconds=0.05, nve_picoseconds=nve, report_interval=4, threads=1)


def test_every_row_and_figure_has_a_name_and_a_line_of_explanation():
    assert len(rows.ROWS) == 16
    for name, row in rows.ROWS.items():
        assert row.__name__ == name and row.__doc__
    assert {"small", "second", "large", "strange"} == {run.box for run in runs.RUNS.values()}


@pytest.mark.skipif(not RESULTS.is_file(), reason="nothing was measured yet")
def test_figures_are_drawn_from_the_kept_results():
    results = json.loads(RESULTS.read_text())
    for draw in (figures.molecules, figures.drift):
        if draw.__name__ in results:
            assert draw(results).axes
