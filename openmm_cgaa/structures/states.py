"""A folder of OpenMM States, each an XML file of `openmm.XmlSerializer`: a trajectory that may have forces."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..wording import counted


class SavedState(NamedTuple):
    """Time (ps), positions [atoms, 3] (nm), box [3, 3] (nm), and forces [atoms, 3] (kJ/mol/nm) or None."""

    time: float
    positions: np.ndarray
    box: np.ndarray
    forces: np.ndarray | None


def read_states(folder: FilePath, num_atoms: int) -> Iterator[SavedState]:
    """The States of a folder, in the order of their times.

    Parameters
    ----------
    folder : path
        All its files that end in .xml are read; a State is written by
        ``XmlSerializer.serialize(context.getState(positions=True, forces=True))``.
    num_atoms : int
        Of the topology.

    Raises
    ------
    CGAAError
        No such file, one that is no State, without positions, or of another number of atoms; some with forces and some
        without.
    """
    paths = sorted(Path(folder).glob("*.xml"))
    if not paths:
        raise CGAAError(f"{folder}: a folder without .xml files; give one of OpenMM States, or a trajectory")
    forces = None
    for path in sorted(paths, key=_time):
        state = _state(path)
        if len(state.positions) != num_atoms:
            raise CGAAError(
                f"{path}: a State of {counted(len(state.positions), 'particle')}, but the topology has "
                f"{counted(num_atoms, 'atom')}; give the States of this System"
            )
        if forces not in (None, state.forces is not None):
            raise CGAAError(f"{folder}: some of its States have forces and some do not; write all with them, or none")
        forces = state.forces is not None
        yield state


def _time(path: Path) -> float:
    """Of its first tag alone: all States at once would not fit into memory."""
    try:
        for _, element in ElementTree.iterparse(path, ["start"]):
            if element.tag == "State":
                return float(element.get("time", "nan"))
            break
    except OSError as error:
        raise CGAAError(f"{path} cannot be read: {error.strerror}") from None
    except (ElementTree.ParseError, ValueError, LookupError):
        pass
    raise CGAAError(f"{path}: no State of openmm.XmlSerializer; leave States alone in this folder")


def _state(path: Path) -> SavedState:
    """By its tags: OpenMM's reader takes half a file, and runs what others than States may hold."""
    try:
        root = ElementTree.parse(path).getroot()
        positions, forces, box = (_vectors(root.find(tag)) for tag in ("Positions", "Forces", "PeriodicBoxVectors"))
        time = float(root.get("time", "nan"))
    except (ElementTree.ParseError, TypeError, ValueError, LookupError) as error:
        raise CGAAError(f"{path}: not a whole State ({error}); write it anew") from None
    if positions is None or box is None or (forces is not None and len(forces) != len(positions)):
        raise CGAAError(f"{path}: a State without positions; write it by getState(positions=True, forces=True)")
    return SavedState(time, positions, box, forces)


def _vectors(tag: ElementTree.Element | None) -> np.ndarray | None:
    """Rows of x, y and z, [rows, 3]."""
    return None if tag is None else np.array([[float(row.attrib[axis]) for axis in "xyz"] for row in tag])
