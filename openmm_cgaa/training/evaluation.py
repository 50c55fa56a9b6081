"""All errors of a model on labelled frames, straight through the network."""

from os import PathLike
from pathlib import Path

import numpy as np
import torch

from ..analysis.errors import bootstrap_intervals, energy_errors, force_sums, pooled
from ..errors import DatasetError
from ..grains import GrainType
from ..modelfile import load_model
from ..reference.dataset import Dataset, same_teacher
from ..units import GPA_PER_EV_PER_ANGSTROM3
from .data import fill_batches
from .frames import LabelledFrames, collate

BATCH_GRAINS = 144


def predict(network, frames: LabelledFrames, batch_grains: int = BATCH_GRAINS) -> list:
    """Energy (eV), forces [atoms, 3] (eV/Å, network order) and virial [3, 3] (eV) of each frame."""
    answers = []
    for batch in fill_batches(range(len(frames)), frames.grains, batch_grains):
        items = [frames[i] for i in batch]
        graph, _, order = collate(items, frames.slots)
        with torch.enable_grad():
            energy, joined, virial = network(graph)
        each = torch.empty_like(joined)
        each[order] = joined
        forces = each.detach().split([len(g.positions) for g, _ in items])
        answers += zip(energy.tolist(), (f.numpy() for f in forces), virial.detach().numpy())
    return answers


def evaluate(model, paths, split: str = "all", kinds=None) -> dict:
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

    Returns
    -------
    dict
        ``split``; ``trained_on`` (names of trajectories that the model was trained or selected on);
        ``other_teacher`` (whether another teacher labelled them than the one whom the model learned from); ``frames``,
        ``atoms`` and ``grains`` (over all frames); ``force`` (`pooled`: atoms and grains of all frames count the same);
        ``energy`` (`energy_errors`; its groups are composition and temperature for liquids, else the kind) and
        ``intervals`` (`bootstrap_intervals`); ``stress`` (GPa, over the frames that have one; None where there are none
        or the model has no virial); ``groups``: ``kind``, and of the liquids ``composition``, ``temperature`` and
        ``trajectory``, each a dict of a few of these errors for every value.

    Raises
    ------
    CGAAError
        A file cannot be read, no frame is left, the frames are not labelled, or the model lacks a grain type of them.
    """
    network, metadata = load_model(model)
    paths = [Path(path) for path in ([paths] if isinstance(paths, (str, PathLike)) else paths)]
    datasets = [Dataset.load(path) for path in paths]
    dataset = Dataset.merge(datasets)
    chosen = dataset.select(kinds, None if split == "all" else [split])
    if not len(chosen):
        found = sorted({f"{t.kind} ({t.split or 'no split'})" for t in dataset.trajectories})
        raise DatasetError(
            f"no frame of split {split}{' and these kinds' if kinds else ''} in {', '.join(map(str, paths))}; it has "
            f"{', '.join(found)}"
        )
    types = [GrainType.from_dict(entry) for entry in metadata["types"]]
    align = any(t.reference is not None for t in types)
    frames = LabelledFrames(chosen, types, network.grain_cutoff, network.atom_cutoff, align)
    answers = predict(network, frames)

    sums, start = [], 0
    for one in chosen.sets:  # frame by frame: a set may hold hundreds of large ones
        for (graph, labels), (_, forces, _) in zip(frames.items[start : start + len(one)], answers[start:]):
            arrays = labels.forces.numpy()[None], forces[None], graph.positions.numpy()[None]
            sums.append(force_sums(*arrays, graph.atom_grain.numpy()))
        start += len(one)
    sums = {name: np.concatenate([part[name] for part in sums]) for name in sums[0]}
    energies = np.concatenate([one.energy for one in chosen.sets]), np.array([energy for energy, _, _ in answers])
    atoms = np.concatenate([np.full(len(one), one.num_atoms) for one in chosen.sets])
    stress = _stress(chosen, answers) if network.conserving else None

    labels = _labels(chosen)
    liquid = labels["kind"] == "liquid"
    places = labels["temperature"]
    if len(set(labels["composition"][liquid])) > 1:
        places = np.char.add(np.char.add(labels["composition"], ", "), places)
    described = energies, atoms, np.where(liquid, places, labels["kind"]), labels["composition"]

    def errors_of(here):
        found = pooled({name: values[here] for name, values in sums.items()})
        energy = energy_errors(energies[0][here], energies[1][here], atoms[here], labels["kind"][here])
        return {
            "frames": int(here.sum()),
            **{name: found[name] for name in ("component", "net_force", "torque")},
            "energy": energy["rmse"],
            "stress": _summary(stress, here),
        }

    groups = {"kind": {kind: errors_of(labels["kind"] == kind) for kind in np.unique(labels["kind"]).tolist()}}
    for name in ("composition", "temperature", "trajectory"):
        values = labels[name]
        groups[name] = {value: errors_of(liquid & (values == value)) for value in np.unique(values[liquid]).tolist()}
    return {
        "split": split,
        "trained_on": _trained_on(metadata["provenance"], chosen, dict(zip(paths, datasets))),
        "other_teacher": other_teacher(metadata, chosen),
        "frames": len(chosen),
        "atoms": int(atoms.sum()),
        "grains": chosen.num_grains,
        "force": pooled(sums),
        "energy": energy_errors(*energies, *described[1:]),
        "intervals": bootstrap_intervals(sums, *described),
        "stress": _summary(stress, slice(None)),
        "groups": groups,
    }


def other_teacher(metadata, dataset) -> bool:
    """Whether another teacher labelled the frames than the one whom a model learned from, as far as both are known."""
    teacher = metadata["provenance"].get("teacher")  # the first models have a text there
    return isinstance(teacher, dict) and dataset.teacher is not None and not same_teacher(teacher, dataset.teacher)


def _labels(dataset) -> dict:
    """Kind, composition, temperature and trajectory of every frame, as a reader would say them."""
    out = {"kind": [], "composition": [], "temperature": [], "trajectory": []}
    for frames in dataset.sets:
        names, counts = np.unique(frames.residue_names, return_counts=True)
        out["composition"] += [" + ".join(f"{count} {name}" for name, count in zip(names, counts))] * len(frames)
        out["temperature"] += ["no temperature" if np.isnan(t) else f"{t:g} K" for t in frames.temperature]
        trajectories = [dataset.trajectories[index] for index in frames.trajectory]
        out["kind"] += [t.kind for t in trajectories]
        out["trajectory"] += [t.name for t in trajectories]
    return {name: np.array(values) for name, values in out.items()}


def _stress(dataset, answers) -> tuple:
    """Stress of the model and of the labels, GPa, [frames, 3, 3] each; nan where it is not labelled."""
    predicted, labelled, start = [], [], 0
    for frames in dataset.sets:
        virials = np.stack([virial for _, _, virial in answers[start : start + len(frames)]])
        start += len(frames)
        known = frames.stress is not None and frames.periodic
        volume = np.abs(np.linalg.det(frames.cell))[:, None, None] if known else np.nan
        predicted.append(-virials / volume)
        labelled.append(frames.stress if known else np.full(frames.cell.shape, np.nan))
    return tuple(GPA_PER_EV_PER_ANGSTROM3 * np.concatenate(values) for values in (predicted, labelled))


def _summary(stress, here) -> dict | None:
    """Errors of the stress over some frames, GPa, or None where it is not known."""
    if stress is None:
        return None
    predicted, labelled = (values[here] for values in stress)
    known = np.isfinite(labelled).all((1, 2))
    if not known.any():
        return None
    error, labelled = predicted[known] - labelled[known], labelled[known]
    pressure = -np.trace(error, axis1=1, axis2=2) / 3
    return {
        "frames": int(known.sum()),
        "component": float(np.sqrt(np.square(error).mean())),
        "reference_component": float(np.sqrt(np.square(labelled).mean())),
        "pressure": float(np.sqrt(np.square(pressure).mean())),
        "pressure_mean": float(pressure.mean()),
    }


def _trained_on(provenance, chosen, files) -> list:
    """Trajectories among those chosen that the model has seen in training or selection."""
    seen = {name for names in provenance.get("trajectories", {}).values() for name in names}
    if not seen:  # the first models name their files alone
        names = {Path(name).stem for name in provenance.get("data", {})}
        for trajectories in (dataset.trajectories for path, dataset in files.items() if path.stem in names):
            seen |= {t.name for t in trajectories if t.split in ("train", "validation")}
    return sorted(seen & {t.name for t in chosen.trajectories})
