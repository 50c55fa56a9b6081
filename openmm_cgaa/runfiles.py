"""The folder of a run: its record, and its files cut back to what a checkpoint covers."""

import json
import os
import platform
import struct
from pathlib import Path

import openmm

from . import __version__
from .errors import SimulationError
from .files import write_bytes

LENGTHS = ("picoseconds", "nve_picoseconds")  # what a resumed run may change


def open_folder(out, settings, provenance, num_atoms, resume):
    """Begin a run in a folder, or make sure that the run in it is the one to go on with; writes ``run.json``.

    Parameters
    ----------
    out : Path
    settings, provenance : dict
    num_atoms : int
    resume : bool

    Raises
    ------
    SimulationError
        There is a run already, or none to resume, or one with other settings, atoms, versions or provenance.
    """
    path = out / "run.json"
    versions = {"openmm_cgaa": __version__, "openmm": openmm.__version__, "python": platform.python_version()}
    record = {"settings": settings, "provenance": provenance, "atoms": num_atoms, "versions": versions}
    if resume:
        if not path.exists():
            raise SimulationError(f"{out} holds no run to go on with (no run.json); start it without resume")
        _check_same(out, json.loads(path.read_text()), record)
    elif path.exists():
        raise SimulationError(f"{out} holds a run already; resume it, or give another folder")
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(path, json.dumps(record, indent=1).encode())


def _check_same(out, old, new):
    free = {"threads", *(LENGTHS[1:] if (out / "nve.chk").exists() else LENGTHS)}
    pairs = [("atoms", old["atoms"], new["atoms"]), ("OpenMM", old["versions"]["openmm"], new["versions"]["openmm"])]
    for part in ("provenance", "settings"):
        pairs += [(key, old[part].get(key), value) for key, value in new[part].items() if key not in free]
    for name, was, now in pairs:
        if was != now:
            raise SimulationError(
                f"the run in {out} has {name} {was}, but {now} is asked for; resume it as it began (only its lengths "
                "and threads may change, the length of NVT not after NVE has begun), or start another one"
            )


def trim_csv(path, last_step):
    """Drop rows after a step (the first column), and a last row that was not written out; the header stays."""
    path = Path(path)
    if not path.exists():
        return
    header, *rows = path.read_text().splitlines(keepends=True) or [""]
    kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= last_step]
    if len(kept) < len(rows):
        write_bytes(path, (header + "".join(kept)).encode())


def trim_dcd(path, frames):
    """Drop the frames of an OpenMM DCD file after a number of them, also one that was not written out.

    The layout is that of CHARMM's DCD as `openmm.app.DCDFile` writes it: a header block of 84 bytes (number of frames
    at byte 8, first step, interval, last step at 12, 16, 20, cell flag at 48), titles, number of atoms; then for each
    frame a cell of 48 bytes if flagged and three arrays of float32; every block stands between two 4-byte lengths.

    Raises
    ------
    SimulationError
        The file is missing or has fewer frames.
    """
    path = Path(path)
    size = path.stat().st_size if path.exists() else 0
    if frames == 0:
        if size:
            os.truncate(path, 0)
        return
    held = 0
    if size >= 276:
        with open(path, "r+b") as file:
            header = file.read(104)
            _, first, interval = struct.unpack_from("<3i", header, 8)
            (cell,) = struct.unpack_from("<i", header, 48)
            titles = struct.unpack_from("<i", header, 92)[0]
            start = 92 + titles + 8 + 12
            file.seek(start - 8)
            (num_atoms,) = struct.unpack("<i", file.read(4))
            frame_size = (56 if cell else 0) + 3 * (4 * num_atoms + 8)
            held = (size - start) // frame_size
            if held >= frames:
                file.truncate(start + frames * frame_size)
                file.seek(8)
                file.write(struct.pack("<i", frames))
                file.seek(20)
                file.write(struct.pack("<i", first + (frames - 1) * interval))
    if held < frames:
        raise SimulationError(
            f"{path} holds {held} frames, but the checkpoint comes after frame {frames}; bring the file back, or start "
            "the run anew"
        )
