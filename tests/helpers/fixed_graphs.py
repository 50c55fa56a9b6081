"""Graphs in lists of fixed length, and what one can compare of them."""

import torch

from openmm_cgaa.neighbors.couples import no_room, roomier
from openmm_cgaa.neighbors.fixed import fixed_graph


def fitted(positions, box, layout, cutoffs, dtype=torch.float64, margin=1.1):
    """A `fixed_graph` with room for all of it, and the room; the way to it is short."""
    room = no_room()
    for _ in range(6):
        graph, wanted, outgrown = fixed_graph(positions, box, layout, *cutoffs, dtype, room)
        if not outgrown:
            return graph, room
        room = roomier(room, wanted.tolist(), margin)
    raise AssertionError("never enough room")


def neighbors_of(graph, digits=3):
    """Pairs and edges of a `Graph` as two sets of (i, j, shift), both ways.

    Without padding, which is far from itself along the diagonal.
    """
    sets = []
    for index, shift in ((graph.pair_index, graph.pair_shift), (graph.edge_index, graph.edge_shift)):
        padding = (index[0] == index[1]) & (shift.abs().amin(1) == shift.abs().amax(1))
        index, shift, rows = index[:, ~padding], shift[~padding].double(), set()
        for sign, (i, j) in ((1.0, index), (-1.0, index.flip(0))):
            rounded = (sign * shift).round(decimals=digits) + 0.0
            rows |= set(zip(i.tolist(), j.tolist(), *rounded.T.tolist()))
        sets.append(rows)
    return sets
