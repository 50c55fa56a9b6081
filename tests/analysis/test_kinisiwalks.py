"""Diffusion of random walks by kinisi, where it is installed, and what is told where it is not."""

import numpy as np
import pytest
from salts import salt_run

from openmm_cgaa import Observables, analyze
from openmm_cgaa.analysis.diffusion import diffusion, mean_square_displacement
from openmm_cgaa.analysis.kinisiwalks import KinisiWalks, _squares, kinisi_diffusion
from openmm_cgaa.cli import main
from openmm_cgaa.errors import MissingPackageError, SimulationError

TRUE, SPACING = 1.5, 0.1  # 1e-9 m^2/s, ps
TIME = SPACING * np.arange(1000)
MISSING = r"kinisi is not installed: pip install 'openmm-cgaa\[kinisi\]'"


@pytest.fixture
def installed():
    pytest.importorskip("kinisi.diffusion", reason="kinisi is not installed: pip install kinisi")


@pytest.fixture(scope="module")
def salt(tmp_path_factory):
    return salt_run(tmp_path_factory.mktemp("salt") / "run", 2, 2, 0, picoseconds=2.0)


def walk(seed: int, frames: int = 1000) -> np.ndarray:
    """Of 30 particles, [frames, particles, 3], nm."""
    size = np.sqrt(2.0 * 1e-3 * TRUE * SPACING)
    return np.random.default_rng(seed).normal(scale=size, size=(frames, 30, 3)).cumsum(0)


def test_kinisi_finds_what_is_true_and_what_we_find(installed):
    positions, lags = walk(2), np.array([1, 10, 40, 999])
    squares = _squares(TIME, positions, lags)["da"].values
    assert squares == pytest.approx(mean_square_displacement(positions)[lags], rel=1e-6)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    theirs, ours = kinisi_diffusion(TIME, positions, 1.0, 10.0), diffusion(TIME, positions, 1.0, 10.0)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert abs(theirs.value - TRUE) < 3 * theirs.error and abs(ours.value - TRUE) < 3 * ours.error
    assert 0.01 < theirs.error < 0.1


def test_a_report_tells_who_found_the_errors(installed, salt, tmp_path, without_figures):
    options = dict(lags=(0.1, 0.3), teacher_frames=0, tell=lambda line: None)
    asked = Observables(diffusion_by="kinisi")
    found = analyze(salt, tmp_path / "kinisi", observables=asked, **options).summary["diffusion"]
    ours = analyze(salt, tmp_path / "blocks", **options).summary["diffusion"]
    assert found["errors_by"] == "kinisi" and ours["errors_by"] == "blocks"
    for ion in ("NA", "CL"):
        both = np.hypot(found[ion]["error"], ours[ion]["error"])
        assert abs(found[ion]["1e-9_m2_per_s"] - ours[ion]["1e-9_m2_per_s"]) < 4 * both
    assert "errors by kinisi, of molecules that move independently" in (tmp_path / "kinisi/summary.txt").read_text()


def test_lags_that_a_run_does_not_have(installed):
    with pytest.raises(SimulationError, match="found 1000 frames 0.1 ps apart; the run must be longer than the last"):
        kinisi_diffusion(TIME, walk(3), 1.0, 100.0)
    with pytest.raises(SimulationError, match="with some frames between both"):
        kinisi_diffusion(TIME, walk(3), 1.0, 1.1)


def test_without_kinisi_nothing_begins(salt, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("openmm_cgaa.errors.find_spec", lambda _: None)
    words = ["analyze", str(salt), "--out", str(tmp_path / "out"), "--diffusion-by", "kinisi"]
    assert main([*words, "--diffusion", "0.1", "0.5"]) == 2
    assert "kinisi is not installed: pip install 'openmm-cgaa[kinisi]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(MissingPackageError, match=MISSING):
        KinisiWalks(None, TIME, 1.0, 10.0)
    assert main(words) == 2
    assert "give --diffusion with two lags, too" in capsys.readouterr().err


def test_what_moves_in_a_well_has_the_slope_of_the_lags_alone(installed):
    """kinisi is told how long the run is, by a lag that must not be fitted: there the walk has stopped to spread."""
    random, walls, positions = np.random.default_rng(4), np.exp(-SPACING / 30.0), np.zeros((len(TIME), 30, 3))
    for now in range(1, len(TIME)):
        positions[now] = walls * positions[now - 1] + random.normal(scale=np.sqrt(2e-3 * TRUE * SPACING), size=(30, 3))
    theirs, ours = kinisi_diffusion(TIME, positions, 1.0, 5.0), diffusion(TIME, positions, 1.0, 5.0)
    assert abs(theirs.value - ours.value) < 2 * np.hypot(theirs.error, ours.error) and theirs.error < 0.15
    with pytest.raises(SimulationError, match="kinisi cannot fit these displacements"):
        kinisi_diffusion(TIME, np.ones((len(TIME), 5, 3)), 1.0, 5.0)
