"""Processes that share a frame, played by threads of one process."""

import functools
import threading

import numpy as np


class Threads:
    """One of several `engines.ranks.Ranks` that meet at a barrier."""

    def __init__(self, rank, size, board, barrier):
        self.rank, self.size, self.board, self.barrier = rank, size, board, barrier

    def of_all(self, value):
        self.board[self.rank] = value
        self.barrier.wait()
        found = [self.board[rank] for rank in range(self.size)]
        self.barrier.wait()
        return found

    def gathered(self, values):
        return np.concatenate(self.of_all(values.copy()))

    def dealt(self, parts):
        return [each[self.rank] for each in self.of_all(list(parts))]

    def total(self, values):
        return sum(self.of_all(values.copy()))

    def swap(self, out, into):
        """By mailboxes: whoever has nothing to send and nothing to get makes no call, or another number of calls."""
        for rank, rows in out.items():
            with self.board["full"]:
                self.board.setdefault((self.rank, rank), []).append(rows.copy())
                self.board["full"].notify_all()
        for rank, rows in into.items():
            with self.board["full"]:
                arrived = functools.partial(self.board.get, (rank, self.rank))
                assert self.board["full"].wait_for(arrived, timeout=60)
                rows[:] = arrived().pop(0)


def together(size, work):
    """What ``work(ranks)`` gives in each of so many processes; the first error of any is raised."""
    barrier, found = threading.Barrier(size), [None] * size
    board = {"full": threading.Condition()}

    def one(rank):
        try:
            found[rank] = work(Threads(rank, size, board, barrier))
        except BaseException as error:  # noqa: BLE001 - handed on
            found[rank] = error
            barrier.abort()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [each for each in found if isinstance(each, BaseException)]
    if errors:
        raise next((each for each in errors if not isinstance(each, threading.BrokenBarrierError)), errors[0])
    return found
