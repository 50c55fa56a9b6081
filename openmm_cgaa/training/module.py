"""The Lightning module: one step of distillation, averaged weights, the learning rate, validation."""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from numpy.typing import ArrayLike
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ..errors import CGAAError
from ..host.formats import TRAINING
from ..nn import Network
from .batches import Batch
from .config import TrainingConfig
from .objectives import answer, frame_atoms, known_virials, net_force_and_torque, weighted_loss
from .soap import SOAP

REFRESH = 10  # steps between two looks at the loss


def learning_rate_factor(step: int, total: int, warmup: int, final: float, schedule: str) -> float:
    """Learning rate at a step over its peak: linear warm-up, then cosine or exponential decay to `final` at `total`."""
    if step < warmup:
        return (step + 1) / warmup
    x = min((step - warmup) / max(total - warmup, 1), 1.0)
    if schedule == "exponential":
        return final**x
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * x))


def moving_average(decay: float) -> Callable:
    """Exponential average; its memory grows with the run up to `decay`, so that the first weights are forgotten."""

    def update(average: list[Tensor], current: list[Tensor], number: Tensor | int) -> None:
        kept = min(decay, (1.0 + float(number)) / (10.0 + float(number))) if number else 0.0
        torch._foreach_lerp_(average, current, 1.0 - kept)

    return update


class Distillation(pl.LightningModule):
    """A network that learns, and the exponential average of its weights that is validated and exported.

    Parameters
    ----------
    network : Network
    config : TrainingConfig
    """

    def __init__(self, network: Network, config: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.average = AveragedModel(network)
        self.average.requires_grad_(False)
        self.mean = moving_average(config.ema_decay)
        self.config = config
        self.step: Callable = partial(weighted_loss, network, vars(config.loss))
        self.sums: dict[str, tuple[float, int]] = {}
        self.errors: dict[str, float] = {}
        self.minutes_before, self.started = 0.0, time.monotonic()

    def on_fit_start(self) -> None:
        self.started = time.monotonic()
        self.weights = list(self.average.module.parameters()), [p.detach() for p in self.network.parameters()]
        if self.config.compile:
            from .compiled import CompiledStep  # torch's compiler takes seconds to import

            frames = self.trainer.datamodule.train  # type: ignore[attr-defined]  # Lightning makes it a property later
            self.step = CompiledStep(self.network.train(), vars(self.config.loss), frames.items, frames.slots)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        options = self.config.optimizer
        kind = torch.optim.AdamW if options.weight_decay > 0 else torch.optim.Adam
        make = SOAP if options.method == "soap" else partial(kind, fused=True)
        optimizer = make(self.network.parameters(), lr=options.lr, weight_decay=options.weight_decay)
        total = self.config.max_steps

        def factor(step: int) -> float:
            return learning_rate_factor(step, total, options.warmup_steps, options.final, options.schedule)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        graph, labels, _ = batch
        loss, terms = self.step(graph, labels)
        if self.global_step % REFRESH == 0:  # to log takes a good part of a small step
            self.log("loss", loss.detach(), prog_bar=True)
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]  # set by Lightning
            self.log_dict({f"train/{name}": term.detach().sqrt() for name, term in terms.items()})
            self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_index: int) -> None:
        # what update_parameters does, without a walk through all modules at each step
        self.mean(*self.weights, self.average.n_averaged)
        self.average.n_averaged += 1

    def on_validation_epoch_start(self) -> None:
        self.average.eval()
        self.sums = {}

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        graph, labels, _ = batch
        energy, forces, virial = answer(self.average.module, graph)
        atoms, known = frame_atoms(graph), known_virials(labels)
        self._collect("energy", ((energy - labels.energy) / atoms)[torch.isfinite(labels.energy)])
        self._collect("virial", ((virial - labels.virial) / atoms[:, None, None])[known])
        self._collect("forces", forces - labels.forces)
        for kind, error, reference in zip(
            ("net_force", "torque"),
            net_force_and_torque(forces - labels.forces, graph, labels),
            net_force_and_torque(labels.forces, graph, labels),
        ):
            self._collect(kind, error)
            self._collect(f"{kind}_reference", reference)

    def _collect(self, name: str, values: Tensor) -> None:
        square, number = self.sums.get(name, (0.0, 0))
        self.sums[name] = square + values.detach().double().square().sum().item(), number + values.numel()

    def on_validation_epoch_end(self) -> None:
        rms = {name: math.sqrt(square / number) for name, (square, number) in self.sums.items() if number}
        relative = {kind: rms[kind] / max(rms[f"{kind}_reference"], 1e-12) for kind in ("net_force", "torque")}
        score = rms["forces"] if self.config.loss.forces else 0.5 * sum(relative.values())
        score += self.config.score_energy * rms.get("energy", 0.0)
        if not math.isfinite(score):
            raise CGAAError(
                f"step {self.global_step}: the validation error is not finite; lower optimizer lr or clip and start "
                "again with --restart (the checkpoints of earlier steps are as they were)"
            )
        self.errors = {
            "forces": rms["forces"],
            **({"energy_mev": 1000 * rms["energy"]} if "energy" in rms else {}),
            **relative,
            "score": score,
        }
        if "virial" in rms and self.network.conserving:
            self.errors["virial_mev"] = 1000 * rms["virial"]
        for name, value in self.errors.items():
            self.log(f"val/{name}", value, prog_bar=name in ("forces", "energy_mev", "net_force"))

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["torch_rng"] = torch.get_rng_state()
        checkpoint["format"] = TRAINING.mark
        checkpoint["run"] = self.config.result_key()
        checkpoint["validation"] = self.errors
        checkpoint["minutes"] = self.minutes_before + (time.monotonic() - self.started) / 60

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        torch.set_rng_state(checkpoint["torch_rng"].cpu())
        self.minutes_before = checkpoint["minutes"]


def set_statistics(
    network: Network, compositions: ArrayLike, energies: ArrayLike, forces: Sequence[np.ndarray]
) -> None:
    """Give a network what it starts from: reference energies, and the natural sizes of energy and force.

    Parameters
    ----------
    network : Network
    compositions : array, [frames, types]
        Grains of each type.
    energies : array, [frames], eV
        nan where a frame has no label of it.
    forces : list of arrays, eV/Å

    The reference energies are the least-squares fit of the energy on the composition, a frame of n grains being
    uncertain by sqrt(n). Where the frames do not settle it (an anion for every cation), it is the one of the smallest
    norm. `set_scale(energy, force)` gets the deviation of the energy per grain from that fit and the root mean square
    force component. Without a label of the energy the reference is zero, and the deviation that of 1 Å in such a force.
    """
    known, values = np.asarray(compositions, float), np.asarray(energies, float)
    square = sum(np.square(f, dtype=float).sum() for f in forces) / sum(f.size for f in forces)
    told = np.isfinite(values)
    if not told.any():
        network.set_scale(float(np.sqrt(square)), float(np.sqrt(square)))
        return
    known, values = known[told], values[told]
    weights = known.sum(1) ** -0.5
    reference = np.linalg.lstsq(known * weights[:, None], values * weights, rcond=1e-9)[0]
    network.set_reference(torch.from_numpy(reference))
    deviation = (values - known @ reference) * weights
    network.set_scale(float(deviation.std()), float(np.sqrt(square)))
