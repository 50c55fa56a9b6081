"""What a fused network has for good: its weights, handed out to the atoms and grains of one frame."""

from typing import List, Optional

import numpy as np
import torch

from ..mapping.layout import Layout
from .algebra import Algebra
from .fused_messages import FusedMessages, own_rows
from .graph import of_slots
from .halo import Halo
from .kernels.gathered import Table
from .kernels.layers import LastLayer, Linear, held
from .kernels.neighbor_rows import INDEX, flat
from .kernels.radial_tables import Knots
from .kernels.spans import Span


class Weights:
    """Of the network, as the steps take them; linear maps are cut where their inputs are not side by side.

    Attributes
    ----------
    computed : int
        Grains that are computed here.
    shell : Span
        Those behind them, of which kinds, elements and sizes are known.
    """

    def __init__(self, network: Algebra, layout: Layout, halo: Optional[Halo]):
        counts, self.halo = layout.counts, halo
        self.counted = own_rows(len(layout.atom_grain), None if halo is None else halo.own_atoms, network)
        own_counts = counts if halo is None else own_of(counts, halo.own_grains)
        with torch.no_grad():
            atoms = network.by_class(counts, layout.atom_grain, sum(counts))
            knots = Knots.of(network.atom_basis, network.norm, network.receive.dtype)
            radial = network.radial_functions()
            self.first, self.second = Table.of(knots, radial.first), Table.of(knots, radial.second)
            self.send = held(torch.cat(radial.send, 1))
            self.reference = float((network.type_energy * network.type_energy.new_tensor(own_counts)).sum())
            self.bias = held(network.atom_in.bias + atoms.bias)
        self.receive, self.pool_weight = flat(atoms.receive), flat(atoms.pool)
        self.kind, self.element = atoms.kind.numpy().astype(INDEX), atoms.element.numpy()
        self.share, self.sizes = flat(atoms.share), flat(atoms.sizes)
        self.shortest = network.walls.shortest.numpy().copy()
        self.owner, self.computed = layout.atom_grain.numpy(), len(self.sizes)
        if halo is not None:
            self._add_shell(network, halo.shell)
        self.start = np.append(0, np.cumsum(self.sizes.astype(int))).astype(INDEX)
        self.shell = Span(self.computed, len(self.sizes), int(self.start[self.computed]), int(self.start[-1]))
        slots, counted = np.array(network.slots), np.array(layout.counts)
        before = [np.cumsum(each) - each for each in (slots, counted, counted * slots)]
        # (first slot, slots, first grain, grains, first atom) of each class of grains
        self.places = np.stack([before[0], slots, before[1], counted, before[2]], 1).astype(INDEX).ravel()
        self._take_layers(network)

    def _add_shell(self, network: Algebra, shell: Layout) -> None:
        slots, counts = network.slots, shell.counts
        classes = of_slots(network.slot_class, slots, counts).numpy()
        self.kind = np.append(self.kind, classes).astype(INDEX)
        self.element = np.append(self.element, of_slots(network.walls.slot_element, slots, counts).numpy())
        self.sizes = np.append(self.sizes, np.repeat(slots, counts)).astype(self.sizes.dtype)
        self.owner = np.append(self.owner, shell.atom_grain.numpy() + self.computed)
        self.counted = np.append(self.counted, np.zeros(len(classes), self.counted.dtype))

    def _take_layers(self, network: Algebra) -> None:
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
        self.hidden, pairs = network.atom_in.out_features, network.pair_split
        widths = [self.hidden, self.grain_vectors, self.grain_vectors]
        self.down_in = [Linear(part) for part in network.down_in.weight.split(widths, 1)]
        self.emit = Linear(network.emit.weight)
        widths = [self.hidden, pairs[0], pairs[1], pairs[1]]
        self.atom_out = [Linear(part) for part in network.atom_out[0].weight.split(widths, 1)]
        self.atom_bias, self.hidden_bias = held(network.atom_out[0].bias), held(network.atom_hidden.bias)
        self.down_bias, self.emit_bias = held(network.down_in.bias), held(network.emit.bias)
        self.last = LastLayer(network.atom_out[2])
        weights, biases = (torch.cat(list(each)) for each in zip(*network.by_slot()))
        self.by_slot = held(weights), held(weights.transpose(1, 2)), held(biases)
        self.intra_hidden, self.intra_bias = Linear(network.intra_out[0].weight), held(network.intra_out[0].bias)
        self.intra_last = LastLayer(network.intra_out[2])
        self.messages = FusedMessages(network, self.computed, self.halo)


def own_of(counts: List[int], own: np.ndarray) -> List[int]:
    """How many of the grains of each type, sorted by it, are among the own ones, bool [grains]."""
    return [int(part.sum()) for part in np.split(own, np.cumsum(counts)[:-1])]
