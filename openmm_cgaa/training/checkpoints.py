"""Checkpoints that survive a full disk, an interrupted write and a kill at any moment."""

import io
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ..errors import CGAAError
from ..host import signals
from ..host.files import seal, unseal, write_bytes
from ..host.formats import TRAINING
from ..inputs.arguments import FilePath

END_OF_ZIP = b"PK\x05\x06"


class DamagedCheckpoint(CGAAError):
    """A checkpoint of training that cannot be gone on from."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the old checkpoint, sealed, then rename; read without unpickling code."""

    def save_checkpoint(self, checkpoint: dict, path: FilePath, storage_options: object = None) -> None:
        file = io.BytesIO()
        torch.save(checkpoint, file)
        write_bytes(path, seal(file.getbuffer()))

    def load_checkpoint(self, path: FilePath, map_location: object = None, weights_only: bool | None = True) -> dict:
        checkpoint = read_checkpoint(path, map_location)
        _move(checkpoint, Path(path).parent)
        return checkpoint


def read_checkpoint(path: FilePath, map_location: Any = None) -> dict:
    """The content of a checkpoint: tensors and plain data, nothing else is let in.

    Raises
    ------
    DamagedCheckpoint
        The file is missing, or not what was written.
    CGAAError
        It is no checkpoint of this program, or one of a later version.
    """
    try:
        raw = Path(path).read_bytes()
        data = raw if raw[-22:-18] == END_OF_ZIP else unseal(raw)  # older checkpoints have no seal
        if data is None:
            raise ValueError("its checksum does not fit")
        checkpoint = torch.load(io.BytesIO(data), map_location=map_location or "cpu", weights_only=True)
    except Exception as error:
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedCheckpoint(
            f"{path}: not a whole checkpoint ({reason}); bring the file back from a copy, or start again: with "
            "--restart, or with the folder moved away"
        ) from None
    if not isinstance(checkpoint, dict) or "run" not in checkpoint:
        raise CGAAError(f"{path}: not a checkpoint of openmm-cgaa train; choose another output folder")
    TRAINING.check(checkpoint.get("format", 1), path)
    return checkpoint


def _move(checkpoint: dict, folder: Path) -> None:
    """Name the checkpoints where they are now: else Lightning forgets which is best of a run that was moved."""
    for state in checkpoint["callbacks"].values():
        if "best_k_models" in state:
            state["best_k_models"] = {str(folder / Path(p).name): score for p, score in state["best_k_models"].items()}
            for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
                state[name] = state[name] and str(folder / Path(state[name]).name)
            state["dirpath"] = str(folder)


class SavedStop(Callback):
    """A signal ends training between two steps, after a checkpoint from which it goes on as if nothing had been."""

    def __init__(self, folder: FilePath) -> None:
        self.path, self.signals = Path(folder) / "last.ckpt", ExitStack()
        self.stop: signals.Stop | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.stop = self.signals.enter_context(signals.deferred())  # in place of Lightning's own handler

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: object, batch_index: int
    ) -> None:
        if self.stop and self.stop.number is not None:
            batches = trainer.fit_loop.epoch_loop.batch_progress
            for count in (batches.total, batches.current):
                count.reset_on_restart()  # this batch has not begun; counted, it would move all validations by a step
            trainer.save_checkpoint(self.path)
            raise signals.Interrupted(self.stop.number)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.signals.close()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.signals.close()


class TimeBudget(Timer):
    """Stops after the first validation past the time budget, so that the last checkpoint is the end of the run."""

    def __init__(self, minutes: float | None) -> None:
        duration = None if minutes is None else timedelta(minutes=minutes)
        super().__init__(duration=duration, interval="epoch", verbose=False)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        left = self.time_remaining()
        if left is not None and left <= 0:
            trainer.should_stop = True


def checkpoint_callbacks(folder: FilePath) -> list[Callback]:
    """``best.ckpt`` by validation score, and ``last.ckpt`` after every validation."""
    common: dict = {
        "dirpath": folder,
        "save_top_k": 1,
        "enable_version_counter": False,
        "save_on_train_epoch_end": False,
    }
    return [
        ModelCheckpoint(filename="best", monitor="val/score", mode="min", **common),
        ModelCheckpoint(filename="last", every_n_epochs=1, **common),
    ]
