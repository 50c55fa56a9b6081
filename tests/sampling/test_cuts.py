"""What is cut from frames: clusters, volume scans, bursts of the teacher's dynamics."""

import numpy as np
import pytest
from sampling_plans import (
    bond_lengths,
    short_preparation,  # noqa: F401 - for all tests here
    trajectory,
)


def test_clusters_are_whole_and_inherit_the_split(every_kind):
    _, dataset = every_kind
    for name, split in (("cluster-npt", "train"), ("cluster-nvt-350K", "test")):
        sets, about = trajectory(dataset, name)
        assert (about.split, about.details["parent"]) == (split, name.removeprefix("cluster-"))
        assert sum(len(frames) for frames in sets) == 4
        for frames in sets:
            assert not frames.periodic and bond_lengths(frames).max(initial=0) < 1.9
            center = frames.positions[:, frames.residues == 0]
            for x, middle in zip(frames.positions, center):
                d = np.linalg.norm(x[:, None] - middle, axis=-1).min(1)
                assert all(d[frames.residues == g].min() <= 2.8 for g in range(frames.num_grains))
                # the shell is complete: no other molecule of the frame would have belonged to it
                assert frames.num_grains >= 2


def test_a_cluster_holds_all_close_images(every_kind):
    folder, dataset = every_kind
    (parent,), _ = trajectory(dataset, "nvt-350K")
    sets, _ = trajectory(dataset, "cluster-nvt-350K")
    shifts = np.array(np.meshgrid(*[[-2, -1, 0, 1, 2]] * 3)).reshape(3, -1).T
    counts = set()
    for x, cell in zip(parent.positions, parent.cell):
        for g in range(parent.num_grains):
            middle = x[parent.residues == g]
            d = np.linalg.norm(middle[None, :, None] - x - (shifts @ cell)[:, None, None], axis=-1).min(1)
            near = sum((d[:, parent.residues == h] <= 2.8).any(1).sum() for h in range(parent.num_grains))
            counts.add((parent.residue_names[g], int(near)))
    assert {(frames.residue_names[0], frames.num_grains) for frames in sets} <= counts


def test_scans_move_centers_alone(every_kind):
    _, dataset = every_kind
    (frames,), about = trajectory(dataset, "scan-nvt-350K")
    (parent,), _ = trajectory(dataset, "nvt-350K")
    volumes = np.linalg.det(frames.cell) / np.linalg.det(parent.cell[0])
    assert volumes == pytest.approx([0.9, 1.1], rel=1e-3) and about.split == "test"
    assert np.abs(bond_lengths(frames)[0] - bond_lengths(frames)[1]).max() < 2e-3


def test_bursts_of_the_teacher(every_kind):
    _, dataset = every_kind
    (frames,), about = trajectory(dataset, "dynamics-nvt-350K")
    assert (about.split, about.details["parent"], len(frames)) == ("test", "nvt-350K", 2)
    assert np.diff(frames.time) == pytest.approx([0.001]) and "name" in about.details["teacher"]
    moved = np.linalg.norm(frames.positions[1] - frames.positions[0], axis=-1)
    assert 0 < moved.max() < 0.5
