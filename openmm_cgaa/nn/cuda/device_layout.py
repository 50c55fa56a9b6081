"""The fixed part of a frame on a device: atoms, grains, and the pairs inside of grains."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import EngineError
from ...mapping.layout import Layout
from .program import functions


class DeviceLayout:
    """Where atoms and grains are, as the kernels take it; atoms are in network order.

    Parameters
    ----------
    network : Algebra
    layout : Layout
    device : torch.device

    Attributes
    ----------
    first : Tensor, [grains + 1]
        Atoms of grain g are ``first[g]`` to ``first[g + 1]``.
    inverse_size : Tensor of float64, [grains]
        Of the number of its atoms.
    tree, parent : Tensor, [atoms]
        Each grain's atoms, parents before their children; the parent of each, or itself.
    order, owner, kind, element : Tensor, [atoms]
        Place in the topology, grain, class, and element as the walls count them.

    Raises
    ------
    EngineError
        Grains are linked, which the kernels do not know.
    """

    def __init__(self, network: Any, layout: Layout, device: torch.device):
        if network.across is not None:
            raise EngineError(
                "the kernels for CUDA do not know links between grains, and this model has some: it runs by torch, "
                "without them"
            )
        self.atoms, self.grains, self.counts = len(layout.atom_grain), len(layout.grain_atoms), layout.counts
        grain, parent = layout.atom_grain.cpu().numpy(), layout.parent.cpu().numpy()
        known = network.by_class(layout.counts, layout.atom_grain.to(network.slot_class.device), self.grains)
        depth, above = np.zeros(self.atoms, int), parent
        while (above != parent[above]).any():
            depth, above = depth + (above != parent[above]), parent[above]
        depth += parent != np.arange(self.atoms)
        sizes = np.bincount(grain, minlength=self.grains)

        def counted(values: Any) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.int32).to(device)

        self.first = counted(np.append(0, np.cumsum(sizes)))
        self.inverse_size = torch.from_numpy(1.0 / sizes).to(device)
        self.tree, self.parent = counted(np.lexsort((depth, grain))), counted(parent)
        self.order, self.owner = counted(layout.atom_index.cpu()), counted(grain)
        self.kind, self.element = counted(known.kind.cpu()), counted(known.element.cpu())
        self.every_grain, self.every_vector = counted(np.arange(self.grains)), counted(np.arange(3 * self.grains))
        self.inner = InnerPairs(network, layout.counts, counted)


class InnerPairs:
    """All pairs inside grains, both ways, in rows of fixed capacity, with the weights of their classes.

    Attributes
    ----------
    capacity : int
    count, sender, partner, group : Tensor
        As `DeviceRows`; the class of each pair.
    turn, turn_entries : Tensor, [atoms], [pairs]
        Atoms, and entries, of one class side by side: the same slot of all grains of a type.
    weights : Tensor, [groups, channels, num_basis]
    low, high : Tensor, [groups], Å
        Where the walls begin.
    """

    def __init__(self, network: Any, counts: list[int], counted: Any):
        sizes = [len(density.pairs) for density in network.intra]
        atoms, largest = sum(n * size for n, size in zip(counts, sizes)), max(sizes)
        self.capacity = max(largest - 1, 1)
        shape = atoms, self.capacity
        count, sender, partner, group = np.zeros(atoms), np.zeros(shape), np.zeros(shape), np.zeros(shape)
        atom = groups = 0
        weights, turn, turn_entries = [], [], []
        for density, grains, size in zip(network.intra, counts, sizes):
            parts = [density.scalar_weight, density.vector_weight]
            weights.append(torch.cat(parts + [density.tensor_weight] * (density.tensors > 0), 2))
            i = np.arange(size)[:, None]
            j = np.arange(size - 1)[None] + (np.arange(size - 1)[None] >= i)  # all slots but the own one
            back = (i - (i > j)) + j * self.capacity
            end = atom + grains * size
            here = np.arange(grains)[:, None, None] * size + atom
            pairs = density.pairs.cpu().numpy()[i, j] + groups
            count[atom:end] = size - 1
            sender[atom:end, : size - 1] = (here + j).reshape(grains * size, size - 1)
            partner[atom:end, : size - 1] = (here * self.capacity + back).reshape(grains * size, size - 1)
            group[atom:end, : size - 1] = np.tile(pairs, (grains, 1))
            turn.append(np.arange(atom, end).reshape(grains, size).T.ravel())
            turn_entries.append(
                (turn[-1].reshape(size, 1, grains) * self.capacity + np.arange(size - 1)[:, None]).ravel()
            )
            atom, groups = end, groups + len(weights[-1])
        self.count, self.sender, self.partner, self.group = map(counted, (count, sender, partner, group))
        self.turn, self.turn_entries = counted(np.concatenate(turn)), counted(np.concatenate(turn_entries))
        device, ranges = self.count.device, network.walls.inside
        self.weights = functions(torch.cat(weights)).to(device)
        self.low = torch.cat([own.low for own in ranges]).detach().to(device)
        self.high = torch.cat([own.high for own in ranges]).detach().to(device)
