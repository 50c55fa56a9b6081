"""Runs side by side and beside a reference: known differences, sentences, the page, and a run that is still written.

Also `compared`, `values`, `firstshell`, `overlaid`, `runpage` and `reporting`.
"""

import json
import math
import os
import re
import shutil
import signal
import socket
import threading
import time

import numpy as np
import pytest
from browser import laid_out
from made_runs import made_run

from openmm_cgaa.analysis import sidebyside
from openmm_cgaa.analysis.compared import AGREES, ALONE, DIFFERS, MISSING, UNDECIDED, compared_reports, judged, names_of
from openmm_cgaa.analysis.coordination import PairBlocks
from openmm_cgaa.analysis.firstshell import first_shell, largest_difference
from openmm_cgaa.analysis.reporting import Report, Unwritten
from openmm_cgaa.analysis.runpage import progress_line
from openmm_cgaa.analysis.sidebyside import compare_runs, watch_run
from openmm_cgaa.analysis.values import Value, values_of
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError, OutputError, SimulationError
from openmm_cgaa.simulation.underway import look_at

PEAK = "rdf/NA Na - CL Cl/first_peak_nm"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Runs at 2.5 and at 2.6 Å and 310 K, and one without temperatures, beside another one of the first kind."""
    folder = tmp_path_factory.mktemp("runs")
    near, far, short = made_run(folder / "near", seed=2), folder / "far", folder / "short"
    made_run(far, distance=0.26, temperature=310.0, seed=3)
    made_run(short, temperature=None, seed=4)
    reference = made_run(folder / "reference", seed=5)
    with pytest.MonkeyPatch.context() as patch:  # no figures beside the page: they take seconds
        patch.setattr(Report, "draw", lambda self, function, file, *a, **o: self.keep(function, a, o))
        made = compare_runs(
            [near, far, short], folder / "out", reference, True, tell=lambda line: None, teacher_frames=0
        )
    return made, folder


def of(made, run, key):
    return next(row for row in made.compared.rows if row.key == key).runs[run]


def test_a_known_difference_is_told(compared):
    made, folder = compared
    same, other = of(made, "near", PEAK), of(made, "far", PEAK)
    assert same.verdict == AGREES and abs(same.value.value - 2.5) < 0.03 and same.distance < 2.0
    assert re.fullmatch(r"The first peak of NA Na - CL Cl is 0\.0\d+ ± 0\.0\d+ Å from the reference\.", same.sentence)
    assert other.verdict == DIFFERS and other.difference.value == pytest.approx(0.1, abs=4 * other.difference.error)
    assert other.distance == pytest.approx(other.difference.value / other.difference.error)
    assert re.fullmatch(
        r"The first peak of NA Na - CL Cl is 0\.\d+ ± 0\.0\d+ Å above the reference, \d+\.\d standard errors\.",
        other.sentence,
    )
    warmer = of(made, "far", "temperature/all")
    assert warmer.verdict == DIFFERS and warmer.difference.value == pytest.approx(10.0, abs=4.0)
    assert of(made, "near", "temperature/all").verdict == AGREES
    assert of(made, "near", "rdf/NA Na - CL Cl/coordination").value.value == pytest.approx(1.0)
    assert of(made, "near", "rdf/NA-CL/largest").verdict == AGREES
    assert of(made, "far", "rdf/NA-CL/largest").verdict == DIFFERS
    assert of(made, "near", "contacts").verdict == UNDECIDED  # an extreme has no error


def test_what_one_run_does_not_have_is_told(compared):
    made, folder = compared
    found = of(made, "short", "temperature/all")
    assert (found.verdict, found.sentence) == (MISSING, "The temperature is not known of short.")
    assert "far: " in made.compared.sentence("far") and "agree with " in made.compared.sentence("near")
    data = json.loads((folder / "out" / "comparison.json").read_text())
    assert data["comparison"] == ["near", "far", "short"] and data["agree_below_standard_errors"] == 2.0
    row = next(row for row in data["rows"] if row["key"] == "temperature/all")
    assert row["runs"]["short"]["value"] is None and row["runs"]["far"]["verdict"] == "differs"
    assert row["unit"] == "K" and row["reference"]["error"] > 0.0
    assert (folder / "out" / "far" / "summary.json").is_file() and not (folder / "far" / "analysis").exists()


def test_the_page_is_one_file_with_all_that_was_found(compared):
    made, folder = compared
    text = made.page.read_text("utf-8")
    bare = re.sub(r"base64,[^\"]*", "", text)
    assert not re.search(r"https?:|@import|url\(|<script|<link|<iframe", bare) and 'http-equiv="refresh"' not in bare
    assert made.compared.sentence("far") in text and of(made, "far", PEAK).sentence in text
    assert "What differs in far" in text and "✕ differs" in text and "– missing" in text
    assert len(re.findall('src="data:image/svg', text)) >= 6 and len(text) < 2_000_000
    assert "@media print" in text and "prefers-color-scheme: dark" in text


def test_a_browser_shows_the_page_on_a_telephone_and_on_a_desk(compared, tmp_path):
    wide, narrow = laid_out(compared[0].page.read_text("utf-8"), tmp_path, (1280, 400))
    for seen, width in ((wide, 1280), (narrow, 400)):
        assert seen["width"] == width and seen["needed"] <= width  # nothing to scroll to the side
        assert seen["images"] == seen["drawn"] > 5
    assert narrow["height"] > wide["height"]


def value(number, error):
    return Value("some", "Some", "number", "Å", number, error)


@pytest.mark.parametrize(
    ("own", "known", "verdict", "distance"),
    [
        ((1.00, 0.03), (1.05, 0.04), AGREES, 1.0),
        ((1.00, 0.03), (1.10, 0.04), DIFFERS, 2.0),
        ((1.00, 0.00), (1.00, 0.00), AGREES, 0.0),
        ((1.00, 0.00), (1.10, 0.00), UNDECIDED, None),
        ((1.00, None), (1.05, 0.04), UNDECIDED, None),
        ((1.00, 0.03), None, ALONE, None),
        (None, (1.05, 0.04), MISSING, None),
    ],
)
def test_verdicts_follow_from_the_distance(own, known, verdict, distance):
    own, known = (one and value(*one) for one in (own, known))
    found = judged(value(0.0, None), own, known, "mine", "theirs")
    assert found.verdict == verdict and found.distance == (None if distance is None else pytest.approx(distance))
    assert found.sentence.startswith("The number is ") and len(found.sentence.split()) < 35


def test_without_a_reference_the_first_run_is_that_of_the_others(tmp_path, undrawn, capsys):
    a, b = made_run(tmp_path / "a", frames=10), made_run(tmp_path / "b", frames=10, temperature=330.0, seed=7)
    assert main(["analyze", str(a), str(b), "--teacher-frames", "0"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\nreference    b: \d+ of \d+ numbers agree with a, \d+ differ\.", said)
    assert "\ndiffers      The temperature of translation is " in said
    data = json.loads((a / "analysis" / "comparison.json").read_text())
    assert data["reference"] == "a" and not (b / "analysis" / "comparison.json").exists()
    assert {row["runs"]["a"]["verdict"] for row in data["rows"]} == {ALONE}


def test_what_cannot_be_compared_is_refused(tmp_path, capsys):
    a = made_run(tmp_path / "a", frames=2)
    (a / "mine.html").write_text("mine")
    for words, told in (
        ([str(a), str(a)], "is named twice"),
        ([str(a), str(a / "b"), "--watch"], "--watch: is for one run"),
        ([str(a), "--every", "3"], "--every: is between two looks of --watch"),
        ([str(a), "--html", str(a / "mine.html")], "is no report of openmm-cgaa analyze"),
        ([str(a), "--html", str(a / "run.json")], "would be lost"),
        ([str(a), "--reference", str(tmp_path)], "holds no run"),
    ):
        assert main(["analyze", *words]) == 2
        assert told in capsys.readouterr().err
    with pytest.raises(CGAAError, match="there is no run; give"):
        compare_runs([])
    assert (a / "mine.html").read_text() == "mine" and names_of(["x/a", "y/a"]) == ["x/a", "y/a"]
    with pytest.raises(OutputError, match="would be lost"):
        compare_runs([a], page=a / "topology.cif")


EDGES = np.arange(0.0, 1.2001, 0.01)
MIDDLES = 0.5 * (EDGES[1:] + EDGES[:-1])


def drawn(random, place=0.2, blocks=5):
    """Counts of a known g(r), whose noise is that of pairs which come by themselves."""
    g = 6.0 * np.exp(-(((MIDDLES - place) / 0.03) ** 2)) + 1.0 / (1.0 + np.exp(-(MIDDLES - 0.45) / 0.03))
    g += 0.5 * np.exp(-(((MIDDLES - 0.55) / 0.06) ** 2))
    expected = np.tile(3e5 * MIDDLES**2, (blocks, 1))
    pairs = random.poisson(expected * g).astype(float)
    return PairBlocks(EDGES, pairs, expected, pairs.cumsum(1), np.full(blocks, 800))


def test_errors_of_the_first_shell_are_what_many_runs_scatter_by():
    random = np.random.default_rng(0)
    shells = [first_shell(drawn(random)) for _ in range(40)]
    for name, true in (("peak", 0.2), ("height", None), ("minimum", 0.31), ("neighbors", None)):
        values, errors = np.array([getattr(one, name) for one in shells]).T
        assert 0.5 < np.sqrt(np.mean(errors**2)) / values.std() < 2.0, name
        assert true is None or values.mean() == pytest.approx(true, abs=0.01)
    one = drawn(random, blocks=1)
    assert first_shell(one) == (None,) * 4 and largest_difference(one, one) is None


def test_the_largest_of_many_differences_is_rarely_beyond_two_by_chance():
    random = np.random.default_rng(1)
    found = [largest_difference(drawn(random), drawn(random)).distance for _ in range(200)]
    assert 0.01 < np.mean(np.array(found) > 2.0) < 0.12
    moved = largest_difference(drawn(random), drawn(random, 0.21))
    assert moved.distance > 3.0 and 0.1 < moved.at < 0.3


def test_two_peaks_that_are_not_the_same_are_not_judged():
    def report(place, height):
        made = Unwritten("it")
        made.summary["rdf"] = {
            "A-B": {"pairs": "centers", "first_peak_nm": place, "first_peak_error_nm": 0.01}
            | {"first_peak": height, "first_peak_error": 0.1}
            | {"first_minimum_nm": place + 0.1, "first_minimum_error_nm": 0.01}
        }
        return made

    found = compared_reports({"run": report(0.45, 1.5)}, report(0.60, 2.0), "reference")
    for row, subject in zip(found.rows, ("first peak", "height of the first peak", "first minimum")):
        one = row.runs["run"]
        assert one.verdict == "undecided" and one.distance is None
        assert one.sentence.startswith(
            f"The {subject} of A-B centers belongs to another peak: the first clear one is at 4.50 Å, and that of the "
            "reference at 6.00 Å."
        )
    assert found.sentence("run") == "No number of run can be judged by reference."
    near = compared_reports({"run": report(0.45, 1.5)}, report(0.46, 2.0), "reference")
    assert [row.runs["run"].verdict for row in near.rows] == ["agrees", "differs", "agrees"]


def test_numbers_of_all_sections_are_found():
    summary = {
        "pressure": {"mean_MPa": 3.0, "error_MPa": 1.0},
        "cell": {"a": {"mean": 12.0, "error": 0.1}, "alpha": {"mean": 90.0, "error": 0.2}},
        "diffusion": {"lags_ps": [1.0, 2.0], "EC": {"1e-9_m2_per_s": 0.3, "error": 0.1}},
        "conductivity": {f"{by}_{end}": 1.0 for by in ("einstein", "nernst_einstein") for end in ("S_per_m", "error")},
        "speciation": {"cations": {"free": {"part": 0.2, "error": 0.1}}},
        "residence": {"s": {"neighbors": 4.0, "neighbors_error": 0.1, "time_ps": None, "time_error": None}},
        "histograms": {"b": {"kind": "bond", "unit": "Å", "mean": 1.5, "mean_error": 0.01}},
        "teacher": {"force_eV_per_A": {"component": 0.1}, "energy_meV_per_atom": {"mean": 1.0, "error": 0.2}},
    }
    found = values_of(summary)
    assert found["cell/alpha"].unit == "degrees" and found["teacher/force"].error is None
    assert found["diffusion/EC"][3:] == ("1e-9 m²/s", 0.3, 0.1) and "residence/s/time" not in found
    assert len(found) == 11


@pytest.fixture
def undrawn(monkeypatch):
    """No figures, neither beside the page nor on it: they take seconds."""
    monkeypatch.setattr(Report, "draw", lambda self, function, file, *a, **o: self.keep(function, a, o))
    monkeypatch.setattr("openmm_cgaa.analysis.runpage.overlaid", lambda *_: [])


@pytest.fixture
def written(tmp_path, undrawn):
    """A run of 40 frames of which 20 are there, with half a frame and half a row, as while it is written."""
    whole = made_run(tmp_path / "whole", frames=40)
    folder = made_run(tmp_path / "live", frames=20, asked=40)
    dcd = (whole / "trajectory.dcd").read_bytes()
    size = (folder / "trajectory.dcd").stat().st_size
    frame = (len(dcd) - size) // 20
    (folder / "trajectory.dcd").write_bytes(dcd[: size + frame // 2])
    with open(folder / "state.csv", "a") as file:
        file.write("2100,2.1,0.0,30")
    (folder / ".owner").write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))

    def end():
        for name in ("trajectory.dcd", "state.csv"):
            shutil.copy(whole / name, folder / name)
        (folder / ".owner").unlink()

    return folder, end


def test_a_run_is_watched_until_it_ends(written, tmp_path):
    folder, end = written
    page, told, seen = tmp_path / "page.html", [], []

    def tell(line):
        told.append(line)
        if len(told) == 1:
            seen.append(page.read_text("utf-8"))
            end()

    made = watch_run(folder, 0.1, page=page, tell=tell, teacher_frames=0)
    assert re.match(r"NVT: 2 of 4 ps, \d{3} K, 1\.0\d\d g/cm³, 12\.5 ns/day, \d+ s left$", told[0])
    assert '<meta http-equiv="refresh" content="0.1">' in seen[0] and "Running, 50 %" in seen[0]
    assert "the run is finished" in told and "Finished" in page.read_text("utf-8")
    assert "refresh" not in page.read_text("utf-8") and made.reports["live"].summary["run"]["frames"] == 40


def test_watching_ends_with_a_signal_and_leaves_a_page_that_holds_still(written, tmp_path, capsys):
    folder, _ = written
    page = tmp_path / "page.html"

    def kill():
        while not page.is_file():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)  # SIGINT is ignored where tests run in the background

    threading.Thread(target=kill, daemon=True).start()
    assert main(["analyze", str(folder), "--watch", "--every", "30", "--html", str(page)]) == 143
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("openmm-cgaa analyze: interrupted (SIGTERM); the run goes on; ")
    assert "refresh" not in page.read_text("utf-8") and "itself anew" not in page.read_text("utf-8")


def test_before_its_first_frame_there_is_a_page_without_numbers(tmp_path):
    folder = made_run(tmp_path / "run", frames=20)
    for name in ("trajectory.dcd", "state.csv"):
        (folder / name).unlink()
    (folder / ".owner").write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    page, told = tmp_path / "page.html", []

    def tell(line):
        told.append(line)
        (folder / ".owner").unlink(missing_ok=True)

    with pytest.raises(SimulationError, match="no such file"):  # what has ended without a frame
        watch_run(folder, 0.1, page=page, tell=tell, teacher_frames=0)
    assert told[0] == "not begun: 0 of 2 ps" and "There are none yet." in page.read_text("utf-8")
    assert progress_line(look_at(folder)) == told[0] and "stopped" in told[-1]


def test_a_table_that_cannot_be_read_this_time_is_read_the_next_time(written, monkeypatch):
    folder, end = written
    told, real = [], sidebyside.analyze

    def fails_once(*args, **options):
        if not told:
            raise SimulationError("a row is damaged")
        return real(*args, **options)

    monkeypatch.setattr(sidebyside, "analyze", fails_once)

    def tell(line):
        told.append(line)
        if len(told) == 2:
            end()

    made = watch_run(folder, 0.1, tell=tell, teacher_frames=0)
    assert told[0] == "not read this time: a row is damaged" and made.page is None
    assert math.isfinite(made.reports["live"].summary["temperature"]["all"]["error_K"])
