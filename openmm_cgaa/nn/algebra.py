"""The algebra of the conserving network: its weights, and how energies follow from densities."""

from itertools import accumulate
from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ..mapping.grains import GrainType
from ..mapping.links import pair_kinds
from .forms import ConservingForm
from .graph import of_slots, sum_by
from .intra import IntraDensity, LinkDensity, pair_classes_of
from .messages import GrainMessages, TensorDensity, mlp, radial_weight
from .network import Network, irreps
from .operations import Operations, Radial, dots
from .radial import BesselBasis
from .walls import Walls, from_older_state


class ByClass(NamedTuple):
    """What the atoms of one graph have by their class, and its grains by their size.

    Attributes
    ----------
    kind, element, grain : Tensor of int64, [atoms]
        Class, element (by the walls' count) and grain of each atom.
    receive, bias, pool : Tensor, [atoms, ...]
        The weights `receive`, `class_bias` and `pool_weight`, handed out.
    sizes, share : Tensor, [grains, 1]
        Atoms in each grain, and their root's inverse.
    """

    kind: Tensor
    element: Tensor
    grain: Tensor
    receive: Tensor
    bias: Tensor
    pool: Tensor
    sizes: Tensor
    share: Tensor


def triple_products(v: Tensor, count: int) -> Tensor:
    """Of the first `count` vectors, as many after them and as many after these, [atoms, 3, c] -> [atoms, count]."""
    a, b, c = v[:, :, :count], v[:, :, count : 2 * count], v[:, :, 2 * count : 3 * count]
    return (a * torch.linalg.cross(b, c, dim=1)).sum(1)


def centered(positions: Tensor, atoms: ByClass) -> Tuple[Tensor, Tensor]:
    """Centers of the grains, [grains, 3], and the way from there to each atom, [atoms, 3, 1]."""
    centers = sum_by(positions, atoms.grain, atoms.sizes.size(0)) / atoms.sizes
    return centers, (positions - centers.index_select(0, atoms.grain)).unsqueeze(2)


class Algebra(Network):
    """E = sum of grains' intra energies + sum of atoms' environment energies + sum of grain energies.

    Every weight is shared over the symmetry classes of a grain type, so equivalent atoms may be exchanged. A pass:

    1. Each atom gathers densities (scalars and vectors) of its own grain, with what is linked to it, and, within
       `atom_cutoff`, of others' atoms.
    2. They are pooled into the grains, which exchange messages within `grain_cutoff`.
    3. The atoms gather once more, weighted by features that now know the grain's surroundings.
    4. Energies are read from atoms and grains.

    Parameters
    ----------
    types : list of GrainType
    form : ConservingForm
    """

    form = ConservingForm

    def __init__(self, types: List[GrainType], form: ConservingForm):
        slots = [kind.num_slots for kind in types]
        pair_classes = [pair_classes_of(list(kind.classes), list(kind.bonds)) for kind in types]
        super().__init__(
            slots,
            conserving=True,
            permutation_invariant=True,
            grain_cutoff=form.grain_cutoff if form.messages > 0 else 0.0,
            atom_cutoff=form.atom_cutoff,
        )
        scalars, vectors, tensors, hidden = form.scalars, form.vectors, form.tensors, form.hidden
        num_basis, pair_channels = form.num_basis, form.pair_channels
        grain_scalars, grain_vectors = form.grain_scalars, form.grain_vectors
        self.norm = form.atom_neighbors**-0.5
        offsets = list(accumulate((kind.num_classes for kind in types), initial=0))
        num_classes = offsets[-1]
        slot_class = [c + offset for kind, offset in zip(types, offsets) for c in kind.classes]
        self.register_buffer("slot_class", torch.tensor(slot_class), persistent=False)
        link_kinds = len(pair_kinds(types))
        self.walls = Walls([kind.elements for kind in types], pair_classes, form.wall, form.intra_wall, link_kinds)
        self.register_load_state_dict_pre_hook(from_older_state)

        self.intra = nn.ModuleList(
            IntraDensity(pairs, form.intra_basis, scalars, vectors, tensors) for pairs in pair_classes
        )
        self.across = LinkDensity(link_kinds, form.intra_basis, scalars, vectors, tensors) if link_kinds > 0 else None
        self.pseudoscalars = form.pseudoscalars
        self.pair_split = [pair_channels, pair_channels if vectors > 0 else 0]
        width = scalars + vectors + tensors + form.pseudoscalars
        self.intra_in = nn.Parameter(torch.randn(num_classes, width, hidden) * width**-0.5)
        self.intra_bias = nn.Parameter(torch.zeros(num_classes, hidden))
        self.intra_out = mlp(hidden, hidden, 1)

        self.atom_basis = BesselBasis(form.atom_cutoff, num_basis)
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
        self.grain_basis = BesselBasis(form.grain_cutoff, num_basis)
        self.messages = nn.ModuleList(
            GrainMessages(grain_scalars, grain_vectors, num_basis, form.grain_neighbors) for _ in range(form.messages)
        )
        self.grain_out = mlp(grain_scalars, grain_scalars, 1)

        self.down = nn.Linear(grain_scalars, hidden, bias=False)
        self.down_vectors = nn.Linear(2 * vectors, grain_vectors, bias=False)
        self.down_in = nn.Linear(hidden + 2 * grain_vectors, hidden)
        self.emit = nn.Linear(hidden, sum(self.pair_split))
        self.second_mix = nn.Linear(2 * vectors, self.pair_split[1], bias=False)
        self.atom_out = mlp(hidden + pair_channels + 2 * self.pair_split[1], hidden, 1)

    def extra_repr(self) -> str:
        atom = irreps(self.send_s.size(1), self.send_v.size(1), self.intra[0].tensors, self.pseudoscalars)
        return f"{super().extra_repr()}; densities {atom} an atom, second gathering {irreps(*self.pair_split)}"

    def by_class(self, counts: List[int], atom_grain: Tensor, num_grains: int) -> ByClass:
        """Weights handed out to atoms, for so many grains of each type."""
        kind = of_slots(self.slot_class, self.slots, counts)
        receive = self.receive.index_select(0, kind)
        bias, pool = self.class_bias.index_select(0, kind), self.pool_weight.index_select(0, kind)
        sizes = sum_by(torch.ones_like(receive[:, :1]), atom_grain, num_grains)
        element = of_slots(self.walls.slot_element, self.slots, counts)
        return ByClass(kind, element, atom_grain, receive, bias, pool, sizes, sizes.rsqrt())

    def radial_functions(self) -> Radial:
        first, send = [self.radial_s, self.radial_v], [self.send_s, self.send_v]
        if self.tensor_density is not None:
            first.append(self.tensor_density.radial)
            send.append(self.tensor_density.send)
        return Radial(first, send, [self.second_s, self.second_v])

    def by_slot(self) -> List[Tuple[Tensor, Tensor]]:
        """Weight [slots, channels, hidden] and bias [slots, 1, hidden] of the intra energy, of each type."""
        found: List[Tuple[Tensor, Tensor]] = []
        slot = 0
        for size in self.slots:
            own = self.slot_class[slot : slot + size]
            found.append((self.intra_in[own], self.intra_bias[own].unsqueeze(1)))
            slot += size
        return found

    def intra_energies(
        self, weights: List[Tuple[Tensor, Tensor]], counts: List[int], s: Tensor, v: Tensor, t: Tensor
    ) -> Tensor:
        """Intra energy of each atom by the densities of its own grain; of each type slot after slot, [atoms, 1], eV."""
        x = torch.cat([s, v.square().sum(1), t.square().sum(1), triple_products(v, self.pseudoscalars)], 1)
        hidden: List[Tensor] = []
        first = 0
        for (weight, bias), count, size in zip(weights, counts, self.slots):
            if count > 0:
                block = x[first : first + count * size].view(count, size, x.size(1)).transpose(0, 1)
                hidden.append(torch.baddbmm(bias, block, weight).flatten(0, 1))
            first += count * size
        return self.intra_out(silu(torch.cat(hidden)))

    def environment(
        self,
        ops: Operations,
        atoms: ByClass,
        radial: Radial,
        relative: Tensor,
        s_in: Tensor,
        v_in: Tensor,
        t_in: Tensor,
    ) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """What energies are read from: the network itself.

        Parameters
        ----------
        ops : Operations
        atoms : ByClass
        radial : Radial
        relative : Tensor, [atoms, 3, 1], Å
            From the center of the grain.
        s_in, v_in, t_in : Tensor, [atoms, c], [atoms, 3, c], [atoms, 6, c]
            Densities of the atom's own grain.

        Returns
        -------
        x : Tensor, [atoms, c]
        v, v_second : Tensor, [atoms, 3, c]
            Vectors of both gatherings.
        s_grain : Tensor, [grains, c]
        """
        # first gathering: densities of other grains' atoms, by class of the sender
        s_out, v_out, t = ops.gather_by_class(radial, atoms.kind)
        v = torch.cat([v_in, v_out], 2)
        mix = self.mix.weight
        if self.tensor_density is not None:
            mix = torch.cat([mix, self.tensor_density.mix_vectors.weight])
            t = self.tensor_density(t_in, t)
        x = ops.invariants(s_in, s_out, v @ mix.t(), t, atoms.receive)
        h = silu(self.atom_in(x) + atoms.bias)
        h = silu(self.atom_hidden(h))

        # up into the grains, messages, and down again
        num_grains = atoms.share.size(0)
        s_grain = self.pool(sum_by(h * atoms.pool, atoms.grain, num_grains) * atoms.share)
        v_grain = self.pool_vectors(v) + self.pool_dipole(h).unsqueeze(1) * relative
        v_grain = sum_by(v_grain, atoms.grain, num_grains) * atoms.share.unsqueeze(2)
        for layer in self.messages:
            s_grain, v_grain = layer(s_grain, v_grain, ops)
        v_here = v_grain.index_select(0, atoms.grain)
        x = torch.cat([h, dots(self.down_vectors(v), v_here), dots(relative, v_here)], 1)
        h = silu(self.down_in(x) + self.down(s_grain).index_select(0, atoms.grain))

        # second gathering: pair functions modulated by features of both ends
        s_second, v_second, _ = ops.gather(radial, self.emit(h))
        x = torch.cat([h, s_second, dots(v_second, v_second), dots(v_second, self.second_mix(v))], 1)
        return x, v, v_second, s_grain

    def environment_energies(
        self, ops: Operations, atoms: ByClass, x: Tensor, s_grain: Tensor, walls: bool
    ) -> Tuple[Tensor, Tensor]:
        """What is left when the intra energies are taken off, by atoms [atoms] and by grains [grains], eV."""
        energy = self.atom_out(x).squeeze(1)
        if walls:
            energy = energy + ops.wall(self.walls.height, self.walls.shortest, atoms.element)
        return energy, self.grain_out(s_grain).squeeze(1)
