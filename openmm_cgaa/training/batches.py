"""Batches that a restart finds again."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..errors import DatasetError
from ..nn.graph import Graph
from ..wording import counted
from .labelled import Item, LabelledFrames, collate, on_device
from .objectives import Labels

Batch = tuple[Graph, Labels, Tensor]


def fill_batches(frames: Iterable[int], grains: Sequence[int] | np.ndarray, batch_grains: int) -> list[list[int]]:
    """Cut a sequence of frame numbers into batches of at most so many grains; a larger frame is a batch of its own."""
    batches: list[list[int]] = []
    filled = batch_grains
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

    def __init__(
        self, grains: Sequence[int] | np.ndarray, batch_grains: int, steps: int, seed: int, start: int = 0
    ) -> None:
        self.grains = np.asarray(grains, dtype=int).tolist()
        if sum(self.grains) < batch_grains:
            raise DatasetError(
                f"{counted(len(self.grains), 'frame')} of {counted(sum(self.grains), 'grain')} to train on, fewer than "
                f"one batch of {counted(batch_grains, 'grain')}; give more frames, or a smaller batch_grains"
            )
        self.batch_grains, self.steps, self.seed, self.start = batch_grains, steps, seed, start

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        batches = (batch for epoch in count() for batch in self._epoch(epoch))
        yield from islice(batches, self.start, self.steps)

    def _epoch(self, epoch: int) -> list[list[int]]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.grains)).tolist()
        batches = fill_batches(order, self.grains, self.batch_grains)
        last_is_full = sum(self.grains[frame] for frame in batches[-1]) >= self.batch_grains
        return batches if last_is_full or len(batches) == 1 else batches[:-1]


class FrameData(pl.LightningDataModule):
    """Training batches from the step where the trainer stands, and validation batches in order."""

    def __init__(
        self, train: LabelledFrames, validation: LabelledFrames, batch_grains: int, steps: int, seed: int
    ) -> None:
        super().__init__()
        self.train, self.validation = train, validation
        self.batch_grains, self.steps, self.seed = batch_grains, steps, seed

    def _collate(self, items: Sequence[Item]) -> Batch:
        return collate(items, self.train.slots)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        graph, labels, order = batch
        return on_device(graph, device), on_device(labels, device), order.to(device)

    def train_dataloader(self) -> DataLoader:
        step = 0 if self.trainer is None else self.trainer.global_step
        schedule = BatchSchedule(self.train.grains, self.batch_grains, self.steps, self.seed, step)
        return _ResumableLoader(self.train, batch_sampler=schedule, collate_fn=self._collate, generator=_generator())

    def val_dataloader(self) -> DataLoader:
        batches = fill_batches(range(len(self.validation)), self.validation.grains, 2 * self.batch_grains)
        return DataLoader(self.validation, batch_sampler=batches, collate_fn=self._collate, generator=_generator())


class _ResumableLoader(DataLoader):
    """Its position is the trainer's step, so there is nothing of its own to save."""

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
