"""Checkpoints that survive a full disk, an interrupted write and a kill at any moment."""

import os
from contextlib import ExitStack
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from .. import signals
from ..errors import CGAAError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the old checkpoint, then rename; read without unpickling code."""

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, (OSError, RuntimeError)):  # torch.save turns a full disk into a RuntimeError
                raise CGAAError(
                    f"{path}: checkpoint not written ({error}); the one before is as it was: make room, then run the "
                    "same command again to go on from there"
                ) from error
            raise

    def load_checkpoint(self, path, map_location=None, weights_only=True):
        return read_checkpoint(path, map_location)


def read_checkpoint(path, map_location=None) -> dict:
    """The content of a checkpoint: tensors and plain data, nothing else is let in.

    Raises
    ------
    CGAAError
        The file is damaged or not a checkpoint of this program.
    """
    try:
        checkpoint = torch.load(path, map_location=map_location or "cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise CGAAError(f"{path}: not a whole checkpoint ({reason}); delete it or start again with --restart") from None
    if not isinstance(checkpoint, dict) or "run" not in checkpoint:
        raise CGAAError(f"{path}: not a checkpoint of openmm-cgaa train; choose another output folder")
    return checkpoint


class SavedStop(Callback):
    """A signal ends training between two steps, after a checkpoint from which it goes on as if nothing had been."""

    def __init__(self, folder):
        self.path, self.signals, self.stop = Path(folder) / "last.ckpt", ExitStack(), None

    def on_train_start(self, trainer, module):
        self.stop = self.signals.enter_context(signals.deferred())  # in place of Lightning's own handler

    def on_train_batch_start(self, trainer, module, batch, batch_index):
        if self.stop:
            batches = trainer.fit_loop.epoch_loop.batch_progress
            for count in (batches.total, batches.current):
                count.reset_on_restart()  # this batch has not begun; counted, it would move all validations by a step
            trainer.save_checkpoint(self.path)
            raise signals.Interrupted(self.stop.number)

    def on_train_end(self, trainer, module):
        self.signals.close()

    def on_exception(self, trainer, module, exception):
        self.signals.close()


class TimeBudget(Timer):
    """Stops after the first validation past the time budget, so that the last checkpoint is the end of the run."""

    def __init__(self, minutes: float | None):
        duration = None if minutes is None else {"seconds": 60 * minutes}
        super().__init__(duration=duration, interval="epoch", verbose=False)

    def on_validation_end(self, trainer, module):
        left = self.time_remaining()
        if left is not None and left <= 0:
            trainer.should_stop = True


def checkpoint_callbacks(folder) -> list:
    """``best.ckpt`` by validation score, and ``last.ckpt`` after every validation."""
    common = {"dirpath": folder, "save_top_k": 1, "enable_version_counter": False, "save_on_train_epoch_end": False}
    return [
        ModelCheckpoint(filename="best", monitor="val/score", mode="min", **common),
        ModelCheckpoint(filename="last", every_n_epochs=1, **common),
    ]
