"""What grains do among themselves, by kernels, with the way back: `GrainMessages`, and energies of grains."""

from typing import Optional

import numpy as np
from torch import Tensor

from .algebra import Algebra
from .halo import Halo
from .kernels import atom_kernels
from .kernels.exchange_kernels import exchange_kernels
from .kernels.layers import LastLayer, Linear, copies_of, held, silu, silu_back
from .kernels.neighbor_rows import BesselRows, Neighbors
from .messages import GrainMessages


class FusedLayer:
    """The numbers of a `GrainMessages`, which does not change any more."""

    def __init__(self, layer: GrainMessages):
        self.scalars, self.vectors = s, v = layer.sizes
        weight = layer.radial.weight.detach()
        self.radial, self.num_basis = held(weight.t() * layer.norm), weight.size(1)
        self.send, self.send_bias = Linear(layer.send.weight), held(layer.send.bias)
        self.carry, self.dot = (Linear(part) for part in layer.send_vectors.weight.chunk(2))
        self.update = [Linear(part) for part in layer.update[0].weight.split([s, s + v, v, v], 1)]
        self.update_bias = held(layer.update[0].bias)
        self.new, self.gate = (Linear(part) for part in layer.update[2].weight.split([s, v]))
        self.new_bias, self.gate_bias = (held(part) for part in layer.update[2].bias.split([s, v]))
        self.mix = [Linear(part) for part in layer.mix.weight.chunk(2, 1)]

    def exchange(self) -> tuple:
        """The kernels, which no pickle should hold: they would be compiled anew."""
        return exchange_kernels(self.num_basis, self.scalars, self.vectors)

    def __call__(self, s: np.ndarray, v: np.ndarray, rows: tuple) -> tuple[np.ndarray, np.ndarray, tuple]:
        """New scalars and vectors, and what the way back needs."""
        n, width = len(s) // self.scalars, self.vectors
        sent = self.send(s, copies_of(self.send_bias, n), adds=True)
        carried, dotted = (layer(v, np.empty(3 * n * width, s.dtype)) for layer in (self.carry, self.dot))
        got_s, got_v = np.zeros_like(sent), np.zeros_like(v)
        given = *rows, self.radial, sent, carried, dotted
        self.exchange()[0](*given, got_s, got_v)
        square, product = np.empty(n * width, s.dtype), np.empty(n * width, s.dtype)
        atom_kernels.products_kernel(width, width)(0, n, (got_v, v, square, product))
        inputs, hidden = (s, got_s, square, product), copies_of(self.update_bias, n)
        for layer, x in zip(self.update, inputs):
            layer(x, hidden, adds=True)
        h = silu(hidden, self.scalars)
        new_s = self.new(h, s + copies_of(self.new_bias, n), adds=True)
        gate, mixed = self.gate(h, copies_of(self.gate_bias, n), adds=True), np.empty_like(v)
        self.mix[1](got_v, self.mix[0](v, mixed), adds=True)
        new_v = np.empty_like(v)
        atom_kernels.gated_kernel(width)(0, n, (v, mixed, gate, new_v))
        return new_s, new_v, (given, v, got_v, inputs, hidden, h, gate, mixed)

    def back(
        self, known: tuple, grad_s: np.ndarray, grad_v: np.ndarray, grad_centers: np.ndarray, grad_shifts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradients by the scalars and vectors that came in; adds to those of centers and shifts."""
        given, v, got_v, inputs, hidden, h, gate, mixed = known
        n, width = len(grad_s) // self.scalars, self.vectors
        grad_mixed, grad_gate = np.empty_like(mixed), np.empty_like(gate)
        atom_kernels.gated_back_kernel(width)(0, n, (mixed, gate, grad_v, grad_mixed, grad_gate))
        grad_h = self.gate.back(grad_gate, self.new.back(grad_s, np.empty_like(h)), adds=True)
        silu_back(hidden, grad_h, self.scalars)
        by_s, by_got, by_square, by_product = (
            layer.back(grad_h, np.empty_like(x)) for layer, x in zip(self.update, inputs)
        )
        by_got_v, by_v = np.empty_like(v), np.empty_like(v)
        atom_kernels.products_back_kernel(width, width)(0, n, (got_v, v, by_square, by_product, by_got_v, by_v))
        self.mix[0].back(grad_mixed, by_v, adds=True)
        self.mix[1].back(grad_mixed, by_got_v, adds=True)
        by_sent, by_carried, by_dotted = (np.zeros_like(each) for each in given[-3:])
        pulls = grad_centers, grad_shifts, by_sent, by_carried, by_dotted
        self.exchange()[1](*given, by_got, by_got_v, *pulls)
        grad_s = self.send.back(by_sent, grad_s + by_s, adds=True)
        grad_v = grad_v + by_v
        self.carry.back(by_carried, grad_v, adds=True)
        self.dot.back(by_dotted, grad_v, adds=True)
        return grad_s, grad_v


class FusedMessages:
    """All that `Algebra` does with grains, for networks that no longer change.

    Parameters
    ----------
    network : Algebra
    grains : int
    halo : Halo, optional
    """

    def __init__(self, network: Algebra, grains: int, halo: Optional[Halo] = None):
        self.grains, self.near = grains, network.grain_cutoff > 0.0
        self.halo, self.counted = halo, None if halo is None else halo.own_grains
        self.rows = BesselRows(network.grain_basis, grains)
        self.layers = [FusedLayer(layer) for layer in network.messages]
        self.pool, self.pool_bias = Linear(network.pool.weight), held(network.pool.bias)
        self.lower = Linear(network.down.weight)
        self.out, self.out_bias = Linear(network.grain_out[0].weight), held(network.grain_out[0].bias)
        self.last = LastLayer(network.grain_out[2])

    def among(self, pooled: np.ndarray, vectors: np.ndarray, centers: Tensor, neighbors: Neighbors) -> "Exchanged":
        """Let grains exchange what was pooled in them, [grains, hidden] and [grains, 3, c], flat."""
        return Exchanged(self, pooled, vectors, centers, neighbors)


class Exchanged:
    """What came out of it.

    Attributes
    ----------
    down : array, [grains, hidden]
        What each grain gives to its atoms.
    vectors : array, [grains, 3, c]
    energy : float
        Of all grains, eV.
    """

    def __init__(
        self, own: FusedMessages, pooled: np.ndarray, vectors: np.ndarray, centers: Tensor, neighbors: Neighbors
    ):
        self.own, self.known = own, []
        s, v = own.pool(pooled, copies_of(own.pool_bias, own.grains), adds=True), vectors
        if own.near:
            rows, basis, slope = own.rows(centers, neighbors.shifts, neighbors.grains)
            for layer in own.layers:
                if own.halo is not None:
                    own.halo.grains.fill(s)
                    own.halo.grains.fill(v)
                s, v, known = layer(s, v, (tuple(rows), basis, slope))
                self.known.append(known)
        self.hidden = own.out(s, copies_of(own.out_bias, own.grains), adds=True)
        self.energy = own.last(self.hidden, own.counted)  # which leaves its gradient there
        self.down, self.vectors = own.lower(s, np.empty(own.grains * own.lower.outputs, s.dtype)), v

    def back(self, grad_down: np.ndarray, grad_v: np.ndarray, grad_shifts: np.ndarray) -> tuple:
        """Gradients by what was pooled, and by the centers, all flat; adds to that of the shifts."""
        own, grad_centers = self.own, np.zeros(3 * self.own.grains, grad_shifts.dtype)
        grad_s = own.lower.back(grad_down, own.out.back(self.hidden, np.empty_like(self.hidden)), adds=True)
        for layer, known in zip(own.layers[::-1], self.known[::-1]):
            grad_s, grad_v = layer.back(known, grad_s, grad_v, grad_centers, grad_shifts)
            if own.halo is not None:
                own.halo.grains.give_back(grad_s)
                own.halo.grains.give_back(grad_v)
        return own.pool.back(grad_s, np.empty(own.grains * own.pool.inputs, grad_s.dtype)), grad_v, grad_centers
