"""Who sees whom: grain edges and short-range atom pairs, over all periodic images within the cutoff.

A box may be smaller than twice the cutoff, so a pair of grains can be neighbours through several images, and a grain
can be its own neighbour.
"""

from typing import List, Optional, Tuple

import torch
from torch import Tensor

from .geometry import Layout, whole_grains
from .nn.graph import Graph

# above this number of grains, bins of the size of the cutoff are cheaper than all pairs
ALL_PAIRS_BELOW = 400


def lattice_shifts(box: Tensor, reach: float) -> Tensor:
    """Lattice vectors that can join two points of the cell closer than `reach`, [shifts, 3], zero first."""
    volume = torch.linalg.det(box).abs()
    steps: List[Tensor] = []
    for axis in range(3):
        area = torch.linalg.norm(torch.linalg.cross(box[(axis + 1) % 3], box[(axis + 2) % 3]))
        most = int(torch.floor(reach * area / volume + 1.0).item())
        steps.append(torch.arange(-most, most + 1, device=box.device))
    shifts = torch.cartesian_prod(steps[0], steps[1], steps[2])
    first = shifts.abs().sum(1).argsort(stable=True)
    return shifts[first].to(box.dtype) @ box


def all_pairs(centers: Tensor, shifts: Tensor, reach: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """(J, K, shift) of all center pairs with |R_K + shift - R_J| < reach[J] + reach[K], both directions."""
    delta = centers.unsqueeze(0) - centers.unsqueeze(1)  # [J, K, xyz]
    distance2 = (delta.unsqueeze(0) + shifts[:, None, None]).square().sum(3)  # [shift, J, K]
    near = distance2 < (reach.unsqueeze(0) + reach.unsqueeze(1)).square()
    near[0].fill_diagonal_(False)  # a grain is not its own neighbour, its images are
    s, j, k = torch.where(near)
    return j, k, shifts[s]


def binned_pairs(centers: Tensor, box: Tensor, bins: Tensor, reach: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """The same as `all_pairs` from a grid of `bins` (at least 3 along each vector), centers inside the cell."""
    fractional = centers @ torch.linalg.inv_ex(box)[0]
    place = torch.minimum((fractional * bins).long().clamp(min=0), bins - 1)
    strides = torch.stack([bins[1] * bins[2], bins[2], torch.ones_like(bins[2])])
    flat = (place * strides).sum(1)
    order = flat.argsort()
    num_bins = int(bins.prod().item())
    filling = torch.bincount(flat, minlength=num_bins)
    capacity = int(filling.max().item())
    start = filling.cumsum(0) - filling
    table = torch.full([num_bins, capacity], -1, dtype=torch.int64, device=centers.device)
    table[flat[order], torch.arange(flat.size(0), device=flat.device) - start[flat[order]]] = order

    around = torch.arange(-1, 2, device=centers.device)
    offsets = torch.cartesian_prod(around, around, around)  # [27, 3]
    beside = place.unsqueeze(1) + offsets.unsqueeze(0)  # [J, 27, 3]
    image = torch.div(beside, bins, rounding_mode="floor")
    others = table[((beside - image * bins) * strides).sum(2)]  # [J, 27, capacity]
    j, o, c = torch.where(others >= 0)
    k = others[j, o, c]
    shift = image[j, o].to(box.dtype) @ box
    near = (centers[k] + shift - centers[j]).square().sum(1) < (reach[j] + reach[k]).square()
    near = near & ((j != k) | (shift != 0).any(1))
    return j[near], k[near], shift[near]


def center_pairs(
    centers: Tensor, box: Optional[Tensor], reach: Tensor, all_pairs_below: int = ALL_PAIRS_BELOW
) -> Tuple[Tensor, Tensor, Tensor]:
    """Pairs of centers closer than the sum of their reaches.

    Parameters
    ----------
    centers : Tensor, [grains, 3]
        Inside the cell, if there is one.
    box : Tensor, [3, 3], or None
    reach : Tensor, [grains]

    Returns
    -------
    j, k : Tensor of int64, [pairs]
    shift : Tensor, [pairs, 3]
        K's image that J sees is at ``centers[k] + shift``.
    """
    if box is None:
        return all_pairs(centers, torch.zeros(1, 3, dtype=centers.dtype, device=centers.device), reach)
    longest = 2.0 * float(reach.max().item())
    if centers.size(0) > all_pairs_below:
        inverse_heights = torch.linalg.norm(torch.linalg.inv_ex(box)[0], dim=0)
        bins = torch.floor(1.0 / (longest * inverse_heights)).long()
        if int(bins.min().item()) >= 3:
            return binned_pairs(centers, box, bins, reach)
    return all_pairs(centers, lattice_shifts(box, longest), reach)


def atom_pairs(
    positions: Tensor, centers: Tensor, box: Optional[Tensor], layout: Layout, cutoff: float
) -> Tuple[Tensor, Tensor]:
    """Atom pairs of different grains (or images) below `cutoff`, each once: index [2, pairs], shift [pairs, 3]."""
    away = torch.linalg.norm(positions - centers[layout.atom_grain], dim=1)
    radius = torch.zeros_like(centers[:, 0]).scatter_reduce(0, layout.atom_grain, away, "amax")
    j, k, shift = center_pairs(centers, box, radius + 0.5 * cutoff)
    # one direction of each pair: J before K; a grain and its own image: the shift that points up
    up = (shift[:, 2] > 0) | ((shift[:, 2] == 0) & ((shift[:, 1] > 0) | ((shift[:, 1] == 0) & (shift[:, 0] > 0))))
    half = (j < k) | ((j == k) & up)
    j, k, shift = j[half], k[half], shift[half]

    # atoms of J that lie within reach of K as a whole
    atoms_j = layout.grain_atoms[j]  # [pairs, slots]
    to_k = positions[atoms_j] - (centers[k] + shift).unsqueeze(1)
    near = (to_k.square().sum(2) < (radius[k] + cutoff).square().unsqueeze(1)) & (atoms_j >= 0)
    pair, slot = torch.where(near)
    first = atoms_j[pair, slot]  # [candidates]
    atoms_k = layout.grain_atoms[k[pair]]  # [candidates, slots]
    delta = positions[atoms_k] + (shift[pair] - positions[first]).unsqueeze(1)
    close = (delta.square().sum(2) < cutoff * cutoff) & (atoms_k >= 0)
    row, slot = torch.where(close)
    return torch.stack([first[row], atoms_k[row, slot]]), shift[pair[row]]


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
    num_grains = layout.grain_atoms.size(0)
    whole = whole_grains(positions, box, layout).to(dtype)
    cell = box.to(dtype) if box is not None else None
    sizes = (layout.grain_atoms >= 0).sum(1, keepdim=True).to(dtype)
    centers = (
        torch.zeros(num_grains, 3, dtype=dtype, device=whole.device).index_add(0, layout.atom_grain, whole) / sizes
    )
    edge_index = torch.zeros(2, 0, dtype=torch.int64, device=whole.device)
    pair_index = torch.zeros(2, 0, dtype=torch.int64, device=whole.device)
    edge_shift = torch.zeros(0, 3, dtype=dtype, device=whole.device)
    pair_shift = torch.zeros(0, 3, dtype=dtype, device=whole.device)
    if grain_cutoff > 0.0:
        j, k, edge_shift = center_pairs(centers, cell, torch.full_like(centers[:, 0], 0.5 * grain_cutoff))
        edge_index = torch.stack([j, k])
    if atom_cutoff > 0.0:
        pair_index, pair_shift = atom_pairs(whole, centers, cell, layout, atom_cutoff)
    return Graph(
        positions=whole,
        counts=layout.counts,
        atom_grain=layout.atom_grain,
        grain_frame=torch.zeros(num_grains, dtype=torch.int64, device=whole.device),
        num_frames=1,
        pair_index=pair_index,
        pair_shift=pair_shift,
        edge_index=edge_index,
        edge_shift=edge_shift,
    )
