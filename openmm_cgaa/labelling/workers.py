"""Who labels: this process, processes of this machine, or those of a Dask scheduler."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

from ..errors import EngineError
from .attempt import attempt, introduce, torch_threads
from .teachers import as_teacher


class Workers(NamedTuple):
    """The identity of their teacher, and ``run(jobs) -> iterator of (key, Label or reason of failure)``."""

    identity: dict
    run: Callable


@contextmanager
def hired(teacher, settings, workers, threads, scheduler, topologies):
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
        teacher = as_teacher(teacher, settings)
        for topology in topologies:
            teacher.check(*topology)
        with torch_threads(threads):
            yield Workers(teacher.identity, lambda jobs: run_here(teacher, jobs))
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
    settings = json.dumps(settings, sort_keys=True)
    with connect(workers, threads, scheduler) as client:
        identity = client.submit(introduce, teacher, settings, topologies, pure=False).result()
        yield Workers(identity, lambda jobs: label_jobs(client, teacher, settings, threads, identity, jobs))


def run_here(teacher, jobs):
    """(Key, `Label` or reason of failure) of each job, in this process."""
    for key, job in jobs.items():
        yield key, attempt(teacher, job)
