"""Threads that work on one computation together, and wait for each other asleep.

How many there are changes no number, so that one setting for the whole process is enough.
"""

import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import openmm

_allowed: list[int] = []


def usual(useful: int) -> int:
    """How many threads a model takes on a CPU: those of OpenMM's CPU platform, its cores, or what is useful.

    The first is the platform's default `Threads`. OpenMM tells no force which properties its Context has.
    """
    if useful <= 1:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(useful, cores, _allowed[-1] if _allowed else _of_openmm(cores)))


def _of_openmm(cores: int) -> int:
    try:
        return int(openmm.Platform.getPlatformByName("CPU").getPropertyDefaultValue("Threads"))
    except (openmm.OpenMMException, ValueError):  # a build without that platform, or a word for a number
        return cores


@contextmanager
def allowed(count: int) -> Iterator[None]:
    """As many threads at most for the models of this process; the last that was entered holds."""
    _allowed.append(count)
    try:
        yield
    finally:
        _allowed.remove(count)


class Worker(threading.Thread):
    """Takes one step of its job whenever it is told to."""

    def __init__(self) -> None:
        super().__init__(name="openmm_cgaa", daemon=True)
        self.begin, self.ended = threading.Lock(), threading.Lock()
        self.begin.acquire()
        self.ended.acquire()
        self.job: Generator | None = None
        self.start()

    def run(self) -> None:
        while True:
            self.begin.acquire()
            self.outcome = advanced(self.job)
            self.ended.release()


class Team:
    """The workers of this process; whoever finds them busy does the work of all by itself."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.busy = threading.Lock()

    def run(self, jobs: Sequence[Generator]) -> list:
        """What the jobs return. Where one yields, all wait until every other has come as far.

        Parameters
        ----------
        jobs : sequence of generators
            They yield equally often. The first is done by the caller's thread.
        """
        if len(jobs) == 1 or not self.busy.acquire(blocking=False):
            return run_alone(jobs)
        try:
            while len(self.workers) < len(jobs) - 1:
                self.workers.append(Worker())
            crew = self.workers[: len(jobs) - 1]
            for worker, job in zip(crew, jobs[1:]):
                worker.job = job
            while True:
                results = self._step(jobs[0], crew)
                if results is not None:
                    return results
        finally:
            self.busy.release()

    def _step(self, own: Generator, crew: list[Worker]) -> list | None:
        for worker in crew:
            worker.begin.release()
        waiting = list(crew)
        try:
            outcomes = [advanced(own)]
            while waiting:
                waiting[0].ended.acquire()
                outcomes.append(waiting.pop(0).outcome)
        finally:  # Ctrl-C, while others are at work
            for worker in waiting:
                worker.ended.acquire()
        return results_of(outcomes)


def run_alone(jobs: Sequence[Generator]) -> list:
    """The same by one thread: to the bit, for what is added up where does not depend on who does it."""
    while True:
        results = results_of([advanced(job) for job in jobs])
        if results is not None:
            return results


def advanced(job: Any) -> tuple[bool, Any]:
    """Whether a job has ended at its next step, and its result, or what it raised."""
    try:
        next(job)
    except StopIteration as end:
        return True, end.value
    except BaseException as error:
        return True, error
    return False, None


def results_of(outcomes: list) -> list | None:
    """What all jobs gave, or None if they go on.

    Raises
    ------
    BaseException
        That of the first job that raised one.
    """
    for _, result in outcomes:
        if isinstance(result, BaseException):
            raise result
    return [result for _, result in outcomes] if outcomes[0][0] else None


team = Team()


def _in_child() -> None:
    """A forked child has none of the threads."""
    team.workers, team.busy = [], threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
