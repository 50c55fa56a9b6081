"""How kernels are compiled, and what several of them use.

All arrays are flat. A row holds what one receiver sees: entries ``start[i]`` to ``end[i]``. Each has its sender, the
lattice vector between them (an index), the unit vector towards it, the distance, and the entry of the way back. Kernels
write nothing but the receiver's row, so that threads can share the receivers. What an entry pulls at its sender stands
in its row, too, and `pull_kernels.collect` takes it to both.
"""

import hashlib
from pathlib import Path

from numba import njit

from .vectors import FAST

# numba keeps machine code by the source of a kernel alone, and not of what the kernel calls in other files
SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


def compiled(function):
    """numba's `njit`; the machine code is kept on disk where there is a place for it."""
    return _compiled(function, set(FAST))


def exactly_compiled(function):
    """The same, where a number and its negative must round alike."""
    return _compiled(function, False)


def _compiled(function, fast):
    function.__qualname__ += f"_{SOURCES[:8]}"  # by which it is kept
    options = dict(fastmath=fast, error_model="numpy", nogil=True)
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:  # no folder can be written to
        return njit(function, **options)
