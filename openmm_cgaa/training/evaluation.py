"""All errors of a model on labelled frames, straight through the network."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from ..analysis.deviations import bootstrap_intervals, energy_errors, pooled
from ..data.dataset import Dataset, same_teacher
from ..data.kinds import EQUILIBRIUM
from ..errors import DatasetError
from ..host.files import FIGURE, check_output
from ..host.torchstate import working
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..inputs.ranges import SLOTS
from ..mapping.grains import GrainType
from ..mapping.prior import Prior
from ..mapping.sums import grain_sums
from ..model.file import cuts_of_model, load_model
from ..nn import Network
from .batches import fill_batches
from .groups import frame_groups
from .labelled import LabelledFrames, collate, of_prior
from .objectives import Answer, answer
from .tally import CONTACTS, Tally

BATCH_GRAINS = 144


def predict(network: Network, frames: LabelledFrames, batch_grains: int = BATCH_GRAINS) -> list[Answer]:
    """Energy (eV), forces [atoms, 3] (eV/Å, network order) and virial [3, 3] (eV) of each frame."""
    answers: list[Answer] = []
    for batch in fill_batches(range(len(frames)), frames.grains, batch_grains):
        items = [frames[i] for i in batch]
        graph, _, order = collate(items, frames.slots)
        energy, joined, virial = answer(network, graph)
        each = torch.empty_like(joined)
        each[order] = joined
        forces = each.split([len(g.positions) for g, _ in items])
        answers += zip(energy.tolist(), (f.numpy() for f in forces), virial.numpy())
    return answers


@working()
def evaluate(
    model: FilePath,
    paths: FilePath | Sequence[FilePath],
    split: str = "all",
    kinds: Sequence[str] | None = None,
    figure: FilePath | None = None,
    padded_slots: int | None = None,
) -> dict:
    """Errors of a model file on the frames of a split.

    Parameters
    ----------
    model : path or bundled name
    paths : path or list of paths
        Data sets.
    split : str
        ``train``, ``validation``, ``test`` (as the trajectories have it) or ``all``.
    kinds : list of str, optional
        Kinds of frames (liquid, pair...); by default all.
    figure : path, optional
        Where `figures.evaluation_figure` goes (PNG).
    padded_slots : int, optional
        Slots of each grain over which ``vector_padded`` of the forces is taken.
        Paper 001 (docs/papers.md) takes 33. By default it is not given.

    Returns
    -------
    dict
        ``split``, and how many ``frames``, ``trajectories``, ``atoms`` and ``grains`` there are over all frames.

        ``trained_on``: names of trajectories that the model was trained or selected on. ``other_teacher``: whether
        another teacher labelled them than the one whom the model learned from.

        ``force``: `pooled`; atoms and grains of all frames count the same. ``energy``: `energy_errors`; its groups are
        composition and temperature for liquids, else kind and composition. ``intervals``: `bootstrap_intervals`.
        ``stress``: GPa, over the frames that have one; None where there are none or the model has no virial.

        ``groups``: ``kind``, and of the liquids ``domain``, ``composition``, ``temperature``, ``density`` and
        ``trajectory`` (`frame_groups`), each a dict of a few of these errors for every value, with their
        ``intervals`` and, in ``training``, whether training saw it.

        ``by_grain``: ``species`` and ``contact``, each a dict of the force errors of such grains. Net force and torque
        are relative to the rms reference of the same grains. A contact is a bin of the shortest distance, Å, from an
        atom of a grain to one of another grain or image.

        All intervals are 95 % of 1000 samples that draw whole trajectories anew within each composition and
        temperature of liquids and each other kind, or frames where only one trajectory is there (`resamples`).

    Raises
    ------
    CGAAError
        A file cannot be read, no frame is left, the frames are not labelled, or the model lacks a grain type of them;
        the figure cannot be drawn.
    """
    if padded_slots is not None:
        arguments.integer(padded_slots, "padded_slots", *SLOTS)
    if figure is not None:  # before the work, not after it
        check_output(figure, FIGURE)
    network, metadata = load_model(model)
    files = [Path(path) for path in ([paths] if isinstance(paths, (str, PathLike)) else paths)]
    datasets = [Dataset.load(path) for path in files]
    dataset = Dataset.merge(datasets).cut(cuts_of_model(metadata))
    chosen = dataset.select(kinds, None if split == "all" else [split])
    if not len(chosen):
        found = sorted({f"{t.kind} ({t.split or 'no split'})" for t in dataset.trajectories})
        raise DatasetError(
            f"no frame of split {split}{' and these kinds' if kinds else ''} in {', '.join(map(str, files))}; it has "
            f"{', '.join(found)}"
        )
    types = [GrainType.from_dict(entry) for entry in metadata["types"]]
    align = any(t.reference is not None for t in types)
    frames = LabelledFrames(chosen, types, network.grain_cutoff, network.atom_cutoff, align)
    answers = predict(network, frames)
    prior = Prior.of_metadata(metadata)
    if prior is not None:
        answers = _with_prior(answers, prior, chosen, types, frames)

    labels, known = frame_groups(chosen, types, metadata["domain"])
    tally = Tally(chosen, types, frames, answers, labels, network.conserving and prior is None, padded_slots)
    described = tally.energies, tally.atoms, *tally.place

    settled = np.isin(labels["kind"], EQUILIBRIUM)
    groups = {"kind": _rows(tally.of_frames, labels["kind"])}
    for name in ("domain", "composition", "temperature", "density", "trajectory"):
        groups[name] = _rows(tally.of_frames, labels[name], settled)
    for name, answers_of in known.items():
        for value, row in groups[name].items():
            row["training"] = answers_of[value]
    bins = [f"{low:.1f}–{high:.1f} Å" for low, high in zip(CONTACTS, CONTACTS[1:])]
    bins = [f"below {CONTACTS[0]:.1f} Å", *bins, f"above {CONTACTS[-1]:.1f} Å"]
    species, contact = (_rows(tally.of_grains, place) for place in (tally.species, tally.contact))
    by_grain = {
        "species": {types[index].name: row for index, row in species.items()},
        "contact": {bins[index]: row for index, row in contact.items()},
    }
    errors = {
        "split": split,
        "trained_on": _trained_on(metadata["provenance"], chosen, dict(zip(files, datasets))),
        "other_teacher": other_teacher(metadata, chosen),
        "frames": len(chosen),
        "trajectories": len(chosen.trajectories),
        "atoms": int(tally.atoms.sum()),
        "grains": chosen.num_grains,
        "force": pooled(tally.forces),
        "energy": energy_errors(*tally.energies, *described[1:]) if tally.energies else None,
        "intervals": bootstrap_intervals(tally.forces, *described, labels["trajectory"]),
        "stress": tally.of_stress(),
        "groups": groups,
        "by_grain": by_grain,
    }
    if figure is not None:
        from ..analysis.figures import evaluation_figure

        temperatures = np.concatenate([one.temperature for one in chosen.sets])
        evaluation_figure(errors, figure, **_parity(tally, frames, answers), temperatures=temperatures)
    return errors


def _with_prior(
    answers: list[Answer], prior: Prior, dataset: Dataset, types: list[GrainType], labelled: LabelledFrames
) -> list[Answer]:
    """Answers of a network and a model's prior together; there is no virial of them."""
    added: list[tuple] = []
    for frames in dataset.sets:
        added += zip(*of_prior(prior, frames, types))
    return [
        (energy + float(prior_energy), forces + prior_forces[atoms.numpy()], np.full_like(virial, np.nan))
        for (energy, forces, virial), (prior_energy, prior_forces), atoms in zip(answers, added, labelled.orders)
    ]


def _rows(errors_of: Callable[[np.ndarray], dict], labels: np.ndarray, among: np.ndarray | bool = True) -> dict:
    """Errors of the frames or grains of each label, {label: row}, of those in a mask."""
    return {value: errors_of(among & (labels == value)) for value in np.unique(labels[among]).tolist()}


def _parity(tally: Tally, frames: LabelledFrames, answers: list[Answer]) -> dict:
    """What `figures.evaluation_figure` draws besides the errors: labels and predictions of every force and energy."""
    pairs = [(labels.forces.numpy(), forces) for (_, labels), (_, forces, _) in zip(frames.items, answers)]
    nets = [
        [grain_sums(forces[None], graph.atom_grain.numpy())[0] for forces in pair]
        for (graph, _), pair in zip(frames.items, pairs)
    ]
    energies = None
    if tally.energies:
        group = np.unique(tally.place[1], return_inverse=True)[1]
        values = np.stack([1000 * each / tally.atoms for each in tally.energies])
        energies = tuple(values - (np.bincount(group, values[0]) / np.bincount(group))[group])
    return {
        "forces": tuple(np.concatenate([values.ravel() for values in side]) for side in zip(*pairs)),
        "net_forces": tuple(np.concatenate([values.ravel() for values in side]) for side in zip(*nets)),
        "energies": energies,
    }


def other_teacher(metadata: dict, dataset: Dataset) -> bool:
    """Whether another teacher labelled the frames than the one whom a model learned from, as far as both are known."""
    teacher = metadata["provenance"].get("teacher")  # the first models have a text there
    return isinstance(teacher, dict) and dataset.teacher is not None and not same_teacher(teacher, dataset.teacher)


def _trained_on(provenance: dict, chosen: Dataset, files: dict[Path, Dataset]) -> list[str]:
    """Trajectories among those chosen that the model has seen in training or selection."""
    seen = {name for names in provenance.get("trajectories", {}).values() for name in names}
    if not seen:  # the first models name their files alone
        names = {Path(name).stem for name in provenance.get("data", {})}
        for trajectories in (dataset.trajectories for path, dataset in files.items() if path.stem in names):
            seen |= {t.name for t in trajectories if t.split in ("train", "validation")}
    return sorted(seen & {t.name for t in chosen.trajectories})
