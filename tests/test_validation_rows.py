"""The validation of the electrolyte: peaks, weights and errors of its rows, and a run that is made, kept and read."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ase")
pytest.importorskip("matplotlib")
RESULTS = Path(__file__).parents[1] / "systems" / "ec_emc_lipf6" / "validation" / "results.json"
VALIDATION = RESULTS.parent
sys.path.insert(0, str(VALIDATION))
import dynamics  # noqa: E402 - scripts of their folder, not of the package
import figures  # noqa: E402
import liquid  # noqa: E402
import rows  # noqa: E402
import runs  # noqa: E402


def test_first_peak_lies_between_bins():
    r = np.arange(0.05, 7.0, 0.1)
    g = 1.0 + 2.0 * np.exp(-((r - 4.23) ** 2) / 0.5)
    position, height = liquid._first_peak(r, g)
    assert position == pytest.approx(4.23, abs=0.01)
    assert height == pytest.approx(3.0, rel=0.03)


def test_peaks_beside_each_other_with_their_errors():
    rng, r = np.random.default_rng(0), np.arange(0.05, 7.0, 0.1)

    def curves(place, height):
        return [1.0 + height * np.exp(-((r - place - 0.02 * rng.standard_normal()) ** 2) / 0.5) for _ in range(10)]

    found = liquid._beside(r, {"student": (curves(4.3, 2.2), np.ones(10)), "teacher": (curves(4.2, 2.0), np.ones(10))})
    assert found["shift_A"]["value"] == pytest.approx(0.1, abs=4 * found["shift_A"]["error"])
    assert 0.003 < found["shift_A"]["error"] < 0.03
    assert found["relative_height"]["value"] == pytest.approx(0.2 / 3.0, abs=0.01)


def test_weights_count_frames_and_not_parts():
    r = np.arange(0.05, 7.0, 0.1)
    low, high = (1.0 + h * np.exp(-((r - 4.0) ** 2) / 0.5) for h in (1.0, 3.0))
    even = ([low, 3.0 * high], [1.0, 3.0])  # sums of weighed curves: one frame, and three
    found = liquid._beside(r, {"student": even, "teacher": even})
    assert found["peak_height"]["teacher"] == pytest.approx(0.25 * 2.0 + 0.75 * 4.0, rel=0.03)
    assert found["shift_A"]["value"] == 0.0 and found["relative_height"]["value"] == 0.0


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
    temperatures = dynamics.temperatures(place)
    assert {"translation", "rotation", "vibration", "Li", "F"} <= set(temperatures["small-300"])
    stable = dynamics.stability(place)["small-300"]
    assert stable["largest_bond_deviation_A"] < 0.4 and stable["shortest_contact_A"] > 1.2
    spread = dynamics.spread(place, frames=10)["small-300"]
    assert 0.0 < spread["largest_eV_per_A"] < 1.0
    json.dumps([found, temperatures, stable, spread])  # all that is kept can be written down


def _brief(settings):
    from dataclasses import replace

    nve = 0.05 if settings.nve_picoseconds else 0.0
    return replace(settings, picoseconds=0.05, nve_picoseconds=nve, report_interval=4, threads=1)


def test_every_row_and_figure_has_a_name_and_a_line_of_explanation():
    assert len(rows.ROWS) == 14
    for name, row in rows.ROWS.items():
        assert row.__name__ == name and row.__doc__
    assert {"small", "large", "strange"} == {run.box for run in runs.RUNS.values()}


@pytest.mark.skipif(not RESULTS.is_file(), reason="nothing was measured yet")
def test_figures_are_drawn_from_the_kept_results():
    results = json.loads(RESULTS.read_text())
    for draw in (figures.molecules, figures.drift):
        if draw.__name__ in results:
            assert draw(results).axes
