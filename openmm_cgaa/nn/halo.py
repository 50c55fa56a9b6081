"""A frame of which a process computes a part: what its network takes from other processes, and gives back to them.

Each grain is computed by one process, its owner. Beside its own grains a process knows those of a shell around them,
with their positions alone. Features of the shell come from the owners wherever one grain looks at another: before each
layer of messages, and before the atoms gather for the second time. Gradients by these features go back to the owners.
So a shell is as wide as the longer cutoff, however many layers there are, and no grain of it is computed twice.
"""

from typing import NamedTuple, Protocol

import numpy as np

from ..mapping.layout import Layout


class Exchange(Protocol):
    """The way of features of rows, flat, [rows, channels]: those of grains computed here, then those of the shell."""

    def fill(self, values: np.ndarray) -> None:
        """Set the rows of others to those of their owners."""

    def give_back(self, gradient: np.ndarray) -> None:
        """Add the rows of others to those of their owners, and set them to zero here."""


class Halo(NamedTuple):
    """Who owns what of a frame, in network order, and the ways to the others.

    Grains of other processes are computed here where they are linked to own ones; their energies do not count.

    Attributes
    ----------
    own_atoms, own_grains : bool array, [atoms], [grains]
        Of what is computed here.
    shell : Layout
        Of what is known beside.
    atoms, grains : Exchange
    """

    own_atoms: np.ndarray
    own_grains: np.ndarray
    shell: Layout
    atoms: Exchange
    grains: Exchange
