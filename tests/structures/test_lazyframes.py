"""Frames that stay in their file are those of the whole file, whatever pieces they come in."""

import mdtraj
import numpy as np
import pytest
from salts import walks

from openmm_cgaa.errors import SimulationError
from openmm_cgaa.structures import lazyframes
from openmm_cgaa.structures.lazyframes import LazyFrames, frames_of_piece
from openmm_cgaa.structures.trajectories import load

SUFFIXES = (".dcd", ".xtc", ".trr", ".nc", ".xyz", ".lammpstrj", ".mdcrd", ".pdb", ".gro")


@pytest.fixture
def made():
    return walks(7, 4, 4, box=3.0 * np.eye(3))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pieces_of_any_format_are_the_whole(made, tmp_path, monkeypatch, suffix):
    """Of one frame, of three with one left over, and all at once."""
    path = tmp_path / f"run{suffix}"
    made.save(str(path))
    whole = load(path, made.topology)
    for length, sizes in ((1, [1] * 7), (3, [3, 3, 1]), (50, [7])):
        monkeypatch.setattr(lazyframes, "PIECE", length * 12 * 8)
        frames = LazyFrames(path, made.topology)
        pieces = list(frames)
        assert [len(piece) for piece in pieces] == sizes and len(frames) == frames.n_frames == 7
        np.testing.assert_array_equal(np.concatenate([piece.xyz for piece in pieces]), whole.xyz)
        np.testing.assert_array_equal(frames.time, whole.time)
        boxes = [piece.unitcell_vectors for piece in pieces]
        if whole.unitcell_vectors is None:
            assert boxes == [None] * len(sizes) and frames.box is None
        else:
            np.testing.assert_array_equal(np.concatenate(boxes), whole.unitcell_vectors)
            np.testing.assert_array_equal(frames.box, whole.unitcell_vectors[0])


@pytest.mark.parametrize("suffix", [".dcd", ".xtc"])
def test_some_frames_are_those_of_memory(made, tmp_path, monkeypatch, suffix):
    path, made = tmp_path / f"run{suffix}", walks(40, 4, 4)
    made.save(str(path))
    whole, time = load(path, made.topology)[5:], 0.5 * np.arange(35)
    monkeypatch.setattr(lazyframes, "PIECE", 6 * 12 * 8)
    frames = LazyFrames(path, made.topology, time, skip=5)
    for key in (3, -1, [4, 2, 2], np.array([0, 34]), slice(None, None, 9), slice(None), time > 12.0, []):
        found, expected = frames[key], whole[np.atleast_1d(np.arange(35)[key]).astype(int)]
        np.testing.assert_array_equal(found.xyz, expected.xyz)
        np.testing.assert_array_equal(found.time, np.atleast_1d(time[key]))
        if len(found):
            np.testing.assert_array_equal(found.unitcell_lengths, expected.unitcell_lengths)


def test_a_piece_has_a_budget():
    assert frames_of_piece(10_000) == 100 and frames_of_piece(10**7) == 1 and frames_of_piece(1) == lazyframes.MOST


@pytest.mark.parametrize("suffix", [".xtc", ".trr", ".nc"])
def test_a_file_that_ends_in_mid_frame(made, tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    made.save(str(path))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SimulationError, match=rf"run\{suffix}: cannot be read .*; is it truncated, or of another"):
        list(LazyFrames(path, made.topology))


def test_a_dcd_that_ends_in_mid_frame_has_the_frames_before(made, tmp_path):
    """As of a run that was killed; where it is known how many there were, the loss is told."""
    path = tmp_path / "run.dcd"
    made.save(str(path))
    path.write_bytes(path.read_bytes()[:-5])
    assert len(LazyFrames(path, made.topology)) == 6
    with pytest.raises(SimulationError, match="ends after 6 frames of 7 that were there; was it changed meanwhile"):
        list(LazyFrames(path, made.topology, np.arange(7)))
    assert sum(map(len, LazyFrames(path, made.topology, np.arange(5)))) == 5  # a run that goes on meanwhile


@pytest.mark.parametrize("suffix", [".dcd", ".xtc", ".pdb"])
def test_a_file_of_other_atoms(made, tmp_path, suffix):
    made.save(str(tmp_path / f"run{suffix}"))
    with pytest.raises(SimulationError, match="it has other atoms"):
        list(LazyFrames(tmp_path / f"run{suffix}", made.topology.subset(range(6))))


def test_frames_that_are_not_finite_or_none(made, tmp_path):
    made.xyz[4, 3, 1] = np.nan
    made.save(str(tmp_path / "run.nc"))
    with pytest.raises(SimulationError, match=r"positions at 0\.400 ps are not finite"):
        list(LazyFrames(tmp_path / "run.nc", made.topology))
    (tmp_path / "none.xyz").write_text("")
    with pytest.raises(SimulationError, match="none.xyz: holds no frame; give a trajectory that has some"):
        assert LazyFrames(tmp_path / "none.xyz", mdtraj.Topology()).box is None
