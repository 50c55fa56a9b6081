"""Members by the workers of a Dask scheduler: told at once what does not fit, nothing run for nobody."""

import re
import time
from functools import partial

import numpy as np
import pytest
from ensembles import by_springs, plan_file
from short_runs import frames, same_run

distributed = pytest.importorskip("distributed")

from openmm_cgaa.ensemble import crew  # noqa: E402
from openmm_cgaa.ensemble.ensembles import run_ensemble  # noqa: E402
from openmm_cgaa.errors import EngineError  # noqa: E402
from openmm_cgaa.host import cluster, signals  # noqa: E402


@pytest.fixture
def scheduler():
    """Address of one with a worker in this process."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as made:
        yield made.scheduler_address


def test_members_by_workers_are_those_that_are_run_here(tmp_path, monkeypatch, scheduler):
    by_springs(monkeypatch)
    path = plan_file(tmp_path, replicas=2)
    told = []
    report = run_ensemble(path, tmp_path / "there", scheduler=scheduler, tell=told.append)
    run_ensemble(path, tmp_path / "here", workers=1, tell=str)
    assert len(report.summary["members"]) == 2 and f"by the workers of {scheduler}, 1 thread each" in told
    for n in (1, 2):
        same_run(tmp_path / f"here/replica-{n}/run", tmp_path / f"there/replica-{n}/run")
    assert not np.array_equal(*(frames(tmp_path / f"here/replica-{n}/run") for n in (1, 2)))


def test_workers_that_do_not_fit_are_told(tmp_path, monkeypatch, scheduler):
    by_springs(monkeypatch)
    path, out = plan_file(tmp_path), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crew, "_version", str)  # an empty word
        with pytest.raises(EngineError, match=r"has openmm_cgaa , but here is \d+\.\d+\..*; install the same"):
            run_ensemble(path, out, scheduler=scheduler, tell=str)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed.Client, "nthreads", lambda client: {"tcp://one:1": 4})
        told = f"has 4 threads, but each run needs a process of its own; start workers with: dask worker {scheduler} "
        with pytest.raises(EngineError, match=re.escape(told + "--nworkers 4 --nthreads 1")):
            run_ensemble(path, out, scheduler=scheduler, tell=str)
    assert not out.exists()
    with pytest.MonkeyPatch.context() as patch:
        blind = {crew._version: crew.__version__}  # of all calls but this one nothing comes back
        patch.setattr(distributed.Client, "run", lambda client, call: {"tcp://one:1": blind.get(call, False)})
        with pytest.raises(EngineError, match="out: the worker at tcp://one:1 does not see this folder"):
            run_ensemble(path, out, scheduler=scheduler, tell=str)
    assert not list(out.glob("*/run"))


def test_a_cluster_that_cannot_be_reached_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    for address, told in (("tcp://127.0.0.1:9", "no Dask scheduler answers at"), ("nocolon", "expected the address")):
        with pytest.raises(EngineError, match=told):
            run_ensemble(plan_file(tmp_path), scheduler=address, tell=str)
    assert not (tmp_path / "ensemble").exists()


def until_asked_to_end(begun, ended):
    begun.touch()
    with signals.deferred() as stop:
        while not stop:
            time.sleep(0.01)
    ended.touch()
    raise signals.Interrupted(stop.number)


def test_a_call_that_nobody_waits_for_ends_with_its_state_saved(tmp_path, monkeypatch, scheduler):
    """The client is gone, as after Ctrl-C; the worker takes other calls then."""
    monkeypatch.setattr(cluster, "WATCH", 0.05)
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    with cluster.connect(1, 1, scheduler) as client:
        future = client.submit(partial(cluster.attended, partial(until_asked_to_end, begun, ended)))
        while not begun.exists():
            time.sleep(0.01)
        time.sleep(0.2)
        assert not ended.exists() and future.status == "pending"
    for _ in range(1000):
        if ended.exists():
            break
        time.sleep(0.02)
    assert ended.exists()
    with cluster.connect(1, 1, scheduler) as client:
        assert client.submit(cluster.attended, partial(int, "3")).result(timeout=60) == 3
