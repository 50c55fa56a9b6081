"""The network of paper 001 (docs/papers.md).

Grain energies, inter-grain forces by differentiation, intra-grain forces read out. By choice all forces are read out,
or all are differentiated.
"""

import math
from typing import Final, List, Tuple

import torch
from torch import Tensor, nn

from ..errors import CGAAError
from ..mapping.grains import GrainType
from .cartesian import Gate, Linear
from .convolution import CONVOLUTIONS, neighbor_rows
from .embedding import BondBasis, GrainEmbedding, SelfConnection, SlotVectors
from .forms import PublishedForm
from .graph import Graph, frame_sum, grain_centers, grain_sizes, grain_sum
from .network import Network, Part
from .radial import BesselBasis


class Interaction(nn.Module):
    """Self-interaction, convolution, self-interaction, plus self-connection, gate: paper 001, fig. 1d."""

    def __init__(self, slots: List[int], form: PublishedForm, first: bool):
        super().__init__()
        scalars, vectors = form.scalars, form.vectors
        radial = form.num_basis, list(form.radial_hidden), form.factorised, form.average_neighbors
        convolution = CONVOLUTIONS[form.convolution](scalars, vectors, *radial)
        own = form.self_geometry, first and not form.raw_embedding
        connection = SelfConnection(slots, scalars, vectors, scalars + vectors, vectors, *own)
        self.before = Linear(scalars, vectors, scalars, vectors)
        self.convolution = convolution
        self.after = Linear(*self.convolution.channels, scalars + vectors, vectors)
        with torch.no_grad():  # start near grains on their own: their neighbours are a tenth of the force
            self.after.scalar_weight.mul_(0.2)
            self.after.vector_weight.mul_(0.2)
        self.connection = connection
        self.gate = Gate(scalars, vectors)

    def forward(
        self,
        scalars: Tensor,
        vectors: Tensor,
        relative: Tensor,
        counts: List[int],
        neighbors: Tensor,
        basis: Tensor,
        direction: Tensor,
    ) -> Tuple[Tensor, Tensor]:
        s, v = self.before(scalars, vectors)
        s, v = self.convolution(s, v, neighbors, basis, direction)
        s, v = self.after(s, v)
        own_s, own_v = self.connection(scalars, vectors, relative, counts)
        return self.gate(s + own_s, v + own_v)


class PublishedNetwork(Network):
    """CGAA-FF as published: the energy is a sum over grains, the forces are not its gradient.

    F_j = F_intra,j + F_inter,J / N_J (paper 001, eq. 6): F_inter = -dE/dR_J (eq. 8), with the relative positions held
    fixed; F_intra is read from the vectors of the last block, less its mean over the grain. With ``read_out: gradient``
    it is the form that the paper gave up: F_intra by eq. 7, which makes all forces -grad E.

    Parameters
    ----------
    types : list of GrainType
    form : PublishedForm
    """

    conserving: Final[bool]
    form = PublishedForm

    def __init__(self, types: List[GrainType], form: PublishedForm):
        linked = [kind.name for kind in types if any(kind.links)]
        if linked:
            raise CGAAError(
                f"the published network takes molecules that are one grain each, but {', '.join(linked)} is bonded to "
                "other grains: take network: conserving, or leave molecules whole"
            )
        slots = [kind.num_slots for kind in types]
        scalars, vectors = form.scalars, form.vectors
        super().__init__(
            slots,
            conserving=form.read_out == "gradient",
            permutation_invariant=False,
            grain_cutoff=form.cutoff,
            atom_cutoff=0.0,
        )
        self.differentiate = form.read_out == "intra"
        self.radial = BesselBasis(form.cutoff, form.num_basis)
        # 1 / root mean square of the radial basis over neighbours anywhere in the sphere
        self.basis_norm = math.sqrt(form.cutoff**3 * 1001.0 / 1024.0)
        self.bond_basis = BondBasis(slots, None if form.raw_embedding else [kind.tree for kind in types])
        self.embedding = GrainEmbedding(slots, scalars, vectors)
        self.interactions = nn.ModuleList(Interaction(slots, form, block == 0) for block in range(form.blocks))
        self.energy_weight = nn.Parameter(torch.randn(scalars) / math.sqrt(scalars))
        if not self.conserving:
            self.atom_forces = SlotVectors(slots, vectors)
        self.register_buffer("energy_scale", torch.tensor(1.0))
        self.register_buffer("force_scale", torch.tensor(1.0))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}; forces: {'-dE/dx' if self.conserving else 'direct, read out of 1o'}"

    def set_scale(self, energy: float, force: float) -> None:
        self.energy_scale.fill_(energy)
        self.force_scale.fill_(force)

    def calibrate(self, graph: Graph) -> None:
        """Whiten the products of each grain's own vectors over a sample of frames."""
        relative = graph.positions - grain_centers(graph)[graph.atom_grain]
        blocks = self.bond_basis(relative, graph.counts).split([n * c for n, c in zip(self.slots, graph.counts)])
        for product, block, size in zip(self.interactions[0].connection.products, blocks, self.slots):
            if product.geometry and product.first:
                product.own.calibrate(block.view(-1, size, 3))

    def forward(self, graph: Graph, part: int = 0, walls: bool = True) -> Tuple[Tensor, Tensor, Tensor]:
        """As `Network.forward`; there are no walls.

        Raises
        ------
        ValueError
            ``part`` is not the total, but the network does not conserve energy.
        """
        if self.conserving:
            energy, forces, virial = self.gradient(graph, part)
        else:
            if part != Part.TOTAL.value:
                raise ValueError("a model that does not conserve energy has no separate intra-grain part; use part 0")
            energy, forces = self.read_out(graph)
            virial = torch.zeros([graph.num_frames, 3, 3], dtype=forces.dtype, device=forces.device)
        if not self.training:
            energy, forces, virial = energy.detach(), forces.detach(), virial.detach()
        return energy, forces, virial

    def read_out(self, graph: Graph) -> Tuple[Tensor, Tensor]:
        """Energy [frames], and forces [atoms, 3] that the vectors of the last block hold, with their graph."""
        fixed = grain_centers(graph)
        relative = graph.positions - fixed[graph.atom_grain]
        centers = fixed.clone().requires_grad_(self.differentiate)  # no detach(): torch.jit.freeze drops it
        grain_energy, vectors = self.grains(relative, centers, graph.edge_index, graph.edge_shift, graph.counts)
        forces = self.atom_forces(vectors, graph.counts) * self.force_scale
        if self.differentiate:
            sizes = grain_sizes(graph).unsqueeze(1)
            gradient = torch.autograd.grad([grain_energy.sum()], [centers], create_graph=self.training)[0]
            assert gradient is not None
            forces = forces - ((grain_sum(forces, graph) + gradient) / sizes)[graph.atom_grain]
        return frame_sum(grain_energy.double(), graph) + self.reference(graph), forces

    def gradient(self, graph: Graph, part: int) -> Tuple[Tensor, Tensor, Tensor]:
        """Energy [frames], forces [atoms, 3] and virial [frames, 3, 3] by paper 001, eqs. 4 to 8, with their graph."""
        positions = graph.positions.clone().requires_grad_(True)  # no detach(), as above
        shift = graph.edge_shift.clone().requires_grad_(True)
        centers = grain_sum(positions, graph) / grain_sizes(graph).unsqueeze(1)
        relative = positions - centers[graph.atom_grain]
        edges = graph.edge_index if part != Part.INTRA.value else graph.edge_index[:, :0]
        grain_energy = self.grains(relative, centers, edges, shift[: edges.size(1)], graph.counts)[0]
        if part == Part.REST.value:
            grain_energy = grain_energy - self.grains(relative, centers, edges[:, :0], shift[:0], graph.counts)[0]
        energy = frame_sum(grain_energy.double(), graph)
        by_position, by_shift = torch.autograd.grad([energy.sum()], [positions, shift], create_graph=self.training)
        assert by_position is not None and by_shift is not None
        # dE/dstrain: positions and lattice vectors stretch together
        virial = -frame_sum(grain_sum(positions.unsqueeze(2) * by_position.unsqueeze(1), graph), graph)
        frame = graph.grain_frame[graph.edge_index[0]]
        virial = virial.index_add(0, frame, -shift.unsqueeze(2) * by_shift.unsqueeze(1))
        if part != Part.REST.value:
            energy = energy + self.reference(graph)
        return energy, -by_position, virial

    def grains(
        self, relative: Tensor, centers: Tensor, edge_index: Tensor, edge_shift: Tensor, counts: List[int]
    ) -> Tuple[Tensor, Tensor]:
        """Energy without the reference [grains] and vectors [grains, 3, vectors] of the last block."""
        neighbors, basis, direction = self.edges(centers, edge_index, edge_shift)
        relative = self.bond_basis(relative, counts)
        scalars, vectors = self.embedding(relative, counts)
        for interaction in self.interactions:
            scalars, vectors = interaction(scalars, vectors, relative, counts, neighbors, basis, direction)
        return (scalars @ self.energy_weight) * self.energy_scale, vectors

    def edges(self, centers: Tensor, edge_index: Tensor, edge_shift: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Senders [grains, rows], radial basis [grains, rows, num_basis] and unit vectors [grains, rows, 3]."""
        receiver, sender = edge_index[0], edge_index[1]
        relative = centers.index_select(0, sender) + edge_shift - centers.index_select(0, receiver)
        neighbors, edges = neighbor_rows(edge_index, centers.size(0))
        beyond = torch.full_like(centers[:1], 2.0 * self.grain_cutoff)  # the padding: too far to count
        rows = torch.cat([relative, beyond]).index_select(0, edges.flatten()).view(edges.size(0), edges.size(1), 3)
        distance = torch.linalg.norm(rows, dim=2)
        return neighbors, self.radial(distance) * self.basis_norm, rows / distance.unsqueeze(2)
