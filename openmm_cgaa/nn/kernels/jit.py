"""How kernels are compiled, and what several of them use.

All arrays are flat. A row holds what one receiver sees: entries ``start[i]`` to ``start[i + 1]``. Each has its sender,
the lattice vector between them (an index), the unit vector towards it and the distance. It also has the radial basis
with its slope. Kernels write nothing but the receiver's row, save gradients, which go to the sender too.
"""

import hashlib
from pathlib import Path

from numba import njit

from .simd import FAST

# numba keeps machine code by the source of a kernel alone, and not of what the kernel calls in other files
SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()

# components of a symmetric tensor as in `outer`: f (a_first b_second + a_second b_first) contracts it with two vectors
FIRST, SECOND = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)
FACTOR = (0.5, 0.5, 0.5, 0.5**0.5, 0.5**0.5, 0.5**0.5)


def compiled(function):
    """numba's `njit`; the machine code is kept on disk where there is a place for it."""
    function.__qualname__ += f"_{SOURCES[:8]}"  # by which it is kept
    options = dict(fastmath=set(FAST), error_model="numpy")
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:  # no folder can be written to
        return njit(function, **options)


@compiled
def push(i, e, sender, image, unit, distance, along, px, py, pz, grad_positions, grad_shifts):
    """Add the gradient of one entry: `along` is dE/dr, (px, py, pz) the derivative by the unit vector."""
    x, y, z = unit[3 * e], unit[3 * e + 1], unit[3 * e + 2]
    inverse = distance.dtype.type(1.0) / distance[e]
    along -= (px * x + py * y + pz * z) * inverse
    x, y, z = along * x + px * inverse, along * y + py * inverse, along * z + pz * inverse
    j, m = 3 * sender[e], 3 * image[e]
    grad_positions[j] += x
    grad_positions[j + 1] += y
    grad_positions[j + 2] += z
    grad_positions[3 * i] -= x
    grad_positions[3 * i + 1] -= y
    grad_positions[3 * i + 2] -= z
    grad_shifts[m] += x
    grad_shifts[m + 1] += y
    grad_shifts[m + 2] += z
