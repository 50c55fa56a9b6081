"""Signals: every command saves its state, says one sentence and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import openmm
import pytest
import yaml
from conftest import LIQUID

from openmm_cgaa.host import signals
from openmm_cgaa.structures.structure import write_structure

SYSTEM = Path(__file__).parents[2] / "systems/ec_emc"
COMMAND = [sys.executable, "-c", "import sys; from openmm_cgaa.cli import main; sys.exit(main())"]
EC = {"name": "EC", "smiles": "O=C1OCCO1"}


def started(*command, until):
    """A command of its own session, once `until(process)` holds."""
    process = subprocess.Popen([*COMMAND, *map(str, command)], stderr=subprocess.PIPE, start_new_session=True)
    end = time.monotonic() + 100
    while not until(process):
        assert process.poll() is None and time.monotonic() < end, process.stderr.read().decode()
        time.sleep(0.1)
    return process


def last_line(process):
    return process.communicate(timeout=60)[1].decode().splitlines()[-1]


def descendants(pid):
    """Process numbers of all that a process has started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def gone(pids, seconds=10):
    end = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text() for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_simulate_leaves_a_checkpoint(number, solvent, tiny_conserving_path, tmp_path):
    write_structure(tmp_path / "box.cif", *solvent[:2])
    options = "--picoseconds 1000 --timestep 0.01 --report-interval 2 --max-stretch 50 --threads 1 --backend python"
    command = ["simulate", tmp_path / "box.cif", "--model", tiny_conserving_path, "--out", tmp_path / "run"]
    table = tmp_path / "run" / "state.csv"
    process = started(*command, *options.split(), until=lambda _: table.exists() and table.read_text().count("\n") > 2)
    process.send_signal(number)
    line = last_line(process)
    assert process.returncode == 128 + number and (tmp_path / "run" / "nvt.chk").is_file()
    assert line.startswith(f"openmm-cgaa simulate: interrupted ({number.name}); ") and line.endswith("and --resume")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_of_sample_survives_it(number, tmp_path):
    run = {"kind": "molecule", "temperatures": 300, "copies": 1000, "equilibration": 0.01, "spacing": 0.01, "frames": 2}
    plan = {"molecules": [EC], "sampler": {"forcefield": [str(SYSTEM / "forcefield.xml")]}, "runs": [run]}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan | {"workers": 2}))
    process = started("sample", tmp_path / "plan.yaml", until=lambda _: any(tmp_path.glob("frames.h5.parts/*.h5")))
    children = descendants(process.pid)
    process.send_signal(number)
    line = last_line(process)  # the pipe ends only when nobody holds it any more
    assert gone(children)
    if number == signal.SIGKILL:
        return
    assert process.returncode == 128 + number and line.endswith("kept, the same command goes on")
    assert f"openmm-cgaa sample: interrupted ({number.name}); " in line


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers_that_are_just_beginning_say_nothing(number, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = ["label", LIQUID, tmp_path / "out.h5", "--teacher", "springs:Springs", "--workers", "2"]
    process = started(*command, until=lambda process: len(descendants(process.pid)) > 1)
    children = descendants(process.pid)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)  # as a terminal does
    text = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 128 + number and gone(children)
    end = f"openmm-cgaa label: interrupted ({number.name}); nothing is labelled, the same command goes on"
    assert text.strip().splitlines() == [end]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_packmol_survives_build(number, tmp_path):
    pytest.importorskip("packmol")
    box = {"molecules": [EC | {"count": 2000}], "box": 62.0, "timeout": 600}
    (tmp_path / "box.yaml").write_text(yaml.safe_dump(box))
    process = started("build", tmp_path / "box.yaml", until=lambda process: descendants(process.pid))
    children = descendants(process.pid)
    process.send_signal(number)
    line = last_line(process) if number != signal.SIGKILL else ""
    assert gone(children, 30) and not (tmp_path / "box.cif").exists()
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number and line == f"openmm-cgaa build: interrupted ({number.name})"


def test_the_second_signal_ends_at_once():
    code = """
import os, signal, time
from openmm_cgaa.host import signals
with signals.answered(signals.end_at_once), signals.deferred() as stop:
    os.kill(os.getpid(), signal.SIGINT)
    assert stop.number == signal.SIGINT
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    except BaseException:
        print("not reached")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGTERM and done.stdout == ""
    assert done.stderr.strip() == "openmm-cgaa: ended at once by a second signal (SIGTERM); what was not saved is lost"


def test_handlers_are_put_back_and_what_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        old = signal.getsignal(signal.SIGTERM)
        with signals.answered() as stop, signals.deferred() as inner:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop is inner and not stop
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.number == signal.SIGTERM
            with pytest.raises(signals.Interrupted, match=r"interrupted \(SIGTERM\)"):
                signals.check()
        assert signal.getsignal(signal.SIGTERM) == old and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        signals.check()  # what was, is over
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_has_no_signals():
    seen = []

    def inside():
        with signals.deferred() as stop:
            seen.append((bool(stop), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [(False, signal.getsignal(signal.SIGTERM))]


def test_another_thread_can_be_asked_to_end():
    """By whoever holds the `Stop` of its outermost context, which those inside share; the next one is new."""
    seen = []

    def inside():
        with signals.deferred() as outer, signals.deferred() as inner:
            outer.answer(signal.SIGTERM, None)
            seen.append((inner is outer, inner.number))
        with signals.deferred() as later:
            seen.append(later.number)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [(True, signal.SIGTERM), None]


def test_a_signal_in_a_callback_of_openmm_is_known_as_such():
    """OpenMM turns what is raised in a PythonForce into an error of its own."""
    system, number = openmm.System(), signal.SIGTERM
    system.addParticle(1.0)

    def force(state):
        os.kill(os.getpid(), number)
        return 0.0, state.getPositions(asNumpy=True)

    system.addForce(openmm.PythonForce(force))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions([openmm.Vec3(0, 0, 0)])
    with signals.answered():
        try:
            context.getState(energy=True)
        except openmm.OpenMMException:
            with pytest.raises(signals.Interrupted):
                signals.check()
        except signals.Interrupted:
            pass  # a version that hands it on
