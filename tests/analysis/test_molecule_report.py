"""What the report of a run tells of molecules, and what is refused."""

import json

import pytest
from salts import salt_run

from openmm_cgaa import Observables, analyze
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Waters and ions that feel a thermostat alone."""
    return salt_run(tmp_path_factory.mktemp("salt") / "run", 2, 2, 6, picoseconds=2.0)


def test_shapes_turns_and_profile_of_molecules(run, tmp_path, capsys):
    words = ["analyze", str(run), "--out", str(tmp_path), "--teacher-frames", "0", "--histograms", "water"]
    words += ["--axis", "name O", "name H1 H2", "--profile", "z", "--profile-of", "water", "name Na"]
    assert main(words) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    found = summary["histograms"]
    assert set(found) == {"HOH O0-H1", "HOH H1-O0-H1"}
    assert found["HOH O0-H1"]["mean"] == pytest.approx(0.958, abs=0.02) and found["HOH O0-H1"]["unit"] == "Å"
    # sqrt(k T / force constant): 0.0353 Å of 2e5 kJ/mol/nm^2 at 300 K
    assert found["HOH O0-H1"]["spread"] == pytest.approx(0.0353, rel=0.3)
    assert found["HOH H1-O0-H1"]["mean"] == pytest.approx(104.5, abs=3.0)
    turned = summary["orientation"]["HOH: name O to name H1 H2"]
    assert turned["longest_lag_ps"] == pytest.approx(0.35) and -1.0 < turned["c2_at_longest_lag"] < 1.0
    assert set(summary["profile"]) == {"axis", "all", "water", "name Na"}
    volume = 2.4 * 2.2 * 2.3
    mean = (6 * 18.015 + 2 * (22.990 + 35.453)) * 1.66053906892e-3 / volume
    assert summary["profile"]["all"]["lowest_g_per_ml"] <= mean <= summary["profile"]["all"]["highest_g_per_ml"]
    assert (tmp_path / "bond_histograms.csv").read_text().startswith("bond_Å,HOH O0-H1,HOH O0-H1 error\n")
    assert (
        (tmp_path / "orientation_1.csv").read_text().startswith("lag_ps,c1,c1_error,c2,c2_error\n0.00000,1.00000,0.0")
    )
    assert (tmp_path / "profile.csv").read_text().startswith("z_nm,all g_per_ml,all error,water g_per_ml,")
    for name in ("bond", "angle", "orientation", "profile"):
        file = f"{name}_histograms.png" if name in ("bond", "angle") else f"{name}.png"
        assert (tmp_path / file).stat().st_size > 1000
    assert "along z: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--histograms", "name Xx"], "--histograms 'name Xx': selects no atom"),
        (["--axis", "name O", "nam H1"], "--axis 'nam H1': not a selection"),
        (["--profile", "w"], "invalid choice: 'w'"),
        (["--profile-of", "water"], "ask for one by --profile x, y or z"),
        (["--profile", "z", "--profile-of", "name Xx"], "--profile-of 'name Xx': selects no atom"),
    ],
)
def test_what_cannot_be_asked(run, tmp_path, capsys, options, message):
    assert main(["analyze", str(run), "--out", str(tmp_path / "out"), "--teacher-frames", "0", *options]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_what_molecules_cannot_tell_is_left_out(run, tmp_path, without_figures):
    asked = Observables(histograms="name Na", axes=[("name Na", "name Cl")])
    report = analyze(run, tmp_path, observables=asked, teacher_frames=0, tell=lambda line: None)
    told = " ".join(report.skipped)
    assert "histograms: there are no bonds between the chosen atoms" in told
    assert "axis from name Na to name Cl: no grain has atoms of both" in told
    assert not {"histograms", "orientation", "profile"} & report.summary.keys()
    with pytest.raises(CGAAError, match="expected pairs of selections"):
        Observables(axes=[("name O",)])
    with pytest.raises(CGAAError, match="profile is 'w', expected None or x or y or z"):
        Observables(profile="w")
