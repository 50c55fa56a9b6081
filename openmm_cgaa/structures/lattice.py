"""Periodic lattices: the shortest basis of one, its height, nearest images, and the form that OpenMM and MDTraj want.

One lattice has many boxes: whole multiples of a vector may be added to another, and all three may be negated. What a
box can hold depends on the lattice alone: it is judged, and vectors are wrapped, in the basis of its shortest vectors.
"""

import numpy as np
from openmm import unit

from ..errors import GeometryError
from ..inputs import arguments
from ..inputs.arguments import Numbers

AROUND = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])
OTHERS = np.concatenate([np.insert(AROUND, row, 1, axis=1) for row in range(3)])  # each vector with all near it
SHORTER = 1 - 1e-9  # ties, as in a hexagonal box, leave a box as it is
TURN = (  # advice, for positions that may be a Quantity, too
    "Turn the frame, as arrays in nm: box, turn = openmm_cgaa.structures.lattice.triangular(box); "
    "positions = positions @ turn"
)


def reduced(box: np.ndarray) -> np.ndarray:
    """The same lattice by its shortest vectors (Minkowski-reduced), [3, 3]; a box of short vectors stays as it is.

    Parameters
    ----------
    box : array [3, 3]
        Rows are the vectors, linearly independent. The handedness stays.
    """
    box = np.array(box, dtype=float)
    near = np.square(OTHERS @ box).sum(axis=1).reshape(3, -1)
    if not (near.min(axis=1) < SHORTER * np.square(box).sum(axis=1)).any():  # as most are
        return box
    while True:  # I. Semaev, CaLC 2001, LNCS 2146, 181: each round shortens a vector, or ends
        short, middle, long = np.argsort(np.linalg.norm(box, axis=1), kind="stable")
        if not (_shorten(box, middle, [short]) or _shorten(box, long, [short, middle])):
            return box


def _shorten(box: np.ndarray, row: int, by: list) -> bool:
    """Take multiples of the rows `by` from a row, in place, if that makes it shorter."""
    nearest = np.round(np.linalg.lstsq(box[by].T, box[row], rcond=None)[0])
    tried = box[row] - (nearest + AROUND[:, : len(by)]) @ box[by]
    square = np.square(tried).sum(axis=1)
    best = int(square.argmin())
    if square[best] < SHORTER * (box[row] @ box[row]):
        box[row] = tried[best]
        return True
    return False


def height(box: np.ndarray) -> float:
    """Smallest distance between opposite faces of the box as it is given."""
    return float(1.0 / np.linalg.norm(np.linalg.inv(box), axis=0).max())


def edges_and_angles(box: np.ndarray) -> np.ndarray:
    """Lengths of a, b, c in the unit of the box, then alpha, beta, gamma in degrees, [..., 6].

    Parameters
    ----------
    box : array [..., 3, 3]
        Rows are the vectors.
    """
    edges = np.linalg.norm(box, axis=-1)
    first, second = box[..., [1, 0, 0], :], box[..., [2, 2, 1], :]
    cosines = (first * second).sum(-1) / (edges[..., [1, 0, 0]] * edges[..., [2, 2, 1]])
    return np.concatenate([edges, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))], axis=-1)


def followed(boxes: np.ndarray) -> np.ndarray:
    """Boxes of a run by the lattice vectors that continue those of the first one, [frames, 3, 3].

    OpenMM takes other vectors of the same lattice where a box grows skewed, and so edges and angles would jump.
    """
    return np.round(boxes[0] @ np.linalg.inv(boxes)) @ boxes


def right_handed(box: np.ndarray) -> np.ndarray:
    """The same lattice by right-handed vectors, [3, 3]: all three negated, or as they are."""
    box = np.array(box, dtype=float)
    return -box if np.linalg.det(box) < 0 else box


def nearest_image(vectors: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Vectors, moved by lattice vectors to the images next to the origin, [..., 3].

    Exact for images nearer than half the height of the reduced box: their fractional coordinates are below 1/2.
    """
    box = reduced(box)
    return vectors - np.round(vectors @ np.linalg.inv(box)) @ box


def triangular(box: Numbers) -> tuple[np.ndarray, np.ndarray]:
    """The box of a lattice whose first vector lies along x and the second in the plane of x and y, and the turn to it.

    OpenMM takes no other, and MDTraj keeps lengths and angles alone and puts the box so; positions must turn with it:
    ``positions @ turn``. What was turned (forces) comes back by ``@ turn.T``.

    Parameters
    ----------
    box : array [3, 3] or Quantity
        Rows are the vectors, of either handedness. A Quantity is taken in nm.

    Returns
    -------
    box : array [3, 3]
        Right-handed and reduced as OpenMM wants it: it may have other vectors of the lattice.
    turn : array [3, 3]
        A proper rotation; exactly the identity where the box lies so already.

    Raises
    ------
    GeometryError
        Not numbers or not lengths, of another shape, or without a volume.
    """
    box = arguments.numbers(box, unit.nanometer, "box", "the three box vectors, an array of shape (3, 3)")
    if box.shape != (3, 3) or not abs(np.linalg.det(box)) > 0.0:
        found = box.tolist() if box.shape == (3, 3) else f"of shape {box.shape}"
        raise GeometryError(f"box must be three vectors that span a volume, in rows, but is {found}")
    box, turn = right_handed(reduced(box)), np.eye(3)
    if np.triu(box, 1).any() or (np.diag(box) <= 0).any():
        lower = np.linalg.cholesky(box @ box.T)
        box, turn = lower, np.linalg.solve(lower, box).T
    for row, by in ((2, 1), (2, 0), (1, 0)):
        box[row] -= np.round(box[row, by] / box[by, by]) * box[by]
    return box, turn
