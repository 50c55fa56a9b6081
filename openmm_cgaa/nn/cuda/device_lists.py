"""Lists of neighbours that a device keeps by itself: rows of fixed capacity, listed anew when it finds that due."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...errors import GeometryError
from .device_layout import DeviceLayout
from .program import Program

NEEDS = 3  # place in `state`
STATE = 8  # numbers
BOX_NUMBERS = 27  # the box, its inverse, and the inverse that tells cells
FURTHEST = 1e7  # Å; beyond it a position is of no use
GROWTH = 0.97  # cells are as much wider than they must be, so that a box may shrink a little
MOST_NEIGHBORS = 4096  # of an atom or a grain; ten times what the densest liquids have
MOST_BESIDE = 8  # cells on either side
REPEATED = 16  # cells along an axis without a box, where they repeat
MARGIN = 1.25  # of room over what was needed
LISTING = 2**18  # threads that look for neighbours; more would only take their turn


class Said(NamedTuple):
    """What the device says after a step: its `state`, as in lists.cu.

    Attributes
    ----------
    rebuild, builds : int
        Whether neighbours wait to be listed, and how often they were.
    trouble : int
        What is wrong, bit by bit; where it is not zero, the step's numbers mean nothing.
    row, cell, grain_row, grain_cell : int
        What was needed where there was too little room.
    """

    rebuild: int
    builds: int
    trouble: int
    row: int
    cell: int
    grain_row: int
    grain_cell: int
    unused: int

    @property
    def crowded(self) -> bool:
        """There was too little room."""
        return bool(self.trouble & 3)

    @property
    def strange(self) -> bool:
        """A position is not a number, or far away."""
        return bool(self.trouble & 4)

    @property
    def narrow(self) -> bool:
        """The box became too small for the cells."""
        return bool(self.trouble & 8)


class Room(NamedTuple):
    """What fits: neighbours in a row, and points in a cell."""

    row: int
    cell: int

    def enlarged(self, needed: tuple[int, int]) -> "Room":
        """So that these fit, with a margin; what is large enough stays."""
        return Room(*(have if need <= have else int(MARGIN * need) + 4 for have, need in zip(self, needed)))

    @classmethod
    def guessed(cls, points: int, reach: float, box: np.ndarray | None, cells: np.ndarray) -> "Room":
        """For an even liquid; what is too small is told by the device, and enlarged."""
        if box is None:
            return cls(min(points, 64) + 4, min(points, 64) + 4)
        density = points / abs(np.linalg.det(box))
        row = MARGIN * density * 4.0 / 3.0 * math.pi * reach**3
        return cls(min(int(row) + 12, MOST_NEIGHBORS), int(2.0 * points / cells.prod()) + 12)


class Cells:
    """How the box is divided for neighbours up to `reach` (Å), and how long that holds.

    Attributes
    ----------
    along, beside : int array, [3]
        Cells along each axis, and how many on either side may hold neighbours.
    least : float array, [3], Å
        Heights of the box below which `beside` is too few.
    """

    def __init__(self, reach: float, box: np.ndarray | None):
        if box is None:
            self.along, self.beside = np.full(3, REPEATED), np.ones(3, int)
            self.least = np.zeros(3)
            return
        heights = heights_of(box)
        self.along = np.maximum(np.floor(GROWTH * heights / reach), 1).astype(int)
        self.beside = np.ceil(reach * self.along / (GROWTH * heights)).astype(int)
        self.least = reach * self.along / self.beside
        if self.beside.max() > MOST_BESIDE:
            raise GeometryError(
                f"the box is {heights.min():.3g} Å high, too little for neighbours up to {reach:.3g} Å: is it in Å?"
            )


class DeviceRows:
    """Neighbours of each point, in rows of fixed capacity, as they are on the device.

    Attributes
    ----------
    count : Tensor, [points]
    sender, image, partner : Tensor, [points, capacity]
        Who, by which lattice vector, and the entry of the way back.
    """

    def __init__(self, program: Program, points: int, room: Room):
        self.points, self.room, self.capacity = points, room, room.row
        self.count = program.empty(points, dtype=torch.int32)
        self.sender, self.image, self.partner = (program.empty(points, room.row, dtype=torch.int32) for _ in range(3))


class DeviceFrame:
    """What comes in, and where atoms and grains are; recorded as the first launches of a program.

    Parameters
    ----------
    program : Program
    layout : DeviceLayout
    given : Tensor of float64, [27 + 3 atoms]
        Where the box and the positions, in the topology's order, are put at each step, in Å.
    state : Tensor of int32, [STATE]
    far : float, Å
        How far an atom may come before neighbours are listed anew.
    least : array, [3], Å
        Heights of the box below which there is trouble.
    """

    def __init__(
        self, program: Program, layout: DeviceLayout, given: Tensor, state: Tensor, far: float, least: np.ndarray
    ):
        self.program, self.layout, self.state = program, layout, state
        self.box, self.raw = given[:BOX_NUMBERS], given[BOX_NUMBERS:]
        double = torch.float64
        self.origin, self.built = program.empty(layout.atoms, 3, dtype=double), program.empty(9, dtype=double)
        self.lattice = program.empty(layout.atoms, 3, dtype=torch.int32)
        self.x, self.centers = (program.empty(n, 3, dtype=double) for n in (layout.atoms, layout.grains))
        self.relative = program.empty(layout.atoms, 3)
        self.least = torch.as_tensor(least, dtype=double).to(state.device)
        raw, order = self.raw, layout.order
        self.threads = max(layout.atoms, 9)  # of which nine look at the box
        check = far, FURTHEST, raw, order, self.origin, self.box, self.built, self.least, state
        program.add("check", self.threads, layout.atoms, *check)
        whole = layout.first, layout.inverse_size, layout.tree, layout.parent, raw, order, self.box, self.lattice, state
        program.add("whole", layout.grains, *whole)
        program.add("moved", layout.atoms, raw, order, self.lattice, self.box, self.x)
        program.add("centers", layout.grains, layout.first, layout.inverse_size, self.x, self.centers, self.relative)

    def rows(
        self, x: Tensor, owner: Tensor, reach: float, cells: Cells, room: Room, kind: int, periodic: bool
    ) -> DeviceRows:
        """Rows of points x [n, 3]; those of one owner do not see each other. `kind` is 0 for atoms, 1 for grains."""
        program, state, needs, points = self.program, self.state, NEEDS + 2 * kind, len(x)
        rows, total = DeviceRows(program, points, room), int(cells.along.prod())
        integers = torch.int32
        fill, members, ordered = (program.empty(total, *width, dtype=integers) for width in ((), *2 * ((room.cell,),)))
        wrap, cell_of = program.empty(points, 3, dtype=integers), program.empty(points, dtype=integers)
        along, beside = ([int(n) for n in each] for each in (cells.along, cells.beside))
        program.add("empty_cells", total, fill, state)
        into = x, self.box, fill, members, wrap, cell_of, state
        program.add("into_cells", points, *along, room.cell, needs, *into)
        program.add("sort_cells", total * room.cell, room.cell, fill, members, ordered, state)
        around = math.prod(2 * n + 1 for n in beside)
        parts = min(max(LISTING // points, 1), around)
        sizes = *along, *beside, parts, room.cell, int(periodic), reach
        given = *sizes, x, self.box, owner, fill, ordered, wrap, cell_of
        found = None
        if parts > 1:
            found = program.empty(points * parts, dtype=integers)
            program.add("count_rows", points * parts, *given, found, state)
        made = rows.count, rows.sender, rows.image, state
        program.add("list_rows", points * parts, *given, found, room.row, needs, *made)
        entries = rows.count, rows.sender, rows.image, rows.partner, state
        program.add("find_partners", points * room.row, room.row, *entries)
        return rows

    def finish(self) -> None:
        """What follows when all rows are listed."""
        given = self.raw, self.layout.order, self.origin, self.box, self.built, self.state
        self.program.add("keep", self.threads, self.layout.atoms, *given)
        self.program.add("done", 1, self.state)


def heights_of(box: np.ndarray) -> np.ndarray:
    """Of the parallelepiped, along each of its vectors, [3]."""
    return 1.0 / np.linalg.norm(np.linalg.inv(box), axis=0)


def box_numbers(box: np.ndarray | None, reach: float) -> np.ndarray:
    """What the kernels want to know of a box, [27]: without one nothing moves, and cells as wide as `reach` repeat."""
    if box is None:
        return np.concatenate([np.zeros(18), (np.eye(3) / (REPEATED * reach)).ravel()])
    inverse = np.linalg.inv(box).ravel()
    return np.concatenate([np.asarray(box, float).ravel(), inverse, inverse])
