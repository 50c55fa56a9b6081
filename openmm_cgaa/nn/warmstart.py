"""Weights of a network that has learned, for one of other grain types: classes take those of the nearest environment.

What all classes share, such as radial functions and the networks of atoms and messages, is copied as it is.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import nn

from ..mapping.grains import GrainType
from .intra import bonds_between, pair_classes_of

BY_CLASS = {
    "intra_in",
    "intra_bias",
    "send_s",
    "send_v",
    "receive",
    "class_bias",
    "pool_weight",
    "tensor_density.send",
}
SHELLS = 5  # bonds that an environment reaches; a shell counts half of the one before it

Kind = TypeVar("Kind")


class Atom(NamedTuple):
    """A class of slots: its element, and which elements lie at each number of bonds from it."""

    element: str
    shells: tuple[Counter, ...]

    def differs(self, other: "Atom") -> float:
        """How far the environments differ; infinite between elements."""
        if self.element != other.element:
            return float("inf")
        return sum(0.5**n * _apart(a, b) for n, (a, b) in enumerate(zip(self.shells, other.shells)))


class Pair(NamedTuple):
    """A class of ordered pairs of slots: both atoms, and the bonds between them."""

    atoms: tuple[Atom, Atom]
    bonds: int

    def differs(self, other: "Pair") -> float:
        """How far the environments differ; infinite between elements."""
        ends = sum(a.differs(b) for a, b in zip(self.atoms, other.atoms))
        return ends + 2.0 * abs(self.bonds - other.bonds)


def take_over(
    network: nn.Module, types: Sequence[GrainType], known: nn.Module, known_types: Sequence[GrainType]
) -> None:
    """Give a network, in place, the weights of another one of the same form.

    What no class of the other one is of the same elements as keeps the weights that it was built with, and so do links.
    Reference energies and walls are not taken over.

    Parameters
    ----------
    network, known : Algebra
    types, known_types : list of GrainType
        Of each.
    """
    rows = _nearest(_atoms(types), _atoms(known_types))
    pairs = [_pairs(kind) for kind in types]
    sources = [(t, c) for t, kind in enumerate(known_types) for c in range(len(_pairs(kind)))]
    every = [pair for kind in known_types for pair in _pairs(kind)]
    weights = dict(known.named_parameters())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in BY_CLASS:
                for own, row in rows.items():
                    parameter[own] = weights[name][row]
            elif name.startswith("intra."):
                _, number, what = name.split(".")
                for own, found in _nearest(pairs[int(number)], every).items():
                    t, c = sources[found]
                    parameter[own] = weights[f"intra.{t}.{what}"][c]
            elif name != "across.weight":  # links of other grains tell nothing of these
                parameter.copy_(weights[name])


def _nearest(own: Sequence[Kind], known: Sequence[Kind]) -> dict[int, int]:
    """Which of the known is nearest to each, where one is of the same elements."""
    found = {}
    for number, one in enumerate(own):
        far = [one.differs(other) for other in known]
        if far and min(far) < float("inf"):
            found[number] = far.index(min(far))
    return found


def _atoms(types: Sequence[GrainType]) -> list[Atom]:
    """The classes of all types, in the network's order."""
    return [atom for kind in types for atom in _by_first(kind.classes, lambda slot, kind=kind: _atom(kind, slot))]


def _pairs(kind: GrainType) -> list[Pair]:
    """The classes of pairs inside a grain, in the order of `pair_classes_of`; an atom alone has one, too."""
    size, bonds = kind.num_slots, bonds_between(kind.num_slots, kind.bonds)
    atoms = [_atom(kind, slot) for slot in range(size)]
    if size == 1:
        return [Pair((atoms[0], atoms[0]), 0)]
    classes = pair_classes_of(list(kind.classes), list(kind.bonds))
    apart = [(i, j) for i in range(size) for j in range(size) if i != j]
    numbers = [classes[i][j] for i, j in apart]
    return _by_first(numbers, lambda n: Pair((atoms[apart[n][0]], atoms[apart[n][1]]), bonds[apart[n][0]][apart[n][1]]))


def _by_first(classes: Sequence[int], of: Callable[[int], Kind]) -> list[Kind]:
    """Of the first member of each class, in the order of the classes."""
    return [of(list(classes).index(number)) for number in range(max(classes) + 1)]


def _atom(kind: GrainType, slot: int) -> Atom:
    bonds = bonds_between(kind.num_slots, kind.bonds)[slot]
    shells = tuple(Counter(kind.elements[j] for j, n in enumerate(bonds) if n == far) for far in range(1, SHELLS))
    return Atom(kind.elements[slot], shells)


def _apart(one: Counter, other: Counter) -> int:
    return ((one - other) + (other - one)).total()
