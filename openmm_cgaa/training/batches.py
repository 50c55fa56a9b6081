"""Batches that a restart finds again."""

from itertools import count, islice

import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader

from ..errors import DatasetError
from ..wording import counted
from .labelled import LabelledFrames, collate


def fill_batches(frames, grains, batch_grains: int) -> list:
    """Cut a sequence of frame numbers into batches of at most so many grains; a larger frame is a batch of its own."""
    batches, filled = [], batch_grains
    for frame in frames:
        if filled + grains[frame] > batch_grains:
            batches.append([])
            filled = 0
        batches[-1].append(int(frame))
        filled += grains[frame]
    return batches


class BatchSchedule:
    """Frame numbers of each step: a fresh permutation every epoch, all derived from the seed.

    A batch is filled until the next frame would take it above `batch_grains` (`fill_batches`). What an epoch leaves
    for its last batch is dropped, if that is not full. Step s is the same batch whether the run was broken or not;
    iteration starts at `start`.

    Parameters
    ----------
    grains : int array, [frames]
        Grains of each frame.
    batch_grains, steps, seed, start : int

    Raises
    ------
    DatasetError
        All frames together do not fill a batch.
    """

    def __init__(self, grains, batch_grains: int, steps: int, seed: int, start: int = 0):
        self.grains = np.asarray(grains, dtype=int).tolist()
        if sum(self.grains) < batch_grains:
            raise DatasetError(
                f"{counted(len(self.grains), 'frame')} of {counted(sum(self.grains), 'grain')} to train on, fewer than "
                f"one batch of {counted(batch_grains, 'grain')}; give more frames, or a smaller batch_grains"
            )
        self.batch_grains, self.steps, self.seed, self.start = batch_grains, steps, seed, start

    def __len__(self):
        return self.steps

    def __iter__(self):
        batches = (batch for epoch in count() for batch in self._epoch(epoch))
        yield from islice(batches, self.start, self.steps)

    def _epoch(self, epoch):
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.grains)).tolist()
        batches = fill_batches(order, self.grains, self.batch_grains)
        last_is_full = sum(self.grains[frame] for frame in batches[-1]) >= self.batch_grains
        return batches if last_is_full or len(batches) == 1 else batches[:-1]


class FrameData(pl.LightningDataModule):
    """Training batches from the step where the trainer stands, and validation batches in order."""

    def __init__(self, train: LabelledFrames, validation: LabelledFrames, batch_grains: int, steps: int, seed: int):
        super().__init__()
        self.train, self.validation = train, validation
        self.batch_grains, self.steps, self.seed = batch_grains, steps, seed

    def _collate(self, items):
        return collate(items, self.train.slots)

    def train_dataloader(self):
        schedule = BatchSchedule(self.train.grains, self.batch_grains, self.steps, self.seed, self.trainer.global_step)
        return _ResumableLoader(self.train, batch_sampler=schedule, collate_fn=self._collate, generator=_generator())

    def val_dataloader(self):
        batches = fill_batches(range(len(self.validation)), self.validation.grains, 2 * self.batch_grains)
        return DataLoader(self.validation, batch_sampler=batches, collate_fn=self._collate, generator=_generator())


class _ResumableLoader(DataLoader):
    """Its position is the trainer's step, so there is nothing of its own to save."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
