"""How far the runs of an ensemble are, told by their own tables, wherever they are made."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..simulation.underway import TABLES, last_row
from .members import Member


class Watched:
    """The members of an ensemble, looked at from outside.

    Attributes
    ----------
    picoseconds, all_picoseconds : float
        That all runs together have made, and will make.
    finished, members : int
    ns_per_day : float
        Of all together, since the watching began.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = list(members)
        self.members = len(members)
        self.all_picoseconds = sum(one.settings.picoseconds + one.settings.nve_picoseconds for one in members)
        self._begun, self.ns_per_day = time.monotonic(), 0.0
        self.look()
        self._first = self.picoseconds

    def look(self) -> None:
        """Read the tables again."""
        self.finished, self.picoseconds = 0, 0.0
        for one in self._members:
            length = one.settings.picoseconds + one.settings.nve_picoseconds
            finished = one.mark.is_file()
            self.finished += finished
            self.picoseconds += length if finished else min(length, _reached(one.run))
        days = (time.monotonic() - self._begun) / 86400.0
        if days:
            self.ns_per_day = (self.picoseconds - getattr(self, "_first", self.picoseconds)) / 1000.0 / days

    @contextmanager
    def reporting(self, watch: Callable[["Watched"], object] | None) -> Iterator[None]:
        """Look every second on a terminal, every minute elsewhere, for as long as the context lasts."""
        if watch is None:
            yield
            return
        over, every = threading.Event(), 1.0 if sys.stderr.isatty() else 60.0

        def follow() -> None:
            while not over.wait(every):
                self.look()
                watch(self)

        watch(self)
        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.look()
            watch(self)


def _reached(run: Path) -> float:
    """ps of the last row of the table that a run writes at present."""
    rows = (last_row(run / name) for name in TABLES)
    return next((row["time_ps"] for row in rows if row and "time_ps" in row), 0.0)
