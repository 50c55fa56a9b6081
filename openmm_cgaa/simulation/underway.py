"""How far a run is, told by what it has written: part, temperature, density, drift, speed, time left."""

import json
import os
import socket
from pathlib import Path
from typing import NamedTuple

from ..errors import SimulationError
from ..inputs.arguments import FilePath
from .folder import read_dcd, read_record

TAIL = 4096  # bytes of a table that hold its last row
RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"
TABLES = {"nve.csv": "NVE", "state.csv": "NVT"}  # the later part first


class Underway(NamedTuple):
    """A run at one moment; what is not known yet is None.

    Attributes
    ----------
    status : str
        ``running``, ``finished``, or ``stopped``: no process works in the folder, and the run has not come to its end.
    part : str or None
        ``NVT``, ``NPT`` or ``NVE``.
    picoseconds, all_picoseconds : float
        Made, and asked for.
    temperature, density : float or None
        K and g/cm3 of the last row.
    ns_per_day, seconds_left : float or None
        Speed of this part, and what is left of the run at it.
    """

    status: str
    part: str | None
    picoseconds: float
    all_picoseconds: float
    temperature: float | None
    density: float | None
    ns_per_day: float | None
    seconds_left: float | None


def look_at(folder: FilePath) -> Underway:
    """Look at the folder of a run, also while it is written.

    Raises
    ------
    SimulationError
        It holds no run.
    """
    folder = Path(folder)
    settings = read_record(folder)["settings"]
    wanted = float(settings.get("picoseconds", 0.0)) + float(settings.get("nve_picoseconds") or 0.0)
    interval = settings["report_interval"] * settings["timestep"] / 1000.0
    rows = ((part, last_row(folder / name)) for name, part in TABLES.items())
    part, row = next(((part, row) for part, row in rows if row), (None, {}))
    if part == "NVT" and settings.get("pressure") is not None:
        part = "NPT"
    made, speed = row.get("time_ps") or 0.0, row.get("ns_per_day")
    if made + interval > wanted * (1.0 + 1e-9):  # the next row would lie behind the end
        status = FINISHED if not _owned(folder) else RUNNING
    else:
        status = RUNNING if _owned(folder) else STOPPED
    left = (wanted - made) / 1000.0 / speed * 86400.0 if speed and status == RUNNING else None
    return Underway(status, part, made, wanted, row.get("temperature_K"), row.get("density_gml"), speed, left)


def last_row(path: FilePath) -> dict[str, float] | None:
    """The last whole row of a table of a run, of which numbers alone are kept; None where there is none yet."""
    try:
        with open(path, "rb") as file:
            header = file.readline().decode().strip().split(",")
            file.seek(max(file.tell(), os.path.getsize(path) - TAIL))
            rows = file.read().decode(errors="replace").splitlines(keepends=True)
        cells = next(row.split(",") for row in reversed(rows) if row.endswith("\n") and row[:1].isdigit())
        if len(cells) != len(header):
            return None
        return {name: float(cell) for name, cell in zip(header, cells) if cell.strip()}
    except (OSError, ValueError, StopIteration):
        return None


def has_frames(folder: FilePath) -> bool:
    """Whether a run has written a whole frame that can be read."""
    folder = Path(folder)
    try:
        return (folder / "topology.cif").is_file() and read_dcd(folder / "trajectory.dcd").frames > 0
    except (OSError, SimulationError):
        return False


def _owned(folder: Path) -> bool:
    """Whether a process works there: one of this machine must be alive, of another one nothing else is known."""
    try:
        owner = json.loads((folder / ".owner").read_text())
        if owner["host"] != socket.gethostname():
            return True
        os.kill(int(owner["pid"]), 0)
        return True
    except PermissionError:
        return True  # of another user
    except (OSError, ValueError, KeyError, TypeError):
        return False
