"""What the report of a salt tells of what stands beside what, and what is refused."""

import json

import numpy as np
import pytest
from salts import salt_run

from openmm_cgaa import Observables, analyze
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError


@pytest.fixture(scope="module")
def salt(tmp_path_factory):
    return salt_run(tmp_path_factory.mktemp("salt") / "run", 6, 6, 4, picoseconds=2.0)


def test_species_and_residence_of_a_salt(salt, tmp_path, capsys):
    words = ["analyze", str(salt), "--out", str(tmp_path), "--teacher-frames", "0", "--speciation", "6", "9"]
    assert (
        main([*words, "--shell", "name Na", "name Cl", "8", "--shell", "name Na", "water", "12", "--away", "0.1"]) == 0
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    found = summary["speciation"]
    for kind in ("cations", "anions"):
        assert set(found[kind]) == {"free", "shared", "pair", "aggregate"}
        assert sum(one["part"] for one in found[kind].values()) == pytest.approx(1.0)
    assert sum(found["clusters"].values()) == pytest.approx(1.0) and found["contact_A"] == 6.0
    assert found["charges"] == {"NA": 1.0, "CL": -1.0}
    near = summary["residence"]
    assert set(near) == {"name Cl around name Na", "water around name Na"}
    first = near["name Cl around name Na"]
    # an ideal gas: 6 Cl, in a box of 12.1 nm^3, of which the sphere has 2.1
    assert first["neighbors"] == pytest.approx(6 * 4 / 3 * np.pi * 0.8**3 / (2.4 * 2.2 * 2.3), rel=0.5)
    assert first["cutoff_A"] == 8.0 and first["away_ps"] == 0.1 and first["stays"] >= 6
    assert (tmp_path / "residence_2.csv").read_text().startswith("lag_ps,survival,error\n0.00000,1.00000,0.00000\n")
    assert (tmp_path / "clusters.csv").read_text().startswith("ions_of_cluster,part_of_ions,error\n1.0")
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("speciation.png", "residence.png"))
    told = capsys.readouterr().out
    assert "cations: free " in told and "who is away for 0.1 ps, or less, has stayed" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--speciation", "6", "3"], "speciation is [6.0, 3.0], expected two distances, the smaller first"),
        (["--speciation", "3", "6", "--charges", "NA=0", "CL=0"], "there are no ions"),
        (["--shell", "name Xx", "name Cl", "3"], "--shell 'name Xx': selects no atom"),
        (["--shell", "nam Na", "name Cl", "3"], "--shell 'nam Na': not a selection"),
        (["--shell", "name Na", "name Cl", "three"], "--shell: 'three' is no distance"),
        (["--shell", "name Na", "name Cl", "-3"], "cutoff is -3.0; expected a number from 0.1 to 1000 Å"),
        (["--shell", "name Na", "name Cl", "nan"], "cutoff is nan"),
    ],
)
def test_what_cannot_be_asked(salt, tmp_path, capsys, options, message):
    assert main(["analyze", str(salt), "--out", str(tmp_path / "out"), "--teacher-frames", "0", *options]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_shells_that_tell_nothing_are_left_out(salt, tmp_path, without_figures):
    shells = [
        {"first": "name Na", "second": "name Cl", "cutoff": 0.1},
        {"first": "index 0", "second": "index 0", "cutoff": 3},
    ]
    report = analyze(salt, tmp_path, observables=Observables(shells=shells), teacher_frames=0, tell=lambda line: None)
    told = " ".join(report.skipped)
    assert "name Cl around name Na: residence: nothing ever came nearer than 0.1 Å" in told
    assert "index 0 around index 0: there are no two grains" in told and "residence" not in report.summary
    with pytest.raises(CGAAError, match="entry 1 of shells: cutoff is missing"):
        Observables(shells=[{"first": "name Na", "second": "name Cl"}])
