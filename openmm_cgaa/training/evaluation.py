"""All errors of a model on labelled frames, straight through the network."""

from pathlib import Path

import numpy as np
import torch

from ..analysis.errors import bootstrap_intervals, energy_errors, force_errors
from ..grains import GrainType
from ..modelfile import load_model
from ..reference import Dataset
from .frames import LabelledFrames, collate, time_blocks


def predict(network, frames: LabelledFrames, batch_size: int = 8) -> tuple:
    """Energies [frames] (eV) and forces [frames, atoms, 3] (eV/Å, network order of each frame)."""
    energies, forces = [], []
    for start in range(0, len(frames), batch_size):
        items = frames.items[start : start + batch_size]
        graph, _, order = collate(items, frames.slots)
        with torch.enable_grad():
            energy, joined, _ = network(graph)
        each = torch.empty_like(joined)
        each[order] = joined
        energies.append(energy.detach().numpy())
        forces.append(each.detach().numpy().reshape(len(items), -1, 3))
    return np.concatenate(energies), np.concatenate(forces)


def evaluate(model, dataset_path, block: str = "all") -> dict:
    """Errors of a model file on a block of a data set.

    Parameters
    ----------
    model : path or bundled name
    dataset_path : path-like
    block : str
        ``train``, ``validation``, ``test`` (time blocks within each temperature, as split in the model's training) or
        ``all``.

    Returns
    -------
    dict
        ``block``, ``trained_on`` (all of the set was used for training), ``frames``, ``atoms``, ``grains``, ``force``
        (`force_errors`), ``energy`` (`energy_errors`), ``intervals`` (`bootstrap_intervals`).

    Raises
    ------
    CGAAError
        The model or data set cannot be read, the block is empty, or the model lacks a grain type of the set.
    """
    network, metadata = load_model(model)
    dataset = Dataset.load(dataset_path)
    types = [GrainType.from_dict(entry) for entry in metadata["types"]]
    split = metadata["provenance"].get("split", {})
    chosen = time_blocks(dataset.temperature, split.get("train", 0.75), split.get("validation", 0.125))[block]
    align = any(t.reference is not None for t in types)
    frames = LabelledFrames(dataset, chosen, types, network.grain_cutoff, network.atom_cutoff, align)
    energy, forces = predict(network, frames)
    graphs, labels = zip(*frames.items)
    grain_index, temperature = graphs[0].atom_grain.numpy(), dataset.temperature[chosen]
    reference = np.stack([label.forces.numpy() for label in labels])
    described = (reference, forces, np.stack([graph.positions.numpy() for graph in graphs]), grain_index)
    energies = dataset.energy[chosen], energy
    return {
        "block": block,
        "trained_on": Path(dataset_path).name in split.get("used whole for training", []),
        "frames": len(chosen),
        "atoms": dataset.num_atoms,
        "grains": int(grain_index.max()) + 1,
        "force": force_errors(*described),
        "energy": energy_errors(*energies, dataset.num_atoms, temperature),
        "intervals": bootstrap_intervals(*described, energies, temperature),
    }
