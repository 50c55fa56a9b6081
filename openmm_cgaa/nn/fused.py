"""The conserving network for inference on a CPU: the same numbers as `ConservingNetwork`, a few times faster.

torch writes every [pairs, channels] array to memory, many times, forward and backward. Here the sums over neighbours
are numba kernels that hold them in the cache, with a backward pass written by hand; between them stands the network's
own torch code, differentiated by autograd. First derivatives only, one frame, and gradient mode on.
"""

from typing import List, NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu

from ..mapping.whole import grid_steps
from . import kernels
from .conserving import ConservingNetwork
from .graph import Graph, of_slots
from .messages import dots
from .network import Part

INDEX = np.int32


class Candidates(NamedTuple):
    """Who may see whom, row after row: entries ``start[i]`` to ``start[i + 1]`` are the senders that i may see.

    `image` counts the lattice vectors to them; `partner` is the entry of the way back.
    """

    start: np.ndarray
    sender: np.ndarray
    image: np.ndarray
    partner: np.ndarray

    @classmethod
    def of_pairs(cls, receivers: int, pairs: np.ndarray, image: np.ndarray, opposite: np.ndarray) -> "Candidates":
        """Both directions of pairs [2, pairs] that are listed once."""
        own = cls(np.empty(receivers + 1, INDEX), *(np.empty(2 * pairs.shape[1], INDEX) for _ in range(3)))
        kernels.both_directions(pairs[0], pairs[1], image, opposite, *own)
        return own


class Neighbors(NamedTuple):
    """Candidates among atoms and among grains; further ones than the cutoffs do no harm.

    Attributes
    ----------
    atoms, grains : Candidates
    shifts : Tensor, [images, 3], Å
        The lattice vectors that `image` counts.
    """

    atoms: Candidates
    grains: Candidates
    shifts: Tensor

    @classmethod
    def from_graph(cls, graph: Graph, box: Optional[Tensor]) -> "Neighbors":
        """The neighbours of a `Graph` of one frame, their shifts as steps of the grid of `near_origin`."""
        shift = torch.cat([graph.pair_shift, graph.edge_shift, torch.zeros_like(graph.positions[:1])]).double()
        steps = torch.round(shift @ torch.linalg.inv(grid_steps(box, shift)))
        width = (
            2 * int(steps.abs().max()) + 1
        )  # lattice vectors are numbered as digits of this base, zero in the middle
        numbers = steps @ steps.new_tensor([width**2, width, 1.0]) + width**3 // 2
        image = numbers.long().numpy()
        opposite = np.arange(width**3)[::-1].copy()
        shifts = np.zeros((width**3, 3))
        shifts[opposite[image]] = -shift.numpy()
        shifts[image] = shift.numpy()
        pairs, edges = graph.pair_index.numpy(), graph.edge_index.numpy()
        of_pairs, of_edges = image[: pairs.shape[1]], image[pairs.shape[1] : -1]
        once = (edges[0] < edges[1]) | ((edges[0] == edges[1]) & (of_edges > width**3 // 2))
        return cls(
            Candidates.of_pairs(graph.positions.size(0), pairs, of_pairs, opposite),
            Candidates.of_pairs(graph.grain_frame.size(0), edges[:, once], of_edges[once], opposite),
            torch.from_numpy(shifts).to(graph.positions.dtype),
        )


class Rows(NamedTuple):
    """Neighbours with their geometry and radial basis, as the kernels take them."""

    start: np.ndarray
    sender: np.ndarray
    image: np.ndarray
    group: np.ndarray
    unit: np.ndarray
    distance: np.ndarray
    basis: np.ndarray
    slope: np.ndarray


def flat(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().reshape(-1)


def empty_rows(receivers: int, entries: int, num_basis: int, dtype: np.dtype) -> Rows:
    index = [np.empty(size, INDEX) for size in (receivers + 1, entries, entries, entries)]
    return Rows(*index, *(np.empty(size * entries, dtype) for size in (3, 1, num_basis, num_basis)))


class BesselRows:
    """Rows of neighbours, with each sender's `kind` as group. The next call takes the same memory."""

    def __init__(self, basis, scale: float, kind: np.ndarray):
        self.kind = kind
        self.frequencies, self.cutoff, self.scale = basis.frequencies.double().numpy(), float(basis.cutoff), scale
        self.rows = None

    def __call__(self, positions: Tensor, shifts: Tensor, near: Candidates) -> Rows:
        x = flat(positions)
        if self.rows is None or len(near.start) != len(self.rows.start) or len(near.sender) > len(self.rows.sender):
            entries = len(near.sender) + len(near.sender) // 10
            self.rows = empty_rows(len(near.start) - 1, entries, len(self.frequencies), x.dtype)
            self.place = np.empty(entries, INDEX)
        settings = self.kind, self.frequencies, self.cutoff, self.scale
        kernels.bessel_rows(x, flat(shifts), *settings, tuple(near), self.place, *self.rows)
        return self.rows


class Gather(torch.autograd.Function):
    """Densities of one kind of rows; see `kernels.gather_kernels`."""

    @staticmethod
    def forward(ctx, positions, shifts, features, rows, weights, num_basis, sizes):
        """-> scalars [n, c], vectors [n, 3, c], tensors [n, 6, c]; `features` [n, channels] or None."""
        featured = features is not None
        forward, ctx.kernel = kernels.gather_kernels(num_basis, *sizes, featured)
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
    """What grains get from each other; see `kernels.message_kernels`."""

    @staticmethod
    def forward(ctx, centers, shifts, sent, carried, dotted, rows, weights, num_basis):
        """-> scalars [grains, scalars + vectors], vectors [grains, 3, vectors]."""
        ctx.given = rows, weights, flat(sent), flat(carried), flat(dotted)
        ctx.kernels = kernels.message_kernels(num_basis, sent.size(1) - carried.size(2), carried.size(2))
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
    """What an atom's network starts from; see `kernels.invariant_kernels`."""

    @staticmethod
    def forward(ctx, s_in, s_out, v, t, receive):
        """-> [atoms, width]; v [atoms, 3, 2 (vectors + tensors)], t [atoms, 6, 2 tensors], receive [atoms, width]."""
        tensors = t.size(2) // 2
        forward, ctx.kernel = kernels.invariant_kernels(s_in.size(1), v.size(2) // 2 - tensors, tensors)
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


class FusedConserving:
    """A `ConservingNetwork` bound to the grains of one frame.

    Weights are read once; it is for networks that no longer change.

    Parameters
    ----------
    network : ConservingNetwork
        On the CPU.
    counts : list of int
        Grains of each type.
    atom_grain : Tensor of int64, [atoms]
    """

    def __init__(self, network: ConservingNetwork, counts: List[int], atom_grain: Tensor):
        self.network = network
        self.atom_grain = atom_grain
        with torch.no_grad():
            self.bind_atoms(counts)
            self.bind_intra(counts)
            self.bind_environment()

    def bind_atoms(self, counts: List[int]) -> None:
        """What each atom has by its class, and each grain by its size."""
        network = self.network
        kind = of_slots(network.slot_class, network.slots, counts)
        self.kind = kind.numpy().astype(INDEX)
        self.element = of_slots(network.walls.slot_element, network.slots, counts).numpy()
        self.shortest = network.walls.shortest.numpy()
        self.receive, self.class_bias = network.receive[kind], network.class_bias[kind]
        self.pool_weight = network.pool_weight[kind]
        self.grain_size = torch.bincount(self.atom_grain, minlength=sum(counts)).to(self.receive.dtype).unsqueeze(1)
        self.share = self.grain_size.rsqrt()
        self.reference = (network.type_energy * torch.tensor(counts)).sum()

    def bind_intra(self, counts: List[int]) -> None:
        """Entries of all pairs inside grains, and weights by class of pair."""
        network = self.network
        weights, start, sender, partner, group = [], [0], [], [], []
        self.low = torch.cat([ranges.low for ranges in network.walls.inside]).numpy()
        self.high = torch.cat([ranges.high for ranges in network.walls.inside]).numpy()
        self.blocks = []  # atoms of each type: first, grains, slots; weights and bias of its intra energy
        atom = slot = groups = 0
        for density, count, size in zip(network.intra, counts, network.slots):
            own = network.slot_class[slot : slot + size]
            if count:
                self.blocks.append((atom, count, size, network.intra_in[own], network.intra_bias[own].unsqueeze(1)))
            parts = [density.scalar_weight, density.vector_weight]
            weights.append(torch.cat(parts + [density.tensor_weight] * (density.tensors > 0), 2))
            pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
            place = {pair: n for n, pair in enumerate(pairs)}
            back = np.array([place[j, i] for i, j in pairs], int)
            others = np.array([j for _, j in pairs], int)
            classes = density.pairs.numpy()[tuple(np.array(pairs, int).reshape(-1, 2).T)] + groups
            for _ in range(count):
                partner.append(back + start[-1])
                sender.append(others + atom)
                group.append(classes)
                start.extend(start[-1] + (size - 1) * np.arange(1, size + 1))
                atom += size
            slot += size
            groups += len(weights[-1])
        self.intra_weights = flat(torch.cat(weights))
        self.partner = np.concatenate(partner).astype(INDEX)
        density = network.intra[0]
        self.gaussians = density.basis
        self.sizes = (density.scalar_weight.size(2), density.vector_weight.size(2), density.tensors)
        rows = empty_rows(len(self.kind), len(self.partner), len(density.basis.centers), self.intra_weights.dtype)
        rows.start[:], rows.sender[:], rows.image[:] = start, np.concatenate(sender), 0
        rows.group[:] = np.concatenate(group)
        self.intra_rows = rows

    def bind_environment(self) -> None:
        """Weights of the sums over other grains: what a class sends goes into its radial functions."""
        network = self.network
        parts = [network.radial_s * network.send_s.unsqueeze(1), network.radial_v * network.send_v.unsqueeze(1)]
        if network.tensor_density is not None:
            parts.append(network.tensor_density.radial * network.tensor_density.send.unsqueeze(1))
        self.first_weights = flat(torch.cat(parts, 2))
        mixes = [network.mix] if network.tensor_density is None else [network.mix, network.tensor_density.mix_vectors]
        self.mix_vectors = torch.cat([mix.weight for mix in mixes]).T.contiguous()
        self.second_weights = flat(torch.cat([network.second_s, network.second_v], 1))
        self.second_sizes = (network.second_s.size(1), network.second_v.size(1), 0)
        self.atom_rows = BesselRows(network.atom_basis, network.norm, self.kind)
        self.grain_rows = BesselRows(network.grain_basis, 1.0, np.zeros(len(self.grain_size), INDEX))
        self.message_weights = [flat(layer.radial.weight.T * layer.norm) for layer in network.messages]

    def __call__(self, positions: Tensor, neighbors: Neighbors, part: int = 0) -> tuple:
        """As `ConservingNetwork.forward`: energy [] eV (float64), forces [atoms, 3] eV/Å, virial [3, 3] eV.

        Parameters
        ----------
        positions : Tensor, [atoms, 3], Å
            In network order; every grain is whole.
        neighbors : Neighbors
        part : int
        """
        positions = positions.detach().requires_grad_(True)
        shifts = neighbors.shifts.detach().requires_grad_(True)
        s, v, t = self.intra_densities(positions)
        by_positions, by_shifts = torch.zeros_like(positions), torch.zeros_like(shifts)
        walls = 0.0 if part == Part.REST else self.intra_wall(by_positions)
        if part == Part.INTRA:
            energy = self.intra_energy(s, v, t)
        else:
            rows = self.atom_rows(positions, shifts, neighbors.atoms)
            walls += self.wall(rows, by_positions, by_shifts)
            energy = self.environment_energy(positions, shifts, rows, neighbors.grains, s, v, t)
            if part != Part.REST:
                energy = energy + self.intra_energy(s, v, t)
        gradient, shift_gradient = torch.autograd.grad(energy, [positions, shifts], materialize_grads=True)
        gradient, shift_gradient = gradient + by_positions, shift_gradient + by_shifts
        virial = -(positions.detach().T @ gradient) - shifts.detach().T @ shift_gradient
        energy = energy.detach() + walls
        return energy if part == Part.REST else energy + self.reference, -gradient, virial

    def intra_densities(self, positions: Tensor) -> tuple:
        rows, basis = self.intra_rows, self.gaussians
        kernels.gaussian_rows(
            flat(positions),
            rows.start,
            rows.sender,
            self.partner,
            flat(basis.centers),
            basis.inverse_width,
            basis.decay,
            *rows[4:],
        )
        here = torch.zeros_like(positions[:1])  # inside a whole grain no lattice vector is met
        return Gather.apply(positions, here, None, rows, self.intra_weights, len(basis.centers), self.sizes)

    def intra_energy(self, s: Tensor, v: Tensor, t: Tensor) -> Tensor:
        x = torch.cat([s, v.square().sum(1), t.square().sum(1)], 1)
        hidden = []
        for first, count, size, weight, bias in self.blocks:
            block = x[first : first + count * size].view(count, size, -1).transpose(0, 1)
            hidden.append(torch.baddbmm(bias, block, weight).flatten(0, 1))  # slot after slot: only the sum counts
        return self.network.intra_out(silu(torch.cat(hidden))).double().sum()

    def intra_wall(self, by_positions: Tensor) -> float:
        """Energy of the walls inside grains; its gradient is added."""
        rows, height = self.intra_rows, self.network.walls.inside_height
        ranges = self.low, self.high, height
        return kernels.intra_wall(
            rows.start, rows.sender, rows.group, rows.unit, rows.distance, *ranges, flat(by_positions)
        )

    def wall(self, rows: Rows, by_positions: Tensor, by_shifts: Tensor) -> float:
        """Energy of the wall between grains; its gradient is added."""
        return kernels.wall(
            *rows[:3],
            *rows[4:6],
            self.element,
            self.shortest,
            self.network.walls.height,
            flat(by_positions),
            flat(by_shifts),
        )

    def environment_energy(
        self,
        positions: Tensor,
        shifts: Tensor,
        rows: Rows,
        grains: Candidates,
        s_in: Tensor,
        v_in: Tensor,
        t_in: Tensor,
    ) -> Tensor:
        """What is left when the intra energies are taken off, []; compare `ConservingNetwork.environment_features`."""
        network = self.network
        num_basis = len(network.atom_basis.frequencies)
        s_out, v_out, t_out = Gather.apply(positions, shifts, None, rows, self.first_weights, num_basis, self.sizes)
        v = torch.cat([v_in, v_out], 2)
        t = torch.cat([t_in, t_out], 2)
        if network.tensor_density is not None:
            t = network.tensor_density.mix(t)
        x = Invariants.apply(s_in, s_out, v @ self.mix_vectors, t, self.receive)
        h = silu(network.atom_in(x) + self.class_bias)
        h = silu(network.atom_hidden(h))

        # up into the grains, messages, and down again
        centers = self.grain_sum(positions) / self.grain_size
        relative = (positions - centers.index_select(0, self.atom_grain)).unsqueeze(2)
        s_grain = network.pool(self.grain_sum(h * self.pool_weight) * self.share)
        v_grain = self.grain_sum(network.pool_vectors(v) + network.pool_dipole(h).unsqueeze(1) * relative)
        v_grain = v_grain * self.share.unsqueeze(2)
        if network.grain_cutoff > 0.0:
            grain_rows = self.grain_rows(centers, shifts, grains)
            for layer, weights in zip(network.messages, self.message_weights):
                s_grain, v_grain = self.message(layer, weights, s_grain, v_grain, centers, shifts, grain_rows)
        v_here = v_grain.index_select(0, self.atom_grain)
        x = torch.cat([h, dots(network.down_vectors(v), v_here), dots(relative, v_here)], 1)
        h = silu(network.down_in(x) + network.down(s_grain).index_select(0, self.atom_grain))

        # second gathering
        s_out, v_out, _ = Gather.apply(
            positions, shifts, network.emit(h), rows, self.second_weights, num_basis, self.second_sizes
        )
        x = torch.cat([h, s_out, dots(v_out, v_out), dots(v_out, network.second_mix(v))], 1)
        return network.atom_out(x).double().sum() + network.grain_out(s_grain).double().sum()

    def message(self, layer, weights, s: Tensor, v: Tensor, centers: Tensor, shifts: Tensor, rows: Rows) -> tuple:
        """One layer of `GrainMessages`."""
        carried, dotted = layer.send_vectors(v).chunk(2, 2)
        num_basis = layer.radial.in_features
        got_s, got_v = Exchange.apply(
            centers, shifts, layer.send(s), carried.contiguous(), dotted.contiguous(), rows, weights, num_basis
        )
        x = torch.cat([s, got_s, dots(got_v, got_v), dots(v, got_v)], 1)
        new_s, gate = layer.update(x).split([s.size(1), v.size(2)], 1)
        return s + new_s, v + layer.mix(torch.cat([v, got_v], 2)) * torch.sigmoid(gate).unsqueeze(1)

    def grain_sum(self, values: Tensor) -> Tensor:
        out = values.new_zeros([len(self.grain_size)] + list(values.shape[1:]))
        return out.index_add(0, self.atom_grain, values)
