"""The energy-conserving grain network: one energy, one backward pass, forces that are exactly -grad E."""

from typing import Callable, ContextManager, List, Optional, Tuple

import torch
from torch import Tensor

from ..errors import EngineError
from ..mapping.grains import GrainType
from ..mapping.layout import Layout
from .algebra import Algebra, centered
from .graph import Graph, frame_sum, grain_sum, seen, sum_by
from .halo import Halo
from .network import Network, Part
from .operations import Operations
from .warmstart import take_over


class ConservingNetwork(Algebra):
    """The `Algebra` on graphs of one or several frames, by torch; its parameters are those of the algebra."""

    tells_grains = True

    def set_contacts(self, graph: Graph, keep: bool = False) -> None:
        self.walls.set_contacts(graph, self.atom_cutoff, keep)

    def set_ranges(self, graphs: List[Graph], margin: float = 0.1) -> None:
        self.walls.set_ranges(graphs, margin)

    def ranges(self) -> List[Tuple[Tensor, Tensor]]:
        return [(own.low[own.pairs], own.high[own.pairs]) for own in self.walls.inside]

    def without_ranges(self) -> ContextManager:
        return self.walls.none_inside()

    def take_over(self, types: List[GrainType], known: Network, known_types: List[GrainType]) -> None:
        take_over(self, types, known, known_types)

    def fused(self, layout: Layout, halo: Optional[Halo] = None):
        from .fused import FusedConserving  # compiles kernels; not everybody has numba

        return FusedConserving(self, layout, halo)

    def on_device(self, layout: Layout, check: Callable):
        if self.pseudoscalars:
            raise EngineError("kernels for CUDA have no pseudoscalars")
        from .cuda.cuda_conserving import CudaConserving  # compiles kernels, too

        return CudaConserving(self, layout, check=check)

    def intra_features(
        self, positions: Tensor, link_shift: Tensor, graph: Graph, walls: bool
    ) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """Densities of an atom's own grain, [atoms, c], [atoms, 3, c], [atoms, 6, c], and intra energies, [grains]."""
        scalars: List[Tensor] = []
        vectors: List[Tensor] = []
        tensors: List[Tensor] = []
        outside: List[Tensor] = []
        grain: List[Tensor] = []
        start = 0
        for t, (density, ranges) in enumerate(zip(self.intra, self.walls.inside)):
            count, size = graph.counts[t], self.slots[t]
            if count > 0:
                s, v, q, r = density(positions[start : start + count * size].view(count, size, 3))
                scalars.append(s.flatten(0, 1))
                vectors.append(v.flatten(0, 1))
                tensors.append(q.flatten(0, 1))
                if walls:
                    outside.append(ranges(r).sum(1))
                grain.append(graph.atom_grain[start : start + count * size].view(count, size).t().flatten())
            start += count * size
        s, v, q = torch.cat(scalars), torch.cat(vectors), torch.cat(tensors)
        beyond = torch.cat(outside) if walls else s[:0, 0]
        if self.across is not None:
            s_link, v_link, q_link, r = self.across(positions, graph.link_index, link_shift, graph.link_kind)
            s, v, q = s + s_link, v + v_link, q + q_link
            if walls and self.walls.across is not None:
                owner = graph.atom_grain.index_select(0, graph.link_index[0])
                beyond = beyond.index_add(0, owner, self.walls.across(r, graph.link_kind))
        energies = self.intra_energies(self.by_slot(), graph.counts, s, v, q)
        intra = sum_by(energies.squeeze(1), torch.cat(grain), graph.grain_frame.size(0))
        if walls:
            intra = intra + self.walls.inside_height * beyond
        return s, v, q, intra

    def operations(
        self, positions: Tensor, centers: Tensor, pair_shift: Tensor, edge_shift: Tensor, graph: Graph
    ) -> Operations:
        """Those of torch, on atoms and on the centers of their grains."""
        pair_unit, pair_r = seen(positions, graph.pair_index, pair_shift)
        edge_unit, edge_r = seen(centers, graph.edge_index, edge_shift)
        pair_basis = self.atom_basis(pair_r) * self.norm
        edge_basis = self.grain_basis(edge_r)
        return Operations(graph.pair_index, pair_unit, pair_r, pair_basis, graph.edge_index, edge_unit, edge_basis)

    def grain_energies(
        self,
        positions: Tensor,
        pair_shift: Tensor,
        edge_shift: Tensor,
        link_shift: Tensor,
        graph: Graph,
        part: int,
        walls: bool,
    ) -> Tensor:
        """Energy of each grain without the reference, [grains], eV."""
        s, v, t, intra = self.intra_features(positions, link_shift, graph, walls)
        if part == Part.INTRA.value:
            return intra
        atoms = self.by_class(graph.counts, graph.atom_grain, graph.grain_frame.size(0))
        centers, relative = centered(positions, atoms)
        ops = self.operations(positions, centers, pair_shift, edge_shift, graph)
        x, _, _, s_grain = self.environment(ops, atoms, self.radial_functions(), relative, s, v, t)
        by_atom, by_grain = self.environment_energies(ops, atoms, x, s_grain, walls)
        rest = grain_sum(by_atom, graph) + by_grain
        return rest if part == Part.REST.value else rest + intra

    def differentiable(self, graph: Graph) -> Tensor:
        """As `Network.differentiable`."""
        pairs, edges, links = graph.pair_shift, graph.edge_shift, graph.link_shift
        return self.grain_energies(graph.positions, pairs, edges, links, graph, 0, True)

    def forward(self, graph: Graph, part: int = 0, walls: bool = True) -> Tuple[Tensor, Tensor, Tensor]:
        """As `Network.forward`."""
        energy, forces, virial, _ = self.with_grains(graph, part, walls)
        return energy, forces, virial

    def with_grains(self, graph: Graph, part: int = 0, walls: bool = True) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `Network.with_grains`."""
        positions = graph.positions.detach().requires_grad_(True)
        pair_shift = graph.pair_shift.detach().requires_grad_(True)
        edge_shift = graph.edge_shift.detach().requires_grad_(True)
        link_shift = graph.link_shift.detach().requires_grad_(True)
        grains = self.grain_energies(positions, pair_shift, edge_shift, link_shift, graph, part, walls)
        energy = frame_sum(grains.double(), graph)
        grads = torch.autograd.grad(
            [energy.sum()],
            [positions, pair_shift, edge_shift, link_shift],
            create_graph=self.training,
            allow_unused=True,
        )
        gradient = present(grads[0], positions)
        # dE/dstrain: positions and lattice vectors stretch together
        virial = -frame_sum(grain_sum(positions.unsqueeze(2) * gradient.unsqueeze(1), graph), graph)
        pair_frame = graph.grain_frame[graph.atom_grain[graph.pair_index[0]]]
        edge_frame = graph.grain_frame[graph.edge_index[0]]
        virial = virial.index_add(0, pair_frame, -pair_shift.unsqueeze(2) * present(grads[1], pair_shift).unsqueeze(1))
        virial = virial.index_add(0, edge_frame, -edge_shift.unsqueeze(2) * present(grads[2], edge_shift).unsqueeze(1))
        if self.across is not None:
            link_frame = graph.grain_frame[graph.atom_grain[graph.link_index[0]]]
            pull = link_shift.unsqueeze(2) * present(grads[3], link_shift).unsqueeze(1)
            virial = virial.index_add(0, link_frame, -pull)
        if part != Part.REST.value:
            energy = energy + self.reference(graph)
        if not self.training:
            energy, gradient, virial, grains = energy.detach(), gradient.detach(), virial.detach(), grains.detach()
        return energy, -gradient, virial, grains


def present(gradient: Optional[Tensor], like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient
