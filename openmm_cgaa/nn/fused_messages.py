"""What grains do among themselves, on a tape, with the way back: `GrainMessages`, and energies of grains."""

from collections.abc import Callable
from functools import partial

import numpy as np

from .algebra import Algebra
from .halo import Halo
from .kernels import atom_steps
from .kernels.dense_steps import silu, silu_back
from .kernels.exchange_steps import exchange, exchange_back
from .kernels.layers import LastLayer, Linear, held
from .kernels.neighbor_rows import flat
from .kernels.phases import GRAINS
from .kernels.radial_tables import Knots
from .kernels.tape import Ref, Tape
from .messages import GrainMessages


class FusedLayer:
    """The numbers of a `GrainMessages`, which does not change any more.

    Parameters
    ----------
    layer : GrainMessages
    knots : Knots
        Of the basis of edges.
    """

    def __init__(self, layer: GrainMessages, knots: Knots):
        self.scalars, self.vectors = s, v = layer.sizes
        self.radial, self.table = knots.radial, knots.table(layer.radial.weight.t() * layer.norm)
        self.send, self.send_bias = Linear(layer.send.weight), held(layer.send.bias)
        self.carry, self.dot = (Linear(part) for part in layer.send_vectors.weight.chunk(2))
        self.update = [Linear(part) for part in layer.update[0].weight.split([s, s + v, v, v], 1)]
        self.update_bias = held(layer.update[0].bias)
        self.new, self.gate = (Linear(part) for part in layer.update[2].weight.split([s, v]))
        self.new_bias, self.gate_bias = (held(part) for part in layer.update[2].bias.split([s, v]))
        self.mix = [Linear(part) for part in layer.mix.weight.chunk(2, 1)]

    def write(self, tape: Tape, s: Ref, v: Ref, rows: list, halo: Halo | None) -> tuple[Ref, Ref, "Exchanged"]:
        """New scalars and vectors, and what the way back needs."""
        width, got = self.vectors, self.send.outputs
        sent, carried, dotted = (tape.shared(GRAINS, size) for size in (got, 3 * width, 3 * width))
        self.send.write(tape, s, sent, bias=tape.fixed(self.send_bias))
        for layer, out in ((self.carry, carried), (self.dot, dotted)):
            layer.write(tape, v, out, times=3)
        meet(tape, None if halo is None else halo.grains.fill, sent, carried, dotted)
        got_s, got_v = tape.grains(got), tape.grains(3 * width)
        edges = [*rows, tape.fixed(self.radial), tape.fixed(self.table), sent, carried, dotted]
        tape.add(exchange, GRAINS, [*edges, got_s, got_v], self.scalars, width)
        square, product = tape.grains(width), tape.grains(width)
        tape.add(atom_steps.products, GRAINS, [got_v, v, square, product], width, width)
        inputs, hidden, h = (s, got_s, square, product), tape.grains(self.scalars), tape.grains(self.scalars)
        for k, (layer, x) in enumerate(zip(self.update, inputs)):
            bias = {"bias": tape.fixed(self.update_bias)} if k == 0 else {"adds": True}
            layer.write(tape, x, hidden, **bias)
        tape.add(silu, GRAINS, [hidden, h], self.scalars)
        new_s, gate, mixed, new_v = (tape.grains(size) for size in (self.scalars, width, 3 * width, 3 * width))
        self.new.write(tape, h, new_s, bias=tape.fixed(self.new_bias))
        tape.add(atom_steps.added, GRAINS, [s, new_s], self.scalars)
        self.gate.write(tape, h, gate, bias=tape.fixed(self.gate_bias))
        self.mix[1].write(tape, got_v, self.mix[0].write(tape, v, mixed, times=3), adds=True, times=3)
        tape.add(atom_steps.gated, GRAINS, [v, mixed, gate, new_v], width)
        return new_s, new_v, Exchanged(self, edges, v, got_v, hidden, h, gate, mixed)


class Exchanged:
    """What the way back of a layer needs of the way there."""

    def __init__(self, own: FusedLayer, edges: list, v: Ref, got_v: Ref, hidden: Ref, h: Ref, gate: Ref, mixed: Ref):
        self.own, self.edges, self.v, self.got_v = own, edges, v, got_v
        self.hidden, self.h, self.gate, self.mixed = hidden, h, gate, mixed

    def write_back(self, tape: Tape, grad_s: Ref, grad_v: Ref, adds: bool, halo: Halo | None) -> None:
        """Turn gradients by the scalars and vectors that went out into those by what came in, in their place.

        What the edges pull is set, or added to.
        """
        own, width, got = self.own, self.own.vectors, self.own.send.outputs
        grad_mixed, grad_gate, grad_h = (tape.grains(size) for size in (3 * width, width, own.scalars))
        tape.add(atom_steps.gated_back, GRAINS, [self.mixed, self.gate, grad_v, grad_mixed, grad_gate], width)
        own.new.write_back(tape, grad_s, grad_h)
        own.gate.write_back(tape, grad_gate, grad_h, adds=True)
        tape.add(silu_back, GRAINS, [self.hidden, grad_h], own.scalars)
        by_s, by_v = tape.shared(GRAINS, got), tape.shared(GRAINS, 3 * width)
        by_square, by_product, by_own = (tape.grains(size) for size in (width, width, 3 * width))
        for layer, out, more in zip(own.update, (grad_s, by_s, by_square, by_product), (True, False, False, False)):
            layer.write_back(tape, grad_h, out, adds=more)
        products = [self.got_v, self.v, by_square, by_product, by_v, by_own]
        tape.add(atom_steps.products_back, GRAINS, products, width, width)
        tape.add(atom_steps.added, GRAINS, [by_own, grad_v], 3 * width)
        own.mix[0].write_back(tape, grad_mixed, grad_v, adds=True, times=3)
        own.mix[1].write_back(tape, grad_mixed, by_v, adds=True, times=3)
        tape.meet()
        tape.for_shell()
        by_sent, by_carried, by_dotted = (tape.shared(GRAINS, size) for size in (got, 3 * width, 3 * width))
        given = [*self.edges, by_s, by_v, by_sent, by_carried, by_dotted]
        tape.add(exchange_back, GRAINS, given, own.scalars, width, int(adds))
        if halo is not None:
            meet(tape, halo.grains.give_back, by_sent, by_carried, by_dotted)
        own.send.write_back(tape, by_sent, grad_s, adds=True)
        own.carry.write_back(tape, by_carried, grad_v, adds=True, times=3)
        own.dot.write_back(tape, by_dotted, grad_v, adds=True, times=3)


class FusedMessages:
    """All that `Algebra` does with grains, for networks that no longer change.

    Parameters
    ----------
    network : Algebra
    grains : int
    halo : Halo, optional
    """

    def __init__(self, network: Algebra, grains: int, halo: Halo | None = None):
        self.halo, near = halo, network.grain_cutoff > 0.0
        self.counted = own_rows(grains, None if halo is None else halo.own_grains, network)
        knots = Knots.of(network.grain_basis, 1.0, network.receive.dtype)
        self.layers = [FusedLayer(layer, knots) for layer in network.messages] if near else []
        self.pool, self.pool_bias = Linear(network.pool.weight), held(network.pool.bias)
        self.lower = Linear(network.down.weight)
        self.out, self.out_bias = Linear(network.grain_out[0].weight), held(network.grain_out[0].bias)
        self.last = LastLayer(network.grain_out[2])

    def write(self, tape: Tape, pooled: Ref, vectors: Ref, rows: list) -> "Among":
        """Let grains exchange what was pooled in them, [grains, hidden] and [grains, 3, c]."""
        return Among(self, tape, pooled, vectors, rows)


class Among:
    """What came out of it.

    Attributes
    ----------
    down : Ref, [grains, hidden]
        What each grain gives to its atoms.
    vectors : Ref, [grains, 3, c]
    energies : array, [grains]
        eV.
    """

    def __init__(self, own: FusedMessages, tape: Tape, pooled: Ref, v: Ref, rows: list):
        self.own, self.tape, self.known = own, tape, list[Exchanged]()
        s = own.pool.write(tape, pooled, tape.grains(own.pool.outputs), bias=tape.fixed(own.pool_bias))
        for layer in own.layers:
            s, v, known = layer.write(tape, s, v, rows, own.halo)
            self.known.append(known)
        hidden = tape.grains(own.out.outputs)
        self.hidden = own.out.write(tape, s, hidden, bias=tape.fixed(own.out_bias))
        self.energies: np.ndarray = own.last.write(tape, hidden, own.counted)  # which leaves its gradient there
        self.down, self.vectors = own.lower.write(tape, s, tape.grains(own.lower.outputs)), v

    def write_back(self, grad_down: Ref, grad_v: Ref) -> Ref:
        """The gradient by the pooled features; that by the pooled vectors takes the place of the given one.

        Sets what the edges pull.
        """
        own, tape = self.own, self.tape
        grad_s = own.out.write_back(tape, self.hidden, tape.grains(own.out.inputs))
        own.lower.write_back(tape, grad_down, grad_s, adds=True)
        for k, known in enumerate(self.known[::-1]):
            known.write_back(tape, grad_s, grad_v, k > 0, own.halo)
        return own.pool.write_back(tape, grad_s, tape.grains(own.pool.inputs))


def meet(tape: Tape, deliver: Callable | None, *arrays: Ref) -> None:
    """A meeting at which shared arrays are delivered to other processes, if there are some."""
    tape.meet(*([] if deliver is None else [partial(deliver, tape.array(ref)) for ref in arrays]))


def own_rows(rows: int, own: np.ndarray | None, network: Algebra) -> np.ndarray:
    """What weighs the energies of rows: 1 for the own ones, or for all, in the network's precision."""
    return (np.ones(rows) if own is None else own).astype(flat(network.receive).dtype)
