"""Workers by Dask: processes of this machine, or a cluster that is already there."""

import logging
import os
import platform
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

import dask
from dask.distributed import Client, KilledWorker, LocalCluster, as_completed, get_worker
from distributed.security import Security
from distributed.utils import silence_logging_cmgr

from ..errors import EngineError
from . import signals
from .environment import environment
from .processes import Died

FAILURES = 5  # workers that may die over one call before it is given up; those die, too, that were killed by hand
IN_FLIGHT = 512  # calls that the scheduler holds at a time
WATCH = 1.0  # s between looks whether a call is still wanted
PATIENCE = 60  # seconds to wait for a scheduler and its first worker
ADDRESS = re.compile(r"((tcp|tls|ws|wss)://)?(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})/?")
# glibc gives every large block back to the kernel at once and faults it in again: a sixth of the time of a label
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=34359738368"
MALLOC += ":glibc.malloc.top_pad=268435456"


@contextmanager
def connect(workers: int, threads: int, scheduler: str | None = None) -> Iterator[Client]:
    """A Dask client of a scheduler or, without one, of a cluster of processes that lives as long as the context.

    Raises
    ------
    EngineError
        What is given is no address, the scheduler does not answer, or has no workers.
    """
    if scheduler is not None:
        _check_address(scheduler)  # Dask would start its threads first, and never end them
    if scheduler is None:
        with _local_cluster(workers, threads) as cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        port = scheduler.rstrip("/").rpartition(":")[2]
        raise EngineError(
            f"no Dask scheduler answers at {scheduler} ({error}); start one there with: dask scheduler --port {port}, "
            f"and its workers with: dask worker {scheduler}"
        ) from error
    # a lost scheduler is told by our own error
    with silence_logging_cmgr(logging.CRITICAL), client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise EngineError(
                f"the Dask scheduler at {scheduler} has no workers; start some: dask worker {scheduler}"
            ) from error
        yield client


def _check_address(scheduler: str) -> None:
    found = ADDRESS.fullmatch(scheduler) if isinstance(scheduler, str) else None
    if found is None or not 0 < int(found[4]) < 2**16:
        raise EngineError(
            f"scheduler {scheduler!r}: expected the address that dask scheduler prints, such as tcp://host:8786"
        )
    if found[2] == "tls" and Security().get_connection_args("client")["ssl_context"] is None:
        raise EngineError(
            f"scheduler {scheduler}: no certificates; name them in Dask's configuration (distributed.comm.tls)"
        )


def outcomes(client: Client, calls: Iterable[tuple[str, Callable[[], Any]]]) -> Iterator[tuple[str, Any]]:
    """Make calls on the workers; (name, result) of each as it comes. A worker that dies loses none: Dask begins its
    calls anew elsewhere.

    Parameters
    ----------
    client : dask.distributed.Client
    calls : iterable of (str, callable)
        Each by a name of its own, under which the scheduler knows it; each can be pickled.

    Yields
    ------
    (str, object)
        The result is a `Died` where too many workers died over the call. What it raised is raised here.

    Raises
    ------
    EngineError
        The scheduler was lost.
    """
    waiting = iter(calls)
    # fetches every result as soon as it is there: a worker that dies takes none along
    running = as_completed(loop=client.loop, with_results=True, raise_errors=False)

    def submit(count: int) -> None:
        for name, call in islice(waiting, count):  # no two tasks of one name: nothing is done twice
            running.add(client.submit(call, key=name))

    submit(IN_FLIGHT)
    for future, result in running:
        if future.status == "error":
            _, error, _ = result
            if not isinstance(error, KilledWorker):
                raise error
            result = Died(f"more than {FAILURES} workers died in its company; is there memory enough?")
        elif isinstance(result, BaseException):
            raise EngineError(
                "the Dask scheduler was lost; what is finished is kept, run the same command to go on"
            ) from result
        submit(1)
        yield future.key, result


def attended(call: Callable[[], Any]) -> Any:
    """On a worker: a call that is asked to end, as by a signal, when nobody wants its result any more.

    Dask ends no call that has begun, and an hour's work would go on after Ctrl-C. The call must look at
    `signals.deferred`.
    """
    worker, done = get_worker(), threading.Event()
    name = worker.get_current_task()
    with signals.deferred() as stop:

        def watch() -> None:
            while not done.wait(WATCH):
                task = worker.state.tasks.get(name)
                if task is None or task.state == "cancelled":
                    stop.answer(signal.SIGTERM, None)
                    return

        threading.Thread(target=watch, daemon=True).start()
        try:
            return call()
        except signals.Interrupted:
            return None
        finally:
            done.set()


@contextmanager
def _local_cluster(workers: int, threads: int) -> Iterator[LocalCluster]:
    variables = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENMM_CPU_THREADS")}
    if platform.libc_ver()[0] == "glibc":
        variables["GLIBC_TUNABLES"] = os.environ.get("GLIBC_TUNABLES", MALLOC)
    settings: dict[str, object] = {f"distributed.{who}.http.routes": [] for who in ("scheduler", "worker")}  # no pages
    settings["distributed.nanny.pre-spawn-environ"] = variables
    with ExitStack() as stack:
        stack.enter_context(environment())  # Dask leaves what it sets for its workers in this process, too
        stack.enter_context(dask.config.set(settings))
        scratch = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        with signals.undisturbed(), signals.deferred() as stop:  # Dask cannot close a cluster that is half there
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=None,
                host="127.0.0.1",  # neither the scheduler nor its pages ask who calls: nobody else may
                dashboard_address="127.0.0.1:0",
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
                scheduler_kwargs={"allowed_failures": FAILURES, "dashboard": False},
            )
        with cluster:
            if stop.number is not None:
                raise signals.Interrupted(stop.number)
            yield cluster
