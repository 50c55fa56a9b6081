"""A folder of finished labels: one file a frame, named by the frame's contents, all of one teacher."""

import io
import json
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from ..errors import DatasetError
from ..files import write_bytes
from .dataset import same_teacher


class Label(NamedTuple):
    """What a teacher says about one frame.

    Attributes
    ----------
    energy : float, eV
    forces : float32 array, [atoms, 3], eV/Å
    stress : float32 array, [3, 3], eV/Å^3, or None
        Positive under tension.
    seconds : float
        That it took.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    seconds: float


class Parts:
    """The labels of a folder; whatever is killed, each file is whole or absent.

    Parameters
    ----------
    folder : path
        Made by `claim`. It holds ``KEY.npz`` for each finished frame, ``teacher.json``, and the lock.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    @contextmanager
    def claim(self, identity):
        """Own the folder, alone, for the labels of one teacher.

        The lock is the operating system's: it falls with its process, however that ends.

        Raises
        ------
        DatasetError
            Another process labels into it, or it holds labels of another teacher.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock, owner = FileLock(self.folder / "lock"), self.folder / "owner.json"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            who = _read_json(owner) or {}
            raise DatasetError(
                f"{self.folder}: process {who.get('pid', '?')} on {who.get('host', '?')} labels into it at this "
                "moment; wait for it, or end it first. Nothing was changed"
            ) from None
        try:
            write_bytes(owner, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
            for left in self.folder.glob(".*.npz.*"):  # of a process killed while it wrote
                left.unlink(missing_ok=True)
            self._agree(identity)
            yield self
        finally:
            owner.unlink(missing_ok=True)
            lock.release()

    def _agree(self, identity):
        if self.teacher is None:
            if any(self.folder.glob("*.npz")):
                raise DatasetError(
                    f"{self.folder}: holds labels, but its teacher.json is missing or damaged; put it back, or move "
                    "the folder away to start anew"
                )
            write_bytes(self.folder / "teacher.json", (json.dumps(identity, indent=1) + "\n").encode())
        elif not same_teacher(self.teacher, identity):
            raise DatasetError(
                f"{self.folder}: holds labels of another teacher, {_title(self.teacher)}, and not of "
                f"{_title(identity)}; give another output, or move the folder away to start anew"
            )

    @property
    def teacher(self):
        """Identity of the teacher, or None."""
        return _read_json(self.folder / "teacher.json")

    def read(self, key, num_atoms) -> Label | None:
        """The label of a frame; None if there is none, or its file is damaged: it is computed anew then."""
        try:
            with np.load(self.folder / f"{key}.npz") as file:
                forces = np.asarray(file["forces"], np.float32)
                stress = np.asarray(file["stress"], np.float32) if "stress" in file else None
                label = Label(float(file["energy"]), forces, stress, float(file["seconds"]))
        except Exception:  # whatever numpy, zipfile and zlib stumble on
            return None
        fits = forces.shape == (num_atoms, 3) and (stress is None or stress.shape == (3, 3))
        return label if fits else None

    def write(self, key, label):
        """Keep the label of a frame."""
        file = io.BytesIO()
        np.savez(file, **{name: value for name, value in label._asdict().items() if value is not None})
        write_bytes(self.folder / f"{key}.npz", file.getvalue())


def _title(identity):
    return json.dumps({name: identity.get(name) for name in ("name", "settings", "weights_sha256")})


def _read_json(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
