"""Sums over neighbours and the ways back, on a tape; and the rows inside grains."""

from typing import Any, NamedTuple

import numpy as np
import torch

from ...mapping.layout import Layout
from .gather_steps import ATOMS_OWN, FIXED, gather, gather_back, pairs_back
from .geometry_rows import inner_rows
from .neighbor_rows import INDEX, Rows, flat
from .phases import ATOMS
from .radial_tables import Knots, gaussian_table
from .tape import Ref, Tape


class Table(NamedTuple):
    """Radial functions of a gathering: what they are told from, their weights, and the channels of each kind.

    `radial`, arrays, and `num_basis` are as `radial_functions.Radial` takes them.
    """

    radial: tuple
    weights: np.ndarray
    num_basis: int
    sizes: tuple

    @classmethod
    def of(cls, knots: Knots, parts: list) -> "Table":
        sizes = [*(each.size(1) for each in parts), 0, 0][:3]
        return cls((knots.radial,), knots.table(torch.cat(parts, 1)), 0, tuple(sizes))


ROW_FIELDS = "start", "middle", "end", "sender", "unit", "distance", "pull"


def rows_of(tape: Tape, name: str) -> list[Ref]:
    """Of rows that are named so when the tape is bound: what a gathering and an exchange take first."""
    return [tape.given(f"{name}.{field}") for field in ROW_FIELDS]


class Gathering:
    """Densities that atoms gather over rows, and the way back, on a tape.

    Parameters
    ----------
    tape : Tape
    rows : str
        Their name.
    table : Table
    kind : array, [atoms], optional
        Which row of `features` an atom sends; else there are rows of atoms, which have gradients.
    features : Ref, optional
        [rows, channels].
    adds : bool
        The way back adds to what entries pull, which another one has set.
    """

    def __init__(
        self,
        tape: Tape,
        rows: str,
        table: Table,
        features: Ref | None = None,
        kind: np.ndarray | None = None,
        adds: bool = False,
    ):
        self.tape, self.widths, self.adds = tape, table.sizes, adds
        self.featured = 0 if features is None else FIXED if kind is not None else ATOMS_OWN
        radial = [tape.fixed(each) for each in table.radial]
        given = [] if features is None else [features if kind is None else tape.fixed(kind), features]
        self.given = [*rows_of(tape, rows), *radial, tape.fixed(table.weights), *given]
        self.sizes = table.num_basis, *table.sizes, self.featured

    def densities(self) -> tuple[Ref, ...]:
        """Scalars [n, c], vectors [n, 3, c] and tensors [n, 6, c]."""
        out = tuple(self.tape.atoms(count * size) for size, count in zip(self.widths, (1, 3, 6)))
        self.tape.add(gather, ATOMS, [*self.given, *out], *self.sizes)
        return out

    def write_back(self, gradients: tuple) -> Ref | None:
        """The way back, into what entries pull; gives the gradient of the features, where they have one.

        With features gradients must be shared, and there must have been a meeting.
        """
        if not self.featured:
            self.tape.add(gather_back, ATOMS, [*self.given, *gradients], *self.sizes)
            return None
        features = self.tape.shared(ATOMS, sum(self.widths) if self.featured == ATOMS_OWN else 0)
        self.tape.add(pairs_back, ATOMS, [*self.given, *gradients, features], *self.sizes, int(self.adds))
        return features


class InsideGrains:
    """Rows of all pairs inside grains and across links.

    Its densities are those of `IntraDensity` and `LinkDensity`, its ranges those of `PairRanges` and `LinkRanges`.

    Parameters
    ----------
    network : Algebra
    layout : Layout
    """

    def __init__(self, network: Any, layout: Layout):
        walls, ranges = network.walls, list(network.walls.inside)
        ranges += [walls.across] if walls.across is not None else []
        self.low = torch.cat([own.low for own in ranges]).numpy().copy()
        self.high = torch.cat([own.high for own in ranges]).numpy().copy()
        weights, receiver, sender, group = [], [], [], []
        atom = groups = 0
        for density, count in zip(network.intra, layout.counts):
            size = len(density.pairs)
            parts = [density.scalar_weight, density.vector_weight]
            weights.append(torch.cat(parts + [density.tensor_weight] * (density.tensors > 0), 2))
            i, j = np.nonzero(~np.eye(size, dtype=bool))
            first = atom + size * np.arange(count)[:, None]  # [grains, pairs]
            receiver.append((first + i).ravel())
            sender.append((first + j).ravel())
            group.append(np.tile(density.pairs.numpy()[i, j] + groups, count))
            atom += size * count
            groups += len(weights[-1])
        if network.across is not None:
            weights.append(network.across.weight)
        receiver.append(layout.link_index[0].numpy())
        sender.append(layout.link_index[1].numpy())
        group.append(layout.link_kind.numpy() + groups)
        i, j = np.concatenate(receiver), np.concatenate(sender)
        order = np.lexsort((j, i))
        inside = len(i) - len(layout.link_kind)
        self.linked = np.flatnonzero(order >= inside)  # rows of links, and which link each is
        self.which = order[self.linked] - inside
        self.decay, num_basis = density.basis.decay, len(density.basis.centers)
        own = flat(torch.cat(weights)).copy()
        self.rows = rows = Rows.empty(atom, len(i), own.dtype)
        rows.start[:], rows.end[:] = (np.searchsorted(i[order], np.arange(atom), side) for side in ("left", "right"))
        rows.middle[:] = rows.end  # the way back of a pair has other radial functions
        rows.sender[:] = j[order]
        self.group = np.concatenate(group)[order].astype(INDEX)  # class of each pair
        rows.partner[:] = np.lexsort((i[order], j[order]))
        once = np.minimum(rows.partner, np.arange(len(i), dtype=INDEX))
        once[self.linked] = self.linked  # of links each end has its own: they may be in two threads' hands
        radial = (
            num_basis * self.group,
            once,
            *(np.empty(num_basis * len(i), own.dtype) for _ in range(2)),
        )
        sizes = density.scalar_weight.size(2), density.vector_weight.size(2), density.tensors
        self.table = Table(radial, own, num_basis, sizes)
        self.intervals, self.gaussians = gaussian_table(density.basis, density.scalar_weight.dtype)

    def begin(self, images: int, links: np.ndarray) -> None:
        """Before a call: how many lattice vectors there are, and those across links."""
        self.rows.image[:] = images // 2  # inside a whole grain no lattice vector is met
        self.rows.image[self.linked] = links[self.which]

    def fill(self, first: int, last: int, positions: np.ndarray, shifts: np.ndarray) -> None:
        """The rows of some atoms at these positions."""
        settings = self.decay, self.intervals, self.gaussians
        fill = inner_rows(self.table.num_basis)
        fill(first, last, positions, shifts, tuple(self.rows), *settings, *self.table.radial[1:])
