"""Frames of an extended XYZ file as ase.Atoms, one by one; what a damaged or foreign head says is checked before ASE
believes it."""

import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DatasetError
from ..inputs.arguments import FilePath
from ..structures.lattice import height, reduced
from ..structures.topologies import ISOTOPES
from ..wording import counted

if TYPE_CHECKING:
    import ase

COLUMNS = re.compile(r'\bProperties\s*=\s*"?([^\s"]+)')
FARTHEST = 1e6  # Å
DENSEST = 1.0  # Å^3 for each atom; liquids have ten
THINNEST = 1.0  # Å
SPELLED = {"lattice": "Lattice", "properties": "Properties", "pbc": "pbc"}  # other readers take any case, ASE does not


def read_frames(path: FilePath) -> Iterator["ase.Atoms"]:
    """Yield each frame of a file as ase.Atoms.

    Parameters
    ----------
    path : path

    Raises
    ------
    DatasetError
        The file is missing, truncated, or of another format: the frame and its line are named.
    """
    from ase.io.extxyz import read_xyz

    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; expected extended XYZ")
    for number, (line, text) in enumerate(_texts(path)):
        where = f"{path}: frame {number}"
        try:
            (atoms,) = read_xyz(io.StringIO(text), slice(None))
        except Exception as error:  # ASE's reader raises whatever it stumbles on
            if isinstance(error, KeyError) and error.args[0] in ISOTOPES:
                raise DatasetError(
                    f"{where}: ASE has no element {error.args[0]}; write H, of which labels are the same"
                ) from None
            raise DatasetError(
                f"{where} cannot be read as extended XYZ (from line {line}: {str(error) or type(error).__name__}); is "
                "it damaged, or of another format?"
            ) from None
        for key in atoms.info:
            if SPELLED.get(key.lower(), key) != key:
                raise DatasetError(
                    f"{where}: {key}=... is spelled {SPELLED[key.lower()]}=... in extended XYZ, and means nothing as "
                    "it stands; rename it in the file"
                )
        _check_geometry(atoms, where)
        if atoms.pbc.all():
            atoms.set_cell(reduced(atoms.cell.array))  # in long vectors of it a search for neighbours takes for ever
        yield atoms


def _check_geometry(atoms: "ase.Atoms", where: str) -> None:
    """What no search for neighbours should be sent into."""
    for name, values in (("positions", atoms.positions), ("Lattice", atoms.cell.array)):
        if not (np.abs(values) <= FARTHEST).all():
            raise DatasetError(f"{where}: {name} has numbers that are not finite or beyond {FARTHEST:g} Å")
    if atoms.pbc.any() and not atoms.pbc.all():
        raise DatasetError(f"{where}: periodic in some directions only (pbc {atoms.pbc}); all or none are supported")
    if not atoms.pbc.all():
        return
    volume = np.abs(np.linalg.det(atoms.cell.array))
    if volume < DENSEST * len(atoms):
        raise DatasetError(
            f"{where}: Lattice spans {volume:.3g} Å^3 for {counted(len(atoms), 'atom')}, less than matter takes; "
            "lengths are in Å"
        )
    narrowest = height(reduced(atoms.cell.array))
    if narrowest < THINNEST:
        raise DatasetError(f"{where}: Lattice is {narrowest:.3g} Å high in its narrowest direction; lengths are in Å")


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """(line of the head, text) of each frame; no more of the file is held than one frame."""
    number, frame = 0, 0
    try:
        with open(path, encoding="utf-8") as file:
            head = next(file, "")
            while head:
                number += 1
                if not head.strip():
                    head = next(file, "")
                    continue
                where = f"{path}: frame {frame} cannot be read as extended XYZ: line {number}"
                count = _count(head, where)
                body = list(islice(file, count + 1))
                if len(body) < count + 1:
                    raise DatasetError(
                        f"{where} says {counted(count, 'atom')}, but the file ends {counted(len(body), 'line')} later; "
                        "is it truncated?"
                    )
                _check_columns(body, where)
                start, number, head = number, number + len(body), next(file, "")
                while head.lstrip().startswith("VEC"):  # cell vectors below the atoms
                    body.append(head)
                    number, head = number + 1, next(file, "")
                yield start, "".join((f"{count}\n", *body))
                frame += 1
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: frame {frame} cannot be read as extended XYZ: it is not text") from None


def _count(head: str, where: str) -> int:
    try:
        count = int(head)
    except ValueError:
        count = 0
    if count < 1:
        raise DatasetError(f"{where} is {head.strip()[:60]!r}, expected the number of atoms")
    return count


def _check_columns(body: list[str], where: str) -> None:
    """The columns that are declared must be those of the first atom: ASE makes as many as it is told."""
    declared = COLUMNS.search(body[0])
    if declared is None:
        return
    widths = declared[1].split(":")[2::3]
    told, found = sum(int(w) for w in widths if w.isdecimal()), len(body[1].split())
    if told != found:
        raise DatasetError(
            f"{where}: Properties={declared[1][:200]} declares {counted(told, 'column')}, but the first "
            f"atom has {found}"
        )
