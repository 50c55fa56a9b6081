"""Sums over pieces are those of the whole, and blocks in time are of one length, however long a trajectory is."""

import numpy as np
import pytest
from salts import walks

from openmm_cgaa.analysis.streaming import PARTS, BlockSums, feed, frames_of_piece, in_pieces, ratio
from openmm_cgaa.errors import GeometryError


@pytest.mark.parametrize("frames", [1, 4, 5, 2 * PARTS, 2 * PARTS + 1, 4 * PARTS + 3, 9999])
def test_blocks_have_all_frames_in_their_order(frames):
    sums = BlockSums()
    for number in range(frames):
        sums.add(np.array([1.0, number]))
    found, lengths = sums.blocks()
    assert len(found) == (5 if frames >= 5 else 1)
    assert found.sum(0).tolist() == [frames, frames * (frames - 1) / 2] and found[:, 0].tolist() == lengths.tolist()
    ends = lengths.cumsum()
    expected = [np.arange(end - own, end).sum() for own, end in zip(lengths, ends)]
    assert found[:, 1].tolist() == expected
    assert np.ptp(lengths) <= max(1, frames // 5 // 25)


def test_errors_of_blocks_are_those_of_the_mean():
    """Of 500 trajectories of independent numbers the mean is off by what is told, on the average."""
    random = np.random.default_rng(1)
    off, told = [], []
    for series in random.normal(size=(500, 50, 1)):
        sums = BlockSums()
        for value in series:
            sums.add(value)
        found, frames = sums.blocks()
        curve = ratio(found, frames[:, None])
        off.append(curve.value[0]), told.append(curve.error[0])
    assert np.sqrt(np.mean(np.square(told))) == pytest.approx(np.std(off), rel=0.1)


def test_a_trajectory_goes_by_in_pieces(monkeypatch):
    trajectory, seen = walks(7), []

    class Look:
        def add(self, piece):
            seen.append(piece.time.tolist())

    monkeypatch.setattr("openmm_cgaa.structures.lazyframes.PIECE", 12 * 16 * 3)
    assert frames_of_piece(16) == 3 and frames_of_piece(10**6) == 1
    assert feed(trajectory, Look()) == 7 and [len(piece) for piece in seen] == [3, 3, 1]
    assert sum(seen, []) == trajectory.time.tolist()
    assert len(list(in_pieces(iter([trajectory, trajectory])))) == 2
    with pytest.raises(GeometryError, match="holds no frame"):
        BlockSums().blocks()
