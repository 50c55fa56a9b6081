"""Command lines that must be refused: one sentence, status 2, nothing changed."""

import os
import shutil

import numpy as np
import pytest

from openmm_cgaa import cli
from openmm_cgaa.errors import ResumeWarning


def contents(folder):
    """Of each path the bytes, or None of a folder."""
    found = {}
    for path in folder.rglob("*"):
        readable = path.is_file() and os.access(path, os.R_OK)
        found[str(path.relative_to(folder))] = path.read_bytes() if readable else None
    return found


def restore(folder, good):
    shutil.rmtree(folder)
    shutil.copytree(good, folder)
    os.chdir(folder)


class Table:
    """Runs bad command lines and collects what is not as it should be."""

    def __init__(self, folder, good, capfd):
        self.folder, self.good, self.capfd, self.wrong, self.count = folder, good, capfd, [], 0

    def refuses(self, words, what, before=None):
        before = before or contents(self.folder)
        self.count += 1
        self.capfd.readouterr()
        try:
            status = cli.main(words)
        except BaseException as error:
            status = f"{type(error).__name__}: {error}"
        lines = self.capfd.readouterr().err.splitlines()
        problems = [] if status == 2 else [f"status {status}"]
        if len(lines) != 1 or not lines[0].startswith("openmm-cgaa"):
            problems.append(f"stderr {lines[:6]}")
        after = contents(self.folder)
        if after != before:
            changed = {name for name in after.keys() | before.keys() if after.get(name, 0) != before.get(name, 0)}
            problems.append(f"changed {sorted(changed)[:5]}")
            restore(self.folder, self.good)
        if problems:
            self.wrong.append(f"{' '.join(words)[:150]} [{what}]: {'; '.join(problems)}"[:600])

    def mends(self, words, what):
        """Works, with one warning that names the place."""
        self.count += 1
        self.capfd.readouterr()
        with pytest.warns(ResumeWarning, match=what.split("/")[0]) as told:
            assert cli.main(words) == 0
        assert len([each for each in told if each.category is ResumeWarning]) == 1

    def done(self, least=1):
        assert self.count >= least
        assert not self.wrong, f"{len(self.wrong)} of {self.count}:\n" + "\n".join(self.wrong)


def spoil(path, fault):
    data = path.read_bytes()
    path.unlink()
    if fault == "directory":
        path.mkdir()
    elif fault == "unreadable":
        path.write_bytes(data)
        path.chmod(0)
    elif fault != "missing":
        other = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
        noise = np.random.default_rng(1).integers(0, 256, 5000, dtype=np.uint8).tobytes()
        half = data[: len(data) * 45 // 100]
        path.write_bytes({"empty": b"", "truncated": half, "binary": noise, "other": other}[fault])
