"""Neighbours in lists of fixed length: a graph for what cannot change its shapes, such as a captured CUDA graph.

Lists are padded with pairs beyond the cutoff, which a `Graph` may have. What does not fit into the `Capacity` is told
by a flag on the device; such a graph must not be used. No shape and no branch depends on a value, and nothing waits for
a device; it scripts.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor

from ..mapping.layout import Layout
from ..mapping.whole import grain_means, near_origin
from ..nn.graph import Graph
from .build import not_linked, shifts_of_links
from .couples import Capacity, chosen_couples, couples_of, select


def fixed_pairs(
    x: Tensor, layout: Layout, j: Tensor, k: Tensor, shift: Tensor, is_one: Tensor, cutoff: float, room: int
) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Atoms of pairs of grains below `cutoff`: index [2, room], shift [room, 3], whether it is one; their number."""
    slots = layout.grain_atoms.size(1)
    atoms_j, atoms_k = layout.grain_atoms[j], layout.grain_atoms[k]  # [couples, slots]
    there = ((atoms_j >= 0) & is_one.unsqueeze(1)).unsqueeze(2) & (atoms_k >= 0).unsqueeze(1)
    atoms_j, atoms_k = atoms_j.clamp(min=0), atoms_k.clamp(min=0)
    distance2 = torch.zeros_like(there, dtype=x.dtype)
    for axis in range(3):
        one, other = x[:, axis][atoms_j], x[:, axis][atoms_k] + shift[:, axis].unsqueeze(1)
        distance2 = distance2 + (other.unsqueeze(1) - one.unsqueeze(2)).square()
    place, found = select((distance2 < cutoff * cutoff) & there, room)
    is_pair = place < there.numel()
    place = torch.where(is_pair, place, torch.zeros_like(place))
    row, of_row = torch.div(place, slots * slots, rounding_mode="floor"), place % (slots * slots)
    i = atoms_j.flatten()[row * slots + torch.div(of_row, slots, rounding_mode="floor")]
    return torch.stack([i, atoms_k.flatten()[row * slots + of_row % slots]]), shift[row], is_pair, found


def with_padding(index: Tensor, shift: Tensor, is_one: Tensor, count: int, far: float) -> Tuple[Tensor, Tensor]:
    """Index [2, pairs] and shift [pairs, 3]; what is none becomes a pair far beyond, of one of `count` with itself."""
    spread = torch.arange(index.size(1), device=index.device) % count  # sums into one place would wait for each other
    return torch.where(is_one, index, spread), torch.where(is_one.unsqueeze(1), shift, torch.full_like(shift, far))


def fixed_graph(
    positions: Tensor,
    box: Optional[Tensor],
    layout: Layout,
    grain_cutoff: float,
    atom_cutoff: float,
    dtype: torch.dtype,
    room: Capacity,
) -> Tuple[Graph, Tensor, Tensor]:
    """As `build_graph`, in lists of fixed length, and without its checks.

    Returns
    -------
    graph : Graph
        Its last pairs and edges are beyond the cutoffs, spread over atoms and grains.
    wanted : Tensor of float64, [10]
        What `roomier` takes.
    outgrown : Tensor of bool, []
        There is not room for all: neighbours are missing.
    """
    near, origin = near_origin(positions, box, layout)
    means, grains, far = grain_means(near, layout), layout.grain_atoms.size(0), 2.0 * max(grain_cutoff, atom_cutoff)
    x, cell = near.to(dtype), origin.new_zeros([3, 3]) if box is None else box
    away = torch.linalg.norm(x - means.to(dtype)[layout.atom_grain], dim=1)
    radius = x.new_zeros([grains]).scatter_reduce(0, layout.atom_grain, away, "amax").to(near.dtype)
    reach = torch.full_like(radius[0], grain_cutoff)
    if atom_cutoff > 0.0:
        reach = torch.maximum(reach, 2.0 * radius.max() + atom_cutoff)
    couples, wanted = couples_of(means + origin, box, reach, room)

    seen = couples.distance2 < grain_cutoff * grain_cutoff
    j, k, shift, is_edge, edges = chosen_couples(couples, seen, room.edges, cell, origin)
    edge_index, edge_shift = with_padding(torch.stack([j, k]), shift.to(dtype), is_edge, grains, far)

    touching = couples.distance2 < (radius[couples.j] + radius[couples.k] + atom_cutoff).square()
    if atom_cutoff == 0.0:
        touching = torch.zeros_like(touching)
    j, k, shift, is_one, found = chosen_couples(couples, touching, room.couples, cell, origin)
    pair_index, pair_shift, is_pair, pairs = fixed_pairs(
        x, layout, j, k, shift.to(dtype), is_one, atom_cutoff, room.pairs
    )
    link_shift = shifts_of_links(near, origin, box, layout).to(dtype)
    if link_shift.size(0) > 0:
        is_pair = is_pair & not_linked(pair_index, pair_shift, layout.link_index, link_shift, x.size(0))
    pair_index, pair_shift = with_padding(pair_index, pair_shift, is_pair, x.size(0), far)

    wanted = torch.cat([wanted, torch.stack([found, pairs, edges]).to(wanted.dtype)])
    graph = Graph(
        positions=x,
        counts=layout.counts,
        atom_grain=layout.atom_grain,
        grain_frame=torch.zeros(grains, dtype=torch.int64, device=x.device),
        num_frames=1,
        pair_index=pair_index,
        pair_shift=pair_shift,
        edge_index=torch.cat([edge_index, edge_index.flip(0)], 1),
        edge_shift=torch.cat([edge_shift, -edge_shift]),
        link_index=layout.link_index,
        link_shift=link_shift,
        link_kind=layout.link_kind,
    )
    outgrown = is_outgrown(room, wanted)
    if room.couples == 0 and max(grain_cutoff, atom_cutoff) > 0.0:  # nothing was looked for
        outgrown = torch.ones_like(outgrown)
    return graph, wanted, outgrown


def is_outgrown(room: Capacity, wanted: Tensor) -> Tensor:
    """Whether a graph wants more than its room, bool []."""
    over = (wanted[6] > room.in_cell) | (wanted[7] > room.couples)
    over = over | (wanted[8] > room.pairs) | (wanted[9] > room.edges)
    for axis in range(3):
        over = over | (wanted[axis] >= room.images[axis] + 1) | (wanted[3 + axis] < room.cells[axis])
    return over
