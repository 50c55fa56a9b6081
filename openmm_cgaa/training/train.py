"""From a configuration to a model file."""

import hashlib
import logging
import platform
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.environments import LightningEnvironment

from ..data.dataset import Dataset, Frames, describe_teacher
from ..errors import CGAAError
from ..host import signals
from ..host.files import MODEL, check_folder, check_output, owned, writing
from ..host.torchstate import flushing, threads, working
from ..inputs.arguments import FilePath
from ..inputs.settings import completed
from ..mapping.grains import GrainType
from ..mapping.prior import Prior
from ..model.file import cuts_of_model, load_model, model_bytes, read_metadata, save_model
from ..nn import Network, build_network, complete_config
from ..structures.beads import is_bead, told_beads
from .batches import FrameData
from .checkpoints import (
    AtomicCheckpointIO,
    DamagedCheckpoint,
    SavedStop,
    TimeBudget,
    checkpoint_callbacks,
    read_checkpoint,
)
from .config import TrainingConfig, load_config
from .coverage import training_domain
from .evaluation import other_teacher
from .fittedprior import check_rigid
from .labelled import Item, LabelledFrames, closest_pairs, collate, common_types
from .module import Distillation, set_statistics
from .objectives import answer, known_virials
from .progress import StepBar
from .reference import add_reference_frame
from .selection import choose_frames

STARTS = "init", "warm_start"  # models that a configuration begins with
SAMPLE = 300  # frames, about, that tell the reference energies of a network with weights of another one


def train(config: FilePath | TrainingConfig, restart: bool = False) -> Path:
    """Train, or go on from the last checkpoint of the same configuration, and write the best weights as a model file.

    Parameters
    ----------
    config : path or TrainingConfig
        A training configuration (YAML, see `load_config`), or one that was read.
    restart : bool
        Begin anew, though the output folder holds a run.

    Returns
    -------
    Path
        ``OUTPUT/model.safetensors``; beside it ``best.ckpt``, ``last.ckpt`` and ``log/version_*/metrics.csv``.

    Raises
    ------
    CGAAError
        The output folder holds a run of another configuration, or data do not fit.
    OutputError
        A file cannot be written, another process trains into the folder, or it holds files of others.
    Interrupted
        By a signal, after a checkpoint: the same call goes on.
    """
    if not isinstance(config, TrainingConfig):
        config = load_config(config)
    with working(), threads(config.threads or torch.get_num_threads()):
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(config.seed)
            return _train(config, restart)


def _train(config: TrainingConfig, restart: bool) -> Path:
    output = Path(config.output)
    _resumes(config, restart)  # what is refused is refused before data are read
    prior = None if config.prior is None else config.prior.read()
    _check_prior(config, prior)
    known = cuts_of_model(load_model(config.init)[1]) if config.init else []
    chosen = choose_frames(config.data, config.seed, known)
    if config.init:
        network, types = _start_from(config, config.init, chosen["train"])
    else:
        types = common_types(chosen["train"], config.data.align)
        check_rigid(chosen["train"], types, prior)
        network = _build(config, types)
        if config.warm_start:
            _take_over(config, config.warm_start, network, types)
    training, validation = (
        LabelledFrames(chosen[split], types, network.grain_cutoff, network.atom_cutoff, config.data.align, prior)
        for split in ("train", "validation")
    )
    _check_labels(config, network, training)
    _check_temperatures([*chosen["train"].sets, *chosen["validation"].sets], types)
    _prepare(network, types, training.items, new=not config.init, warm=bool(config.warm_start))
    bound_grains(network, chosen["train"], training)  # before the first copy of it: what is validated is what is saved
    data = FrameData(training, validation, config.batch_grains, config.max_steps, config.seed)
    module = Distillation(network, config)
    with _quiet():
        trainer = _trainer(config, output)
    with _quiet(), owned(output), writing(output, "run the same command again to go on from the last checkpoint"):
        resume = _resumes(config, restart)
        if not resume:
            for name in ("best.ckpt", "last.ckpt"):
                (output / name).unlink(missing_ok=True)
        _fit(trainer, module, data, output / "last.ckpt", resume)
        best = read_checkpoint(output / "best.ckpt")
        module.load_state_dict(best["state_dict"])
        metadata = {
            "config": config.model,
            "types": [t.to_dict() for t in types],
            "provenance": _provenance(config, chosen, best, trainer),
            "domain": training_domain(chosen["train"], types),
            "errors": {"split": "validation", **best["validation"]},
        }
        if prior is not None:
            metadata["prior"] = prior.to_dict()
        if "cuts" in chosen["train"].provenance:
            metadata["cuts"] = chosen["train"].provenance["cuts"]
        own = [frames.topology(0).residues() for frames in chosen["train"].sets if any(map(is_bead, frames.elements))]
        if beads := told_beads(chain.from_iterable(own)):  # of residues of all names that became one type
            metadata["beads"] = beads
        average = module.average.module.cpu()
        assert isinstance(average, Network)  # as the one that it is the average of
        save_model(output / "model.safetensors", average, metadata, config.half)
        add_reference_frame(output / "model.safetensors", chosen["validation"].sets)
    return output / "model.safetensors"


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without its notes, and without warnings of what is meant here."""
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*(does not have many workers|exists and is not empty|in eval mode).*")
            warnings.filterwarnings("ignore", ".*[Tt]rying to infer the `batch_size`.*")
            yield
    finally:
        logger.setLevel(before)


def _fit(trainer: pl.Trainer, module: Distillation, data: FrameData, last: Path, resume: bool) -> None:
    try:
        with flushing():
            trainer.fit(module, data, ckpt_path=str(last) if resume else None)
    except SystemExit as error:  # Lightning's answer to a signal
        number = getattr(error.__context__, "number", signal.SIGTERM)
        text = f"{last} holds the state, the same command goes on" if last.is_file() else "nothing is learned yet"
        raise signals.Interrupted(number, text) from None


def _resumes(config: TrainingConfig, restart: bool) -> bool:
    """Whether the output folder holds a run to go on with; refuses what a run must not replace."""
    output = Path(config.output)
    check_folder(output, "last.ckpt", ["model.safetensors"])
    check_output(output / "model.safetensors", MODEL, [config.init])
    resume = (output / "last.ckpt").is_file() and not restart
    if resume:
        _check_same_run(output / "last.ckpt", config)
        if (output / "best.ckpt").is_file():  # none before the first validation
            read_checkpoint(output / "best.ckpt")
    else:
        for name in ("best.ckpt", "last.ckpt"):
            if (output / name).is_file():
                with suppress(DamagedCheckpoint):
                    read_checkpoint(output / name)  # another program's is not to be removed
    return resume


def _same_form(config: TrainingConfig, key: str, model: str) -> tuple[Network, list[GrainType], dict]:
    """The network of a model file, its grain types and its metadata; it must have the configuration's form."""
    network, metadata = load_model(model)
    try:
        wanted = complete_config(config.model)
    except ValueError as error:
        raise CGAAError(f"model: {error}") from None
    other = [key for key, value in complete_config(metadata["config"]).items() if wanted.get(key) != value]
    if other:
        raise CGAAError(
            f"{key}: the network of {model} is another than the configuration's (different: {', '.join(other)}); "
            f"give the model block that it was trained with (openmm-cgaa info shows it), or leave {key} away"
        )
    return network, [GrainType.from_dict(entry) for entry in metadata["types"]], metadata


def _check_prior(config: TrainingConfig, prior: Prior | None) -> None:
    """Weights of a model that has another prior would be those of other labels."""
    for key in STARTS:
        model = getattr(config, key)
        if model and Prior.of_metadata(load_model(model)[1]) != prior:
            raise CGAAError(
                f"{key}: {model} was trained {'with another prior or none' if prior else 'with a prior'}; give the "
                f"prior that it was trained with, or leave {key} away"
            )


def _take_over(config: TrainingConfig, model: str, network: Network, types: list[GrainType]) -> None:
    """Give a new network the weights of a model, as far as they serve its grain types."""
    known, known_types, _ = _same_form(config, "warm_start", model)
    try:
        network.take_over(types, known, known_types)
    except CGAAError as error:
        raise CGAAError(f"warm_start: {error}") from None


def _start_from(config: TrainingConfig, init: str, dataset: Dataset) -> tuple[Network, list[GrainType]]:
    """The network of a model file and its grain types; its reference energies and scales stay."""
    network, types, metadata = _same_form(config, "init", init)
    if other_teacher(metadata, dataset):
        raise CGAAError(
            f"init: {init} learned from {describe_teacher(metadata['provenance']['teacher'])}, but the labels "
            f"are by {describe_teacher(dataset.teacher)}; their energies have different zeros, and the model keeps its "
            "own: leave init away"
        )
    if config.data.align and any(t.reference is None for t in types):
        raise CGAAError(f"init: {init} has no reference geometries to align to; leave data.align away")
    return network.train(), types


def _prepare(network: Network, types: list[GrainType], items: list[Item], new: bool, warm: bool) -> None:
    """Set what does not learn: reference energies, scales, walls between grains; of a loaded network walls alone."""
    closest = [(closest_pairs(graph, types), labels) for graph, labels in items]
    sample = collate(closest, [t.num_slots for t in types])[0]
    if new:
        some = items[:: len(items) // SAMPLE + 1] if warm else items
        # what weights that were taken over say of the energy is no part of the reference
        said = [answer(network, graph)[0].item() if warm else 0.0 for graph, _ in some]
        set_statistics(
            network,
            [graph.counts for graph, _ in some],
            [labels.energy.item() - energy for (_, labels), energy in zip(some, said)],
            [labels.forces.numpy() for _, labels in some],
        )
        network.calibrate(sample)
    network.set_contacts(sample, keep=not new)  # those that only the earlier training saw


def bound_grains(network: Network, dataset: Dataset, frames: LabelledFrames) -> None:
    """Put up the walls inside grains by all frames in which no grain was strained.

    Parameters
    ----------
    network : Network
    dataset : Dataset
    frames : LabelledFrames
        Of that data set.
    """
    strained = [
        bool(dataset.trajectories[index].details.get("strain")) for own in dataset.sets for index in own.trajectory
    ]
    network.set_ranges([graph for (graph, _), off in zip(frames.items, strained) if not off])


def _check_labels(config: TrainingConfig, network: Network, training: LabelledFrames) -> None:
    if config.loss.stress and not network.conserving:
        raise CGAAError("loss: stress has a weight, but this network has no virial; only conserving networks have one")
    if config.loss.stress and not any(known_virials(labels).item() for _, labels in training.items):
        raise CGAAError(
            "loss: stress has a weight, but no training frame has a stress; label them with one, or set it 0"
        )
    if config.loss.energy and not any(torch.isfinite(labels.energy).item() for _, labels in training.items):
        raise CGAAError(
            "loss: energy has a weight, but no training frame has an energy, as mean forces on beads have none; set it "
            "0"
        )
    if config.loss.grain_energy and not network.tells_grains:
        raise CGAAError(
            "loss: grain_energy has a weight, but this network does not tell energies of grains; take network: "
            "conserving, or set it 0"
        )
    if config.loss.grain_energy and training.items[0][1].grains is None:
        raise CGAAError(
            "loss: grain_energy has a weight, but no training frame has energies of grains. Frames that were labelled "
            "before they were known, or are cut into grains, have none: label them anew (openmm-cgaa label) by a "
            "teacher that tells energies of atoms, or set it 0"
        )


def _check_temperatures(sets: list[Frames], types: list[GrainType]) -> None:
    """Mean forces on beads are those of one temperature."""
    found = np.unique(np.concatenate([frames.temperature for frames in sets]))
    found = found[np.isfinite(found)]
    if any(kind.beads for kind in types) and len(found) > 1:
        raise CGAAError(
            f"frames of beads at {found.min():g} to {found.max():g} K: a mean force is that of one temperature; train "
            "on frames of one"
        )


def _build(config: TrainingConfig, types: list[GrainType]) -> Network:
    try:
        return build_network(config.model, types)
    except (TypeError, ValueError) as error:
        raise CGAAError(f"model: {error}") from None


def _check_same_run(last: Path, config: TrainingConfig) -> None:
    old, new = _portable(completed(TrainingConfig, read_checkpoint(last)["run"])), _portable(config.result_key())
    changed = [key for key in new if old.get(key) != new[key]]
    if changed:
        raise CGAAError(
            f"{last.parent} holds a run of another configuration (different: {', '.join(changed)}); choose another "
            "output folder, or start over with --restart"
        )


def _portable(key: dict) -> dict:
    """Files by name, so that a run may be moved together with its data."""
    data = key["data"] | {"paths": [Path(p).name for p in key["data"]["paths"]]}
    return key | {"data": data} | {name: key[name] and Path(key[name]).name for name in STARTS}


def _trainer(config: TrainingConfig, output: Path) -> pl.Trainer:
    accelerator = config.accelerator
    if accelerator == "auto":  # not what Lightning would take: energies are float64, which mps has not
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    callbacks = [TimeBudget(config.max_minutes), SavedStop(output), StepBar(), *checkpoint_callbacks(output)]
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
        plugins=[AtomicCheckpointIO(), LightningEnvironment()],  # one process, also where MPI or SLURM is found
    )


def _identity(model: str | None) -> dict | None:
    """Name and checksum of a model, for the record."""
    return {Path(model).name: read_metadata(model_bytes(model))["sha256"]} if model else None


def _provenance(config: TrainingConfig, chosen: dict[str, Dataset], best: dict, trainer: pl.Trainer) -> dict:
    files = [Path(path) for path in config.data.paths]
    return {
        "name": config.name,
        "data": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "kinds": config.data.kinds,
        "max_grains": config.data.max_grains,
        "trajectories": {split: [t.name for t in part.trajectories] for split, part in chosen.items()},
        "frames": {split: len(part) for split, part in chosen.items()},
        "grains": {split: part.num_grains for split, part in chosen.items()},
        "teacher": chosen["train"].teacher,
        "init": _identity(config.init),
        "warm_start": _identity(config.warm_start),
        "training": {k: v for k, v in config.result_key().items() if k not in ("model", "data", "name", *STARTS)},
        "steps": best["global_step"],
        "steps_done": trainer.global_step,
        "minutes": best["minutes"],
        "versions": {name: version(name) for name in ("openmm_cgaa", "torch", "lightning", "numpy")}
        | {"python": platform.python_version()},
    }
