"""The report of a run: sections, figures, its teacher, and what is left out with a reason.

Also `chosen`, `figures`, `lines`, `structure_report` and `trust`.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import LIQUID, TINY_CONSERVING, tiny_model

from openmm_cgaa.analysis.report import Report, analyze
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError, EngineError
from openmm_cgaa.labelling.teachers import load_teacher
from openmm_cgaa.simulation.read import read_run


@pytest.mark.parametrize(
    ("low", "high", "inside", "left", "told"),
    [
        (-0.1, 0.1, True, 0.0, "g/cm3 at 1 bar\n"),
        (0.1, 0.2, False, 1.0, r"g/cm3 at 1 bar, outside of training \(\d\.\d+ to \d\.\d+\): not to be trusted\n"),
        (-0.1, 0.025, True, 0.5, r"outside of training \(.*\) for 50 % of the run: not to be trusted there\n"),
        (None, None, None, None, "g/cm3 at 1 bar\n"),
    ],
)
def test_report_tells_the_density_at_constant_pressure(run_folder, tmp_path, request, low, high, inside, left, told):
    """Half of the rows are at the density of the run and half 0.04 g/cm3 above; ends are given from the first."""
    if left != 0.0:
        request.getfixturevalue("without_figures")
    folder = tmp_path / "npt"
    shutil.copytree(run_folder, folder)
    rows = read_run(folder).state
    density = rows["density_gml"].copy()
    density[len(density) // 2 :] += 0.04
    table = [line.split(",") for line in (folder / "state.csv").read_text().splitlines()]
    place = table[0].index("density_gml")
    for row, value in zip(table[1:], density):
        row[place] = f"{value:.5f}"
    (folder / "state.csv").write_text("".join(",".join(row) + "\n" for row in table))
    record = json.loads((folder / "run.json").read_text())
    record["settings"]["pressure"] = 1.0
    trained = None if low is None else [density[0] + low, density[0] + high]
    record["provenance"] = {"trained_density": trained}
    (folder / "run.json").write_text(json.dumps(record))
    found = analyze(folder, teacher_frames=0).summary["density"]
    assert found["mean_g_per_ml"] == pytest.approx(density.mean(), abs=1e-4) and found["pressure_bar"] == 1.0
    assert (found.get("inside"), found.get("left"), found["trained_g_per_ml"]) == (inside, left, trained)
    assert re.search(told, (folder / "analysis" / "summary.txt").read_text())
    assert left != 0.0 or (folder / "analysis" / "density.png").stat().st_size > 1000


def test_what_a_run_warned_of_stands_in_its_summary(run_folder, tmp_path, without_figures):
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    assert analyze(folder, teacher_frames=0).summary["outside"] == {}
    record = json.loads((folder / "run.json").read_text())
    record["outside"] = {"density": "step 10: the density is 0.5 g/cm3"}
    (folder / "run.json").write_text(json.dumps(record))
    assert analyze(folder, teacher_frames=0).summary["outside"] == record["outside"]
    assert "outside      step 10: the density is 0.5 g/cm3\n" in (folder / "analysis" / "summary.txt").read_text()
    del record["outside"]  # as older runs are
    (folder / "run.json").write_text(json.dumps(record))
    assert "outside" not in analyze(folder, teacher_frames=0).summary


def test_report_of_a_run_has_every_section_and_figure(run_folder, tmp_path, capsys):
    arguments = ["--out", str(tmp_path), "--teacher-frames", "0", "--reference", str(LIQUID), "--begin", "0.05"]
    assert main(["analyze", str(run_folder), *arguments, "--angles", "7", "--diffusion", "0.005", "0.03"]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["run"]["picoseconds"] == pytest.approx([0.05, 0.2]) and summary["run"]["frames"] == 31
    assert set(summary["temperature"]) == {"translation", "rotation", "vibration", "all", "C", "H", "O"}
    assert summary["drift"]["picoseconds"] == pytest.approx(0.095)
    assert 0.0 < summary["bonds"]["largest_deviation_A"] < 0.5
    assert 1.5 < summary["contacts"]["shortest_A"] < 2.5
    atoms = {f"{a} H - {b} O" for a in ("EC", "EMC") for b in ("EC", "EMC")}
    assert set(summary["rdf"]) == {"EC-EC", "EC-EMC", "EMC-EMC"} | atoms
    found = summary["rdf"]["EC-EMC"]  # 12 EMC, of which about half stand around each EC
    assert 2.0 < found["coordination"] < 8.0 and 0.0 < found["coordination_error"] < 1.0
    assert found["coordination_of_reference"] == pytest.approx(found["coordination"], rel=0.3)
    assert (tmp_path / "coordination_centers.csv").read_text().startswith("r_nm,EC-EC,EC-EC error,EC-EMC,")
    assert 30.0 < summary["angles"]["highest_at_degrees"] < 150.0 and summary["angles"]["cutoff_A"] == 7.0
    assert 0.0 < summary["angles"]["mean_difference_from_reference"] < 0.5
    assert (tmp_path / "angles.csv").read_text().startswith("theta_degrees,p,error\n30.5")
    assert summary["diffusion"]["EC"]["1e-9_m2_per_s"] > 0.0 and summary["diffusion"]["lags_ps"] == [0.005, 0.03]
    names = {"temperatures.png", "drift.png", "bonds.png", "rdf_centers.png", "rdf_atoms.png", "angles.png"}
    names |= {"coordination_centers.png", "coordination_atoms.png"}
    assert {Path(path).name for path in summary["figures"]} == names
    assert all(Path(path).read_bytes()[:4] == b"\x89PNG" for path in summary["figures"])
    found, said = capsys.readouterr()
    assert "meV/atom/ps" in found and "drift.png" in found and "error against the teacher: no frames" in found
    assert "drift: done" in said and "drift: done" not in found


def test_an_error_that_is_not_known_is_null(tmp_path):
    report = Report(tmp_path, tell=lambda line: None)
    report.add("some", {"value": 1.0, "error": float("nan"), "more": [{"error": float("inf")}], "count": 3})
    known = {"value": 1.0, "error": None, "more": [{"error": None}], "count": 3}
    assert report.write()["some"] == known == json.loads((tmp_path / "summary.json").read_text())["some"]


def test_missing_parts_are_told_and_left_out(run_folder, tmp_path, without_figures):
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    (folder / "nve.csv").unlink()
    (folder / "state.csv").unlink()
    report = analyze(folder, tell=lambda line: None)
    told = " ".join(report.skipped)
    assert "angles" not in report.summary  # nobody asked for them
    assert "nve.csv" in told and "state.csv" in told and "--model" in told
    assert "rdf" in report.summary and "drift" not in report.summary


def test_figures_that_cannot_be_drawn_are_told_and_left_out(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("openmm_cgaa.errors.find_spec", lambda _: None)
    report = analyze(run_folder, tmp_path / "out", teacher_frames=0, tell=lambda line: None)
    assert report.skipped[0] == "figures: the package matplotlib is not installed: pip install 'openmm-cgaa[plot]'"
    assert report.figures == [] and not list((tmp_path / "out").glob("*.png")) and "rdf" in report.summary


@pytest.fixture
def taught(liquid, tmp_path):
    """A function that makes a model file which names a teacher."""

    def make(teacher):
        provenance = {"teacher": teacher}
        return tiny_model(tmp_path / "taught.safetensors", TINY_CONSERVING, liquid, provenance=provenance)

    return make


def test_the_teacher_is_the_one_that_the_model_names(run_folder, taught, tmp_path, without_figures):
    pytest.importorskip("ase")
    name, settings = "ase.calculators.lj:LennardJones", {"sigma": 1.5, "rc": 3.0}
    model = taught(load_teacher(name, **settings).identity)
    report = analyze(run_folder, tmp_path / "out", model=model, teacher_frames=2, tell=lambda line: None)
    assert report.summary["teacher"]["teacher"]["name"] == name and report.summary["teacher"]["frames"] == 2
    assert report.summary["teacher"]["teacher"]["settings"] == settings


@pytest.mark.parametrize(
    ("teacher", "reason"),
    [
        ({"name": "absent_package:Potential", "settings": {}}, "there is no module absent_package"),
        ({"name": "ase.calculators.lj:LennardJones", "weights_sha256": "ab" * 32}, "weights abababab, but here"),
        ("words of the first models", "describes its teacher in words alone, 'words of the first models'"),
        (None, "does not say who its teacher is"),
    ],
    ids=["absent", "other", "text", "none"],
)
def test_a_teacher_that_cannot_be_made_here_is_told_with_advice(
    run_folder, taught, tmp_path, teacher, reason, capsys, without_figures
):
    pytest.importorskip("ase")
    model = str(taught(teacher))
    arguments = ["analyze", str(run_folder), "--out", str(tmp_path / "out"), "--model", model, "--teacher-frames", "1"]
    assert main(arguments) == 0
    assert reason in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "teacher" not in report and "rdf" in report
    told = next(line for line in report["left_out"] if "teacher" in line)
    assert "--teacher NAME --setting KEY=VALUE" in told
    assert "in Python teacher=NAME, settings={KEY: VALUE}" in told
    if teacher is None:  # the advice, followed
        assert main([*arguments, "--teacher", "ase.calculators.lj:LennardJones", "--setting", "sigma=1.5"]) == 0
        assert "teacher" in json.loads((tmp_path / "out" / "summary.json").read_text())


def test_a_teacher_is_taken_by_name_or_made(run_folder, tiny_conserving_path, tmp_path, without_figures):
    pytest.importorskip("ase")
    name, settings = "ase.calculators.lj:LennardJones", {"sigma": 1.5, "rc": 3.0}
    options = dict(model=tiny_conserving_path, teacher_frames=2, tell=lambda line: None)
    made = analyze(run_folder, tmp_path / "made", teacher=load_teacher(name, **settings), **options)
    named = analyze(run_folder, tmp_path / "named", teacher=name, settings=settings, **options)
    assert named.summary["teacher"] == made.summary["teacher"]
    assert named.summary["teacher"]["teacher"]["settings"] == settings
    for teacher, message in (
        (None, "name it with teacher"),
        (load_teacher(name), "is made already"),
        ("springs", "is not known"),
        (7, "expected its name or import path"),
    ):
        with pytest.raises(EngineError, match=message):
            analyze(run_folder, tmp_path / "refused", teacher=teacher, settings=settings, **options)
    assert not (tmp_path / "refused").exists()


def test_settings_without_a_teacher_are_refused(run_folder, capsys):
    assert main(["analyze", str(run_folder), "--setting", "sigma=1.5"]) == 2
    assert "name it with --teacher" in capsys.readouterr().err


@pytest.mark.parametrize(("selection", "message"), [("name Xx", "selects no atom"), ("nam O", "not a selection")])
def test_a_bad_selection_is_told(run_folder, tmp_path, selection, message):
    with pytest.raises(CGAAError, match=message):
        analyze(run_folder, tmp_path, pairs=[(selection, "element H")], teacher_frames=0, tell=lambda line: None)
