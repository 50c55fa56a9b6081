"""Sums over neighbours and the ways back: kernels with what they need, bound to the rows of one call."""

from typing import Any, NamedTuple

import numpy as np
import torch

from ...mapping.layout import Layout
from .gather_kernels import ATOMS, FIXED, collect, gather_kernels
from .geometry_rows import inner_rows
from .neighbor_rows import INDEX, Rows, empty_rows, flat
from .radial_tables import Knots, gaussian_table


class Table(NamedTuple):
    """Radial functions of a gathering: what they are told from, their weights, and the channels of each kind.

    `radial` and `num_basis` are as `gather_kernels.Radial` takes them.
    """

    radial: tuple
    weights: np.ndarray
    num_basis: int
    sizes: tuple

    @classmethod
    def of(cls, knots: Knots, parts: list) -> "Table":
        sizes = [*(each.size(1) for each in parts), 0, 0][:3]
        return cls(knots.radial, knots.table(torch.cat(parts, 1)), 0, tuple(sizes))


class Gathering:
    """Densities that atoms gather over rows, and the way back.

    Parameters
    ----------
    rows : Rows
    table : Table
    source : int array, [entries], optional
        Row of `features` that each entry is multiplied with.
    features : array, optional
        Flat, [rows, channels].
    moving : bool
        Features are those of atoms, and have gradients.
    """

    def __init__(
        self,
        rows: Rows,
        table: Table,
        source: np.ndarray | None = None,
        features: np.ndarray | None = None,
        moving: bool = False,
    ):
        self.rows, self.sizes, self.moving = rows, table.sizes, moving
        featured = 0 if features is None else ATOMS if moving else FIXED
        self.forward, self.backward = gather_kernels(table.num_basis, *table.sizes, featured)
        none = np.empty(0, rows.unit.dtype)
        source, features = (rows.sender, none) if features is None else (source, features)
        self.given = tuple(rows), table.radial, table.weights, source, features

    def densities(self) -> tuple[np.ndarray, ...]:
        """Flat scalars [n, c], vectors [n, 3, c] and tensors [n, 6, c]."""
        out = self.like()
        self.forward(*self.given, out)
        return out

    def like(self) -> tuple[np.ndarray, ...]:
        """Empty arrays of densities, or of their gradients."""
        n, dtype = len(self.rows.start) - 1, self.rows.unit.dtype
        return tuple(np.empty(n * count * size, dtype) for size, count in zip(self.sizes, (1, 3, 6)))

    def spread(self, gradients: tuple, positions: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        """Add to the gradients of positions and shifts; gives that of the features, where they have one."""
        n, rows = len(self.rows.start) - 1, self.rows
        pull, features = np.empty_like(rows.unit), np.empty(n * sum(self.sizes) if self.moving else 0, rows.unit.dtype)
        self.backward(*self.given, gradients, pull, features)
        collect(rows.start, rows.partner, rows.image, pull, positions, shifts)
        return features


class InsideGrains:
    """Rows of all pairs inside grains and across links.

    Its densities are those of `IntraDensity` and `LinkDensity`, its ranges those of `PairRanges` and `LinkRanges`.

    Parameters
    ----------
    network : Algebra
    layout : Layout
    """

    def __init__(self, network: Any, layout: Layout):
        walls, ranges = network.walls, list(network.walls.inside)
        ranges += [walls.across] if walls.across is not None else []
        self.low = torch.cat([own.low for own in ranges]).numpy().copy()
        self.high = torch.cat([own.high for own in ranges]).numpy().copy()
        weights, receiver, sender, group = [], [], [], []
        atom = groups = 0
        for density, count in zip(network.intra, layout.counts):
            size = len(density.pairs)
            parts = [density.scalar_weight, density.vector_weight]
            weights.append(torch.cat(parts + [density.tensor_weight] * (density.tensors > 0), 2))
            i, j = np.nonzero(~np.eye(size, dtype=bool))
            first = atom + size * np.arange(count)[:, None]  # [grains, pairs]
            receiver.append((first + i).ravel())
            sender.append((first + j).ravel())
            group.append(np.tile(density.pairs.numpy()[i, j] + groups, count))
            atom += size * count
            groups += len(weights[-1])
        if network.across is not None:
            weights.append(network.across.weight)
        receiver.append(layout.link_index[0].numpy())
        sender.append(layout.link_index[1].numpy())
        group.append(layout.link_kind.numpy() + groups)
        i, j = np.concatenate(receiver), np.concatenate(sender)
        order = np.lexsort((j, i))
        inside = len(i) - len(layout.link_kind)
        self.linked = np.flatnonzero(order >= inside)  # rows of links, and which link each is
        self.which = order[self.linked] - inside
        self.decay, num_basis = density.basis.decay, len(density.basis.centers)
        own = flat(torch.cat(weights)).copy()
        self.rows = rows = empty_rows(atom, len(i), own.dtype)
        rows.start[:] = np.searchsorted(i[order], np.arange(atom + 1))
        rows.sender[:], rows.group[:] = j[order], np.concatenate(group)[order]
        rows.partner[:] = np.lexsort((i[order], j[order]))
        once = np.minimum(rows.partner, np.arange(len(i), dtype=INDEX))
        radial = num_basis * rows.group, once, *(np.empty(num_basis * len(i), own.dtype) for _ in range(2))
        sizes = density.scalar_weight.size(2), density.vector_weight.size(2), density.tensors
        self.table = Table(radial, own, num_basis, sizes)
        self.intervals, self.gaussians = gaussian_table(density.basis, density.scalar_weight.dtype)

    def __call__(self, positions: np.ndarray, shifts: np.ndarray, links: np.ndarray) -> Gathering:
        """The gathering at these positions."""
        rows = self.rows
        rows.image[:] = len(shifts) // 6  # inside a whole grain no lattice vector is met
        rows.image[self.linked] = links[self.which]
        settings = self.decay, self.intervals, self.gaussians
        inner_rows(self.table.num_basis)(positions, shifts, tuple(rows), *settings, *self.table.radial[1:])
        return Gathering(rows, self.table)
