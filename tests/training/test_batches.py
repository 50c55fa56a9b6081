"""Which frames are trained on, in what order, at what rate.

Also `selection`.
"""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("lightning")

from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import DatasetError
from openmm_cgaa.training.batches import BatchSchedule
from openmm_cgaa.training.module import learning_rate_factor
from openmm_cgaa.training.selection import limited


def test_every_epoch_is_a_permutation_and_a_restart_finds_its_place():
    batches = list(BatchSchedule([18] * 7, 36, 12, seed=3))
    assert len(batches) == 12
    for epoch in range(4):
        assert len({i for batch in batches[3 * epoch : 3 * epoch + 3] for i in batch}) == 6
    assert list(BatchSchedule([18] * 7, 36, 12, seed=3, start=5)) == batches[5:]
    assert batches[:3] != batches[3:6] and batches != list(BatchSchedule([18] * 7, 36, 12, seed=4))
    with pytest.raises(DatasetError, match="54 grains to train on, fewer than one batch of 72"):
        BatchSchedule([18] * 3, 72, 1, seed=0)


def test_batches_are_filled_by_grains():
    grains = np.array([2, 2, 2, 18, 18, 20, 75, 1])
    for batch in BatchSchedule(grains, 40, 30, seed=0):
        assert grains[batch].sum() <= 40 or len(batch) == 1
    assert {6} in [set(batch) for batch in BatchSchedule(grains, 40, 30, seed=0)]


def test_limits_are_nested_and_even(small_set):
    full = Dataset.load(small_set)
    frames = replace(full.sets[0], trajectory=np.repeat([0, 1, 2, 2], 4), time=np.arange(16.0))
    dataset = Dataset([frames], full.trajectories[:3], full.teacher)

    def taken(grains, seed=0):
        return [s.time.tolist() for s in limited(dataset, {"liquid": grains}, seed).sets] or [[]]

    before = set()
    for grains in range(0, 18 * 16 + 1, 9):
        (now,) = taken(grains)
        assert len(now) == grains // 18 and before <= set(now)
        before = set(now)
        if len(now) == 6:  # two of each trajectory, and of a trajectory not two neighbours
            assert np.bincount(np.minimum(np.array(now, int) // 4, 2)).tolist() == [2, 2, 2]
            assert min(np.diff(sorted(now))[::2]) > 1
    assert taken(18 * 6) == taken(18 * 6) and any(taken(18 * 6) != taken(18 * 6, seed) for seed in (1, 2, 3))
    assert len(limited(dataset, {"pair": 0})) == 16


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_learning_rate_warms_up_and_ends_at_final(schedule):
    rate = [learning_rate_factor(step, 100, 10, 0.01, schedule) for step in range(101)]
    assert rate[9] == 1.0 and np.all(np.diff(rate[:10]) > 0) and np.all(np.diff(rate[10:]) < 0)
    assert rate[100] == pytest.approx(0.01)
