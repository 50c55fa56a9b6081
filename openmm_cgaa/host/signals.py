"""Signals that ask a process to end: SIGINT (Ctrl-C), SIGTERM and SIGHUP all mean the same.

The first one raises `Interrupted` where the program stands, or is kept until the state is saved (`deferred`). In a
command a second one ends the process at once. One that is ignored, as SIGHUP under nohup, stays ignored.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType
from typing import NoReturn

NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
WATCH = 0.5  # s between looks at the parent

_current: "Stop | None" = None
_aside = threading.local()  # in place of it, in a thread that Python gives no signals


class Interrupted(KeyboardInterrupt):
    """A signal asked to end.

    Parameters
    ----------
    number : int
    text : str
        What is kept, and how to go on.
    """

    def __init__(self, number: int, text: str = "") -> None:
        super().__init__(text)
        self.number = int(number)

    def __str__(self) -> str:
        text = super().__str__()
        return f"interrupted ({signal.Signals(self.number).name})" + (f"; {text}" if text else "")

    def __reduce__(self) -> tuple:
        return type(self), (self.number, super().__str__())

    @property
    def status(self) -> int:
        """Exit status of the process."""
        return 128 + self.number


class Stop:
    """Whether a signal has come: true after it; `number` is the first one."""

    def __init__(self, last: Callable[[int], object] | None) -> None:
        self.number: int | None = None
        self.deferred, self.last = False, last

    def __bool__(self) -> bool:
        return self.number is not None

    def answer(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if self and self.last:
            self.last(number)
        first, self.number = self.number is None, self.number or number
        if not (first and self.deferred):
            raise Interrupted(number)


@contextmanager
def answered(last: Callable[[int], object] | None = None) -> Iterator[Stop]:
    """All signals raise `Interrupted`.

    Parameters
    ----------
    last : callable, optional
        Called with the number of the second signal; it does not come back. Without it that one, too, raises.
    """
    with _installed(Stop(last)) as stop:
        yield stop


@contextmanager
def deferred() -> Iterator[Stop]:
    """The first signal does nothing but make the `Stop` true that this gives, so that the state can be saved.

    Contexts inside of one another share it. In another thread than the main one, too, where `Stop.answer` is called by
    whoever asks the thread to end.
    """
    outer = getattr(_aside, "stop", _current)
    with _installed(Stop(None) if outer is None else outer) as stop:
        before, stop.deferred = stop.deferred, True
        try:
            yield stop
        finally:
            stop.deferred = before


def check() -> None:
    """Raise `Interrupted` if a signal has come. Whoever catches all errors of a foreign package calls it.

    A callback of OpenMM, among others, makes an error of its own of what is raised in it.
    """
    if _current and _current.number is not None:
        raise Interrupted(_current.number)


def end_at_once(number: int) -> NoReturn:
    """End this process and its children with one sentence."""
    for child in multiprocessing.active_children():
        child.kill()
    text = f"openmm-cgaa: ended at once by a second signal ({signal.Signals(number).name}); what was not saved is lost"
    os.write(2, f"{os.linesep}{text}{os.linesep}".encode())
    os._exit(128 + number)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Processes and threads that are begun inside never see Ctrl-C, which reaches every process of a terminal.

    This process is the one to answer it, afterwards, and then ends the others.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # with the first process it would take the block away
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow(parent: int) -> None:
    """Begin a process that works for another one: it ends as soon as that has.

    Parameters
    ----------
    parent : int
        Process number of the other one.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _installed(stop: Stop) -> Iterator[Stop]:
    """The handlers of `stop`, where Python has signals (in the main thread)."""
    global _current
    if threading.current_thread() is not threading.main_thread():
        outer, _aside.stop = getattr(_aside, "stop", _current), stop
        try:
            yield stop
        finally:
            _aside.stop = outer
        return
    before, handlers = _current, {}
    _current = stop
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            handlers[number] = signal.signal(number, stop.answer)
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        _current = before
