"""Densities of atoms, as launches: of their own grain and of other grains' atoms, and the ways back to the entries."""

from torch import Tensor

from .device_layout import DeviceLayout
from .device_lists import DeviceFrame, DeviceRows
from .device_weights import DeviceWeights
from .program import Program, rows


class Own:
    """Densities of the own grain beside those of other grains' atoms: scalars, vectors and tensors, in | out.

    Attributes
    ----------
    s, v, t : Tensor, [atoms, 2 c], [3 atoms, 2 c], [6 atoms, 2 c]
    """

    def __init__(self, program: Program, atoms: int):
        self.widths = program.kernels.sizes[:3]
        self.s, self.v, self.t = (program.empty(n * atoms, 2 * c) for n, c in zip((1, 3, 6), self.widths))

    def half(self, out: int) -> tuple:
        """Those of the own grain (0) or of others (1), with their strides."""
        pairs = zip((self.s, self.v, self.t), self.widths)
        return tuple(rows(each[:, out * c : (out + 1) * c]) for each, c in pairs)


class Inside:
    """What atoms see of their own grain.

    Parameters
    ----------
    program : Program
    frame : DeviceFrame
    layout : DeviceLayout
    weights : DeviceWeights
    walls : bool
        Whether the walls inside of grains stand.
    """

    def __init__(self, program: Program, frame: DeviceFrame, layout: DeviceLayout, weights: DeviceWeights, walls: bool):
        self.program, self.pairs, self.gaussians = program, layout.inner, weights.gaussians
        pairs, entries = layout.inner, layout.atoms * layout.inner.capacity
        self.geometry, self.pull = program.empty(entries, 4), program.empty(entries, 4)
        self.basis = program.empty(entries, pairs.weights.size(-1))
        height = weights.inside_wall if walls else 0.0
        given = (
            pairs.capacity,
            *weights.gaussians,
            height,
            frame.x,
            frame.box,
            pairs.count,
            pairs.sender,
            pairs.group,
        )
        made = pairs.low, pairs.high, self.geometry, self.basis, self.pull
        program.add("inner_rows", entries, *given, *made)

    def gather(self, densities: Own) -> None:
        pairs, atoms = self.pairs, len(self.pairs.count)
        given = pairs.turn, pairs.capacity, pairs.count, pairs.group, self.geometry, self.basis, pairs.weights
        self.program.add("gather_inner", atoms * fours(densities.widths), atoms, *given, *densities.half(0))

    def spread(self, gradients: Own) -> None:
        pairs = self.pairs
        given = (
            pairs.turn_entries,
            pairs.capacity,
            *self.gaussians,
            pairs.group,
            self.geometry,
            self.basis,
            pairs.weights,
        )
        self.program.add("pull_inner", len(pairs.turn_entries), *given, *gradients.half(0), self.pull)

    def collected(self) -> tuple:
        """What `collect_atoms` wants of them."""
        return self.pairs.capacity, self.pairs.count, self.pairs.partner, self.geometry, self.pull


class Outside:
    """What atoms see of other grains' atoms: once by their classes, and once more by features of their own.

    Parameters
    ----------
    program : Program
    frame : DeviceFrame
    layout : DeviceLayout
    weights : DeviceWeights
    near : DeviceRows
    """

    def __init__(
        self, program: Program, frame: DeviceFrame, layout: DeviceLayout, weights: DeviceWeights, near: DeviceRows
    ):
        self.program, self.near, self.weights, self.kind = program, near, weights, layout.kind
        self.entries = near.points * near.capacity
        self.geometry, self.pull = program.empty(self.entries, 4), program.empty(self.entries, 4)
        self.basis = program.empty(self.entries, weights.first.size(-1))
        self.shape = weights.basis
        given = near.capacity, *self.shape, weights.wall, len(weights.shortest), frame.x, frame.box
        listed = near.count, near.sender, near.image, layout.element, weights.shortest
        program.add("atom_rows", self.entries, *given, *listed, self.geometry, self.basis, self.pull)

    def gather_first(self, densities: Own) -> None:
        near = self.near
        given = near.capacity, near.count, near.sender, self.kind, self.geometry, self.basis
        of, threads = (self.weights.first, self.weights.send), near.points * fours(densities.widths)
        self.program.add("gather_first", threads, near.points, *given, *of, *densities.half(1))

    def gather_second(self, features: Tensor, s: Tensor, v: Tensor) -> None:
        near = self.near
        given = near.capacity, near.count, near.sender, self.geometry, self.basis, self.weights.second, features
        self.program.add("gather_second", self.threads(features, v), near.points, *given, rows(s), rows(v))

    def threads(self, features: Tensor, v: Tensor) -> int:
        """Four channels each, of the scalars and vectors that the features give."""
        return self.near.points * fours((features.size(1) - v.size(1), v.size(1)))

    def features_back(self, features: Tensor, s: Tensor, v: Tensor, grad_features: Tensor) -> None:
        """Gradients by the features, from those by what the second gathering gave, s and v."""
        near, ends = self.near, (rows(s), rows(v))
        given = near.capacity, near.count, near.sender, self.geometry, self.basis, self.weights.second
        self.program.add("features_second", self.threads(features, v), near.points, *given, *ends, grad_features)
        self.second = self.weights.second, features, *ends

    def spread(self, gradients: Own) -> None:
        """From gradients by the densities, and by what the second gathering gave, to the entries."""
        near = self.near
        given = near.capacity, *self.shape, near.count, near.sender, self.kind, self.geometry
        of = self.weights.first, self.weights.send, *gradients.half(1)
        self.program.add("pull_outer", self.entries, *given, *of, *self.second, self.pull)

    def collected(self) -> tuple:
        near = self.near
        return near.capacity, near.count, near.partner, self.geometry, self.pull


def fours(widths: tuple) -> int:
    """Threads for the channels of one receiver, each with four of a kind."""
    return sum(-(-width // 4) for width in widths)


def none() -> tuple:
    """In place of what `collected` gives, where a part of the energy has no such neighbours."""
    return 0, *4 * (None,)


def intra_energies(
    program: Program, layout: DeviceLayout, weights: DeviceWeights, own: Own, gradients: Own, adds: bool
) -> Tensor:
    """Intra energy of each atom, [atoms], with the way back into the gradients, or if `adds` on top of them."""
    width, hidden = sum(own.widths), weights.hidden
    quads = -(-hidden // 4), -(-width // 4)
    x, z, a, last, grad_z, grad_x = (
        program.empty(layout.atoms, size) for size in (width, hidden, hidden, hidden, hidden, width)
    )
    energy = program.empty(layout.atoms)
    program.add("squares", layout.atoms * width, *own.half(0), x)
    given = layout.kind, rows(x), weights.by_kind[0], weights.kind_bias, rows(z), a
    program.add("linear_by_kind", layout.atoms * quads[0], layout.atoms, width, hidden, *given)
    program.linear(weights.intra, a, last)
    program.add("energies", layout.atoms, hidden, rows(last), *weights.intra_last, energy)
    program.linear_back(weights.intra, last, grad_z, before=z)
    given = layout.kind, rows(grad_z), weights.by_kind[1], None, rows(grad_x), None
    program.add("linear_by_kind", layout.atoms * quads[1], layout.atoms, hidden, width, *given)
    _, *fields = own.half(0)
    program.add("squares_back", layout.atoms * width, int(adds), *fields, grad_x, *gradients.half(0))
    return energy
