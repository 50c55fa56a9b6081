"""Who sees whom: grain edges and short-range atom pairs, over all periodic images within the cutoff.

A box may be smaller than twice the cutoff, so a pair of grains can be neighbours through several images, and a grain
can be its own neighbour.
"""

from typing import List, Optional, Tuple

import torch
from torch import Tensor

from ..mapping.layout import Layout
from ..mapping.whole import grain_means, inverse, near_origin
from ..nn.graph import Graph
from .memory import check_memory

# a table of all pairs and images with more entries than this costs more than bins
ALL_PAIRS_BELOW = 1_000_000
BINS_ALONG_AXIS = 2**20  # at most; their product fits int64


def image_steps(box: Tensor, reach: float) -> Tensor:
    """How many lattice vectors on either side can join two points of the cell closer than `reach`, [3]."""
    heights = 1.0 / torch.linalg.norm(inverse(box), dim=0)
    return torch.floor(reach / heights + 1.0)


def lattice_steps(most: List[int], device: torch.device) -> Tensor:
    """All triples of integers up to `most` [3] on either side, [triples, 3]."""
    x, y, z = [torch.arange(-end, end + 1, device=device) for end in most]
    return torch.cartesian_prod(x, y, z)


def all_pairs(centers: Tensor, box: Optional[Tensor], reach: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """(J, K, shift) of all center pairs with |R_K + shift - R_J| < reach[J] + reach[K], both directions."""
    shifts = torch.zeros(1, 3, dtype=centers.dtype, device=centers.device)
    if box is not None:
        most = image_steps(box, 2.0 * float(reach.max()))
        steps = lattice_steps(most.long().tolist(), centers.device)
        first = steps.abs().sum(1).argsort(stable=True)
        shifts = steps[first].to(box.dtype) @ box
    distance2 = torch.zeros(1, dtype=centers.dtype, device=centers.device)
    for axis in range(3):  # [shift, J, K]
        delta = centers[:, axis].unsqueeze(0) - centers[:, axis].unsqueeze(1)
        distance2 = distance2 + (delta.unsqueeze(0) + shifts[:, axis, None, None]).square()
    near = distance2 < (reach.unsqueeze(0) + reach.unsqueeze(1)).square()
    near[0].fill_diagonal_(False)  # a grain is not its own neighbour, its images are
    s, j, k = torch.where(near)
    return j, k, shifts[s]


def binned_pairs(
    centers: Tensor, box: Optional[Tensor], reach: Tensor, most_bins: int = BINS_ALONG_AXIS
) -> Tuple[Tensor, Tensor, Tensor]:
    """The same as `all_pairs` from bins: only centers of bins within reach of each other are compared."""
    longest = 2.0 * float(reach.max().item())
    if box is None:
        # the bins repeat far away; whom that brings together is told apart by the distance
        bins = torch.full([3], most_bins, dtype=torch.int64, device=centers.device)
        most = torch.ones_like(bins)
        place = torch.remainder(torch.floor(centers / longest).long(), bins)
    else:
        to_cell = inverse(box)
        heights = 1.0 / torch.linalg.norm(to_cell, dim=0)
        bins = torch.floor(heights / longest).clamp(1, most_bins).long()
        most = torch.ceil(longest * bins / heights)
        place = torch.minimum(torch.floor(centers @ to_cell * bins).long().clamp(min=0), bins - 1)
    check_memory(centers.size(0) * float((2.0 * most + 1.0).prod().item()), longest)
    offsets = lattice_steps(most.long().tolist(), centers.device)
    strides = torch.stack([bins[1] * bins[2], bins[2], torch.ones_like(bins[2])])
    filled, order = torch.sort((place * strides).sum(1), stable=True)

    beside = place.unsqueeze(1) + offsets  # [J, offset, 3]
    image = torch.div(beside, bins, rounding_mode="floor")
    wanted = ((beside - image * bins) * strides).sum(2).flatten()
    begin = torch.searchsorted(filled, wanted)
    counts = torch.searchsorted(filled, wanted, right=True) - begin
    check_memory(float(counts.sum().item()), longest)
    row = torch.repeat_interleave(counts)  # [candidates], of [J, offset]
    k = order[torch.arange(row.size(0), device=row.device) + (begin - counts.cumsum(0) + counts)[row]]
    j = torch.div(row, offsets.size(0), rounding_mode="floor")
    other = j != k
    shift = torch.zeros(1, 3, dtype=centers.dtype, device=centers.device).expand(row.size(0), 3)
    if box is not None:
        image = image.flatten(0, 1)
        shift = (image.to(box.dtype) @ box)[row]
        other = other | (image != 0).any(1)[row]
    near = (centers[k] + shift - centers[j]).square().sum(1) < (reach[j] + reach[k]).square()
    near = near & other
    return j[near], k[near], shift[near]


def near_pairs(
    centers: Tensor, box: Optional[Tensor], reach: Tensor, all_pairs_below: int = ALL_PAIRS_BELOW
) -> Tuple[Tensor, Tensor, Tensor]:
    """Pairs of centers closer than the sum of their reaches.

    Parameters
    ----------
    centers : Tensor, [grains, 3]
        Inside the cell, if there is one; float64 where they may be far from the origin.
    box : Tensor, [3, 3], or None
    reach : Tensor, [grains]

    Returns
    -------
    j, k : Tensor of int64, [pairs]
    shift : Tensor, [pairs, 3]
        K's image that J sees is at ``centers[k] + shift``.

    Raises
    ------
    GeometryError
        There are more pairs than this machine has memory for.
    """
    entries = float(centers.size(0)) * float(centers.size(0))
    if box is not None:
        steps = image_steps(box, 2.0 * float(reach.max().item()))
        entries = entries * float((2.0 * steps + 1.0).prod().item())
    if entries < all_pairs_below:
        return all_pairs(centers, box, reach)
    return binned_pairs(centers, box, reach)


def grains_in_reach(
    positions: Tensor, centers: Tensor, origin: Tensor, box: Optional[Tensor], layout: Layout, cutoff: float
) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Pairs of grains, or of one and its image, that may have atoms closer than `cutoff`; each once.

    Positions as by `near_origin`, in single precision as well; centers in float64, and where they are.

    Returns
    -------
    j, k : Tensor of int64, [pairs]
    shift : Tensor, [pairs, 3]
        K's atoms that J sees are at their positions + shift.
    local : Tensor, [grains, 3]
        Centers, as positions are.
    radius : Tensor, [grains]
        Of the atom furthest from the center.
    """
    dtype = positions.dtype
    local = (centers - origin).to(dtype)
    away = torch.linalg.norm(positions - local[layout.atom_grain], dim=1)
    radius = torch.zeros_like(local[:, 0]).scatter_reduce(0, layout.atom_grain, away, "amax")
    j, k, shift = near_pairs(centers, box, radius.to(centers.dtype) + 0.5 * cutoff)
    # one direction of each pair: J before K; a grain and its own image: the shift that points up
    up = (shift[:, 2] > 0) | ((shift[:, 2] == 0) & ((shift[:, 1] > 0) | ((shift[:, 1] == 0) & (shift[:, 0] > 0))))
    half = (j < k) | ((j == k) & up)
    j, k = j[half], k[half]
    return j, k, (shift[half] + (origin[k] - origin[j])).to(dtype), local, radius


def near_atom_pairs(
    positions: Tensor, centers: Tensor, origin: Tensor, box: Optional[Tensor], layout: Layout, cutoff: float
) -> Tuple[Tensor, Tensor]:
    """Atom pairs of different grains (or images) below `cutoff`, each once: index [2, pairs], shift [pairs, 3].

    Input as of `grains_in_reach`.
    """
    j, k, shift, local, radius = grains_in_reach(positions, centers, origin, box, layout, cutoff)

    # atoms of J that lie within reach of K as a whole
    slots = float(layout.grain_atoms.size(1))
    check_memory(j.size(0) * slots, cutoff)
    atoms_j = layout.grain_atoms[j]  # [pairs, slots]
    to_k = positions[atoms_j] - (local[k] + shift).unsqueeze(1)
    near = (to_k.square().sum(2) < (radius[k] + cutoff).square().unsqueeze(1)) & (atoms_j >= 0)
    pair, slot = torch.where(near)
    check_memory(pair.size(0) * slots, cutoff)
    first = atoms_j[pair, slot]  # [candidates]
    atoms_k = layout.grain_atoms[k[pair]]  # [candidates, slots]
    delta = positions[atoms_k] + (shift[pair] - positions[first]).unsqueeze(1)
    close = (delta.square().sum(2) < cutoff * cutoff) & (atoms_k >= 0)
    row, slot = torch.where(close)
    return torch.stack([first[row], atoms_k[row, slot]]), shift[pair[row]]


def shifts_of_links(positions: Tensor, origin: Tensor, box: Optional[Tensor], layout: Layout) -> Tensor:
    """Of each pair that a link holds together the shift of its nearest image, [links, 3]; input as by `near_origin`.

    Such a pair must be shorter than half the smallest height of the box.
    """
    i, j = layout.link_index[0], layout.link_index[1]
    shift = origin[layout.atom_grain[j]] - origin[layout.atom_grain[i]]
    if box is None:
        return shift
    apart = positions[j] + shift - positions[i]
    return shift - torch.round(apart @ inverse(box)) @ box


def not_linked(index: Tensor, shift: Tensor, link_index: Tensor, link_shift: Tensor, atoms: int) -> Tensor:
    """Which of some pairs of atoms are no pairs that a link holds together, bool [pairs]; their other images are none.

    Parameters
    ----------
    index, link_index : Tensor of int64, [2, pairs], [2, links]
    shift, link_shift : Tensor, [pairs, 3], [links, 3], Å
    atoms : int
    """
    keys, order = torch.sort(link_index[0] * atoms + link_index[1])
    own = index[0] * atoms + index[1]
    place = torch.searchsorted(keys, own).clamp(max=keys.size(0) - 1)
    image = (shift - link_shift[order[place]]).abs().amax(1) < 0.5
    return (keys[place] != own) | ~image


def build_graph(
    positions: Tensor,
    box: Optional[Tensor],
    layout: Layout,
    grain_cutoff: float,
    atom_cutoff: float,
    dtype: torch.dtype = torch.float32,
) -> Graph:
    """One frame as a network sees it.

    Parameters
    ----------
    positions : Tensor, [atoms, 3], Å
        In the topology's order; grains may be broken across the boundary.
    box : Tensor, [3, 3], Å, or None
        Rows are the box vectors; None: not periodic.
    layout : Layout
    grain_cutoff, atom_cutoff : float, Å
        0.0 gives no edges of that kind.
    dtype : torch.dtype
        Of the graph; give positions in float64, so that wrapping loses nothing.
    """
    near, origin = near_origin(positions, box, layout)
    return graph_near_origin(near, origin, box, layout, grain_cutoff, atom_cutoff, dtype)


def graph_near_origin(
    positions: Tensor,
    origin: Tensor,
    box: Optional[Tensor],
    layout: Layout,
    grain_cutoff: float,
    atom_cutoff: float,
    dtype: torch.dtype,
) -> Graph:
    """As `build_graph`, from what `near_origin` gives.

    Raises
    ------
    ValueError
        A position is not a number, or the box has no volume.
    GeometryError
        There are more neighbours than this machine has memory for.
    """
    if not bool(torch.isfinite(positions).all()):
        raise ValueError("positions or box are not finite, or the box has no volume; go back to the last good frame")
    num_grains = layout.grain_atoms.size(0)
    centers = grain_means(positions, layout) + origin
    near = positions
    positions = positions.to(dtype)
    edge_index = torch.zeros(2, 0, dtype=torch.int64, device=positions.device)
    pair_index = torch.zeros(2, 0, dtype=torch.int64, device=positions.device)
    edge_shift = torch.zeros(0, 3, dtype=dtype, device=positions.device)
    pair_shift = torch.zeros(0, 3, dtype=dtype, device=positions.device)
    if grain_cutoff > 0.0:
        j, k, shift = near_pairs(centers, box, torch.full_like(centers[:, 0], 0.5 * grain_cutoff))
        edge_index, edge_shift = torch.stack([j, k]), (shift + (origin[k] - origin[j])).to(dtype)
    if atom_cutoff > 0.0:
        pair_index, pair_shift = near_atom_pairs(positions, centers, origin, box, layout, atom_cutoff)
    link_shift = shifts_of_links(near, origin, box, layout).to(dtype)
    if link_shift.size(0) > 0:
        apart = not_linked(pair_index, pair_shift, layout.link_index, link_shift, positions.size(0))
        pair_index, pair_shift = pair_index[:, apart], pair_shift[apart]
    return Graph(
        positions=positions,
        counts=layout.counts,
        atom_grain=layout.atom_grain,
        grain_frame=torch.zeros(num_grains, dtype=torch.int64, device=positions.device),
        num_frames=1,
        pair_index=pair_index,
        pair_shift=pair_shift,
        edge_index=edge_index,
        edge_shift=edge_shift,
        link_index=layout.link_index,
        link_shift=link_shift,
        link_kind=layout.link_kind,
    )
