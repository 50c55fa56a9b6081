"""Labelling survives whatever happens to it: nothing is lost, doubled, or mixed.

Also `assembly`, `attempt`, `workers` and `host.cluster`.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset, Frames, Trajectory
from openmm_cgaa.errors import DatasetError, EngineError, OutputError
from openmm_cgaa.labelling.label import label, label_frames
from openmm_cgaa.labelling.parts import LabelFolder
from openmm_cgaa.labelling.teachers import Teacher, load_teacher

ase = pytest.importorskip("ase")
SPRINGS = "springs:Springs"
WATER = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


def waters(frames, molecules, periodic, trajectory):
    """Frames of molecules in a row, every frame with its own x of the first atom: 0, 0.01, 0.02..."""
    random = np.random.default_rng(molecules)
    positions = np.concatenate([WATER + [0, 0, 4.0 * i] for i in range(molecules)])
    positions = np.tile(positions, (frames, 1, 1)) + random.normal(scale=0.02, size=(frames, len(positions), 3))
    positions[:, :, 0] += 0.01 * np.arange(frames)[:, None] - positions[:, :1, 0]
    bonds = [(3 * i, 3 * i + j) for i in range(molecules) for j in (1, 2)]
    return Frames(
        positions=positions,
        cell=np.tile(np.eye(3) * (20.0 if periodic else 0.0), (frames, 1, 1)),
        elements=["O", "H", "H"] * molecules,
        bonds=np.array(bonds),
        residues=np.repeat(np.arange(molecules), 3),
        residue_names=["HOH"] * molecules,
        trajectory=np.full(frames, trajectory),
        time=np.arange(frames, dtype=float),
        temperature=np.full(frames, 300.0),
    )


@pytest.fixture
def frames_path(tmp_path):
    """Eight frames: five of a periodic liquid, three of single molecules."""
    sets = [waters(5, 4, True, 0), waters(3, 1, False, 1)]
    trajectories = [Trajectory("box", "liquid", "train", {"seed": 1}), Trajectory("gas", "molecule", "test")]
    Dataset(sets, trajectories, None, {"sampler": "by hand"}).save(tmp_path / "frames.h5")
    return tmp_path / "frames.h5"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "labels.h5"


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Calls of the teacher by now, as (process, frame)."""
    path = tmp_path / "calls.log"
    path.touch()
    monkeypatch.setenv("SPRINGS_LOG", str(path))
    return lambda: [tuple(line.split()) for line in path.read_text().splitlines()]


def num_parts(output):
    return len(list(Path(f"{output}.parts").glob("*.npz")))


def assert_complete(output, stiffness=1.0):
    """All eight frames with the labels that Springs should give, in their order."""
    dataset = Dataset.load(output)
    assert [len(frames) for frames in dataset.sets] == [5, 3] and num_parts(output) == 8
    for frames in dataset.sets:
        arms = frames.positions - frames.positions.mean(axis=1, keepdims=True)
        assert np.allclose(frames.energy, 0.5 * stiffness * (arms**2).sum(axis=(1, 2)), rtol=1e-14)
        assert np.allclose(frames.forces, -stiffness * arms, atol=1e-6)
        assert np.allclose(frames.positions[:, 0, 0], 0.01 * np.arange(len(frames)))
    return dataset


def test_labels_stand_beside_what_was_known_of_the_frames(frames_path, output, log):
    states = []
    made = label(frames_path, output, SPRINGS, settings={"stiffness": 2.0}, progress=states.append)
    dataset, frames = assert_complete(output, stiffness=2.0), Dataset.load(frames_path)
    assert len(made) == 8 and dataset.trajectories == frames.trajectories
    for one, other in zip(dataset.sets, frames.sets):
        assert np.array_equal(one.positions, other.positions) and np.array_equal(one.time, other.time)
    box, gas = dataset.sets
    arms = box.positions - box.positions.mean(axis=1, keepdims=True)
    assert np.allclose(box.stress, 2.0 * np.einsum("fax,fay->fxy", arms, arms) / 8000.0) and gas.stress is None
    assert dataset.teacher["name"] == SPRINGS and dataset.teacher["settings"] == {"stiffness": 2.0}
    facts = dataset.provenance["labelling"]
    assert dataset.provenance["sampler"] == "by hand" and facts["teacher_seconds"] > 0
    assert (facts["frames"], facts["refused"], facts["unfinished"]) == (8, 0, 0)
    assert [state.frames for state in states] == list(range(9)) and states[-1].atoms == states[0].all_atoms == 69

    label(frames_path, output, SPRINGS, settings={"stiffness": 2.0})
    assert len(log()) == 8  # nothing was computed again
    assert not (output.parent / "labels.refused.h5").exists()


def test_threads_are_those_of_the_labelling_alone(frames_path, output):
    """As long as it runs, and on its own thread: others of the process keep theirs."""
    import torch
    from springs import Springs

    before, seen = torch.get_num_threads(), set()

    class Watching(Springs):
        def calculate(self, *given, **more):
            other = threading.Thread(target=lambda: seen.add(("beside", torch.get_num_threads())))
            other.start()
            other.join()
            seen.add(("here", torch.get_num_threads()))
            super().calculate(*given, **more)

    label(frames_path, output, Teacher(Watching(), load_teacher(SPRINGS).identity), threads=before + 2)
    assert seen == {("here", before + 2), ("beside", before)} and torch.get_num_threads() == before


def test_a_frame_that_is_there_twice_is_computed_once(tmp_path, output, log):
    twice = waters(3, 1, False, 0).take([0, 1, 1, 2])
    Dataset([twice], [Trajectory("gas", "molecule")]).save(tmp_path / "frames.h5")
    assert len(label(tmp_path / "frames.h5", output, SPRINGS)) == 4
    assert len(log()) == 3


def test_interruption_leaves_what_there_is(frames_path, output, log, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPRINGS_INTERRUPT", str(tmp_path / "interrupt"))

    def interrupt(status):
        if status.frames == 6:
            (tmp_path / "interrupt").touch()

    with pytest.raises(KeyboardInterrupt):
        label(frames_path, output, SPRINGS, progress=interrupt)
    partial = Dataset.load(output)
    assert [len(frames) for frames in partial.sets] == [5, 1] and partial.provenance["labelling"]["unfinished"] == 2
    assert main(["label", str(frames_path), str(output), "--teacher", SPRINGS]) == 0
    assert "8 labelled frames, 23 grains" in capsys.readouterr().out
    assert_complete(output)
    assert len(log()) == 8


def test_killed_process_loses_the_frame_in_work_alone(frames_path, output, log, tmp_path, monkeypatch, capsys):
    command = ["label", str(frames_path), str(output), "--teacher", SPRINGS, "--setting", "stiffness=2.0"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "helpers"), "SPRINGS_SECONDS": "0.3"}
    start = "import sys; from openmm_cgaa.cli import main; sys.exit(main())"
    process = subprocess.Popen([sys.executable, "-c", start, *command], env=environment, stderr=subprocess.DEVNULL)
    while num_parts(output) < 3 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL and not output.exists()
    assert main(["label", str(frames_path), str(output), "--partial"]) == 0
    done = len(Dataset.load(output))
    assert 3 <= done == num_parts(output) < 8 and f"not labelled yet: {8 - done} frames" in capsys.readouterr().out
    left = Path(f"{output}.parts", ".abc.npz.0123abcd.part")  # as if killed while it wrote
    left.touch()
    before = len(log())
    assert main(command) == 0
    assert len(log()) - before == 8 - done
    assert_complete(output, stiffness=2.0)
    assert not left.exists()


def test_a_killed_worker_loses_and_doubles_no_frame(frames_path, output, log, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setenv("SPRINGS_KILL", str(tmp_path / "kill"))
    monkeypatch.setenv("SPRINGS_SECONDS", "0.1")
    states, environment = [], dict(os.environ)

    def kill_on_the_way(status):
        states.append(status.frames)
        if status.frames == 2:
            (tmp_path / "kill").touch()  # the next call of the teacher kills its process

    label(frames_path, output, SPRINGS, workers=2, progress=kill_on_the_way)
    assert not (tmp_path / "kill").exists()
    assert_complete(output)
    assert states == list(range(9))  # every frame came in once
    calls = log()
    assert str(os.getpid()) not in {process for process, _ in calls}
    # what the dead one had finished but not handed over is computed again, and no more
    assert len({frame for _, frame in calls}) == 8 and len(calls) <= 12
    assert dict(os.environ) == environment


def test_existing_scheduler(frames_path, output, log):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        label(frames_path, output, SPRINGS, scheduler=cluster.scheduler_address, settings={"stiffness": 2.0})
        assert_complete(output, stiffness=2.0)
        with pytest.raises(EngineError, match="no module no_such_package; install the package"):
            label(frames_path, output, "no_such_package:Best", scheduler=cluster.scheduler_address)


def test_no_scheduler_and_no_dask(frames_path, output, monkeypatch):
    cluster = pytest.importorskip("openmm_cgaa.host.cluster")
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    with pytest.raises(
        EngineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9.*dask scheduler --port 9,"
    ):
        label(frames_path, output, SPRINGS, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(EngineError, match="give its name"):
        label(frames_path, output, load_teacher(SPRINGS), workers=2)
    for absurd in (0, -1, 10**6, 1.5, None, "2", True):
        for name in ("workers", "threads"):
            with pytest.raises(EngineError, match=f"{name} is {absurd!r}, expected a whole number from 1 to 512"):
                label(frames_path, output, SPRINGS, **{name: absurd})
    monkeypatch.delitem(sys.modules, "openmm_cgaa.host.cluster")
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(EngineError, match=r"dask.*openmm-cgaa\[label\]"):
        label(frames_path, output, SPRINGS, workers=2)


@pytest.mark.parametrize(
    "address",
    ["nocolon", "", "tcp://", "http://host:80", "tcp://host:port", "tcp://host:99999", "inproc://1", "tls://host:8786"],
)
def test_what_is_no_scheduler_is_said_at_once(frames_path, output, address):
    """Dask would start threads for it that nothing ends."""
    pytest.importorskip("distributed")
    with pytest.raises(EngineError, match=f"scheduler '?{address}'?: "):
        label(frames_path, output, SPRINGS, scheduler=address)
    assert not output.exists()


def test_workers_listen_to_this_machine_alone_and_show_no_pages():
    """Dask asks nobody who he is: whoever reaches a port may run code."""
    distributed, psutil = pytest.importorskip("distributed"), pytest.importorskip("psutil")
    from urllib.error import HTTPError
    from urllib.request import urlopen

    from openmm_cgaa.host.cluster import _local_cluster

    before = {connection.laddr for connection in psutil.Process().net_connections("tcp")}
    with _local_cluster(1, 1) as cluster, distributed.Client(cluster, set_as_default=False):
        process = psutil.Process()
        found = [c for p in (process, *process.children(recursive=True)) for c in p.net_connections("tcp")]
        ports = [c.laddr for c in found if c.status == psutil.CONN_LISTEN and c.laddr not in before]
        assert len(ports) >= 2 and {port.ip for port in ports} == {"127.0.0.1"}
        for page in ("status", "info/main/workers.html", "json/counts.json"):
            with pytest.raises(HTTPError, match="404"):
                urlopen(cluster.dashboard_link.removesuffix("status") + page, timeout=5)


def test_labels_of_another_teacher_are_not_mixed_in(frames_path, output, capsys):
    label(frames_path, output, SPRINGS)
    before = output.read_bytes()
    command = ["label", str(frames_path), str(output), "--teacher", SPRINGS, "--setting", "stiffness=3"]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "holds labels of another teacher" in told and '"stiffness": 3' in told
    assert output.read_bytes() == before
    for damaged in ("{", "[]", "{}", "3", '{"name": 1, "settings": {}}', f'{{"name": "{SPRINGS}"}}'):
        Path(f"{output}.parts", "teacher.json").write_text(damaged)
        for options in (["--teacher", SPRINGS], ["--partial"]):
            assert main(["label", str(frames_path), str(output), *options]) == 2
            assert "teacher.json: is missing or damaged" in capsys.readouterr().err
    assert output.read_bytes() == before
    assert num_parts(output) == 8
    foreign = Path(f"{output}-new.parts", "teacher.json")
    foreign.parent.mkdir()
    foreign.write_text("of a school")
    with pytest.raises(DatasetError, match=r"teacher.json: is missing or damaged"):
        label(frames_path, f"{output}-new", SPRINGS)
    assert foreign.read_text() == "of a school"


def test_two_at_once_on_one_output(frames_path, output, log):
    identity = load_teacher(SPRINGS).identity
    with LabelFolder(f"{output}.parts").claim(identity):
        with pytest.raises(OutputError, match=f"process {os.getpid()} on .* works in it"):
            label(frames_path, output, SPRINGS)
    assert not log()
    label(frames_path, output, SPRINGS)


def test_unknown_element_is_found_before_anything_is_computed(frames_path, output, log):
    springs = load_teacher(SPRINGS)
    teacher = Teacher(springs.calculator, springs.identity, frozenset({"H"}))
    with pytest.raises(EngineError, match=r"frames\.h5, set 0: the teacher springs:Springs does not know O"):
        label(frames_path, output, teacher)
    assert not log() and list(output.parent.glob("labels*")) == []


def test_damaged_part_is_computed_again(frames_path, output, log):
    label(frames_path, output, SPRINGS)
    truncated, foreign, *_ = sorted(Path(f"{output}.parts").glob("*.npz"))
    truncated.write_bytes(truncated.read_bytes()[:200])
    file = io.BytesIO()
    np.savez(file, energy=0.0, forces=np.zeros((2, 3)), seconds=0.0)
    foreign.write_bytes(file.getvalue())
    label(frames_path, output, SPRINGS)
    assert len(log()) == 10
    assert_complete(output)


def test_frames_that_the_teacher_fails_on_are_kept_apart(frames_path, output, log):
    made = label(frames_path, output, SPRINGS, settings={"fails_below": 0.005})  # the first of each set
    assert [len(frames) for frames in made.sets] == [4, 2] and made.provenance["labelling"]["refused"] == 2
    refused = Dataset.load(output.parent / "labels.refused.h5")
    assert [len(frames) for frames in refused.sets] == [1, 1] and not any(s.labelled for s in refused.sets)
    assert [entry["trajectory"] for entry in refused.provenance["refused"]] == ["box", "gas"]
    assert "RuntimeError: no convergence" in refused.provenance["refused"][0]["reason"]
    assert num_parts(output) == 6  # a failure is no label: the next run tries again
    with pytest.raises(DatasetError, match="no frame of 8 is labelled; the first failure: .*no convergence"):
        label(frames_path, output.with_name("none.h5"), SPRINGS, settings={"fails_below": 1.0})


def test_bad_labels_are_kept_apart_with_their_reasons(frames_path, output, capsys):
    command = ["label", str(frames_path), str(output), "--teacher", SPRINGS, "--setting", "nan_below=0.015"]
    assert main(command) == 0
    assert "4 frames in labels.refused.h5" in capsys.readouterr().out
    kept, refused = Dataset.load(output), Dataset.load(output.parent / "labels.refused.h5")
    assert [len(frames) for frames in kept.sets] == [3, 1] and [len(frames) for frames in refused.sets] == [2, 2]
    entries = refused.provenance["refused"]
    assert [(e["set"], e["frame"], e["time"]) for e in entries] == [(0, 0, 0.0), (0, 1, 1.0), (1, 0, 0.0), (1, 1, 1.0)]
    assert all("finite" in entry["reason"] for entry in entries)
    with pytest.raises(DatasetError, match=r"all labels \(8\) were refused and lie in none\.refused\.h5"):
        label(frames_path, output.with_name("none.h5"), SPRINGS, settings={"nan_below": 1.0})


def test_bad_input(frames_path, output, capsys, tmp_path):
    truncated = tmp_path / "truncated.h5"
    truncated.write_bytes(frames_path.read_bytes()[:1000])
    for arguments, message in (
        ([str(tmp_path / "none.h5"), str(output)], "none.h5: no such file"),
        ([str(truncated), str(output)], "truncated"),
        ([str(frames_path), str(frames_path)], "is an input of this command"),
        ([str(frames_path), str(output), "--teacher", "springs"], "not known"),
        ([str(frames_path), str(output), "--setting", "stiffness"], "expected KEY=VALUE"),
        ([str(frames_path), str(output), "--partial"], "no labels there yet"),
    ):
        assert main(["label", *arguments]) == 2
        assert message in capsys.readouterr().err
    shutil.copy(frames_path, output)  # a finished set, its parts removed
    with pytest.raises(DatasetError, match="exists, but no labels.h5.parts"):
        label(frames_path, output, SPRINGS)
    assert output.read_bytes() == frames_path.read_bytes()


def test_single_frames_of_ase(tmp_path, log):
    frames = [ase.Atoms("H2", [[0, 0, 0], [0, 0, 1.0 + i]]) for i in range(3)]
    teacher = load_teacher(SPRINGS)
    labels = label_frames(frames[:2], teacher, tmp_path / "parts")
    labels = label_frames(frames, teacher, tmp_path / "parts")
    assert [label.energy for label in labels] == pytest.approx([0.25, 1.0, 2.25]) and len(log()) == 3
    assert labels[1].forces[:, 2].tolist() == [1.0, -1.0] and labels[1].stress is None
    assert json.loads((tmp_path / "parts/teacher.json").read_text())["name"] == SPRINGS
    with pytest.raises(DatasetError, match="frame 1: the teacher failed: RuntimeError: no convergence"):
        frames[0].positions += 1
        label_frames(frames, load_teacher(SPRINGS, fails_below=0.5), tmp_path / "others")
