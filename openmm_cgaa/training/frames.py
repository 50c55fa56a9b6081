"""Labelled frames as graphs: split by time block, neighbour lists made once, joined into batches."""

from typing import List

import numpy as np
import torch

from ..errors import DatasetError
from ..geometry import layout_of
from ..neighbors import build_graph
from ..nn.graph import Graph, batch_graphs
from ..reference import Dataset
from .loss import Labels

INDICES = ("atom_grain", "grain_frame", "pair_index", "edge_index")


def time_blocks(temperature, train=0.75, validation=0.125) -> dict:
    """Split frames by time block within each temperature, so that neighbours in time do not leak.

    Parameters
    ----------
    temperature : array, [frames], K
        Frames of one temperature are in time order.
    train, validation : float
        Fractions of each temperature's frames; the rest is the test block.

    Returns
    -------
    dict of int arrays
        ``train``, ``validation``, ``test``, ``all``: frame numbers.
    """
    temperature = np.asarray(temperature)
    blocks = {"train": [], "validation": [], "test": []}
    for value in np.unique(temperature):
        frames = np.flatnonzero(temperature == value)
        first, second = round(train * len(frames)), round((train + validation) * len(frames))
        for name, part in zip(blocks, np.split(frames, [first, second])):
            blocks[name].append(part)
    return {k: np.concatenate(v) for k, v in blocks.items()} | {"all": np.arange(len(temperature))}


def common_types(datasets, align=False) -> list:
    """Grain types of several sets, each kind once; with a reference geometry from a first frame if `align`."""
    types = []
    for dataset in datasets:
        grain_map = dataset.grain_map()
        if align:
            grain_map = grain_map.with_references(dataset.positions[0], dataset.cell[0])
        known = {(t.elements, t.bonds) for t in types}
        types += [t for t in grain_map.types if (t.elements, t.bonds) not in known]
    return types


def _frame_graph(dataset, frame, layout, grain_cutoff, atom_cutoff) -> Graph:
    positions = torch.from_numpy(dataset.positions[frame]).double()
    graph = build_graph(positions, torch.from_numpy(dataset.cell[frame]), layout, grain_cutoff, atom_cutoff)
    shifts = {name: getattr(graph, name).float() for name in ("positions", "pair_shift", "edge_shift")}
    return graph._replace(**shifts, **{name: getattr(graph, name).int() for name in INDICES})


class LabelledFrames(torch.utils.data.Dataset):
    """Graphs and labels of some frames, held in memory.

    Parameters
    ----------
    dataset : Dataset
    frames : int array
    types : list of GrainType
        The model's types.
    grain_cutoff, atom_cutoff : float, Å
    align : bool
        Settle equivalent slots frame by frame by the types' reference geometries.
    """

    def __init__(self, dataset: Dataset, frames, types, grain_cutoff: float, atom_cutoff: float, align=False):
        if len(frames) == 0:
            raise DatasetError("no frame in one of the blocks of this set; give more frames, or other fractions")
        grain_map = dataset.grain_map().match(types)
        self.slots = [t.num_slots for t in types]
        self.items = []
        for frame in frames:
            if align:
                grain_map = grain_map.align(dataset.positions[frame], dataset.cell[frame])
            if align or not self.items:
                layout = layout_of(grain_map)
                atoms = grain_map.network_order()[0]
            graph = _frame_graph(dataset, frame, layout, grain_cutoff, atom_cutoff)
            forces = torch.from_numpy(dataset.forces[frame][atoms])
            self.items.append((graph, Labels(torch.tensor([dataset.energy[frame]]), forces)))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def collate(items, slots: List[int]):
    """Join frames: (graph, labels, order); ``order`` is that of `batch_graphs`."""
    graphs = [g._replace(**{name: getattr(g, name).long() for name in INDICES}) for g, _ in items]
    graph, order = batch_graphs(graphs, slots)
    energy = torch.cat([labels.energy for _, labels in items])
    return graph, Labels(energy, torch.cat([labels.forces for _, labels in items])[order]), order
