"""Where the atoms of a topology go in a network: the fixed part of each graph."""

from typing import TYPE_CHECKING, List, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .links import linked_pairs

if TYPE_CHECKING:
    from .grains import GrainMap


class Layout(NamedTuple):
    """The fixed part of a `Graph`: where the atoms of a topology go.

    Attributes
    ----------
    atom_index : Tensor of int64, [atoms]
        ``positions[atom_index]`` is in network order (grains sorted by type, slots in order).
    parent : Tensor of int64, [atoms]
        The atom before this one in its grain's bond tree (network order); the first atom is its own parent.
    atom_grain : Tensor of int64, [atoms]
    grain_atoms : Tensor of int64, [grains, slots of the largest grain]
        Atoms of each grain in network order, padded with -1.
    counts : list of int
        Grains of each type.
    link_index : Tensor of int64, [2, links]
        Atoms of linked grains (network order) that are few bonds apart: receiver and sender, both ways.
    link_kind : Tensor of int64, [links]
        Kind of each such pair, see `links.pair_kinds`.
    """

    atom_index: Tensor
    parent: Tensor
    atom_grain: Tensor
    grain_atoms: Tensor
    counts: List[int]
    link_index: Tensor
    link_kind: Tensor


def layout_of(grain_map: "GrainMap") -> Layout:
    """The layout of a `GrainMap` that is matched to a model's types."""
    atom_index, counts = grain_map.network_order()
    counts = [int(count) for count in counts]
    parent: list[int] = []
    atom_grain: list[int] = []
    rows: list[list[int]] = []
    largest = max((t.num_slots for t, count in zip(grain_map.types, counts) if count), default=1)
    atom = 0
    for grain_type, count in zip(grain_map.types, counts):
        parents = list(range(grain_type.num_slots))
        for above, below in grain_type.tree:
            parents[below] = above
        for _ in range(count):
            parent.extend(atom + p for p in parents)
            atom_grain.extend([len(rows)] * grain_type.num_slots)
            rows.append([atom + s if s < grain_type.num_slots else -1 for s in range(largest)])
            atom += grain_type.num_slots
    place = np.full(grain_map.num_atoms, -1)
    place[atom_index] = np.arange(len(atom_index))
    index, kind = linked_pairs(grain_map)
    return Layout(
        torch.as_tensor(np.asarray(atom_index), dtype=torch.int64),
        torch.tensor(parent, dtype=torch.int64),
        torch.tensor(atom_grain, dtype=torch.int64),
        torch.tensor(rows, dtype=torch.int64),
        counts,
        torch.from_numpy(place[index]),
        torch.from_numpy(kind),
    )


def joined(first: Layout, then: Layout) -> Layout:
    """Two layouts one after the other, each sorted by type; links are those of the first."""
    atoms, grains = len(first.parent), len(first.grain_atoms)
    width = max(first.grain_atoms.size(1), then.grain_atoms.size(1))
    rows = torch.full((grains + len(then.grain_atoms), width), -1)
    rows[:grains, : first.grain_atoms.size(1)] = first.grain_atoms
    rows[grains:, : then.grain_atoms.size(1)] = torch.where(then.grain_atoms < 0, -1, then.grain_atoms + atoms)
    return Layout(
        torch.cat([first.atom_index, then.atom_index + atoms]),
        torch.cat([first.parent, then.parent + atoms]),
        torch.cat([first.atom_grain, then.atom_grain + grains]),
        rows,
        [a + b for a, b in zip(first.counts, then.counts)],
        first.link_index,
        first.link_kind,
    )
