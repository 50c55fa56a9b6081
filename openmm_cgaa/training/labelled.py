"""Labelled frames as graphs: neighbour lists made once, joined into batches."""

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import Iterator, List, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..data import Dataset
from ..data.dataset import Frames
from ..errors import DatasetError
from ..mapping.grains import GrainType
from ..mapping.layout import layout_of
from ..mapping.links import with_pairs
from ..mapping.prior import Prior
from ..mapping.sums import relative_positions
from ..mapping.whole import whole_frame
from ..neighbors.build import build_graph
from ..nn.graph import Graph, batch_graphs
from ..structures.lattice import reduced, right_handed
from .objectives import Labels

Item = tuple[Graph, Labels]  # of one frame
T = TypeVar("T", Graph, Labels)
INDICES = ("atom_grain", "grain_frame", "pair_index", "edge_index", "link_index", "link_kind")


def common_types(dataset: Dataset, align: bool = False) -> list[GrainType]:
    """Grain types of a data set, each kind once, in the order of first appearance.

    With `align` each gets a reference geometry from the first frame that it is in. Two kinds of one name are told
    apart by a number.
    """
    types: list[GrainType] = []
    maps = [frames.grain_map() for frames in dataset.sets]
    for frames, grain_map in zip(dataset.sets, maps):
        known = {t.graph for t in types}
        new = [i for i, t in enumerate(grain_map.types) if t.graph not in known]
        if new and align:
            box = right_handed(frames.cell[0]) if frames.periodic else None
            grain_map = grain_map.with_references(frames.positions[0], box)
        for kind in (grain_map.types[i] for i in new):
            names = {t.name for t in types}
            spellings = (kind.name, *(f"{kind.name}_{number}" for number in range(2, len(types) + 2)))
            types.append(replace(kind, name=next(name for name in spellings if name not in names)))
    return with_pairs(types, [grain_map.on_types(types) for grain_map in maps])


def frame_graphs(
    frames: Frames, types: list[GrainType], grain_cutoff: float, atom_cutoff: float, align: bool = False
) -> Iterator[tuple]:
    """The graph of each frame of a `Frames`, and its atoms in network order (int tensor [atoms]).

    The graphs are for keeping: float32 and int32, and what is the same in all frames is held once. `collate` makes of
    them what a network takes.
    """
    grain_map = frames.grain_map().match(types)
    layout = layout_of(grain_map)
    atom_grain, grain_frame = layout.atom_grain.int(), torch.zeros(frames.num_grains, dtype=torch.int32)
    link_index, link_kind = layout.link_index.int(), layout.link_kind.int()
    periodic = frames.periodic
    for positions, cell in zip(frames.positions, frames.cell):
        cell = reduced(right_handed(cell)) if periodic else None
        if align:
            aligned = grain_map.align(positions, cell)
            layout = layout._replace(atom_index=torch.as_tensor(aligned.network_order()[0]))
        box = torch.from_numpy(cell) if periodic else None
        graph = build_graph(torch.from_numpy(positions), box, layout, grain_cutoff, atom_cutoff)
        pairs, edges = graph.pair_index.int(), graph.edge_index.int()
        graph = graph._replace(atom_grain=atom_grain, grain_frame=grain_frame, pair_index=pairs, edge_index=edges)
        graph = graph._replace(link_index=link_index, link_kind=link_kind)
        yield graph, layout.atom_index


class LabelledFrames(torch.utils.data.Dataset):
    """Graphs and labels of all frames of a data set, held in memory.

    Parameters
    ----------
    dataset : Dataset
        Labelled.
    types : list of GrainType
        The model's types.
    grain_cutoff, atom_cutoff : float, Å
    align : bool
        Settle equivalent slots frame by frame by the types' reference geometries.
    prior : Prior, optional
        Subtracted from energies and forces: the labels are of what a network learns. They have no virial then.

    Attributes
    ----------
    items : list of (Graph, Labels)
        Set after set, frame after frame.
    orders : list of int tensors, [atoms]
        Atoms of each frame in network order.
    slots : list of int
        Atoms of each type.

    Raises
    ------
    DatasetError
        Frames without labels.
    GrainError
        A grain that is none of the types.
    """

    def __init__(
        self,
        dataset: Dataset,
        types: list[GrainType],
        grain_cutoff: float,
        atom_cutoff: float,
        align: bool = False,
        prior: Prior | None = None,
    ) -> None:
        self.slots = [t.num_slots for t in types]
        self.items, self.orders = [], []
        linked = any(t.links for t in types)
        shared = any(frames.grain_energies is not None for frames in dataset.sets)
        for frames in dataset.sets:
            if frames.forces is None:
                name = dataset.trajectories[frames.trajectory[0]].name
                raise DatasetError(f"the frames of {name} have no labels; run openmm-cgaa label on them first")
            stress = np.full(frames.cell.shape, np.nan)
            if frames.stress is not None and frames.periodic and prior is None:
                stress = -frames.stress * np.abs(np.linalg.det(frames.cell))[:, None, None]
            virial = torch.from_numpy(stress).float()
            energies, labelled = frames.energy, frames.forces
            if prior is not None:
                known = of_prior(prior, frames, types)
                energies, labelled = None if energies is None else energies - known[0], labelled - known[1]
            graphs = frame_graphs(frames, types, grain_cutoff, atom_cutoff, align)
            for frame, (graph, atoms) in enumerate(graphs):
                forces = torch.from_numpy(labelled[frame][atoms.numpy()])
                energy = torch.tensor([nan if energies is None else energies[frame]], dtype=torch.float64)
                labels = Labels(energy, forces, virial[frame : frame + 1])
                if linked:
                    molecule, arm = molecules_of(frames, frame, atoms.numpy())
                    labels = labels._replace(molecule=molecule, arm=arm)
                if shared:
                    labels = labels._replace(grains=energies_of_grains(frames, frame, graph, atoms.numpy()))
                self.items.append((graph, labels))
                self.orders.append(atoms)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]

    @property
    def grains(self) -> np.ndarray:
        """Grains of each frame, [frames]."""
        return np.array([sum(graph.counts) for graph, _ in self.items], dtype=int)


def of_prior(prior: Prior, frames: Frames, types: list[GrainType]) -> tuple[np.ndarray, np.ndarray]:
    """Energies [frames], eV, and forces [frames, atoms, 3], eV/Å, of a prior, in the frames' order of atoms."""
    bound = prior.on(frames.grain_map().match(types), frames.periodic)
    boxes = (reduced(right_handed(cell)) if frames.periodic else None for cell in frames.cell)
    energies, forces = zip(*(bound(positions, box) for positions, box in zip(frames.positions, boxes)))
    return np.array(energies), np.array(forces, np.float32)


def collate(items: Sequence[Item], slots: List[int]) -> tuple[Graph, Labels, Tensor]:
    """Join frames, of any compositions and sizes: (graph, labels, order); ``order`` is that of `batch_graphs`."""
    graphs = [g._replace(**{name: getattr(g, name).long() for name in INDICES}) for g, _ in items]
    graph, order = batch_graphs(graphs, slots)
    energy, forces, virial = (torch.cat(values) for values in zip(*(labels[:3] for _, labels in items)))
    joined = Labels(energy, forces[order], virial)
    molecules = [labels.molecule for _, labels in items if labels.molecule is not None]
    arms = [labels.arm for _, labels in items if labels.arm is not None]
    if molecules:
        place, first = torch.argsort(order), np.cumsum([0, *(len(each) for each in molecules)])
        own = place[torch.cat([each + start for each, start in zip(molecules, first.tolist())])]
        joined = joined._replace(molecule=own[order], arm=torch.cat(arms)[order])
    shares = [labels.grains[each.atom_grain] for each, (_, labels) in zip(graphs, items) if labels.grains is not None]
    if shares:
        of_grains = torch.empty_like(graph.grain_frame, dtype=shares[0].dtype)
        joined = joined._replace(grains=of_grains.index_copy(0, graph.atom_grain, torch.cat(shares)[order]))
    return graph, joined, order


def on_device(part: T, device: torch.device) -> T:
    """A graph or labels, moved."""
    moved: dict = {k: v.to(device) for k, v in part._asdict().items() if isinstance(v, Tensor)}
    return part._replace(**moved)


def energies_of_grains(frames: Frames, index: int, graph: Graph, atoms: np.ndarray) -> Tensor:
    """``grains`` of `Labels`, of a frame, its graph and its atoms in network order."""
    if frames.grain_energies is None:
        return torch.full((frames.num_grains,), torch.nan)
    first = np.unique(graph.atom_grain.numpy(), return_index=True)[1]
    return torch.from_numpy(frames.grain_energies[index][frames.residues[atoms[first]]])


def molecules_of(frames: Frames, index: int, atoms: np.ndarray) -> tuple[Tensor, Tensor]:
    """``molecule`` and ``arm`` of `Labels`, of a frame and its atoms in network order."""
    grain_map = frames.grain_map().molecules
    box = reduced(right_handed(frames.cell[index])) if frames.periodic else None
    owner = grain_map.atom_grain
    arm = relative_positions(whole_frame(grain_map, frames.positions[index], box)[None], owner)[0]
    _, first, body = np.unique(owner[atoms], return_index=True, return_inverse=True)
    return torch.from_numpy(first[body]), torch.from_numpy(arm[atoms]).float()


def closest_pairs(graph: Graph, types: list[GrainType]) -> Graph:
    """A frame with only the closest pair of each two elements, and without edges: what a wall is calibrated on.

    All pairs of all training frames at once would not fit into memory.
    """
    symbols = sorted({symbol for t in types for symbol in t.elements})
    kind = torch.cat(
        [torch.tensor([symbols.index(s) for s in t.elements]).repeat(n) for t, n in zip(types, graph.counts)]
    )
    i, j = graph.pair_index.long()
    r = torch.linalg.norm(graph.positions[j] + graph.pair_shift - graph.positions[i], dim=1)
    pair = torch.minimum(kind[i], kind[j]) * len(symbols) + torch.maximum(kind[i], kind[j])
    near = r.argsort()
    first = np.unique(pair[near].numpy(), return_index=True)[1]
    kept = near[torch.from_numpy(first)]
    return graph._replace(
        pair_index=graph.pair_index[:, kept],
        pair_shift=graph.pair_shift[kept],
        edge_index=graph.edge_index[:, :0],
        edge_shift=graph.edge_shift[:0],
    )
