"""The conserving network for inference on a CPU: the steps of `Algebra` by kernels, and the way back by hand.

torch writes every array of pairs and of atoms to memory, many times, forward and backward. Here they stay in registers
and in the cache. First derivatives only, one frame. Atoms are in network order, those of a grain side by side. The
numbers are those of torch, to rounding (tests/nn/test_fused.py): whoever changes a step there changes it here.

The steps are written on a tape once. Threads take spans of grains with their atoms; where the tape has a meeting, all
must have come as far before one goes on.
"""

from collections.abc import Generator
from typing import Optional

import numpy as np
import torch
from torch import Tensor

from ..host import teamwork
from ..mapping.layout import Layout
from .algebra import Algebra
from .fused_messages import meet
from .fused_weights import Weights
from .halo import Halo
from .kernels import atom_steps, pull_kernels
from .kernels.dense_steps import FRESH, ONE_ROW, clear, linear_by_slot, silu, silu_back
from .kernels.gathered import Gathering, InsideGrains, rows_of
from .kernels.neighbor_rows import Neighbors, RowsWithin, flat
from .kernels.phases import ATOMS, GRAINS
from .kernels.spans import Span, spans_of
from .kernels.tape import Bound, Tape
from .network import Part

ATOM_IN_NEIGHBORS = 60  # as many candidates for neighbours take as long as what an atom does by itself
LEAST = 100  # atoms, that are worth a thread


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
        Where other processes compute a part of the frame. Positions and forces are those of its shell as well then,
        which follows; energies are those of the own grains, forces and virial what this process adds to those of all.
    """

    def __init__(self, network: Algebra, layout: Layout, halo: Optional[Halo] = None):
        self.network = network
        self.weights = Weights(network, layout, halo)
        self.atom_rows = RowsWithin(network.atom_cutoff)
        self.grain_rows = RowsWithin(network.grain_cutoff)
        self.inside = InsideGrains(network, layout)
        self.written: dict[int, Written] = {}  # by the part that is asked for
        self.listed: Optional[Neighbors] = None  # of the last call
        self.spans: dict[int, list[Span]] = {}  # by the number of threads

    def __getstate__(self) -> dict:
        return self.__dict__ | {"written": {}, "listed": None}

    def __call__(self, positions: Tensor, neighbors: Neighbors, part: int = 0, num_threads: int | None = None) -> tuple:
        """As `ConservingNetwork.forward`: energy [] eV (float64), forces [atoms, 3] eV/Å, virial [3, 3] eV.

        Parameters
        ----------
        positions : Tensor, [atoms, 3], Å
            In network order; every grain is whole.
        neighbors : Neighbors
        part : int
        num_threads : int, optional
            By default as many as `host.teamwork` has for a system of this size. Forces are the same to the bit.
        """
        x, shifts = flat(positions), flat(neighbors.shifts)
        if part not in self.written:
            self.written[part] = Written(self, part)
        written = self.written[part]
        written.begin(x)
        if neighbors is not self.listed:
            self.listed = neighbors
            self.inside.begin(len(neighbors.shifts), neighbors.links)
        if part != Part.INTRA:
            self.atom_rows.room(neighbors.atoms, x.dtype)
            self.grain_rows.room(neighbors.grains, x.dtype)
        bounds = [[written.bound(span)] for span in self._spans(neighbors, num_threads)]
        if self.weights.shell.num_grains:
            bounds[-1].append(written.bound(self.weights.shell))
        jobs = [self._work(written, shifts, neighbors, *bound) for bound in bounds]
        energies, virials = zip(*teamwork.team.run(jobs))
        energy = sum(energies) + (self.weights.reference if part != Part.REST else 0.0)
        return (
            positions.new_tensor(energy, dtype=torch.float64),
            torch.from_numpy(-written.gradient).view(-1, 3),
            torch.from_numpy(sum(virials)).to(positions.dtype),
        )

    def _spans(self, neighbors: Neighbors, num_threads: int | None) -> list[Span]:
        """For as many threads, with as much work each as at the first call, which is neighbours and atoms."""
        start = self.weights.start[: self.weights.computed + 1]
        count = num_threads or teamwork.usual(int(start[-1]) // LEAST)
        if count not in self.spans:
            self.spans[count] = spans_of(start, neighbors.atoms.start[start] + ATOM_IN_NEIGHBORS * start, count)
        return self.spans[count]

    def _work(
        self, written: "Written", shifts: np.ndarray, neighbors: Neighbors, bound: Bound, *beside: Bound
    ) -> Generator[None, None, tuple]:
        """All steps for a span: its energy and its part of the virial [3, 3]; sets the gradient of its atoms.

        One of all has the shell `beside` it: of its grains there are rows, and what these pull and send back.
        """
        span, x, part = bound.span, written.x, written.part
        atoms, spans = (span.first, span.last), [span, *(each.span for each in beside)]
        self.inside.fill(*atoms, x, shifts)
        for own in spans if part != Part.INTRA else ():
            self.atom_rows.fill(own.first, own.last, x, shifts, neighbors.atoms)
        messages = part != Part.INTRA and len(self.weights.messages.layers) > 0
        for phase, deliveries in enumerate(written.tape.deliveries):
            if phase > 0:
                yield
            if deliveries:
                for deliver in deliveries if span.first_grain == 0 else ():
                    deliver()
                yield
            for own in spans if phase == 1 and messages else ():
                self.grain_rows.fill(own.first_grain, own.last_grain, written.centers, shifts, neighbors.grains)
            bound.run(phase)
            for each in beside if phase in written.tape.of_shell else ():
                each.run(phase)
        walls, energies = self.network.walls, written.wall_energies
        by_shift, none, gradient = np.zeros(len(shifts), np.float64), len(shifts) // 6, written.gradient
        if part != Part.REST:
            ranges = walls.inside_height, self.inside.low, self.inside.high
            rows, group = tuple(self.inside.rows), self.inside.group
            pull_kernels.inside(*atoms, rows, group, *ranges, self.weights.counted, energies[0])
        if part != Part.INTRA:
            heights = walls.height, self.weights.shortest, self.weights.element
            pull_kernels.wall(*atoms, tuple(self.atom_rows.rows), *heights, self.weights.counted, energies[1])
        yield
        pull_kernels.collect(*atoms, tuple(self.inside.rows), False, none, gradient, by_shift)
        for own in spans if part != Part.INTRA else ():
            self.atom_rows.settle(own.first, own.last, neighbors.atoms, True)
            pull_kernels.collect(own.first, own.last, tuple(self.atom_rows.rows), True, none, gradient, by_shift)
        for own in spans if messages else ():
            grains, by_center = (own.first_grain, own.last_grain), own.grains(written.by_center, 3)
            self.grain_rows.settle(*grains, neighbors.grains, False)
            by_center[:] = 0.0
            pull_kernels.collect(*grains, tuple(self.grain_rows.rows), False, none, written.by_center, by_shift)
            moved = by_center.reshape(-1, 3) / own.grains(self.weights.sizes)[:, None]  # a center moves with each atom
            own.atoms(gradient, 3)[:] += moved[own.atoms(self.weights.owner) - own.first_grain].ravel()
        energy, virial = sum(float(rows.sum(dtype=np.float64)) for rows in written.energies(span)), np.zeros((3, 3))
        for own in spans:
            pull_kernels.add_virial(own.first, own.last, x, gradient, virial)
        pull_kernels.add_virial(0, len(shifts) // 3, shifts, by_shift, virial)
        return energy, virial


class Written:
    """The tape of a network for what part of the energy is asked for, and the arrays that calls look at.

    Parameters
    ----------
    network : FusedConserving
    part : int
    """

    def __init__(self, network: FusedConserving, part: int):
        weights = self.weights = network.weights
        self.network, self.part, dtype = network, part, weights.receive.dtype
        n, grains = int(weights.start[-1]), len(weights.start) - 1
        self.tape = tape = Tape(weights.start, dtype)
        self.x, self.gradient = (np.zeros(3 * n, dtype) for _ in range(2))
        self.centers, self.by_center = (np.zeros(3 * grains, dtype) for _ in range(2))
        self.wall_energies = np.zeros((2, n), dtype)
        self.of_atoms, self.of_grains = list(self.wall_energies), list[np.ndarray]()
        self.known: dict[Span, tuple] = {}
        sizes = weights.first.sizes
        inside = Gathering(tape, "inside", network.inside.table)
        own, grad_own = inside.densities(), tuple(tape.atoms(k * size) for k, size in zip((1, 3, 6), sizes))
        for array, k, size in zip(grad_own, (1, 3, 6), sizes):
            tape.add(clear, ATOMS, [array], k * size)
        tape.add(clear, ATOMS, [tape.fixed(self.gradient, ATOMS)], 3)
        if part != Part.REST:
            self._write_intra(own, grad_own)
        if part != Part.INTRA:
            self._write_environment(own, grad_own)
        inside.write_back(grad_own)

    def begin(self, x: np.ndarray) -> None:
        """A call at positions; of the shell, which has no steps of its own, centers and gradients are set here."""
        shell, self.x[:] = self.weights.shell, x
        if shell.num_grains:
            sums = np.add.reduceat(
                shell.atoms(x, 3).reshape(-1, 3), self.weights.start[shell.first_grain : -1] - shell.first
            )
            shell.grains(self.centers, 3)[:] = (sums / shell.grains(self.weights.sizes)[:, None]).ravel()
            shell.atoms(self.gradient, 3)[:] = 0.0

    def energies(self, span: Span) -> list[np.ndarray]:
        """Rows of energies, eV, of a span."""
        return [*(span.atoms(each) for each in self.of_atoms), *(span.grains(each) for each in self.of_grains)]

    def bound(self, span: Span) -> Bound:
        """The tape on the arrays of a span; those of the last call, if it had the same."""
        inside, atoms, grains = self.network.inside.rows, self.network.atom_rows.rows, self.network.grain_rows.rows
        rows = {"inside": inside, "atoms": atoms, "grains": grains}
        if span not in self.known or self.known[span][0] is not atoms or self.known[span][1] is not grains:
            given = {
                f"{name}.{field}": array
                for name, own in rows.items()
                if own is not None
                for field, array in own._asdict().items()
            }
            self.known[span] = atoms, grains, Bound(self.tape, span, given)
        return self.known[span][2]

    def _write_intra(self, own: tuple, grad_own: tuple) -> None:
        """Intra energies; adds to the gradients of an atom's densities of its own grain."""
        tape, weights = self.tape, self.weights
        (s, v, t), sizes, hidden = own, weights.first.sizes, weights.hidden
        sizes = (*sizes, self.network.network.pseudoscalars)
        width, classes = sum(sizes), len(weights.places) // 5
        forward, backward, biases, places = (tape.fixed(each) for each in (*weights.by_slot, weights.places))
        x, before, h, last = (tape.atoms(size) for size in (width, hidden, hidden, weights.intra_hidden.outputs))
        tape.add(atom_steps.squares, ATOMS, [s, v, t, x], *sizes)
        given = [x, forward, before, biases, places]
        tape.add(linear_by_slot, GRAINS, given, width, hidden, classes, ONE_ROW)
        tape.add(silu, ATOMS, [before, h], hidden)
        weights.intra_hidden.write(tape, h, last, bias=tape.fixed(weights.intra_bias))
        self.of_atoms.append(weights.intra_last.write(tape, last, weights.counted))
        weights.intra_hidden.write_back(tape, last, h)
        tape.add(silu_back, ATOMS, [before, h], hidden)
        tape.add(linear_by_slot, GRAINS, [h, backward, x, places], hidden, width, classes, FRESH)
        tape.add(atom_steps.squares_back, ATOMS, [v, t, x, *grad_own], *sizes)

    def _write_environment(self, own: tuple, grad_own: tuple) -> None:
        """What is left when the intra energies are taken off; adds to all gradients. The steps are `Algebra`'s."""
        tape, weights = self.tape, self.weights
        hidden, vectors, pairs = weights.hidden, weights.grain_vectors, weights.pair_vectors
        (s_in, v_in, t_in), sizes, stride = own, weights.first.sizes, 2 * vectors + pairs
        start, share = tape.fixed(weights.start), tape.fixed(weights.share, GRAINS)
        receive, pool_weight = tape.fixed(weights.receive, ATOMS), tape.fixed(weights.pool_weight, ATOMS)
        by_class = Gathering(tape, "atoms", weights.first, tape.fixed(weights.send), weights.kind, adds=True)
        s_out, v_out, t_out = by_class.densities()

        # what an atom makes of both densities
        mixed, rest, tensors = (tape.atoms(k) for k in (3 * weights.mix[0].outputs, 3 * stride, 24 * sizes[2]))
        for out, layers, times, density in (
            (mixed, weights.mix, 3, (v_in, v_out)),
            (rest, weights.rest, 3, (v_in, v_out)),
            (tensors, weights.mix_tensors, 6, (t_in, t_out)),
        ):
            for k, (layer, x) in enumerate(zip(layers, density)):
                layer.write(tape, x, out, adds=k > 0, times=times)
        widths, found = (sizes[0], 2 * sizes[1], 2 * sizes[2]), tape.atoms(weights.atom_in.inputs)
        tape.add(atom_steps.invariants, ATOMS, [s_in, s_out, mixed, tensors, receive, found], *widths)
        h_in, h_mid, h_first, h = (tape.atoms(hidden) for _ in range(4))
        weights.atom_in.write(tape, found, h_in, bias=tape.fixed(weights.bias, ATOMS))
        tape.add(silu, ATOMS, [h_in, h_first], hidden)
        weights.atom_hidden.write(tape, h_first, h_mid, bias=tape.fixed(weights.hidden_bias))
        tape.add(silu, ATOMS, [h_mid, h], hidden)

        # up into the grains, messages, and down again
        relative, dipole = tape.atoms(3), tape.atoms(vectors)
        x, centers = tape.fixed(self.x, ATOMS), tape.fixed(self.centers, GRAINS)
        tape.add(atom_steps.centered, GRAINS, [start, share, x, centers, relative])
        weights.dipole.write(tape, h, dipole)
        pooled, pooled_vectors = tape.grains(hidden), tape.grains(3 * vectors)
        given = [start, h, pool_weight, rest, dipole, relative, share, pooled, pooled_vectors]
        tape.add(atom_steps.into_grains, GRAINS, given, hidden, vectors, stride)
        messages = weights.messages.write(tape, pooled, pooled_vectors, rows_of(tape, "grains"))
        self.of_grains.append(messages.energies)
        h_down, dots, ways, h_after = (tape.atoms(size) for size in (hidden, vectors, vectors, hidden))
        weights.down_in[0].write(tape, h, h_down, bias=tape.fixed(weights.down_bias))
        of_down = rest.after(vectors)
        given = [start, messages.down, messages.vectors, of_down, relative, h_down, dots, ways]
        tape.add(atom_steps.into_atoms, GRAINS, given, hidden, vectors, stride)
        for layer, taken in zip(weights.down_in[1:], (dots, ways)):
            layer.write(tape, taken, h_down, adds=True)
        tape.add(silu, ATOMS, [h_down, h_after], hidden)

        # second gathering, and the energies
        emitted = tape.shared(ATOMS, weights.emit.outputs)
        weights.emit.write(tape, h_after, emitted, bias=tape.fixed(weights.emit_bias))
        meet(tape, None if weights.halo is None else weights.halo.atoms.fill, emitted)
        by_atom = Gathering(tape, "atoms", weights.second, emitted)
        s_second, v_second, _ = by_atom.densities()
        square, product, of_pairs = tape.atoms(pairs), tape.atoms(pairs), rest.after(2 * vectors)
        tape.add(atom_steps.products, ATOMS, [v_second, of_pairs, square, product], pairs, stride)
        last, inputs = tape.atoms(weights.atom_out[0].outputs), (h_after, s_second, square, product)
        for k, (layer, taken) in enumerate(zip(weights.atom_out, inputs)):
            more = {"adds": True} if k else {"bias": tape.fixed(weights.atom_bias)}
            layer.write(tape, taken, last, **more)
        self.of_atoms.append(weights.last.write(tape, last, weights.counted))

        # the way back
        grad_second = tuple(tape.shared(ATOMS, k * size) for k, size in zip((1, 3, 6), weights.second.sizes))
        grad_h, grad_square, grad_product = (tape.atoms(size) for size in (hidden, pairs, pairs))
        for layer, out in zip(weights.atom_out, (grad_h, grad_second[0], grad_square, grad_product)):
            layer.write_back(tape, last, out)
        grad_rest = tape.atoms(3 * stride)
        given = [v_second, of_pairs, grad_square, grad_product, grad_second[1], grad_rest.after(2 * vectors)]
        tape.add(atom_steps.products_back, ATOMS, given, pairs, stride)
        tape.meet()
        tape.for_shell()
        grad_emitted = by_atom.write_back(grad_second)
        if weights.halo is not None:
            meet(tape, weights.halo.atoms.give_back, grad_emitted)
        weights.emit.write_back(tape, grad_emitted, grad_h, adds=True)
        tape.add(silu_back, ATOMS, [h_down, grad_h], hidden)
        grad_before, grad_dots, grad_ways = (tape.atoms(size) for size in (hidden, vectors, vectors))
        for layer, out in zip(weights.down_in, (grad_before, grad_dots, grad_ways)):
            layer.write_back(tape, grad_h, out)
        grad_down, grad_vectors, grad_relative = tape.grains(hidden), tape.grains(3 * vectors), tape.atoms(3)
        given = [start, messages.vectors, of_down, relative, grad_h, grad_dots, grad_ways]
        given += [grad_down, grad_vectors, grad_rest.after(vectors), grad_relative]
        tape.add(atom_steps.into_atoms_back, GRAINS, given, hidden, vectors, stride)
        grad_pooled, grad_dipole = messages.write_back(grad_down, grad_vectors), tape.atoms(vectors)
        given = [start, pool_weight, dipole, relative, share, grad_pooled, grad_vectors]
        given += [grad_before, grad_rest, grad_dipole, grad_relative]
        tape.add(atom_steps.into_grains_back, GRAINS, given, hidden, vectors, stride)
        weights.dipole.write_back(tape, grad_dipole, grad_before, adds=True)
        tape.add(silu_back, ATOMS, [h_mid, grad_before], hidden)
        grad_mid, grad_found = tape.atoms(hidden), tape.atoms(weights.atom_in.inputs)
        weights.atom_hidden.write_back(tape, grad_before, grad_mid)
        tape.add(silu_back, ATOMS, [h_in, grad_mid], hidden)
        weights.atom_in.write_back(tape, grad_mid, grad_found)
        grad_mixed, grad_tensors = tape.atoms(3 * weights.mix[0].outputs), tape.atoms(24 * sizes[2])
        grad_out = tuple(tape.shared(ATOMS, k * size) for k, size in zip((1, 3, 6), sizes))
        given = [mixed, tensors, receive, grad_found, grad_own[0], grad_out[0], grad_mixed, grad_tensors]
        tape.add(atom_steps.invariants_back, ATOMS, given, *widths)
        for layers, gradient, k, times, adds in (
            (weights.mix, grad_mixed, 1, 3, False),
            (weights.rest, grad_rest, 1, 3, True),
            (weights.mix_tensors, grad_tensors, 2, 6, False),
        ):
            for layer, out, more in zip(layers, (grad_own[k], grad_out[k]), (True, adds)):
                layer.write_back(tape, gradient, out, adds=more, times=times)
        tape.add(atom_steps.centered_back, GRAINS, [start, share, grad_relative, tape.fixed(self.gradient, ATOMS)])
        tape.meet()
        by_class.write_back(grad_out)
