"""The conserving network for inference on a CPU: the steps of `Algebra` by kernels, and the way back by hand.

torch writes every array of pairs and of atoms to memory, many times, forward and backward. Here they stay in registers
and in the cache. First derivatives only, one frame. Atoms are in network order, those of a grain side by side. The
numbers are those of torch, to rounding (tests/nn/test_fused.py): whoever changes a step there changes it here.
"""

from typing import List, Optional

import numpy as np
import torch
from torch import Tensor

from ..mapping.layout import Layout
from .algebra import Algebra
from .fused_messages import FusedMessages
from .halo import Halo
from .kernels import atom_kernels, wall_kernels
from .kernels.dense_kernels import linear_kernel
from .kernels.gathered import Gathering, InsideGrains, Table
from .kernels.layers import LastLayer, Linear, copies_of, held, silu, silu_back
from .kernels.neighbor_rows import INDEX, Neighbors, Rows, RowsWithin, flat
from .kernels.radial_tables import Knots
from .network import Part


class FusedConserving:
    """A `ConservingNetwork` bound to the grains of one frame.

    It is for networks that no longer change.

    Parameters
    ----------
    network : Algebra
        On the CPU.
    layout : Layout
        Of the grains' topology.
    halo : Halo, optional
        Where a part of these grains belongs to other processes. Energies are those of the own grains then, forces and
        virial what this process adds to those of all.
    """

    def __init__(self, network: Algebra, layout: Layout, halo: Optional[Halo] = None):
        self.network, self.halo = network, halo
        self.counts = counts = layout.counts
        with torch.no_grad():
            atoms = network.by_class(counts, layout.atom_grain, sum(counts))
            knots = Knots.of(network.atom_basis, network.norm, network.receive.dtype)
            radial = network.radial_functions()
            self.first, self.second = Table.of(knots, radial.first), Table.of(knots, radial.second)
            self.send = held(torch.cat(radial.send, 1))
            own_counts = counts if halo is None else own_of(counts, halo.own_grains)
            self.reference = float((network.type_energy * network.type_energy.new_tensor(own_counts)).sum())
            self.inside = InsideGrains(network, layout)
            self._take_weights(network)
            self.bias = held(network.atom_in.bias + atoms.bias)
        self.receive, self.pool_weight = flat(atoms.receive), flat(atoms.pool)
        self.element, self.share, self.sizes = atoms.element.numpy(), flat(atoms.share), flat(atoms.sizes)
        self.shortest = network.walls.shortest.numpy().copy()
        self.start = np.append(0, np.cumsum(flat(atoms.sizes).astype(int))).astype(INDEX)
        self.owner = layout.atom_grain.numpy()
        self.atom_rows = RowsWithin(network.atom_cutoff, atoms.kind.numpy().astype(INDEX))
        self.messages = FusedMessages(network, sum(counts), halo)
        self.counted = None if halo is None else halo.own_atoms
        number = self.receive.dtype
        self.weight = np.ones(len(self.owner), number) if halo is None else halo.own_atoms.astype(number)

    def _take_weights(self, network: Algebra) -> None:
        """Of linear maps, cut where their inputs are not side by side."""
        self.grain_vectors, self.pair_vectors = network.pool_vectors.out_features, network.second_mix.out_features
        mix, density = [network.mix.weight], network.tensor_density
        self.mix_tensors: List[Linear] = []
        if density is not None:
            mix.append(density.mix_vectors.weight)
            self.mix_tensors = [Linear(part) for part in density.mix.weight.chunk(2, 1)]
        rest = [network.pool_vectors.weight, network.down_vectors.weight, network.second_mix.weight]
        self.mix, self.rest = ([Linear(part) for part in torch.cat(own).chunk(2, 1)] for own in (mix, rest))
        self.atom_in, self.atom_hidden = Linear(network.atom_in.weight), Linear(network.atom_hidden.weight)
        self.dipole = Linear(network.pool_dipole.weight)
        hidden, pairs = network.atom_in.out_features, network.pair_split
        widths = [hidden, self.grain_vectors, self.grain_vectors]
        self.down_in = [Linear(part) for part in network.down_in.weight.split(widths, 1)]
        self.emit = Linear(network.emit.weight)
        widths = [hidden, pairs[0], pairs[1], pairs[1]]
        self.atom_out = [Linear(part) for part in network.atom_out[0].weight.split(widths, 1)]
        self.atom_bias, self.hidden_bias = held(network.atom_out[0].bias), held(network.atom_hidden.bias)
        self.down_bias, self.emit_bias = held(network.down_in.bias), held(network.emit.bias)
        self.last = LastLayer(network.atom_out[2])
        self.by_slot = [
            (held(one), held(one.t()), held(its))
            for weight, bias in network.by_slot()
            for one, its in zip(weight, bias)
        ]
        self.intra_hidden, self.intra_bias = Linear(network.intra_out[0].weight), held(network.intra_out[0].bias)
        self.intra_last = LastLayer(network.intra_out[2])
        self.hidden = hidden

    def __call__(self, positions: Tensor, neighbors: Neighbors, part: int = 0) -> tuple:
        """As `ConservingNetwork.forward`: energy [] eV (float64), forces [atoms, 3] eV/Å, virial [3, 3] eV.

        Parameters
        ----------
        positions : Tensor, [atoms, 3], Å
            In network order; every grain is whole.
        neighbors : Neighbors
        part : int
        """
        x, shifts = flat(positions), flat(neighbors.shifts)
        grad_x, grad_shifts = np.zeros_like(x), np.zeros_like(shifts)
        inside = self.inside(x, shifts, neighbors.links)
        own = inside.densities()
        grad_own = tuple(map(np.zeros_like, own))
        energy = 0.0
        if part != Part.INTRA:
            energy += self._environment(positions, neighbors, own, grad_own, grad_x, grad_shifts)
        if part != Part.REST:
            energy += self._intra(own, grad_own)
            energy += self._walls_inside(inside.rows, grad_x, grad_shifts) + self.reference
        inside.spread(grad_own, grad_x, grad_shifts)
        gradient, by_shift = (torch.from_numpy(each).view(-1, 3) for each in (grad_x, grad_shifts))
        virial = -(positions.T @ gradient) - neighbors.shifts.T @ by_shift
        return positions.new_tensor(energy, dtype=torch.float64), -gradient, virial

    def _intra(self, own: tuple, grad_own: tuple) -> float:
        """Intra energies; adds to the gradients of an atom's densities of its own grain."""
        s, v, t = own
        sizes, width, n = self.first.sizes, sum(self.first.sizes), len(self.owner)
        x, hidden = np.empty(n * width, s.dtype), np.empty(n * self.hidden, s.dtype)
        atom_kernels.squares_kernel(*sizes)(0, n, (s, v, t, x))
        self._by_slot(x, hidden, width, self.hidden, 0)
        h = silu(hidden, self.hidden)
        last = self.intra_hidden(h, copies_of(self.intra_bias, n), adds=True)
        energy = self.intra_last(last, self.counted)
        silu_back(hidden, self.intra_hidden.back(last, h), self.hidden)
        self._by_slot(h, x, self.hidden, width, 1)
        atom_kernels.squares_back_kernel(*sizes)(0, n, (v, t, x, *grad_own))
        return energy

    def _by_slot(self, x: np.ndarray, out: np.ndarray, inputs: int, outputs: int, way: int) -> None:
        """The linear map of the intra energy, which each slot has of its own, or its way back."""
        kernel = linear_kernel(inputs, outputs, out.itemsize, 1 - way)
        first = slot = 0
        for count, size in zip(self.counts, self.network.slots):
            for k in range(size):
                weight, transposed, bias = self.by_slot[slot + k]
                if way == 0:
                    out.reshape(-1, outputs)[first + k : first + count * size : size] = bias
                places = (first + k) * inputs, size * inputs, (first + k) * outputs, size * outputs
                kernel(0, count, x, places[0], places[1], (weight, transposed)[way], 0, out, places[2], places[3])
            first, slot = first + count * size, slot + size

    def _walls_inside(self, rows: Rows, grad_x: np.ndarray, grad_shifts: np.ndarray) -> float:
        height, low, high = self.network.walls.inside_height, self.inside.low, self.inside.high
        energy = np.zeros(len(self.owner), grad_x.dtype)
        wall_kernels.inside(rows.start, rows.group, rows.distance, height, low, high, energy)
        if energy.any():
            entries = rows.start, rows.sender, rows.image, rows.group, rows.unit, rows.distance
            wall_kernels.inside_gradient(*entries, height, low, high, self.weight, grad_x, grad_shifts)
        return float((energy * self.weight).sum(dtype=np.float64))

    def _walls(self, rows: Rows, grad_x: np.ndarray, grad_shifts: np.ndarray) -> float:
        energy = np.zeros(len(self.owner), grad_x.dtype)
        wall = self.network.walls.height, self.shortest, self.element
        wall_kernels.wall(rows.start, rows.sender, rows.distance, *wall, energy)
        if energy.any():
            entries = rows.start, rows.sender, rows.image, rows.unit, rows.distance
            wall_kernels.wall_gradient(*entries, *wall, self.weight, grad_x, grad_shifts)
        return float((energy * self.weight).sum(dtype=np.float64))

    def _environment(
        self,
        positions: Tensor,
        neighbors: Neighbors,
        own: tuple,
        grad_own: tuple,
        grad_x: np.ndarray,
        grad_shifts: np.ndarray,
    ) -> float:
        """What is left when the intra energies are taken off; adds to all gradients. The steps are `Algebra`'s."""
        n, grains, hidden = len(self.owner), len(self.share), self.hidden
        vectors, pairs = self.grain_vectors, self.pair_vectors
        stride, sizes = 2 * vectors + pairs, self.first.sizes
        (s_in, v_in, t_in), number = own, grad_x.dtype
        x = flat(positions)
        rows = self.atom_rows(positions, neighbors.shifts, neighbors.atoms)
        by_class = Gathering(rows, self.first, rows.group, self.send)
        s_out, v_out, t_out = by_class.densities()

        def empty(width: int, count: int = n) -> np.ndarray:
            return np.empty(count * width, number)

        # what an atom makes of both densities
        mixed = self.mix[1](v_out, self.mix[0](v_in, empty(3 * self.mix[0].outputs)), adds=True)
        rest = self.rest[1](v_out, self.rest[0](v_in, empty(3 * stride)), adds=True)
        tensors = empty(0)
        if self.mix_tensors:
            tensors = self.mix_tensors[1](t_out, self.mix_tensors[0](t_in, empty(6 * 4 * sizes[2])), adds=True)
        widths, found = (sizes[0], 2 * sizes[1], 2 * sizes[2]), np.empty_like(self.receive)
        given = s_in, s_out, mixed, tensors, self.receive, found
        atom_kernels.invariants_kernel(*widths)(0, n, given)
        h_in = self.atom_in(found, self.bias.copy(), adds=True)
        h_mid = self.atom_hidden(silu(h_in, hidden), copies_of(self.hidden_bias, n), adds=True)
        h = silu(h_mid, hidden)

        # up into the grains, messages, and down again
        centers = np.add.reduceat(x.reshape(-1, 3), self.start[:-1], axis=0) / self.sizes[:, None]
        relative = (x.reshape(-1, 3) - centers[self.owner]).ravel()
        dipole = self.dipole(h, empty(vectors))
        pooled, pooled_vectors = empty(hidden, grains), empty(3 * vectors, grains)
        atom_kernels.pooled_kernel(hidden, vectors, stride)(
            0, grains, (self.start, h, self.pool_weight, rest, dipole, relative, self.share, pooled, pooled_vectors)
        )
        messages = self.messages.among(pooled, pooled_vectors, torch.from_numpy(centers), neighbors)
        down, grain_vectors = messages.down, messages.vectors
        h_down, dots, ways = copies_of(self.down_bias, n), empty(vectors), empty(vectors)
        of_down = rest[vectors:]
        atom_kernels.lowered_kernel(hidden, vectors, stride)(
            0, grains, (self.start, down, grain_vectors, of_down, relative, h_down, dots, ways)
        )
        for layer, given in zip(self.down_in, (h, dots, ways)):
            layer(given, h_down, adds=True)
        h_after = silu(h_down, hidden)

        # second gathering, and the energies
        emitted = self.emit(h_after, copies_of(self.emit_bias, n), adds=True)
        if self.halo is not None:
            self.halo.atoms.fill(emitted)
        by_atom = Gathering(rows, self.second, rows.sender, emitted, moving=True)
        s_second, v_second, _ = second = by_atom.densities()
        square, product, of_pairs = empty(pairs), empty(pairs), rest[2 * vectors :]
        atom_kernels.products_kernel(pairs, stride)(0, n, (v_second, of_pairs, square, product))
        last = copies_of(self.atom_bias, n)
        inputs = h_after, s_second, square, product
        for layer, given in zip(self.atom_out, inputs):
            layer(given, last, adds=True)
        energy = self.last(last, self.counted) + messages.energy + self._walls(rows, grad_x, grad_shifts)

        # the way back
        grad_h, grad_s, grad_square, grad_product = (
            layer.back(last, np.empty_like(given)) for layer, given in zip(self.atom_out, inputs)
        )
        grad_rest, grad_second = empty(3 * stride), (grad_s, *map(np.empty_like, second[1:]))
        atom_kernels.products_back_kernel(pairs, stride)(
            0, n, (v_second, of_pairs, grad_square, grad_product, grad_second[1], grad_rest[2 * vectors :])
        )
        grad_emitted = by_atom.spread(grad_second, grad_x, grad_shifts)
        if self.halo is not None:
            self.halo.atoms.give_back(grad_emitted)
        self.emit.back(grad_emitted, grad_h, adds=True)
        grad_down_in = silu_back(h_down, grad_h, hidden)
        grad_h, grad_dots, grad_ways = (
            layer.back(grad_down_in, np.empty_like(given)) for layer, given in zip(self.down_in, (h, dots, ways))
        )
        grad_down, grad_vectors, grad_relative = empty(hidden, grains), empty(3 * vectors, grains), empty(3)
        given = self.start, grain_vectors, of_down, relative, grad_down_in, grad_dots, grad_ways
        atom_kernels.lowered_back_kernel(hidden, vectors, stride)(
            0, grains, (*given, grad_down, grad_vectors, grad_rest[vectors:], grad_relative)
        )
        grad_pooled, grad_pooled_vectors, grad_centers = messages.back(grad_down, grad_vectors, grad_shifts)
        grad_dipole = np.empty_like(dipole)
        given = self.start, self.pool_weight, dipole, relative, self.share, grad_pooled, grad_pooled_vectors
        atom_kernels.pooled_back_kernel(hidden, vectors, stride)(
            0, grains, (*given, grad_h, grad_rest, grad_dipole, grad_relative)
        )
        self.dipole.back(grad_dipole, grad_h, adds=True)
        grad_mid = self.atom_hidden.back(silu_back(h_mid, grad_h, hidden), np.empty_like(h))
        grad_found = self.atom_in.back(silu_back(h_in, grad_mid, hidden), np.empty_like(found))
        grad_mixed, grad_tensors = np.empty_like(mixed), np.empty_like(tensors)
        grad_s_in, grad_out = np.empty_like(s_in), by_class.like()
        given = mixed, tensors, self.receive, grad_found, grad_s_in, grad_out[0], grad_mixed, grad_tensors
        atom_kernels.invariants_back_kernel(*widths)(0, n, given)
        np.add(grad_own[0], grad_s_in, out=grad_own[0])
        for layers, gradient in ((self.mix, grad_mixed), (self.rest, grad_rest)):
            layers[0].back(gradient, grad_own[1], adds=True)
            layers[1].back(gradient, grad_out[1], adds=layers is self.rest)
        if self.mix_tensors:
            self.mix_tensors[0].back(grad_tensors, grad_own[2], adds=True)
            self.mix_tensors[1].back(grad_tensors, grad_out[2])
        by_class.spread(grad_out, grad_x, grad_shifts)
        grad_relative = grad_relative.reshape(-1, 3)
        grad_centers = grad_centers.reshape(-1, 3) - np.add.reduceat(grad_relative, self.start[:-1], axis=0)
        grad_x += (grad_relative + (grad_centers / self.sizes[:, None])[self.owner]).ravel()
        return energy


def own_of(counts: List[int], own: np.ndarray) -> List[int]:
    """How many of the grains of each type, sorted by it, are among the own ones, bool [grains]."""
    return [int(part.sum()) for part in np.split(own, np.cumsum(counts)[:-1])]
