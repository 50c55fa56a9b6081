"""Calls side by side, each in a process of its own."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from ..errors import CGAAError
from . import signals

T = TypeVar("T")


def side_by_side(calls: Sequence[Callable[[], T]], workers: int, ended: Callable[[int, "Future[T]"], object]) -> None:
    """Call all, so many of them at a time.

    A signal, or what `ended` raises, ends the processes: they get SIGTERM, and those that answer it save their state.

    Parameters
    ----------
    calls : list of callable
        Each can be pickled.
    workers : int
        Processes. They are spawned, for OpenMM and torch do not survive a fork.
    ended : callable
        Called with a call's index and its `Future` as soon as it has ended. Of a process that died without a word the
        future holds a `CGAAError`.
    """
    context, others = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(workers, len(calls)), context, signals.follow, (os.getpid(),)) as pool:
        with signals.undisturbed():
            futures = {pool.submit(call): n for n, call in enumerate(calls)}
        try:
            for future in as_completed(futures):
                ended(futures[future], _told(future))
        except BaseException:  # what is half done is given up, else the pool would wait for its end
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def _told(future: "Future[T]") -> "Future[T]":
    if not isinstance(future.exception(), BrokenProcessPool):
        return future
    died: Future[T] = Future()
    died.set_exception(CGAAError("a worker process died (out of memory?)"))
    return died
