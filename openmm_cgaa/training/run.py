"""From a configuration to a model file."""

import hashlib
import logging
import platform
import warnings
from importlib.metadata import version
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import CSVLogger

from ..errors import CGAAError, DatasetError
from ..grains import GrainType
from ..modelfile import load_model, save_model
from ..nn import build_network
from ..reference import Dataset
from .checkpoints import AtomicCheckpointIO, TimeBudget, checkpoint_callbacks, read_checkpoint
from .config import TrainingConfig
from .data import FrameData
from .domain import training_domain
from .frames import LabelledFrames, collate, common_types, limited
from .module import Distillation, set_statistics
from .progress import StepBar


def train(config: TrainingConfig, restart=False) -> Path:
    """Train, or go on from the last checkpoint of the same configuration, and write the best weights as a model file.

    Parameters
    ----------
    config : TrainingConfig
    restart : bool
        Begin anew, though the output folder holds a run.

    Returns
    -------
    Path
        ``OUTPUT/model.safetensors``; beside it ``best.ckpt``, ``last.ckpt`` and ``log/version_*/metrics.csv``.

    Raises
    ------
    CGAAError
        The output folder holds a run of another configuration, data do not fit, or a checkpoint cannot be written.
    """
    output = Path(config.output)
    last = output / "last.ckpt"
    resume = last.is_file() and not restart
    if resume:
        _check_same_run(last, config)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)

    chosen = _chosen(config.data)
    types = common_types(chosen["train"], config.data.align)
    network = _build(config, types)
    training, validation = (
        LabelledFrames(chosen[split], types, network.grain_cutoff, network.atom_cutoff, config.data.align).items
        for split in ("train", "validation")
    )
    set_statistics(
        network,
        [graph.counts for graph, _ in training],
        [labels.energy.item() for _, labels in training],
        [labels.forces.numpy() for _, labels in training],
    )
    slots = [t.num_slots for t in types]
    if hasattr(network, "calibrate"):
        network.calibrate(collate(training, slots)[0])
    if config.init:
        _start_from(config.init, network, types)
    data = FrameData(training, validation, slots, config.batch_grains, config.max_steps, config.seed)
    module = Distillation(network, config)
    trainer = _trainer(config, output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        if not resume:
            for name in ("best.ckpt", "last.ckpt"):
                (output / name).unlink(missing_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*(does not have many workers|exists and is not empty|in eval mode).*")
            warnings.filterwarnings("ignore", ".*[Tt]rying to infer the `batch_size`.*")
            trainer.fit(module, data, ckpt_path=str(last) if resume else None)

        best = read_checkpoint(output / "best.ckpt")
        module.load_state_dict(best["state_dict"])
        metadata = {
            "config": config.model,
            "types": [t.to_dict() for t in types],
            "provenance": _provenance(config, chosen, best, trainer),
            "domain": training_domain(chosen["train"], types),
            "errors": {"split": "validation", **best["validation"]},
        }
        save_model(output / "model.safetensors", module.average.module.cpu(), metadata, config.half)
    except OSError as error:
        raise CGAAError(
            f"{output}: cannot be written ({error}); make room, then run the same command again to go on from the last "
            "checkpoint"
        ) from error
    return output / "model.safetensors"


def _chosen(data) -> dict:
    """The frames that train and those that select."""
    everything = Dataset.merge([Dataset.load(path) for path in data.paths])
    chosen = {
        "train": limited(everything.select(data.kinds, ["train"]), data.max_grains),
        "validation": everything.select(splits=["validation"]),
    }
    for split, dataset in chosen.items():
        if not len(dataset):
            raise DatasetError(
                f"no frame of split {split} in {', '.join(data.paths)}; the splits are those of the trajectories: name "
                "them when you sample"
            )
    liquids = chosen["validation"].select(["liquid"])
    return chosen | ({"validation": liquids} if len(liquids) else {})


def _start_from(path, network, types):
    """Take the weights of a model file; its reference energies and scales, too."""
    other, metadata = load_model(path)
    known = [GrainType.from_dict(entry) for entry in metadata["types"]]
    if [(t.name, t.elements, t.bonds) for t in known] != [(t.name, t.elements, t.bonds) for t in types]:
        raise CGAAError(
            f"init: {path} knows {', '.join(t.name for t in known)}, the data have {', '.join(t.name for t in types)} "
            "(in this order); start from a model of the same grains"
        )
    try:
        network.load_state_dict(other.state_dict())
    except RuntimeError as error:
        raise CGAAError(f"init: the network of {path} is another than the configuration's ({error})") from None


def _build(config, types):
    try:
        return build_network(config.model, types)
    except (TypeError, ValueError) as error:
        raise CGAAError(f"model: {error}") from None


def _check_same_run(last, config):
    old, new = read_checkpoint(last)["run"], config.result_key()
    old, new = _portable(old), _portable(new)
    changed = [key for key in new if old.get(key) != new[key]]
    if changed:
        raise CGAAError(
            f"{last.parent} holds a run of another configuration (different: {', '.join(changed)}); choose another "
            "output folder, or start over with --restart"
        )


def _portable(key):
    """Files by name, so that a run may be moved together with its data."""
    data = key["data"] | {"paths": [Path(p).name for p in key["data"]["paths"]]}
    return key | {"data": data, "init": key["init"] and Path(key["init"]).name}


def _trainer(config, output):
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    accelerator = config.accelerator
    if accelerator == "auto":  # not what Lightning would take: energies are float64, which mps has not
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    callbacks = [TimeBudget(config.max_minutes), StepBar(), *checkpoint_callbacks(output)]
    return pl.Trainer(
        accelerator=accelerator,
        devices=1,
        max_steps=config.max_steps,
        max_epochs=-1,
        val_check_interval=config.validate_every,
        check_val_every_n_epoch=None,
        log_every_n_steps=min(50, config.validate_every),
        gradient_clip_val=config.optimizer.clip,
        num_sanity_val_steps=0,
        inference_mode=False,
        enable_model_summary=False,
        logger=CSVLogger(output, name="log"),
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
    )


def _provenance(config, chosen, best, trainer) -> dict:
    files = [Path(path) for path in config.data.paths]
    return {
        "name": config.name,
        "data": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "trajectories": {split: [t.name for t in part.trajectories] for split, part in chosen.items()},
        "frames": {split: len(part) for split, part in chosen.items()},
        "grains": {split: part.num_grains for split, part in chosen.items()},
        "teacher": chosen["train"].teacher,
        "init": config.init and Path(config.init).name,
        "training": {k: v for k, v in config.result_key().items() if k not in ("model", "data", "name", "init")},
        "steps": best["global_step"],
        "steps_done": trainer.global_step,
        "minutes": best["minutes"],
        "versions": {name: version(name) for name in ("openmm_cgaa", "torch", "lightning", "numpy")}
        | {"python": platform.python_version()},
    }
