"""Batches that a restart finds again."""

from typing import List

import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader

from ..errors import DatasetError
from .frames import collate


class BatchSchedule:
    """Frame numbers of each step: a fresh permutation every epoch, all derived from the seed.

    Step s is the same batch whether the run was broken or not; iteration starts at `start`.
    """

    def __init__(self, num_frames: int, batch_size: int, steps: int, seed: int, start: int = 0):
        if num_frames < batch_size:
            raise DatasetError(f"{num_frames} frames to train on, fewer than one batch of {batch_size}")
        self.num_frames, self.batch_size, self.steps, self.seed, self.start = num_frames, batch_size, steps, seed, start

    def __len__(self):
        return self.steps

    def __iter__(self):
        per_epoch = self.num_frames // self.batch_size
        epoch = None
        for step in range(self.start, self.steps):
            if epoch != step // per_epoch:
                epoch = step // per_epoch
                permutation = np.random.default_rng([self.seed, epoch]).permutation(self.num_frames)
            first = step % per_epoch * self.batch_size
            yield permutation[first : first + self.batch_size].tolist()


class FrameData(pl.LightningDataModule):
    """Training batches from the step where the trainer stands, and validation batches in order."""

    def __init__(self, train: list, validation: list, slots: List[int], batch_size: int, steps: int, seed: int):
        super().__init__()
        self.train, self.validation, self.slots = train, validation, slots
        self.batch_size, self.steps, self.seed = batch_size, steps, seed

    def _collate(self, items):
        return collate(items, self.slots)

    def train_dataloader(self):
        schedule = BatchSchedule(len(self.train), self.batch_size, self.steps, self.seed, self.trainer.global_step)
        return _ResumableLoader(self.train, batch_sampler=schedule, collate_fn=self._collate, generator=_generator())

    def val_dataloader(self):
        batch = max(self.batch_size, 8)
        return DataLoader(self.validation, batch, collate_fn=self._collate, generator=_generator())


class _ResumableLoader(DataLoader):
    """Its position is the trainer's step, so there is nothing of its own to save."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
