"""What the report of a salt tells of its motion, and when it tells nothing. Also `observables`."""

import json

import numpy as np
import pytest
from salts import salt_run

from openmm_cgaa import Observables, analyze
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError


@pytest.fixture(scope="module")
def salt(tmp_path_factory):
    return salt_run(tmp_path_factory.mktemp("salt") / "run")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return salt_run(tmp_path_factory.mktemp("cube") / "run", 2, 2, 0, picoseconds=2.0, box=2.5 * np.eye(3))


def test_a_salt_conducts_as_its_friction_tells(salt, tmp_path, capsys):
    words = ["analyze", str(salt), "--out", str(tmp_path), "--teacher-frames", "0", "--conductivity", "0.3", "1.5"]
    assert main([*words, "--diffusion", "0.3", "1.5", "--viscosity", "1"]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    found = summary["conductivity"]
    # k T / (m friction), 1e-9 m^2/s: the ions are an ideal gas in a thermostat of 20 / ps
    known = {name: 1e3 * 0.0083144626 * 300.0 / (mass * 20.0) for name, mass in (("NA", 22.99), ("CL", 35.45))}
    volume = 2.4 * 2.2 * 2.3
    sigma = 160.2176634 * 8 * sum(known.values()) * 1e-3 / (volume * 8.617333e-5 * 300.0)
    # the motion of all is taken off, and of ten picoseconds little is left over
    assert found["nernst_einstein_S_per_m"] == pytest.approx(sigma, rel=0.4)
    assert found["ratio"] == pytest.approx(1.0, abs=max(4 * found["ratio_error"], 0.3))
    assert found["charges"] == {"NA": 1.0, "CL": -1.0} and found["lags_ps"] == [0.3, 1.5]
    assert summary["diffusion"]["NA"]["1e-9_m2_per_s"] == pytest.approx(known["NA"], rel=0.4)
    assert (tmp_path / "conductivity.csv").read_text().startswith("lag_ps,charge_displacement_nm2,error\n0.05")
    assert (tmp_path / "conductivity.png").stat().st_size > 1000
    assert any("holds for a cube" in line for line in summary["left_out"])
    assert "S/m by the charge that all ions move (Einstein)" in capsys.readouterr().out


def test_a_cube_is_corrected(cube, tmp_path, without_figures):
    asked = Observables(conductivity=(0.1, 0.3), viscosity=2.0)
    found = analyze(
        cube, tmp_path, observables=asked, lags=(0.1, 0.3), teacher_frames=0, tell=lambda line: None
    ).summary
    more = 0.2078 * 3.0 / 2.5 / 2.0  # of test_conductivity.py, where the box is 3 nm and the viscosity 1
    own = found["diffusion"]["NA"]
    assert own["of_a_large_box"] - own["1e-9_m2_per_s"] == pytest.approx(more, rel=1e-3)
    assert (
        found["conductivity"]["nernst_einstein_of_a_large_box_S_per_m"]
        > found["conductivity"]["nernst_einstein_S_per_m"]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--diffusion", "1", "0.5"], "diffusion is [1.0, 0.5], expected two lags, the smaller first"),
        (["--conductivity", "1", "0.5"], "conductivity is [1.0, 0.5], expected two lags, the smaller first"),
        (["--charges", "NA=1"], "ask for one of them by --conductivity or --speciation"),
        (["--conductivity", "0.3", "1", "--charges", "LI=1"], "there is no grain LI; the grains are NA, CL"),
        (["--conductivity", "0.3", "1", "--charges", "NA=0", "CL=0"], "there are no ions"),
        (["--conductivity", "0.3", "1", "--charges", "NA=2"], "add up to +8"),
        (["--conductivity", "0.3", "1", "--charges", "NA=1000", "CL=-1000"], "charges is"),
    ],
)
def test_what_cannot_be_asked_of_a_run(cube, salt, tmp_path, capsys, options, message):
    assert main(["analyze", str(salt), "--out", str(tmp_path / "out"), "--teacher-frames", "0", *options]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_what_a_run_cannot_tell_is_left_out(cube, tmp_path, without_figures):
    def left_out(**options):
        report = analyze(cube, tmp_path, observables=Observables(**options), teacher_frames=0, tell=lambda line: None)
        return " ".join(report.skipped)

    assert "a trajectory of 1.95 ps has blocks in time" in left_out(conductivity=(0.1, 2.0))
    record = json.loads((cube / "run.json").read_text())
    try:
        (cube / "run.json").write_text(json.dumps(record | {"settings": record["settings"] | {"pressure": 1.0}}))
        assert "conductivity: the box changes" in left_out(conductivity=(0.1, 0.3))
    finally:
        (cube / "run.json").write_text(json.dumps(record))
    with pytest.raises(CGAAError, match="viscosity is -1"):
        Observables(viscosity=-1)
