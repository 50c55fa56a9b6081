"""Who labels: this process, processes of this machine, or those of a Dask scheduler."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ..errors import EngineError
from .attempt import Job, Topology, attempt, introduce, torch_threads
from .parts import Label
from .teachers import Teacher, as_teacher


class Workers(NamedTuple):
    """The identity of their teacher, and ``run(jobs) -> iterator of (key, Label or reason of failure)``."""

    identity: dict
    run: Callable


@contextmanager
def hired(
    teacher: str | Teacher,
    settings: dict,
    workers: int,
    threads: int,
    scheduler: str | None,
    topologies: list[Topology],
) -> Iterator[Workers]:
    """`Workers` whose teacher all topologies have been found fit for.

    Parameters
    ----------
    teacher, settings, workers, threads, scheduler
        As of `label.label`.
    topologies : list of (int array [atoms], bool, str)
        Atomic numbers, whether periodic, and a name for messages.

    Raises
    ------
    EngineError
        As of `label.label`.
    """
    if workers == 1 and scheduler is None:
        here = as_teacher(teacher, settings)
        for topology in topologies:
            here.check(*topology)
        with torch_threads(threads):
            yield Workers(here.identity, lambda jobs: run_here(here, jobs))
        return
    if not isinstance(teacher, str):
        raise EngineError("several workers load the teacher by themselves; give its name, not the teacher itself")
    try:
        from .cluster import connect, label_jobs
    except ImportError as error:
        raise EngineError(
            f"several workers need the package {error.name}, which is not installed; install it with: "
            "pip install 'openmm-cgaa[label]'"
        ) from error
    text = json.dumps(settings, sort_keys=True)
    with connect(workers, threads, scheduler) as client:
        identity = client.submit(introduce, teacher, text, topologies, pure=False).result()
        yield Workers(identity, lambda jobs: label_jobs(client, teacher, text, threads, identity, jobs))


def run_here(teacher: Teacher, jobs: dict[str, Job]) -> Iterator[tuple[str, Label | str]]:
    """(Key, `Label` or reason of failure) of each job, in this process."""
    for key, job in jobs.items():
        yield key, attempt(teacher, job)
