"""The energy-conserving grain network: one energy, one backward pass, forces that are exactly -grad E."""

from typing import ContextManager, List, Optional, Tuple

import torch
from torch import Tensor, nn

from .graph import Graph, frame_sum, grain_sum, of_slots
from .intra import IntraDensity, pair_classes_of
from .messages import GrainMessages, TensorDensity, dots, gather_scalars, gather_vectors, mlp, radial_weight
from .network import Network, Part, irreps
from .radial import BesselBasis
from .walls import Walls, from_older_state


class ConservingNetwork(Network):
    """E = sum of grains' intra energies + sum of atoms' environment energies + sum of grain energies.

    Every weight is shared over the symmetry classes of a grain type, so equivalent atoms may be exchanged. The way of
    a pass: each atom gathers densities (scalars and vectors) of its own grain and, within `atom_cutoff`, of the atoms
    of other grains; they are pooled into the grains; grains exchange messages within `grain_cutoff`; the atoms gather
    once more, weighted by features that now know the grain's surroundings; energies are read from atoms and grains.

    Parameters
    ----------
    slots : list of int
        Atoms of each grain type.
    classes : list of list of int
        Symmetry class of each slot of each type.
    pair_classes : list of list of list of int
        Symmetry class of each ordered pair of slots of each type (`pair_classes_of`).
    elements : list of list of str
        Element of each slot of each type.
    atom_cutoff, grain_cutoff : float, Å
    num_basis, intra_basis : int
        Radial functions between and inside grains.
    scalars, vectors, tensors : int
        Channels of an atom's densities: l = 0, 1 and 2. Without vectors and tensors atoms see distances alone.
    hidden : int
        Width of the atoms' networks.
    grain_scalars, grain_vectors : int
        Channels of a grain; messages carry both.
    messages : int
        Grain message layers; 0 for none.
    pair_channels : int
        Channels of the second gathering: as many scalars as vectors, if there are `vectors`; 0 for no second gathering.
    atom_neighbors, grain_neighbors : float
        Typical neighbours, to bring sums to order one.
    wall : float, eV/Å^3
        Two atoms of different grains that come closer than their elements ever did in training (`set_contacts`) cost
        wall (shortest - r)^3 besides. No label says what happens there, and without it molecules fuse sooner or later.
    intra_wall : float, eV/Å^3
        The same inside a grain, for distances outside the range of their class of pair (`set_ranges`): so no molecule
        tears or folds into what heat never made of it in training.
    """

    def __init__(
        self,
        slots: List[int],
        classes: List[List[int]],
        pair_classes: List[List[List[int]]],
        elements: List[List[str]],
        atom_cutoff: float = 4.5,
        grain_cutoff: float = 10.0,
        num_basis: int = 8,
        intra_basis: int = 16,
        scalars: int = 32,
        vectors: int = 16,
        tensors: int = 0,
        hidden: int = 64,
        grain_scalars: int = 64,
        grain_vectors: int = 16,
        messages: int = 1,
        pair_channels: int = 16,
        atom_neighbors: float = 30.0,
        grain_neighbors: float = 30.0,
        wall: float = 30.0,
        intra_wall: float = 100.0,
    ):
        super().__init__(
            slots,
            conserving=True,
            permutation_invariant=True,
            grain_cutoff=grain_cutoff if messages > 0 else 0.0,
            atom_cutoff=atom_cutoff,
        )
        self.norm = atom_neighbors**-0.5
        offsets = [sum(max(c) + 1 for c in classes[:t]) for t in range(len(classes))]
        num_classes = sum(max(c) + 1 for c in classes)
        slot_class = [c + offset for own, offset in zip(classes, offsets) for c in own]
        self.register_buffer("slot_class", torch.tensor(slot_class), persistent=False)
        self.walls = Walls(slots, elements, pair_classes, wall, intra_wall)
        self.register_load_state_dict_pre_hook(from_older_state)

        self.intra = nn.ModuleList(
            IntraDensity(pairs, intra_basis, scalars, vectors, tensors) for pairs in pair_classes
        )
        self.pair_split = [pair_channels, pair_channels if vectors > 0 else 0]
        width = scalars + vectors + tensors
        self.intra_in = nn.Parameter(torch.randn(num_classes, width, hidden) * width**-0.5)
        self.intra_bias = nn.Parameter(torch.zeros(num_classes, hidden))
        self.intra_out = mlp(hidden, hidden, 1)

        self.atom_basis = BesselBasis(atom_cutoff, num_basis)
        self.radial_s = radial_weight(num_basis, scalars)
        self.radial_v = radial_weight(num_basis, vectors)
        self.second_s = radial_weight(num_basis, pair_channels)
        self.second_v = radial_weight(num_basis, self.pair_split[1])
        self.send_s = nn.Parameter(torch.randn(num_classes, scalars))
        self.send_v = nn.Parameter(torch.randn(num_classes, vectors))
        self.tensor_density = TensorDensity(num_classes, num_basis, vectors, tensors) if tensors > 0 else None
        width = 2 * scalars + 2 * vectors + 4 * tensors
        self.receive = nn.Parameter(torch.ones(num_classes, width))
        self.class_bias = nn.Parameter(torch.randn(num_classes, hidden) * 0.5)
        self.mix = nn.Linear(2 * vectors, 4 * vectors, bias=False)
        self.atom_in = nn.Linear(width, hidden)
        self.atom_hidden = nn.Linear(hidden, hidden)

        self.pool_weight = nn.Parameter(torch.randn(num_classes, hidden))
        self.pool = nn.Linear(hidden, grain_scalars)
        self.pool_dipole = nn.Linear(hidden, grain_vectors, bias=False)
        self.pool_vectors = nn.Linear(2 * vectors, grain_vectors, bias=False)
        self.grain_basis = BesselBasis(grain_cutoff, num_basis)
        self.messages = nn.ModuleList(
            GrainMessages(grain_scalars, grain_vectors, num_basis, grain_neighbors) for _ in range(messages)
        )
        self.grain_out = mlp(grain_scalars, grain_scalars, 1)

        self.down = nn.Linear(grain_scalars, hidden, bias=False)
        self.down_vectors = nn.Linear(2 * vectors, grain_vectors, bias=False)
        self.down_in = nn.Linear(hidden + 2 * grain_vectors, hidden)
        self.emit = nn.Linear(hidden, sum(self.pair_split))
        self.second_mix = nn.Linear(2 * vectors, self.pair_split[1], bias=False)
        self.atom_out = mlp(hidden + pair_channels + 2 * self.pair_split[1], hidden, 1)

    @staticmethod
    def arguments_of(types: list) -> dict:
        return {
            "slots": [kind.num_slots for kind in types],
            "elements": [list(kind.elements) for kind in types],
            "classes": [list(kind.classes) for kind in types],
            "pair_classes": [pair_classes_of(list(kind.classes), list(kind.bonds)) for kind in types],
        }

    def set_contacts(self, graph: Graph, keep: bool = False) -> None:
        self.walls.set_contacts(graph, self.atom_cutoff, keep)

    def set_ranges(self, graphs: List[Graph], margin: float = 0.1) -> None:
        self.walls.set_ranges(graphs, margin)

    def ranges(self) -> List[Tuple[Tensor, Tensor]]:
        return [(own.low[own.pairs], own.high[own.pairs]) for own in self.walls.inside]

    def without_ranges(self) -> ContextManager:
        return self.walls.none_inside()

    def extra_repr(self) -> str:
        atom = irreps(self.send_s.size(1), self.send_v.size(1), self.intra[0].tensors)
        return f"{super().extra_repr()}; densities {atom} an atom, second gathering {irreps(*self.pair_split)}"

    def fused(self, counts: List[int], atom_grain: Tensor):
        from .fused import FusedConserving  # compiles kernels; not everybody has numba

        return FusedConserving(self, counts, atom_grain)

    def intra_features(
        self, positions: Tensor, counts: List[int], walls: bool
    ) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """Densities of each atom's own grain, [atoms, c], [atoms, 3, c], [atoms, 6, c], and intra energies, [atoms]."""
        scalars: List[Tensor] = []
        vectors: List[Tensor] = []
        tensors: List[Tensor] = []
        energies: List[Tensor] = []
        start = 0
        slot = 0
        for t, (density, ranges) in enumerate(zip(self.intra, self.walls.inside)):
            count, size = counts[t], self.slots[t]
            if count > 0:
                s, v, q, r = density(positions[start : start + count * size].view(count, size, 3))
                own = self.slot_class[slot : slot + size]
                x = torch.cat([s, v.square().sum(2), q.square().sum(2)], 2)  # [grain, slot, channel]
                x = torch.einsum("gsi,sih->gsh", x, self.intra_in[own]) + self.intra_bias[own]
                energy = self.intra_out(torch.nn.functional.silu(x)).squeeze(2)
                if walls:
                    energy = energy + self.walls.inside_height * ranges(r)
                energies.append(energy.flatten())
                scalars.append(s.flatten(0, 1))
                vectors.append(v.flatten(0, 1))
                tensors.append(q.flatten(0, 1))
            start += count * size
            slot += size
        return torch.cat(scalars), torch.cat(vectors), torch.cat(tensors), torch.cat(energies)

    def environment_features(
        self,
        positions: Tensor,
        pair_shift: Tensor,
        edge_shift: Tensor,
        graph: Graph,
        s_in: Tensor,
        v_in: Tensor,
        t_in: Tensor,
    ) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """What energies are read from: of atoms [atoms, c], [atoms, 3, c], of grains [grains, c]; distances [pairs]."""
        atom_grain = graph.atom_grain
        kind = of_slots(self.slot_class, self.slots, graph.counts)
        i, j = graph.pair_index[0], graph.pair_index[1]
        delta = positions.index_select(0, j) + pair_shift - positions.index_select(0, i)
        pair_r = torch.linalg.norm(delta, dim=1)
        unit = delta / pair_r.unsqueeze(1)
        basis = self.atom_basis(pair_r) * self.norm

        # first gathering: densities of other grains' atoms, by class of the sender
        s_out = gather_scalars(basis @ self.radial_s, self.send_s.index_select(0, kind), i, j)
        v_out = gather_vectors(basis @ self.radial_v, self.send_v.index_select(0, kind), unit, i, j)
        v = torch.cat([v_in, v_out], 2)
        left, right = self.mix(v).chunk(2, 2)
        found = [s_in, s_out, dots(left, right)]
        if self.tensor_density is not None:
            found.append(self.tensor_density(kind, basis, unit, i, j, t_in, v))
        x = torch.cat(found, 1) * self.receive.index_select(0, kind)
        h = torch.nn.functional.silu(self.atom_in(x) + self.class_bias.index_select(0, kind))
        h = torch.nn.functional.silu(self.atom_hidden(h))

        # up into the grains, messages, and down again
        sizes = grain_sum(torch.ones_like(h[:, :1]), graph)
        centers = grain_sum(positions, graph) / sizes
        relative = (positions - centers.index_select(0, atom_grain)).unsqueeze(2)
        share = sizes.rsqrt()
        s_grain = self.pool(grain_sum(h * self.pool_weight.index_select(0, kind), graph) * share)
        v_grain = grain_sum(self.pool_vectors(v) + self.pool_dipole(h).unsqueeze(1) * relative, graph)
        v_grain = v_grain * share.unsqueeze(2)
        if self.grain_cutoff > 0.0:
            delta = (
                centers.index_select(0, graph.edge_index[1]) + edge_shift - centers.index_select(0, graph.edge_index[0])
            )
            r = torch.linalg.norm(delta, dim=1)
            grain_basis = self.grain_basis(r)
            direction = delta / r.unsqueeze(1)
            for layer in self.messages:
                s_grain, v_grain = layer(s_grain, v_grain, grain_basis, direction, graph.edge_index)
        v_here = v_grain.index_select(0, atom_grain)
        x = torch.cat([h, dots(self.down_vectors(v), v_here), dots(relative, v_here)], 1)
        h = torch.nn.functional.silu(self.down_in(x) + self.down(s_grain).index_select(0, atom_grain))

        # second gathering: pair functions modulated by features of both ends
        emit_s, emit_v = self.emit(h).split(self.pair_split, 1)
        s_out = gather_scalars(basis @ self.second_s, emit_s, i, j)
        v_out = gather_vectors(basis @ self.second_v, emit_v, unit, i, j)
        x = torch.cat([h, s_out, dots(v_out, v_out), dots(v_out, self.second_mix(v))], 1)
        return x, torch.cat([v, v_out], 2), s_grain, pair_r

    def environment_energy(self, x: Tensor, s_grain: Tensor, pair_r: Tensor, graph: Graph, walls: bool) -> Tensor:
        """What is left when the intra energies are taken off, one energy per grain, [grains]."""
        energy = grain_sum(self.atom_out(x), graph).squeeze(1) + self.grain_out(s_grain).squeeze(1)
        if walls:
            receiver = graph.atom_grain.index_select(0, graph.pair_index[0])
            energy = energy.index_add(0, receiver, self.walls.between(pair_r, graph))
        return energy

    def grain_energies(
        self, positions: Tensor, pair_shift: Tensor, edge_shift: Tensor, graph: Graph, part: int, walls: bool
    ) -> Tensor:
        """Energy of each grain without the reference, [grains], eV."""
        s, v, t, intra = self.intra_features(positions, graph.counts, walls)
        if part == Part.INTRA.value:
            return grain_sum(intra, graph)
        x, _, s_grain, pair_r = self.environment_features(positions, pair_shift, edge_shift, graph, s, v, t)
        rest = self.environment_energy(x, s_grain, pair_r, graph, walls)
        return rest if part == Part.REST.value else rest + grain_sum(intra, graph)

    def forward(self, graph: Graph, part: int = 0, walls: bool = True) -> Tuple[Tensor, Tensor, Tensor]:
        """As `Network.forward`."""
        positions = graph.positions.detach().requires_grad_(True)
        pair_shift = graph.pair_shift.detach().requires_grad_(True)
        edge_shift = graph.edge_shift.detach().requires_grad_(True)
        grains = self.grain_energies(positions, pair_shift, edge_shift, graph, part, walls)
        energy = frame_sum(grains.double(), graph)
        grads = torch.autograd.grad(
            [energy.sum()], [positions, pair_shift, edge_shift], create_graph=self.training, allow_unused=True
        )
        gradient = present(grads[0], positions)
        # dE/dstrain: positions and lattice vectors stretch together
        virial = -frame_sum(grain_sum(positions.unsqueeze(2) * gradient.unsqueeze(1), graph), graph)
        pair_frame = graph.grain_frame[graph.atom_grain[graph.pair_index[0]]]
        edge_frame = graph.grain_frame[graph.edge_index[0]]
        virial = virial.index_add(0, pair_frame, -pair_shift.unsqueeze(2) * present(grads[1], pair_shift).unsqueeze(1))
        virial = virial.index_add(0, edge_frame, -edge_shift.unsqueeze(2) * present(grads[2], edge_shift).unsqueeze(1))
        if part != Part.REST.value:
            energy = energy + self.reference(graph)
        if not self.training:
            energy, gradient, virial = energy.detach(), gradient.detach(), virial.detach()
        return energy, -gradient, virial


def present(gradient: Optional[Tensor], like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient
