"""A frame of which a process computes a part: what its network takes from other processes, and gives back to them.

Each grain is computed by one process, its owner. Beside its own grains a process knows those of a shell around them,
with their positions alone. Features of the shell come from the owners wherever one grain looks at another: before each
layer of messages, and before the atoms gather for the second time. Gradients by these features go back to the owners.
So a shell is as wide as the longer cutoff, however many layers there are, and nothing is computed twice.
"""

from typing import NamedTuple, Protocol

import numpy as np


class Exchange(Protocol):
    """Rows of features, of which the own ones are right, and of gradients, of which each process has a share."""

    def fill(self, values: np.ndarray) -> None:
        """Set the rows of the shell to those of the owners; flat, [rows, channels]."""

    def give_back(self, gradient: np.ndarray) -> None:
        """Add the rows of the shell to those of the owners, and set them to zero here."""


class Halo(NamedTuple):
    """Who owns what of a frame, in network order, and the ways to the others.

    Attributes
    ----------
    own_atoms, own_grains : bool array, [atoms], [grains]
    atoms, grains : Exchange
    """

    own_atoms: np.ndarray
    own_grains: np.ndarray
    atoms: Exchange
    grains: Exchange
