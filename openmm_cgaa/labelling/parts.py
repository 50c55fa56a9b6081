"""A folder of finished labels: one file a frame, named by the frame's contents, all of one teacher."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data.dataset import same_teacher
from ..errors import DatasetError
from ..host.files import owned, write_bytes
from ..host.formats import LABELS
from ..inputs.arguments import FilePath


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
    energies : float32 array, [atoms], eV, or None
        Of atoms; their sum is the energy.
    errors : float32 array, [atoms, 3], eV/Å, or None
        Standard errors of forces that are means.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    seconds: float
    energies: np.ndarray | None = None
    errors: np.ndarray | None = None


class LabelFolder:
    """The labels of a folder; whatever is killed, each file is whole or absent.

    Parameters
    ----------
    folder : path
        Made by `claim`. It holds ``KEY.npz`` for each finished frame, ``teacher.json``, and the lock.
    """

    def __init__(self, folder: FilePath) -> None:
        self.folder = Path(folder)

    @contextmanager
    def claim(self, identity: dict) -> Iterator["LabelFolder"]:
        """Own the folder, alone, for the labels of one teacher.

        Raises
        ------
        DatasetError
            It holds labels of another teacher.
        OutputError
            Another process labels into it, or it cannot be written.
        """
        with owned(self.folder):
            self._agree(identity)
            yield self

    def _agree(self, identity: dict) -> None:
        if self.teacher is None:
            record = {"format": LABELS.mark} | identity
            write_bytes(self.folder / "teacher.json", (json.dumps(record, indent=1) + "\n").encode())
        elif not same_teacher(self.teacher, identity):
            raise DatasetError(
                f"{self.folder}: holds labels of another teacher, {_title(self.teacher)}, and not of "
                f"{_title(identity)}; give another output, or move the folder away to start anew"
            )

    @property
    def teacher(self) -> dict | None:
        """Identity of the teacher; None where nothing was labelled yet.

        Raises
        ------
        DatasetError
            Its file is damaged, of a later version, or missing beside labels.
        """
        path = self.folder / "teacher.json"
        found = _read_json(path)
        if isinstance(found, dict) and isinstance(found.get("name"), str) and isinstance(found.get("settings"), dict):
            LABELS.check(found.pop("format", 1), path)
            return found
        if path.exists() or any(self.folder.glob("*.npz")):
            raise DatasetError(
                f"{path}: is missing or damaged, and says whose labels the folder holds; put it back, or move the "
                "folder away to start anew"
            )
        return None

    def read(self, key: str, num_atoms: int) -> Label | None:
        """The label of a frame; None if there is none, or its file is damaged or of another frame."""
        try:
            with np.load(self.folder / f"{key}.npz") as file:
                if not set(file.files) <= {*Label._fields, "key"} or str(file.get("key", key)) != key:
                    return None  # of another frame, or its directory is damaged
                forces = np.asarray(file["forces"], np.float32)
                stress, energies, errors = (
                    np.asarray(file[name], np.float32) if name in file else None
                    for name in ("stress", "energies", "errors")
                )
                label = Label(float(file["energy"]), forces, stress, float(file["seconds"]), energies, errors)
        except Exception:  # whatever numpy, zipfile and zlib stumble on
            return None
        shapes = ((forces, (num_atoms, 3)), (stress, (3, 3)), (energies, (num_atoms,)), (errors, (num_atoms, 3)))
        return label if all(values is None or values.shape == shape for values, shape in shapes) else None

    def write(self, key: str, label: Label) -> None:
        """Keep the label of a frame."""
        file = io.BytesIO()
        np.savez(file, key=key, **{name: value for name, value in label._asdict().items() if value is not None})
        write_bytes(self.folder / f"{key}.npz", file.getvalue())


def _title(identity: dict) -> str:
    return json.dumps({name: identity.get(name) for name in ("name", "settings", "weights_sha256")})


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
