"""Batches that a restart finds again."""

from itertools import count, islice
from typing import List

import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader

from ..errors import DatasetError
from .frames import collate


class BatchSchedule:
    """Frame numbers of each step: a fresh permutation every epoch, all derived from the seed.

    A batch is filled until the next frame would take it above `batch_grains`; a larger frame is a batch of its own.
    What an epoch leaves for its last batch is dropped, if that is not full. Step s is the same batch whether the run
    was broken or not; iteration starts at `start`.

    Parameters
    ----------
    grains : int array, [frames]
        Grains of each frame.
    """

    def __init__(self, grains, batch_grains: int, steps: int, seed: int, start: int = 0):
        self.grains = np.asarray(grains)
        if self.grains.sum() < batch_grains:
            raise DatasetError(
                f"{len(self.grains)} frames of {self.grains.sum()} grains to train on, fewer than one batch of "
                f"{batch_grains} grains"
            )
        self.batch_grains, self.steps, self.seed, self.start = batch_grains, steps, seed, start

    def __len__(self):
        return self.steps

    def __iter__(self):
        batches = (batch for epoch in count() for batch in self._epoch(epoch))
        yield from islice(batches, self.start, self.steps)

    def _epoch(self, epoch):
        batch, filled = [], 0
        for frame in np.random.default_rng([self.seed, epoch]).permutation(len(self.grains)):
            if batch and filled + self.grains[frame] > self.batch_grains:
                yield batch
                batch, filled = [], 0
            batch.append(int(frame))
            filled += self.grains[frame]
        if filled >= self.batch_grains or len(batch) == len(self.grains):
            yield batch


class FrameData(pl.LightningDataModule):
    """Training batches from the step where the trainer stands, and validation batches in order."""

    def __init__(self, train: list, validation: list, slots: List[int], batch_grains: int, steps: int, seed: int):
        super().__init__()
        self.train, self.validation, self.slots = train, validation, slots
        self.batch_grains, self.steps, self.seed = batch_grains, steps, seed

    def _collate(self, items):
        return collate(items, self.slots)

    def train_dataloader(self):
        grains = [sum(graph.counts) for graph, _ in self.train]
        schedule = BatchSchedule(grains, self.batch_grains, self.steps, self.seed, self.trainer.global_step)
        return _ResumableLoader(self.train, batch_sampler=schedule, collate_fn=self._collate, generator=_generator())

    def val_dataloader(self):
        return DataLoader(self.validation, 8, collate_fn=self._collate, generator=_generator())


class _ResumableLoader(DataLoader):
    """Its position is the trainer's step, so there is nothing of its own to save."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
