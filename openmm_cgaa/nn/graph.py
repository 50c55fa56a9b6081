"""The one input of every network: whole grains, sorted by type, and their neighbours."""

from itertools import accumulate
from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor


class Graph(NamedTuple):
    """One or several frames as the networks see them.

    Grains are sorted by type, then by frame; the atoms of a grain follow each other in slot order. So the atoms of
    type t are one contiguous block that views as [counts[t], slots of t]. An edge longer than the cutoff adds exactly
    nothing, hence edge lists may be padded with such edges to keep their shape.

    Attributes
    ----------
    positions : Tensor, [atoms, 3], Å
        Unwrapped: every grain is whole.
    counts : list of int
        Number of grains of each of the model's types (0 where a type is absent).
    atom_grain : Tensor of int64, [atoms]
    grain_frame : Tensor of int64, [grains]
    num_frames : int
    pair_index : Tensor of int64, [2, pairs]
        Atom pairs (i, j) of different grains, or of a grain and its periodic image; each pair is listed once.
    pair_shift : Tensor, [pairs, 3], Å
        The vector from i to j is ``positions[j] + pair_shift - positions[i]``.
    edge_index : Tensor of int64, [2, edges]
        Directed grain edges (receiver J, sender K); both directions are listed.
    edge_shift : Tensor, [edges, 3], Å
        The same for grain centers (unweighted means of their atoms).
    link_index : Tensor of int64, [2, links]
        Atoms of different grains that links between the grains hold together (receiver, sender), both ways. They are
        no atom pairs.
    link_shift : Tensor, [links, 3], Å
        As `pair_shift`.
    link_kind : Tensor of int64, [links]
        Number of the kind of each, see `mapping.links`.
    """

    positions: Tensor
    counts: List[int]
    atom_grain: Tensor
    grain_frame: Tensor
    num_frames: int
    pair_index: Tensor
    pair_shift: Tensor
    edge_index: Tensor
    edge_shift: Tensor
    link_index: Tensor
    link_shift: Tensor
    link_kind: Tensor


def sum_by(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Sum of what belongs to each of `count` owners: [n, ...], [n] -> [count, ...]."""
    out = torch.zeros([count] + list(values.shape[1:]), dtype=values.dtype, device=values.device)
    return out.index_add(0, owner, values)


def seen(positions: Tensor, index: Tensor, shift: Tensor) -> Tuple[Tensor, Tensor]:
    """Unit vectors [edges, 3] from the first to the second of each edge [2, edges], and distances [edges]."""
    delta = positions.index_select(0, index[1]) + shift - positions.index_select(0, index[0])
    r = torch.linalg.norm(delta, dim=1)
    return delta / r.unsqueeze(1), r


def grain_sum(values: Tensor, graph: Graph) -> Tensor:
    """Sum per grain of a per-atom quantity: [atoms, ...] -> [grains, ...]."""
    return sum_by(values, graph.atom_grain, graph.grain_frame.size(0))


def grain_sizes(graph: Graph) -> Tensor:
    """Atoms in each grain, [grains], in the dtype of the positions."""
    return grain_sum(torch.ones_like(graph.positions[:, 0]), graph)


def grain_centers(graph: Graph) -> Tensor:
    """R_J of paper 001 (docs/papers.md), eq. 2: unweighted mean of a grain's atoms, [grains, 3], Å."""
    return grain_sum(graph.positions, graph) / grain_sizes(graph).unsqueeze(1)


def frame_sum(values: Tensor, graph: Graph) -> Tensor:
    """Sum per frame of a per-grain quantity: [grains, ...] -> [frames, ...]."""
    return sum_by(values, graph.grain_frame, graph.num_frames)


def of_slots(values: Tensor, slots: List[int], counts: List[int]) -> Tensor:
    """What belongs to the slots of the types, for every atom in network order, [all slots] -> [atoms]."""
    blocks: List[Tensor] = []
    start = 0
    for t, size in enumerate(slots):
        blocks.append(values[start : start + size].repeat(counts[t]))
        start += size
    return torch.cat(blocks)


def batch_graphs(graphs: List[Graph], slots: List[int]) -> Tuple[Graph, Tensor]:
    """Join graphs of single frames into one, sorted by type and then by frame.

    Parameters
    ----------
    graphs : list of Graph
    slots : list of int
        Atoms per grain of each type.

    Returns
    -------
    graph : Graph
    order : Tensor of int64, [atoms]
        ``labels_joined = torch.cat(labels)[order]`` puts per-atom labels (frame after frame, each in network order)
        into the order of the joined graph.
    """
    device = graphs[0].positions.device
    counts = [sum(g.counts[t] for g in graphs) for t in range(len(slots))]
    atom_blocks: List[List[Tensor]] = [[] for _ in slots]
    grain_blocks: List[List[Tensor]] = [[] for _ in slots]
    atom_start = grain_start = 0
    for g in graphs:
        for t, count in enumerate(g.counts):
            atom_blocks[t].append(torch.arange(count * slots[t], device=device) + atom_start)
            grain_blocks[t].append(torch.arange(count, device=device) + grain_start)
            atom_start += count * slots[t]
            grain_start += count
    order = torch.cat([block for blocks in atom_blocks for block in blocks])
    grain_order = torch.cat([block for blocks in grain_blocks for block in blocks])
    atom_new = torch.empty_like(order)
    atom_new[order] = torch.arange(len(order), device=device)
    grain_new = torch.empty_like(grain_order)
    grain_new[grain_order] = torch.arange(len(grain_order), device=device)

    atom_offsets = list(accumulate([len(g.atom_grain) for g in graphs], initial=0))
    grain_offsets = list(accumulate([len(g.grain_frame) for g in graphs], initial=0))
    joined = Graph(
        positions=torch.cat([g.positions for g in graphs])[order],
        counts=counts,
        atom_grain=grain_new[torch.cat([g.atom_grain + o for g, o in zip(graphs, grain_offsets)])[order]],
        grain_frame=torch.cat([torch.full_like(g.grain_frame, f) for f, g in enumerate(graphs)])[grain_order],
        num_frames=len(graphs),
        pair_index=atom_new[torch.cat([g.pair_index + o for g, o in zip(graphs, atom_offsets)], 1)],
        pair_shift=torch.cat([g.pair_shift for g in graphs]),
        edge_index=grain_new[torch.cat([g.edge_index + o for g, o in zip(graphs, grain_offsets)], 1)],
        edge_shift=torch.cat([g.edge_shift for g in graphs]),
        link_index=atom_new[torch.cat([g.link_index + o for g, o in zip(graphs, atom_offsets)], 1)],
        link_shift=torch.cat([g.link_shift for g in graphs]),
        link_kind=torch.cat([g.link_kind for g in graphs]),
    )
    return joined, order
