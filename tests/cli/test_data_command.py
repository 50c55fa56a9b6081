"""openmm-cgaa data: what it prints, what it writes, what it refuses.

Also `data.summary`.
"""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ase")

from conftest import LIQUID  # noqa: E402

from openmm_cgaa.cli import main  # noqa: E402
from openmm_cgaa.data import Dataset, Frames, Trajectory, summary  # noqa: E402

TEACHER = {"name": "sevennet", "settings": {}, "versions": {}, "weights_sha256": "ab"}


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def boxes(liquid, name, frames=slice(0, 4), split="train", teacher=TEACHER, **changes):
    part = liquid.take(frames)
    part = replace(part, trajectory=np.zeros(len(part), int), **changes)
    return Dataset([part], [Trajectory(name, "liquid", split)], teacher, {"made": "here"})


def test_neighbors_over_all_images():
    """One atom in a cube of 6 Å: 6, 12 and 8 images at 6, 8.5 and 10.4 Å, of which 18 are within 10 Å."""
    cube = Frames(np.zeros((1, 1, 3)), 6.0 * np.eye(3)[None], ["Ar"], [], [0], ["AR"])
    assert summary.count_neighbors(cube).tolist() == [[18]]
    alone = Frames([[[0, 0, 0], [0, 0, 9], [0, 0, 18]]], np.zeros((1, 3, 3)), 3 * ["Ar"], [], [0, 1, 2], 3 * ["AR"])
    assert sorted(summary.count_neighbors(alone)[0].tolist()) == [1, 1, 2]


def test_density_and_pressure():
    """An argon atom (39.948 u) in 100 Å^3: 0.6633 g/cm3; a box under tension has a negative pressure."""
    cell = np.diag([10.0, 5.0, 2.0])[None]
    labels = {"energy": [0.0], "forces": np.zeros((1, 1, 3)), "stress": 0.01 * np.eye(3)[None]}
    frames = Frames(np.zeros((1, 1, 3)), cell, ["Ar"], [], [0], ["AR"], **labels)
    assert frames.density == pytest.approx(0.6633, abs=1e-3)
    assert summary.pressure(frames) == pytest.approx(-1.602, abs=1e-3)


def test_grain_forces(liquid):
    part = liquid.take(slice(2))
    first = part.residues == 0
    np.testing.assert_allclose(summary.grain_forces(part)[1, 0], part.forces[1, first].sum(axis=0), atol=1e-5)


def test_info(liquid, tmp_path, capsys):
    forces = liquid.forces[:5].copy()
    forces[3, 0, 0] = np.nan
    boxes(liquid, "one", slice(5), forces=forces).save(tmp_path / "one.h5")
    boxes(liquid, "two", slice(3, 6), "test").save(tmp_path / "two.h5")
    figure = tmp_path / "out.png"
    assert main(["data", "info", str(tmp_path / "one.h5"), str(tmp_path / "two.h5"), "--figure", str(figure)]) == 0
    text = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines()]
    assert ["liquid", "train", "1", "5", "90", "90"] in cells and ["liquid", "test", "1", "3", "54", "54"] in cells
    density = np.concatenate([liquid.density[:5], liquid.density[3:6]])
    kelvins = np.concatenate([liquid.temperature[:5], liquid.temperature[3:6]])
    for kelvin in np.unique(kelvins):  # the record has no ensemble
        own = density[kelvins == kelvin]
        spanned = (f"{value:.3f}" for value in (own.mean(), own.min(), own.max()))
        assert ["6 EC 12 EMC", "liquid", "-", f"{kelvin:.0f}", str(len(own)), *spanned] in cells
    assert "6 EC 12 EMC" in text and "sevennet" in text
    assert "outliers, which the checks refuse: 1" in text and "forces not finite (1 of 720 numbers)" in text
    assert "frames that are there twice: 2" in text and text.count("IN SEVERAL SPLITS") == 2
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_info_of_frames_without_labels(tmp_path, capsys):
    pair = Frames([[[0, 0, 0], [0, 0, 4]]], np.zeros((1, 3, 3)), ["Ar", "Ar"], [], [0, 1], ["AR", "AR"])
    Dataset([pair], [Trajectory("argon", "pair")]).save(tmp_path / "pair.h5")
    assert main(["data", "info", str(tmp_path / "pair.h5"), "--figure", str(tmp_path / "out.png")]) == 0
    text = capsys.readouterr().out
    assert "2 AR (isolated)" in text and "teacher: null" in text and (tmp_path / "out.png").exists()


def test_export_import_and_merge(liquid, tmp_path, capsys):
    boxes(liquid, "one").save(tmp_path / "one.h5")
    boxes(liquid, "two", slice(4, 6)).save(tmp_path / "two.h5")
    assert main(["data", "export", str(tmp_path / "one.h5"), str(tmp_path / "one.extxyz")]) == 0
    assert main(["data", "import", str(tmp_path / "one.extxyz"), str(tmp_path / "again.h5")]) == 0
    assert "again.h5: 4 frames of 1 topology, 72 grains" in capsys.readouterr().out
    assert (
        main(["data", "merge", *(str(tmp_path / f"{n}.h5") for n in ("again", "two")), "-o", f"{tmp_path}/b.h5"]) == 0
    )
    both = Dataset.load(tmp_path / "b.h5")
    assert len(both) == 6 and [t.name for t in both.trajectories] == ["one", "two"] and both.teacher == TEACHER


def test_mixed_teachers_are_refused(liquid, tmp_path, capsys):
    boxes(liquid, "one").save(tmp_path / "one.h5")
    boxes(liquid, "two", teacher=TEACHER | {"name": "mace"}).save(tmp_path / "two.h5")
    files = [str(tmp_path / "one.h5"), str(tmp_path / "two.h5")]
    for command in (["merge", *files, "-o", str(tmp_path / "both.h5")], ["info", *files]):
        assert main(["data", *command]) == 2
        error = capsys.readouterr().err
        assert "different teachers do not mix" in error and "mace" in error and "two.h5" in error
    assert not (tmp_path / "both.h5").exists()


def test_a_missing_file_is_one_line(tmp_path, capsys):
    assert main(["data", "info", str(tmp_path / "none.h5")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_heading_is_cut_short(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["data", "info", str(LIQUID)]) == 0
    text = capsys.readouterr().out
    assert "composition" in text.split("what is spanned")[1] and "…" not in text
