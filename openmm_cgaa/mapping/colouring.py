"""Bond graphs of many molecules at once, as tensors: connected parts, colours, and a way to lay one onto another.

Colours are those of B. D. McKay, Congressus Numerantium 30 (1981) 45, as hashes. All of it is TorchScript.
"""

from typing import List

import torch
from torch import Tensor


def mixed(values: Tensor) -> Tensor:
    """A hash of each number, int64; it wraps around."""
    values = values * 7046029254386353131
    values = torch.bitwise_xor(values, torch.bitwise_right_shift(values, 32)) * 3935559000370003845
    return torch.bitwise_xor(values, torch.bitwise_right_shift(values, 29))


def refined(colours: Tensor, first: Tensor, second: Tensor, rounds: int) -> Tensor:
    """Colours by those of neighbours along bonds, of their neighbours and so on, int64 [atoms]."""
    colours = mixed(colours + 1)
    for _ in range(rounds):
        sent = mixed(colours * 3 + 1)
        beside = torch.zeros_like(colours).index_add(0, first, sent[second]).index_add(0, second, sent[first])
        colours = mixed(colours * 5 + beside)
    return colours


def components(count: int, first: Tensor, second: Tensor) -> Tensor:
    """The lowest atom that bonds lead to from each atom, int64 [atoms]."""
    label = torch.arange(count, device=first.device)
    changed = True
    while changed:
        low = torch.minimum(label[first], label[second])
        lower = label.scatter_reduce(0, first, low, "amin").scatter_reduce(0, second, low, "amin")
        lower = lower[lower]
        changed = not torch.equal(lower, label)
        label = lower
    return label


def assigned(
    wanted: List[int], above: List[int], closing: List[List[int]], colours: List[int], beside: List[List[int]]
) -> List[int]:
    """A molecule's atom for each vertex of a graph, by going back where one does not fit; empty if there are none.

    Parameters
    ----------
    wanted : list of int
        Colour of each vertex, which follow each other so that all but the first have a neighbour before them.
    above : list of int
        That neighbour.
    closing : list of list of int
        All neighbours before it.
    colours, beside : list of int, list of list of int
        Colour and neighbours of each atom of the molecule, which has as many bonds as the graph.
    """
    count = len(wanted)
    everywhere = [atom for atom in range(count)]
    chosen = [-1 for _ in range(count)]
    tried = [0 for _ in range(count)]
    used = [False for _ in range(count)]
    vertex = 0
    while vertex >= 0 and vertex < count:
        if chosen[vertex] >= 0:
            used[chosen[vertex]] = False
            chosen[vertex] = -1
        candidates = everywhere if vertex == 0 else beside[chosen[above[vertex]]]
        found, next_one = -1, tried[vertex]
        while found < 0 and next_one < len(candidates):
            atom = candidates[next_one]
            next_one += 1
            if colours[atom] == wanted[vertex] and not used[atom]:
                fits = True
                for other in closing[vertex]:
                    fits = fits and chosen[other] in beside[atom]
                if fits:
                    found = atom
        tried[vertex] = next_one
        if found >= 0:
            chosen[vertex], used[found] = found, True
            vertex += 1
            if vertex < count:
                tried[vertex] = 0
        else:
            vertex -= 1
    return chosen if vertex == count else chosen[:0]


def places(bonds: Tensor, wanted: Tensor) -> Tensor:
    """Where sorted bonds have what is wanted, if they do, int64 as `wanted`."""
    return torch.searchsorted(bonds, wanted).clamp(0, max(bonds.size(0) - 1, 0))
