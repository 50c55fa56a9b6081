"""Calls side by side, in processes of their own."""

import multiprocessing
import os
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import CGAAError
from . import signals

DIED = "a worker process died (out of memory?); fewer workers leave more to each"


class Died(CGAAError):
    """The process that made a call died over it without a word."""


def side_by_side(
    calls: Sequence[Callable[[], Any]],
    workers: int,
    ended: Callable[[int, Any, Exception | None], object],
    again: int = 0,
) -> None:
    """Call all, so many of them at a time.

    A signal, or what `ended` raises, ends the processes: each gets SIGTERM once, and no further call is begun. A call
    that answers the signal may save its state first.

    Parameters
    ----------
    calls : list of callable
        Each can be pickled.
    workers : int
        Processes. They are spawned, for OpenMM and torch do not survive a fork.
    ended : callable
        Called as soon as a call has ended, with its index, its result and its error; one of the two is None. Of a
        process that died without a word the error is a `Died`; the other calls go on.
    again : int
        How often a call is begun anew, after all others, whose process died.
    """
    context = multiprocessing.get_context("spawn")
    waiting = list(range(len(calls)))[::-1]
    deaths = [0] * len(calls)
    idle: list[tuple[Connection, BaseProcess]] = []
    busy: dict[Connection, tuple[int, BaseProcess]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                if not idle:
                    ours, theirs = context.Pipe()
                    begun = context.Process(target=_work, args=(theirs, os.getpid()))
                    with signals.undisturbed():
                        begun.start()
                    theirs.close()
                    idle.append((ours, begun))
                connection, process = idle.pop()
                busy[connection] = waiting.pop(), process
                connection.send(calls[busy[connection][0]])
            ready = wait(list(busy))
            for connection in [one for one in busy if one in ready]:
                n, process = busy.pop(connection)
                try:
                    result, error = connection.recv()
                except (EOFError, OSError):
                    process.join()
                    deaths[n] += 1
                    if deaths[n] <= again:
                        waiting.insert(0, n)
                    else:
                        ended(n, None, Died(DIED))
                    continue
                idle.append((connection, process))
                ended(n, result, error)
    except BaseException:
        for _, process in busy.values():
            process.terminate()
        raise
    finally:
        for connection in [*(connection for connection, _ in idle), *busy]:
            connection.close()  # at which they end, one that has answered the signal by an early result, too
        for process in [*(process for _, process in idle), *(process for _, process in busy.values())]:
            process.join()


def _work(connection: Connection, parent: int) -> None:
    """Answer calls until the other end is closed."""
    signals.follow(parent)
    while True:
        try:
            call = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[Any, Exception | None] = call(), None
        except signals.Interrupted:  # its state is saved, and nobody waits for an answer
            return
        except CGAAError as error:
            answer = None, error
        except Exception as error:  # some cannot be pickled, and none brings its traceback along
            answer = None, RuntimeError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
        try:
            connection.send(answer)
        except OSError:  # nobody waits for it any more
            return
