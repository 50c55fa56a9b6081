"""Processes that share one frame: what each wants of the others, fetched and given back."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import MissingPackageError


class Ranks(Protocol):
    """What is asked of the processes that share a frame; every one of them makes the same calls, but for `swap`.

    Attributes
    ----------
    rank, size : int
        Number of this process, and of all.
    """

    rank: int
    size: int

    def gathered(self, values: np.ndarray) -> np.ndarray:
        """The rows of all processes, one after the other."""

    def dealt(self, parts: Sequence[Any]) -> list:
        """Of each process what it has for this one; `parts` are what this one has for each."""

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sum over all processes."""

    def swap(self, out: dict[int, np.ndarray], into: dict[int, np.ndarray]) -> None:
        """Send arrays to some processes, and fill others with what these send."""


class MPIRanks:
    """The processes of a communicator of mpi4py; by default those of the whole program.

    Raises
    ------
    MissingPackageError
        mpi4py is not installed.
    """

    def __init__(self, communicator: Any = None):
        try:
            from mpi4py import MPI
        except ImportError as error:
            raise MissingPackageError(
                f"several processes need the package mpi4py, which cannot be imported ({error}): pip install mpi4py"
            ) from error
        self.world = (MPI.COMM_WORLD if communicator is None else communicator).Dup()  # LAMMPS talks on its own
        self.sum, self.wait = MPI.SUM, MPI.Request.Waitall
        self.rank, self.size = self.world.rank, self.world.size

    def gathered(self, values: np.ndarray) -> np.ndarray:
        counts = self.world.allgather(values.size)
        out = np.empty(sum(counts), values.dtype)
        self.world.Allgatherv(np.ascontiguousarray(values).ravel(), [out, counts])
        return out.reshape(-1, *values.shape[1:])

    def dealt(self, parts: Sequence[Any]) -> list:
        return self.world.alltoall(list(parts))

    def total(self, values: np.ndarray) -> np.ndarray:
        out = np.empty_like(values)
        self.world.Allreduce(values, out, self.sum)
        return out

    def swap(self, out: dict[int, np.ndarray], into: dict[int, np.ndarray]) -> None:
        waiting = [self.world.Irecv(array, source=rank) for rank, array in into.items()]
        waiting += [self.world.Isend(array, dest=rank) for rank, array in out.items()]
        self.wait(waiting)

    def abort(self) -> None:
        """End all processes, which may wait for this one."""
        self.world.Abort(2)


class OneRank:
    """A process that is alone."""

    rank, size = 0, 1

    def gathered(self, values: np.ndarray) -> np.ndarray:
        return values.copy()

    def dealt(self, parts: Sequence[Any]) -> list:
        return list(parts)

    def total(self, values: np.ndarray) -> np.ndarray:
        return values

    def swap(self, out: dict[int, np.ndarray], into: dict[int, np.ndarray]) -> None:
        """Nobody is there."""


class Delivery:
    """Rows that a process wants of the others, and theirs that it holds: a way there, and back.

    Made by all processes at once.

    Parameters
    ----------
    ranks : Ranks
    wanted : list of int arrays, [processes][rows]
        What is wanted of each process, by a number that both know the row by.
    wanted_at : list of int arrays
        Where each of these rows goes.
    held_at : int array
        Where the row of a number is held here; looked at for what the others want.
    """

    def __init__(self, ranks: Ranks, wanted: list, wanted_at: list, held_at: np.ndarray):
        self.ranks = ranks
        asked = ranks.dealt(wanted)
        self.here = held_at[wanted[ranks.rank]], wanted_at[ranks.rank]
        others = [rank for rank in range(ranks.size) if rank != ranks.rank]
        self.sends = {rank: held_at[asked[rank]] for rank in others if len(asked[rank])}
        self.takes = {rank: wanted_at[rank] for rank in others if len(wanted[rank])}

    def fetch(self, held: np.ndarray, out: np.ndarray) -> None:
        """Set rows of `out` [rows, channels] to those that others hold, and this one; both may be one array."""
        into = {rank: np.empty((len(at), out.shape[1]), out.dtype) for rank, at in self.takes.items()}
        self.ranks.swap({rank: held[at] for rank, at in self.sends.items()}, into)
        out[self.here[1]] = held[self.here[0]]
        for rank, rows in into.items():
            out[self.takes[rank]] = rows

    def give_back(self, rows: np.ndarray, held: np.ndarray) -> None:
        """Add rows of `rows` to those of which they are copies, with those that others give back."""
        into = {rank: np.empty((len(at), held.shape[1]), held.dtype) for rank, at in self.sends.items()}
        self.ranks.swap({rank: rows[at] for rank, at in self.takes.items()}, into)
        held[self.here[0]] += rows[self.here[1]]
        for rank, given in into.items():
            held[self.sends[rank]] += given


class Features:
    """The `nn.halo.Exchange` by a `Delivery`, of so many rows."""

    def __init__(self, rows: Delivery, count: int):
        self.rows, self.count = rows, count

    def fill(self, values: np.ndarray) -> None:
        table = values.reshape(self.count, -1)
        self.rows.fetch(table, table)

    def give_back(self, gradient: np.ndarray) -> None:
        table = gradient.reshape(self.count, -1)
        self.rows.give_back(table, table)
        for at in self.rows.takes.values():
            table[at] = 0.0
