"""The operations by numba, for inference on a CPU: one frame, first derivatives only.

torch writes every [pairs, channels] array to memory, many times, forward and backward. These kernels hold them in the
cache, with a backward pass written by hand that autograd calls.
"""

from typing import Any, NamedTuple, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...mapping.layout import Layout
from . import wall_kernels
from .by_torch import Radial
from .exchange_kernels import exchange_kernels
from .gather_kernels import gather_kernels
from .geometry_rows import gaussian_rows
from .invariant_kernels import invariant_kernels
from .neighbor_rows import INDEX, Rows, empty_rows, flat


class Folded(NamedTuple):
    """`Radial` as the kernels take it: weights of all channels in one flat array, and the channels of each kind.

    What a class sends is folded into the first, [classes, num_basis, channels].
    """

    num_basis: int
    first: tuple
    second: tuple

    @classmethod
    def of(cls, radial: Radial) -> "Folded":
        first = torch.cat([one * its.unsqueeze(1) for one, its in zip(radial.first, radial.send)], 2)
        widths = [[one.size(1) for one in own] for own in (radial.first, radial.second)]
        sizes = [(*own, *[0] * (3 - len(own))) for own in widths]
        return cls(first.size(1), (flat(first), sizes[0]), (flat(torch.cat(radial.second, 1)), sizes[1]))


class Operations(NamedTuple):
    """The methods of `interface.Backend` on rows.

    Attributes
    ----------
    positions, centers : Tensor, [atoms, 3] and [grains, 3], Å
    shifts : Tensor, [images, 3], Å
    atom_rows : Rows
        Each sender's class is its group.
    grain_rows : Rows or None
    """

    positions: Tensor
    centers: Tensor
    shifts: Tensor
    atom_rows: Rows
    grain_rows: Rows | None

    def gather_by_class(self, radial: "Folded", kind: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        return Gather.apply(self.positions, self.shifts, None, self.atom_rows, radial.num_basis, *radial.first)

    def gather(self, radial: "Folded", features: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        return Gather.apply(self.positions, self.shifts, features, self.atom_rows, radial.num_basis, *radial.second)

    def invariants(self, s_in: Tensor, s_out: Tensor, v: Tensor, t: Tensor, receive: Tensor) -> Tensor:
        return Invariants.apply(s_in, s_out, v, t, receive)

    def exchange(self, weight: Tensor, norm: float, sent: Tensor, sent_vectors: Tensor) -> Tuple[Tensor, Tensor]:
        carried, dotted = (half.contiguous() for half in sent_vectors.chunk(2, 2))
        weights, num_basis = flat(weight.t() * norm), weight.size(1)
        return Exchange.apply(self.centers, self.shifts, sent, carried, dotted, self.grain_rows, weights, num_basis)

    def wall(self, height: float, shortest: Tensor, element: Tensor) -> Tensor:
        return Wall.apply(self.positions, self.shifts, self.atom_rows, height, shortest.numpy(), element.numpy())


class InsideGrains:
    """Densities and walls inside grains and across links, on rows of all such pairs.

    They are what `IntraDensity` and `LinkDensity`, `PairRanges` and `LinkRanges` give.

    Parameters
    ----------
    network : Algebra
    layout : Layout
    """

    def __init__(self, network: Any, layout: Layout):
        walls, ranges = network.walls, list(network.walls.inside)
        ranges += [walls.across] if walls.across is not None else []
        self.low = torch.cat([own.low for own in ranges]).numpy()
        self.high = torch.cat([own.high for own in ranges]).numpy()
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
        self.partner = np.lexsort((i[order], j[order])).astype(INDEX)
        inside = len(i) - len(layout.link_kind)
        self.linked = np.flatnonzero(order >= inside)  # rows of links, and which link each is
        self.which = order[self.linked] - inside
        self.weights = flat(torch.cat(weights))
        self.basis = density.basis
        self.sizes = (density.scalar_weight.size(2), density.vector_weight.size(2), density.tensors)
        rows = empty_rows(atom, len(i), len(density.basis.centers), self.weights.dtype)
        rows.start[:] = np.searchsorted(i[order], np.arange(atom + 1))
        rows.sender[:], rows.group[:] = j[order], np.concatenate(group)[order]
        self.rows = rows

    def densities(self, positions: Tensor, shifts: Tensor, links: np.ndarray) -> tuple:
        """Scalars [atoms, c], vectors [atoms, 3, c] and tensors [atoms, 6, c]; the rows take these positions."""
        rows, basis = self.rows, self.basis
        rows.image[:] = len(shifts) // 2  # inside a whole grain no lattice vector is met
        rows.image[self.linked] = links[self.which]
        settings = flat(basis.centers), basis.inverse_width, basis.decay
        entries = rows.start, rows.sender, rows.image, self.partner
        gaussian_rows(flat(positions), flat(shifts), *entries, *settings, *rows[4:])
        return Gather.apply(positions, shifts, None, rows, len(basis.centers), self.weights, self.sizes)

    def wall(self, positions: Tensor, shifts: Tensor, height: float) -> Tensor:
        """Energy of the walls inside grains where `densities` was asked for, [atoms], eV."""
        return WallInside.apply(positions, shifts, self.rows, height, self.low, self.high)


class Gather(torch.autograd.Function):
    """Densities of one kind of rows; see `gather_kernels`."""

    @staticmethod
    def forward(ctx, positions, shifts, features, rows, num_basis, weights, sizes):
        """-> scalars [n, c], vectors [n, 3, c], tensors [n, 6, c]; `features` [n, channels] or None."""
        featured = features is not None
        forward, ctx.kernel = gather_kernels(num_basis, *sizes, featured)
        ctx.shapes = positions.shape, shifts.shape, features.shape if featured else (0,)
        ctx.given = rows, weights, flat(features) if featured else flat(positions[:0])
        n, (s, v, t) = len(positions), sizes
        out = positions.new_zeros(n, s), positions.new_zeros(n, 3, v), positions.new_zeros(n, 6, t)
        forward(rows.start, rows.sender, rows.group, rows.unit, rows.basis, *ctx.given[1:], *map(flat, out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        found = [gradients[0].new_zeros(shape) for shape in ctx.shapes]
        ctx.kernel(tuple(ctx.given[0]), *ctx.given[1:], *map(flat, gradients), *map(flat, found))
        return *found[:2], found[2] if len(ctx.shapes[2]) > 1 else None, None, None, None, None


class Exchange(torch.autograd.Function):
    """What grains get from each other; see `exchange_kernels`."""

    @staticmethod
    def forward(ctx, centers, shifts, sent, carried, dotted, rows, weights, num_basis):
        """-> scalars [grains, scalars + vectors], vectors [grains, 3, vectors]."""
        ctx.given = rows, weights, flat(sent), flat(carried), flat(dotted)
        ctx.kernels = exchange_kernels(num_basis, sent.size(1) - carried.size(2), carried.size(2))
        ctx.shapes = centers.shape, shifts.shape, sent.shape, carried.shape, dotted.shape
        out = torch.zeros_like(sent), torch.zeros_like(carried)
        ctx.kernels[0](rows.start, rows.sender, rows.unit, rows.basis, *ctx.given[1:], *map(flat, out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_s, grad_v):
        found = [grad_s.new_zeros(shape) for shape in ctx.shapes]
        ctx.kernels[1](tuple(ctx.given[0]), *ctx.given[1:], flat(grad_s), flat(grad_v), *map(flat, found))
        return *found, None, None, None


class Invariants(torch.autograd.Function):
    """What an atom's network starts from; see `invariant_kernels`."""

    @staticmethod
    def forward(ctx, s_in, s_out, v, t, receive):
        """-> [atoms, width]; v [atoms, 3, 2 (vectors + tensors)], t [atoms, 6, 2 tensors], receive [atoms, width]."""
        tensors = t.size(2) // 2
        forward, ctx.kernel = invariant_kernels(s_in.size(1), v.size(2) // 2 - tensors, tensors)
        ctx.given = flat(v), flat(t), flat(receive)
        ctx.shapes = s_in.shape, s_out.shape, v.shape, t.shape
        out = torch.empty_like(receive)
        forward(flat(s_in), flat(s_out), *ctx.given, flat(out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        found = [gradient.new_empty(shape) for shape in ctx.shapes]
        ctx.kernel(*ctx.given, flat(gradient), *map(flat, found))
        return *found, None


class Wall(torch.autograd.Function):
    """The wall between grains; see `wall_kernels`. Where no atom feels it there is nothing to differentiate."""

    @staticmethod
    def forward(ctx, positions, shifts, rows, *wall):
        """-> [atoms]; `wall` is height, shortest, element."""
        energy = positions.new_zeros(len(positions))
        wall_kernels.wall(rows.start, rows.sender, rows.distance, *wall, flat(energy))
        ctx.given = (rows, wall) if energy.any() else None
        ctx.shapes = positions.shape, shifts.shape
        return energy

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        if ctx.given is None:
            return None, None, None, None, None, None
        rows, wall = ctx.given
        found = [gradient.new_zeros(shape) for shape in ctx.shapes]
        entries = rows.start, rows.sender, rows.image, rows.unit, rows.distance
        wall_kernels.wall_gradient(*entries, *wall, flat(gradient), *map(flat, found))
        return *found, None, None, None, None


class WallInside(torch.autograd.Function):
    """The walls inside grains and across links, on rows of all such pairs; otherwise as `Wall`."""

    @staticmethod
    def forward(ctx, positions, shifts, rows, *wall):
        """-> [atoms]; `wall` is height, low, high."""
        energy = positions.new_zeros(len(positions))
        wall_kernels.inside(rows.start, rows.group, rows.distance, *wall, flat(energy))
        ctx.given = (rows, wall) if energy.any() else None
        ctx.shapes = positions.shape, shifts.shape
        return energy

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        if ctx.given is None:
            return None, None, None, None, None, None
        rows, wall = ctx.given
        found = [gradient.new_zeros(shape) for shape in ctx.shapes]
        entries = rows.start, rows.sender, rows.image, rows.group, rows.unit, rows.distance
        wall_kernels.inside_gradient(*entries, *wall, flat(gradient), *map(flat, found))
        return *found, None, None, None, None
