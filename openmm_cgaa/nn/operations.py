"""The operations that the conserving network is made of: gather, exchange, invariants, walls.

By torch: for batches, for training (differentiable twice), for TorchScript, on every device.
"""

from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor


class Radial(NamedTuple):
    """Radial functions of both gatherings.

    Attributes
    ----------
    first, second : list of Tensor, [num_basis, c]
        Of scalars and vectors, and in the first of tensors where there are some.
    send : list of Tensor, [classes, c]
        What a class sends in the first.
    """

    first: List[Tensor]
    send: List[Tensor]
    second: List[Tensor]


class Operations:
    """Sums over the pairs and edges of a `Graph`, bound to the geometry of one call. TorchScript takes it as it is.

    Parameters
    ----------
    pair_index : Tensor of int64, [2, pairs]
        Each pair of atoms stands once and gives to both ends.
    pair_unit : Tensor, [pairs, 3]
        From the first to the second atom.
    pair_r : Tensor, [pairs], Å
        Their distance.
    pair_basis : Tensor, [pairs, num_basis]
    edge_index : Tensor of int64, [2, edges]
        Directed: receiving grain, sending grain.
    edge_unit : Tensor, [edges, 3]
        From the receiver to the sender.
    edge_basis : Tensor, [edges, num_basis]
    """

    def __init__(
        self,
        pair_index: Tensor,
        pair_unit: Tensor,
        pair_r: Tensor,
        pair_basis: Tensor,
        edge_index: Tensor,
        edge_unit: Tensor,
        edge_basis: Tensor,
    ):
        self.i = pair_index[0]
        self.j = pair_index[1]
        self.pair_unit = pair_unit
        self.pair_r = pair_r
        self.pair_basis = pair_basis
        self.receiver = edge_index[0]
        self.sender = edge_index[1]
        self.edge_unit = edge_unit
        self.edge_basis = edge_basis

    def gather_by_class(self, radial: Radial, kind: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Densities at each atom: sums over its neighbours of radial function, direction and what their class sends.

        `kind` is the class of each atom. -> scalars [atoms, c], vectors [atoms, 3, c], tensors [atoms, 6, c]
        """
        return self.sums(radial.first, [each.index_select(0, kind) for each in radial.send])

    def gather(self, radial: Radial, features: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """The same with features of the sending atoms themselves, [atoms, channels], and without tensors."""
        return self.sums(radial.second, list(features.split([each.size(1) for each in radial.second], 1)))

    def sums(self, radial: List[Tensor], features: List[Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
        s = gather_scalars(self.pair_basis @ radial[0], features[0], self.i, self.j)
        v = gather_vectors(self.pair_basis @ radial[1], features[1], self.pair_unit, self.i, self.j)
        if len(radial) == 2:
            return s, v, s.new_zeros([s.size(0), 6, 0])
        return s, v, gather_tensors(self.pair_basis @ radial[2], features[2], outer(self.pair_unit), self.i, self.j)

    def invariants(self, s_in: Tensor, s_out: Tensor, v: Tensor, t: Tensor, receive: Tensor) -> Tensor:
        """s_in | s_out | left . right | one . other | left . one . right, times `receive`, [atoms, all channels].

        Parameters
        ----------
        s_in, s_out : Tensor, [atoms, scalars]
        v : Tensor, [atoms, 3, left | right | left of tensors | right of tensors]
        t : Tensor, [atoms, 6, one | other]
        receive : Tensor, [atoms, all channels]
        """
        tensors = t.size(2) // 2
        vectors = v.size(2) // 2 - tensors
        left, right, before, after = v.split([vectors, vectors, tensors, tensors], 2)
        found = [s_in, s_out, dots(left, right)]
        if tensors > 0:
            one, other = t.chunk(2, 2)
            found.append(dots(one, other))
            found.append(dots(times_vector(one, before), after))
        return torch.cat(found, 1) * receive

    def exchange(self, weight: Tensor, norm: float, sent: Tensor, sent_vectors: Tensor) -> Tuple[Tensor, Tensor]:
        """What grains get from each other, [grains, scalars + vectors] and [grains, 3, vectors], times `norm`.

        Parameters
        ----------
        weight : Tensor, [scalars + 3 vectors, num_basis]
            Radial functions of scalars, of vectors along the edge, of scalars times the edge, and of vectors.
        norm : float
        sent : Tensor, [grains, scalars + vectors]
        sent_vectors : Tensor, [grains, 3, carried | dotted]
        """
        vectors = sent_vectors.size(2) // 2
        scalars = sent.size(1) - vectors
        unit = self.edge_unit.unsqueeze(2)
        radial = torch.nn.functional.linear(self.edge_basis, weight)
        r0, r1, r2, r3 = radial.split([scalars, vectors, vectors, vectors], 1)
        plain, along = sent.index_select(0, self.sender).split([scalars, vectors], 1)
        carried, dotted = sent_vectors.index_select(0, self.sender).chunk(2, 2)
        s = torch.cat([r0 * plain, r1 * (dotted * unit).sum(1)], 1)
        v = (r2 * along).unsqueeze(1) * unit + r3.unsqueeze(1) * carried
        got_s = torch.zeros_like(sent).index_add(0, self.receiver, s) * norm
        got_v = v.new_zeros([sent.size(0), 3, vectors]).index_add(0, self.receiver, v) * norm
        return got_s, got_v

    def wall(self, height: float, shortest: Tensor, element: Tensor) -> Tensor:
        """Energy of `height` (shortest - r)^3 of pairs that are too close, half of it at either atom, [atoms], eV.

        Parameters
        ----------
        height : float, eV/Å^3
        shortest : Tensor, [elements, elements], Å
        element : Tensor of int64, [atoms]
            Row of each atom in `shortest`.
        """
        row = element.index_select(0, self.i) * shortest.size(1) + element.index_select(0, self.j)
        closer = torch.relu(shortest.flatten().index_select(0, row) - self.pair_r)
        half = 0.5 * height * closer * closer * closer
        return half.new_zeros([element.size(0)]).index_add(0, self.i, half).index_add(0, self.j, half)


def dots(a: Tensor, b: Tensor) -> Tensor:
    """Scalar product of vectors, channel by channel: [n, 3, c], [n, 3, c] -> [n, c]."""
    return (a * b).sum(1)


def gather_scalars(radial: Tensor, features: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Sum over neighbours of a radial function times the neighbour's feature, [atoms, c].

    Parameters
    ----------
    radial : Tensor, [pairs, c]
    features : Tensor, [atoms, c]
    i, j : Tensor, [pairs]
        Each pair stands once and gives to both ends.
    """
    out = torch.zeros_like(features).index_add(0, i, radial * features.index_select(0, j))
    return out.index_add(0, j, radial * features.index_select(0, i))


def gather_vectors(radial: Tensor, features: Tensor, unit: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The same times the unit vector to the neighbour, [atoms, 3, c]; `unit` [pairs, 3] points from i to j."""
    to_i = radial * features.index_select(0, j)
    to_j = radial * features.index_select(0, i)
    out: List[Tensor] = []
    for x in range(3):  # a third of the memory at a time stays in the cache of a CPU
        u = unit[:, x : x + 1]
        out.append(torch.zeros_like(features).index_add(0, i, to_i * u).index_add(0, j, to_j * -u))
    return torch.stack(out, 1)


def gather_tensors(radial: Tensor, features: Tensor, tensor: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The same times `outer` of the direction, which both ends share: `tensor` [pairs, 6] -> [atoms, 6, c]."""
    to_i = radial * features.index_select(0, j)
    to_j = radial * features.index_select(0, i)
    out: List[Tensor] = []
    for x in range(6):
        u = tensor[:, x : x + 1]
        out.append(torch.zeros_like(features).index_add(0, i, to_i * u).index_add(0, j, to_j * u))
    return torch.stack(out, 1)


def outer(unit: Tensor) -> Tensor:
    """u u^T less a third of its trace, [n, 3] -> [n, 6]: xx, yy, zz, sqrt(2) xy, sqrt(2) xz, sqrt(2) yz.

    In these six components the scalar product is the full contraction of two symmetric tensors.
    """
    x, y, z = unit.unbind(1)
    third, root = 1.0 / 3.0, 2.0**0.5
    return torch.stack([x * x - third, y * y - third, z * z - third, root * x * y, root * x * z, root * y * z], 1)


def times_vector(tensors: Tensor, vectors: Tensor) -> Tensor:
    """Symmetric tensors times vectors, channel by channel: [n, 6, c], [n, 3, c] -> [n, 3, c]."""
    xx, yy, zz, xy, xz, yz = tensors.unbind(1)
    x, y, z = vectors.unbind(1)
    half = 0.5**0.5
    return torch.stack(
        [
            xx * x + half * (xy * y + xz * z),
            yy * y + half * (xy * x + yz * z),
            zz * z + half * (xz * x + yz * y),
        ],
        1,
    )
