"""Who labels: this process, processes of this machine, or those of a Dask scheduler."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ..errors import EngineError
from ..host.processes import Died
from .attempt import Job, Topology, attempt, attempt_as, introduce, torch_threads
from .parts import Label
from .teachers import Teacher, as_teacher

if TYPE_CHECKING:
    from dask.distributed import Client


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
        from ..host.cluster import connect
    except ImportError as error:
        raise EngineError(
            f"several workers need the package {error.name}, which is not installed; install it with: "
            "pip install 'openmm-cgaa[label]'"
        ) from error
    text = json.dumps(settings, sort_keys=True)
    with connect(workers, threads, scheduler) as client:
        identity = client.submit(introduce, teacher, text, topologies, pure=False).result()
        yield Workers(identity, lambda jobs: run_there(client, teacher, text, threads, identity, jobs))


def run_here(teacher: Teacher, jobs: dict[str, Job]) -> Iterator[tuple[str, Label | str]]:
    """(Key, `Label` or reason of failure) of each job, in this process."""
    for key, job in jobs.items():
        yield key, attempt(teacher, job)


def run_there(
    client: "Client", spec: str, settings: str, threads: int, identity: dict, jobs: dict[str, Job]
) -> Iterator[tuple[str, Label | str]]:
    """The same by the workers of a Dask client, as labels come. A worker that dies loses none."""
    from ..host.cluster import outcomes

    teacher = hashlib.sha256(json.dumps([identity, settings], sort_keys=True).encode()).hexdigest()[:16]
    names = {f"label-{teacher}-{key}": key for key in jobs}
    calls = ((name, partial(attempt_as, identity, spec, settings, threads, jobs[key])) for name, key in names.items())
    for name, label in outcomes(client, calls):
        yield names[name], str(label) if isinstance(label, Died) else label
