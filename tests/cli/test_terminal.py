"""What a command writes to: pipes that nobody reads, closed descriptors, ASCII terminals; and errors as sentences."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LIQUID

from openmm_cgaa import cli
from openmm_cgaa.cli import info, main

START = "import sys; from openmm_cgaa.cli import main; sys.exit(main())"
ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def shell(line, **environment):
    command = f"{sys.executable} -c '{START}' "
    done = subprocess.run(
        ["bash", "-c", line.replace("openmm-cgaa ", command)],
        capture_output=True,
        env=os.environ | environment,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_head_is_no_failure():
    status, out, err = shell("set -o pipefail; openmm-cgaa info ec-emc | head -1")
    assert status == 0 and len(out.splitlines()) == 1 and err == ""


# commands that need no torch: to import it takes most of a short command's time
EXPORT, FAILS = f"openmm-cgaa data export {LIQUID} new.extxyz", "openmm-cgaa data export none.h5 new.extxyz"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&-"])
def test_closed_descriptors_are_no_failure(closed):
    status, out, err = shell(f"{EXPORT} {closed}")
    assert status == 0 and err == "" and ("new.extxyz: 6 frames" in out) == (">&-" not in closed.split())
    assert Path("new.extxyz").read_text().startswith("240\n")
    status, out, err = shell(f"{FAILS} {closed}")
    assert status == 2 and out == "" and err.count("openmm-cgaa data: none.h5: no such file") == ("2>&-" not in closed)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_behind_the_output_is_a_failure_and_behind_the_messages_is_none():
    status, out, err = shell(f"{EXPORT} > /dev/full")
    assert status == 2 and err.count("\n") == 1 and "the standard output: cannot be written (No space left" in err
    status, out, err = shell(f"{EXPORT} 2> /dev/full")
    assert status == 0 and "6 frames" in out
    status, out, err = shell(f"{FAILS} 2> /dev/full")
    assert status == 2 and out == err == ""


def test_ascii_terminals_get_letters_that_they_have():
    status, out, err = shell("openmm-cgaa info ec-emc", **ASCII)
    assert status == 0 and err == "" and out.isascii() and "eV/A" in out
    status, out, err = shell("openmm-cgaa data export Å–².h5 new.extxyz", **ASCII)
    assert status == 2 and err.isascii() and "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (MemoryError("x"), 2, "out of memory (x); take fewer"),
        (ImportError("libx.so: failed to map segment from shared object", name="_C"), 2, "out of memory (libx.so"),
        (
            UnicodeEncodeError("ascii", "\xe5", 0, 1, "no"),
            2,
            "encoding ascii of this locale; set the variable PYTHONUTF8",
        ),
        (RecursionError("deep"), 2, "nested too deep"),
        (ModuleNotFoundError("No module named 'rdkit'", name="rdkit"), 2, "pip install 'openmm-cgaa[build]'"),
        (ModuleNotFoundError("No module named 'yaml'", name="yaml"), 2, "the package yaml cannot be imported"),
        (KeyboardInterrupt(), 130, "openmm-cgaa info: interrupted"),
        (OSError(28, "No space left on device", "here"), 2, "No space left on device: 'here'"),
    ],
)
def test_errors_that_are_no_faults_of_the_program(error, status, text, monkeypatch, capsys):
    def run(args):
        raise error

    monkeypatch.setattr(info, "run", run)
    assert main(["info", "ec-emc"]) == status
    err = capsys.readouterr().err
    assert text in err and err.count("\n") == 1 and err.startswith("openmm-cgaa info: ")


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(info, "run", lambda args: {}["key"])
    with pytest.raises(KeyError):
        main(["info", "ec-emc"])


def test_every_command_shows_its_options(capsys):
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0 and "usage: openmm-cgaa" in capsys.readouterr().out
