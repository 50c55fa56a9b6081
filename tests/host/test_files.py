"""Files that are never half written, outputs that destroy nothing, folders with one owner."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import threading

import pytest

from openmm_cgaa.errors import OutputError
from openmm_cgaa.host.files import check_folder, check_output, owned, write_bytes

LEAVE_HALF_WRITTEN = """
import os, signal, sys
from openmm_cgaa.host import files
os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)
files.write_bytes(sys.argv[1], b"half")
"""
OWN = """
import sys
from openmm_cgaa.host.files import owned
with owned(sys.argv[1]):
    print("owned", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o666])
def test_a_file_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_mode_of_the_umask_and_folders_are_made(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "b/c/a", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "b/c/a").stat().st_mode) == 0o640
    assert os.listdir(tmp_path / "b/c") == ["a"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/file")  # points to nothing yet
    for data in (b"first", b"second"):
        write_bytes(tmp_path / "link", data)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real/file").read_bytes() == data
    assert os.listdir(tmp_path / "real") == ["file"]


def test_what_is_no_file_is_written_to(tmp_path):
    write_bytes("/dev/null", b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_bytes(tmp_path / "pipe", b"through")
    reader.join(10)
    assert got == [b"through"]


def test_what_a_killed_write_left_is_removed_and_that_of_a_living_one_is_not(tmp_path):
    path = tmp_path / "nvt.chk"
    path.write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", LEAVE_HALF_WRITTEN, path])
    assert killed.returncode == -signal.SIGKILL and path.read_bytes() == b"old"
    (left,) = tmp_path.glob(".nvt.chk.*.part")
    living = tmp_path / ".nvt.chk.0123abcd.part"
    import fcntl

    with open(living, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_bytes(path, b"new")
    assert path.read_bytes() == b"new" and not left.exists() and living.exists()


@pytest.mark.parametrize(
    "number, advice",
    [(errno.ENOSPC, "make room$"), (errno.EDQUOT, "make room$"), (errno.EROFS, "you may not write there"), (5, "name")],
)
def test_a_failed_write_names_the_file_and_changes_nothing(tmp_path, monkeypatch, number, advice):
    (tmp_path / "a").write_bytes(b"old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            with pytest.raises(OutputError, match=f"{tmp_path}/a: .*{os.strerror(number)}.*{advice}"):
                write_bytes(tmp_path / "a", b"new")
        assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_an_output_among_the_inputs_is_refused(tmp_path, monkeypatch):
    (tmp_path / "in.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("in.json")
    (tmp_path / "hard.json").hardlink_to(tmp_path / "in.json")
    monkeypatch.chdir(tmp_path)
    for name in ("in.json", "./in.json", tmp_path / "in.json", f"../{tmp_path.name}/in.json", "link.json", "hard.json"):
        with pytest.raises(OutputError, match="is an input of this command"):
            check_output(name, "evaluation (JSON)", [None, "ec-emc", tmp_path / "in.json"])
    check_output("out.json", "evaluation (JSON)", [None, "ec-emc", tmp_path / "in.json", tmp_path / "none"])


@pytest.mark.parametrize(
    "kind, own",
    [
        ("data set (HDF5)", b"\x89HDF\r\n\x1a\n..."),
        ("figure (PNG)", b"\x89PNG\r\n\x1a\n..."),
        ("evaluation (JSON)", b'{\n "split": "test"}\n'),
        ("extended XYZ file", b"12\nLattice=..."),
        ("PDBx/mmCIF file", b"# of a program\ndata_cell\n"),
        ("force field (XML)", b"<!-- mine -->\n<ForceField>"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, kind, own):
    path = tmp_path / "out"
    for data in (b"dear diary", b"PK\x03\x04", b"\x93NUMPY"):
        path.write_bytes(data)
        with pytest.raises(OutputError, match=re.escape(f"{path}: exists and is no {kind}")):
            check_output(path, kind)
        assert path.read_bytes() == data
    for data in (b"", own):
        path.write_bytes(data)
        check_output(path, kind)


def test_an_output_that_cannot_be_written_is_refused_at_once(tmp_path):
    with pytest.raises(OutputError, match="is a folder; name a file"):
        check_output(tmp_path, "evaluation (JSON)")
    (tmp_path / "file").write_text("{}")
    with pytest.raises(OutputError, match=f"{tmp_path}/file.*cannot be written"):
        check_output(tmp_path / "file/out.json", "evaluation (JSON)")
    check_output(tmp_path / "new/folder/out.json", "evaluation (JSON)")
    check_output("/dev/null", "evaluation (JSON)")
    assert not (tmp_path / "new").exists()


def test_foreign_files_in_a_folder(tmp_path):
    check_folder(tmp_path / "new", "run.json", ["state.csv"])
    (tmp_path / "state.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"holds state.csv, but no run.json"):
        check_folder(tmp_path, "run.json", ["topology.cif", "state.csv"])
    with pytest.raises(OutputError, match="is a file; name a folder"):
        check_folder(tmp_path / "state.csv", "run.json", [])
    (tmp_path / "run.json").write_text("{}")
    check_folder(tmp_path, "run.json", ["topology.cif", "state.csv"])


def test_a_folder_has_one_owner_even_after_a_kill(tmp_path):
    for end in (signal.SIGKILL, None):
        other = subprocess.Popen([sys.executable, "-c", OWN, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert other.stdout.readline() == b"owned\n"
            with pytest.raises(OutputError, match=f"process {other.pid} on .* works in it at this moment"):
                with owned(tmp_path):
                    pass
        finally:
            if end:
                other.send_signal(end)
            other.communicate()
        with owned(tmp_path):
            pass
    other = subprocess.Popen([sys.executable, "-c", OWN, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"owned\n"
    threading.Timer(0.3, other.stdin.close).start()
    with owned(tmp_path, wait=True):  # until it has ended
        assert other.stdin.closed
    other.wait()
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".owner").symlink_to("mine")
    with owned(tmp_path):
        assert (tmp_path / "mine").read_text() == "mine"
    with owned(tmp_path / "new"), pytest.raises(OutputError, match=f"process {os.getpid()} on"):
        with owned(tmp_path / "new"):
            pass
