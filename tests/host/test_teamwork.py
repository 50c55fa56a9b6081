"""Threads that work on one computation together, and how many there are."""

import os
import signal
import threading
import time

import openmm
import pytest

from openmm_cgaa.host import teamwork, torchstate
from openmm_cgaa.host.teamwork import Team, usual


def counting(names, name, steps):
    """A job that writes its name at each step, and gives the number of steps."""
    for _ in range(steps):
        names.append(name)
        yield
    names.append(name)
    return steps


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_all_come_as_far_before_one_goes_on(jobs):
    names, team = [], Team()
    assert team.run([counting(names, k, 3) for k in range(jobs)]) == [3] * jobs
    for step in range(4):
        assert sorted(names[step * jobs : (step + 1) * jobs]) == list(range(jobs))
    assert team.run([counting(names, k, 0) for k in range(jobs)]) == [0] * jobs


def test_what_a_job_raises_is_raised_when_all_have_stopped():
    done, team = [], Team()

    def slow():
        time.sleep(0.1)
        done.append(True)
        yield

    def wrong():
        raise ValueError("no")
        yield

    for jobs in ([slow(), wrong()], [wrong(), slow()]):
        with pytest.raises(ValueError, match="no"):
            team.run(jobs)
        assert done.pop()
    assert team.run([counting([], 0, 2), counting([], 1, 2)]) == [2, 2]  # and it is still there


def test_who_finds_the_workers_busy_works_alone():
    team, here, go_on = Team(), threading.Event(), threading.Event()

    def waiting():
        here.set()
        go_on.wait(10.0)
        yield

    first = threading.Thread(target=team.run, args=([waiting(), counting([], 0, 1)],))
    first.start()
    assert here.wait(10.0)
    assert team.run([counting([], 0, 2), counting([], 1, 2)]) == [2, 2]
    assert first.is_alive()
    go_on.set()
    first.join()


def test_an_interrupt_leaves_nobody_at_work():
    team, done = Team(), []

    def interrupted():
        signal.raise_signal(signal.SIGINT)
        yield

    def slow():
        time.sleep(0.2)
        done.append(True)
        yield

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            team.run([interrupted(), slow()])
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == [True] and team.run([counting([], k, 1) for k in range(2)]) == [1, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_workers_of_its_own():
    assert teamwork.team.run([counting([], k, 1) for k in range(3)]) == [1, 1, 1]
    child = os.fork()
    if child == 0:
        ended = 1
        try:
            ended = 0 if teamwork.team.run([counting([], k, 2) for k in range(3)]) == [2, 2, 2] else 2
        finally:
            os._exit(ended)
    for _ in range(200):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert pid and status == 0


def test_as_many_threads_as_openmm_takes_and_cores_there_are(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    platform = openmm.Platform.getPlatformByName("CPU")
    before = platform.getPropertyDefaultValue("Threads")
    try:
        platform.setPropertyDefaultValue("Threads", "5")
        assert [usual(useful) for useful in (0, 1, 3, 100)] == [1, 1, 3, 5]
        with torchstate.threads(2):
            assert usual(100) == 2
            with torchstate.threads(64):
                assert usual(100) == 8
            assert usual(100) == 2
        platform.setPropertyDefaultValue("Threads", "no number")
        assert usual(100) == 8
    finally:
        platform.setPropertyDefaultValue("Threads", before)
