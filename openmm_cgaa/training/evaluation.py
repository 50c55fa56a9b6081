"""All errors of a model on labelled frames, straight through the network."""

import numpy as np
import torch

from ..analysis.errors import bootstrap_intervals, energy_errors, force_sums, pooled
from ..errors import DatasetError
from ..grains import GrainType
from ..modelfile import load_model
from ..reference import Dataset
from .frames import LabelledFrames, collate


def predict(network, frames: LabelledFrames, batch_size: int = 8) -> list:
    """Energy (eV), forces [atoms, 3] (eV/Å, network order) and virial [3, 3] (eV) of each frame."""
    answers = []
    for start in range(0, len(frames), batch_size):
        items = frames.items[start : start + batch_size]
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
        ``split``, ``trained_on`` (names of trajectories that the model was trained or selected on), ``frames``,
        ``atoms`` and ``grains`` (over all frames), ``force`` (`pooled`), ``energy`` (`energy_errors`), ``intervals``
        (`bootstrap_intervals`), ``stress`` (rmse and rms of the reference, GPa, over `frames`; None where the labels or the
        model have none), ``groups``: frames, force, net force, torque and energy error by composition and temperature.

    Raises
    ------
    CGAAError
        The model or data set cannot be read, the split is empty, or the model lacks a grain type of the set.
    """
    network, metadata = load_model(model)
    paths = [paths] if isinstance(paths, (str, bytes)) or hasattr(paths, "__fspath__") else list(paths)
    dataset = Dataset.merge([Dataset.load(path) for path in paths])
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
    sums, labels = [], []
    start = 0
    for one in chosen.sets:
        items, found = (rows[start : start + len(one)] for rows in (frames.items, answers))
        start += len(one)
        described = (
            np.stack([label.forces.numpy() for _, label in items]),
            np.stack([forces for _, forces, _ in found]),
            np.stack([graph.positions.numpy() for graph, _ in items]),
        )
        sums.append(force_sums(*described, items[0][0].atom_grain.numpy()))
        labels += [_group(one, frame) for frame in range(len(one))]
    sums = {name: np.concatenate([part[name] for part in sums]) for name in sums[0]}
    energies = np.concatenate([one.energy for one in chosen.sets]), np.array([energy for energy, _, _ in answers])
    atoms = np.concatenate([np.full(len(one), one.num_atoms) for one in chosen.sets])
    if len({label[0] for label in labels}) == 1:  # one composition: groups are temperatures
        labels = [label[1:] for label in labels]
    labels = np.array([", ".join(label) for label in labels])
    described = energies, atoms, labels
    energy = energy_errors(energies[0], energies[1], atoms, labels)
    trained = metadata["provenance"].get("trajectories", {})
    names = {t.name for t in chosen.trajectories}
    return {
        "split": split,
        "trained_on": sorted(names & {name for part in trained.values() for name in part}),
        "frames": len(chosen),
        "atoms": int(atoms.sum()),
        "grains": chosen.num_grains,
        "force": pooled(sums),
        "energy": energy,
        "intervals": bootstrap_intervals(sums, *described),
        "stress": _stress(chosen, [virial for _, _, virial in answers]) if network.conserving else None,
        "groups": {
            name: {"frames": int((labels == name).sum())}
            | {k: pooled({n: v[labels == name] for n, v in sums.items()})[k] for k in ("component", "net_force", "torque")}
            | {"energy": energy["temperatures"][name]["rmse"]}
            for name in np.unique(labels)
        },
    }


def _group(frames, frame) -> tuple:
    """Composition and temperature of a frame, as a reader would say them."""
    names, counts = np.unique(frames.residue_names, return_counts=True)
    composition = " + ".join(f"{count} {name}" for name, count in zip(names, counts))
    temperature = frames.temperature[frame]
    return composition, "no temperature" if np.isnan(temperature) else f"{temperature:g} K"


def _stress(dataset, virials):
    """Error of the stress over the frames that have it, GPa."""
    from ..units import GPA_PER_EV_PER_ANGSTROM3

    wrong, right, start = [], [], 0
    for frames in dataset.sets:
        if frames.stress is not None:
            volume = np.abs(np.linalg.det(frames.cell))[:, None, None]
            wrong.append(-np.stack(virials[start : start + len(frames)]) / volume - frames.stress)
            right.append(frames.stress)
        start += len(frames)
    if not wrong:
        return None
    wrong, right = (GPA_PER_EV_PER_ANGSTROM3 * np.concatenate(values) for values in (wrong, right))
    pressure = np.trace(wrong, axis1=1, axis2=2) / 3
    return {
        "frames": len(wrong),
        "component": float(np.sqrt(np.square(wrong).mean())),
        "reference_component": float(np.sqrt(np.square(right).mean())),
        "pressure": float(np.sqrt(np.square(pressure).mean())),
        "pressure_mean": float(-pressure.mean()),
    }
