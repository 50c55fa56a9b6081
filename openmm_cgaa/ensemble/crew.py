"""Who does the jobs of an ensemble: processes of this machine, or the workers of a Dask scheduler."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import EngineError
from ..host.processes import Died, side_by_side
from ..wording import counted
from .jobs import Outcome

if TYPE_CHECKING:
    from dask.distributed import Client

DEATHS = 5  # processes that may die over one job before it is given up; those die, too, that were killed by hand

Jobs = Mapping[str, Callable[[], Outcome]]
Told = Callable[[str, Outcome], object]  # of each job, by its name, what came out


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Here:
    """Processes of this machine, so many at a time; one alone is this one."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def check(self, folder: Path) -> None:
        """They see what this process sees."""

    def do(self, jobs: Jobs, told: Told) -> None:
        """Do all jobs. One whose process dies is begun anew, after the others."""
        names = list(jobs)
        if self.workers == 1 or len(names) == 1:
            for name in names:
                told(name, jobs[name]())
            return

        def ended(n: int, outcome: Outcome, error: Exception | None) -> None:
            told(names[n], outcome if error is None else Outcome({}, [], str(error)))

        side_by_side(list(jobs.values()), self.workers, ended, again=DEATHS)


class There:
    """The workers of a Dask client."""

    def __init__(self, client: "Client") -> None:
        self.client = client

    def check(self, folder: Path) -> None:
        """Raises `EngineError` where a worker does not see the folder of an ensemble."""
        for who, sees in self.client.run(folder.is_dir).items():
            if not sees:
                raise EngineError(
                    f"{folder}: the worker at {who} does not see this folder; start workers where its file system is "
                    "mounted, or name an output that all machines share"
                )

    def do(self, jobs: Jobs, told: Told) -> None:
        """Do all jobs. One whose worker dies is begun anew by another one."""
        from ..host.cluster import attended, outcomes

        # names of their own: what an earlier call has left there is another task
        names = {f"member-{name}-{secrets.token_hex(8)}": name for name in jobs}
        calls = ((key, partial(attended, jobs[name])) for key, name in names.items())
        for key, outcome in outcomes(self.client, calls):
            told(names[key], Outcome({}, [], str(outcome)) if isinstance(outcome, Died) else outcome)


@contextmanager
def hired_crew(workers: int, scheduler: str | None) -> Iterator[Here | There]:
    """So many processes here, or the workers of a scheduler.

    Raises
    ------
    EngineError
        The scheduler does not answer or has no workers, or these do not fit; Dask is not installed.
    """
    if scheduler is None:
        yield Here(workers)
        return
    try:
        from ..host.cluster import connect
    except ImportError as error:
        raise EngineError(
            f"a scheduler needs the package {error.name}, which is not installed; install it with: "
            "pip install 'openmm-cgaa[label]'"
        ) from error
    with connect(1, 1, scheduler) as client:
        for who, threads in client.nthreads().items():
            if threads != 1:
                raise EngineError(
                    f"the worker at {who} has {counted(threads, 'thread')}, but each run needs a process of its own; "
                    f"start workers with: dask worker {scheduler} --nworkers {threads} --nthreads 1"
                )
        try:
            versions = client.run(_version)
        except ImportError as error:
            raise EngineError(
                f"the workers of {scheduler} cannot import openmm_cgaa.ensemble ({error}); install this package, "
                f"{__version__}, for them"
            ) from None
        for who, found in versions.items():
            if found != __version__:
                raise EngineError(
                    f"the worker at {who} has openmm_cgaa {found}, but here is {__version__}; install the same"
                )
        yield There(client)


def _version() -> str:
    return __version__
