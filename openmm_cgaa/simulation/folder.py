"""The folder of a run: its record, its checkpoints, and its files cut back to what a checkpoint covers."""

import hashlib
import json
import os
import platform
import struct
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import openmm
from openmm import app

from .. import __version__
from ..errors import ResumeWarning, SimulationError
from ..host.files import check_folder, seal, unseal, write_bytes
from ..host.formats import RUN
from ..inputs.arguments import FilePath
from ..inputs.settings import Dataclass, completed
from ..structures.beads import told_beads
from ..wording import counted

if TYPE_CHECKING:
    from .run import SimulationSettings

LENGTHS = ("picoseconds", "nve_picoseconds")  # what a resumed run may change
FILES = ("topology.cif", "trajectory.dcd", "state.csv", "nve.csv", "stress.csv", "nvt.chk", "nve.chk", "last_good.cif")


def make_record(settings: "SimulationSettings", provenance: dict, topology: app.Topology) -> dict:
    """The content of ``run.json``: what decides a run's numbers, by contents and not by names.

    Parameters
    ----------
    settings : SimulationSettings
    provenance : dict
        Of plain data. What is ``outside`` of the training stands by itself in the record: the run adds to it.
    topology : openmm.app.Topology

    Raises
    ------
    SimulationError
        The provenance cannot be written as JSON.
    """
    atoms = [(atom.name, atom.element and atom.element.symbol, atom.residue.index) for atom in topology.atoms()]
    residues = [residue.name for residue in topology.residues()]
    bonds = sorted(tuple(sorted((a.index, b.index))) for a, b in topology.bonds())
    record = {
        "format": RUN.mark,
        "settings": asdict(settings),
        "provenance": {key: value for key, value in provenance.items() if key != "outside"},
        "outside": provenance.get("outside", {}),
        "atoms": topology.getNumAtoms(),
        **({"beads": beads} if (beads := told_beads(topology.residues())) else {}),
        "topology_sha256": hashlib.sha256(json.dumps([atoms, residues, bonds]).encode()).hexdigest(),
        "versions": {"openmm_cgaa": __version__, "openmm": openmm.__version__, "python": platform.python_version()},
    }
    try:
        return json.loads(json.dumps(record))  # as it will be read: tuples are lists
    except TypeError as error:
        raise SimulationError(f"provenance: {error}; only numbers, text, lists and dicts can be kept") from None


def read_record(folder: FilePath) -> dict:
    """What ``run.json`` of a folder says; that of version 0.1.0 gets the format 1.

    Raises
    ------
    SimulationError
        It is missing, damaged, foreign, or of a later version.
    """
    path = Path(folder) / "run.json"
    try:
        record = {"format": 1} | json.loads(path.read_text())
        RUN.check(record["format"], path)
        kinds = {"format": int, "settings": dict, "provenance": dict, "atoms": int, "versions": dict}
        wrong = [key for key, kind in kinds.items() if not isinstance(record[key], kind)]
        numbers = ("timestep", "report_interval", "checkpoint_interval")
        wrong = wrong or [key for key in numbers if not record["settings"][key] > 0]
        if not wrong and not isinstance(record["provenance"].get("trained_contact"), int | float | None):
            wrong = ["trained_contact"]
        if not wrong:
            record["versions"]["openmm"]  # or a KeyError
            return record
        reason = f"its {wrong[0]} is not what it should be"
    except SimulationError:
        raise
    except NotADirectoryError:
        raise SimulationError(f"{folder} is a file; give the folder of the run") from None
    except FileNotFoundError:
        raise SimulationError(
            f"{folder}: holds no run (no run.json); give the output folder of openmm-cgaa simulate or propagate"
        ) from None
    except (ValueError, TypeError) as error:
        reason = str(error)
    except KeyError as error:
        reason = f"it has no {error}"
    raise SimulationError(f"{path}: is damaged, or no record of a run ({reason}); bring the file back from a copy")


def check_run(out: Path, record: dict, resume: bool, kind: type[Dataclass]) -> None:
    """Make sure that a run may begin in a folder, or that the run in it is the one to go on with.

    A run that never came to its first checkpoint is begun anew: whatever ended it can be put right in the same folder.
    Settings that have come since run.json was written were at their defaults; what else one of format 1 lacks is not
    compared.

    Parameters
    ----------
    out : Path
    record : dict
        Of `make_record`.
    resume : bool
    kind : type
        The dataclass of the settings.

    Raises
    ------
    SimulationError
        There is a run already, or none to resume, or one with other settings, atoms, versions or provenance, or
        without the checkpoint that it came to.
    OutputError
        The folder holds files of others.
    """
    if not resume:
        check_folder(out, "run.json", FILES)
        if (out / "run.json").exists():
            if any(out.glob("*.chk")) or _beyond_a_checkpoint(out, read_record(out)):
                raise SimulationError(f"{out} holds a run already; resume it, or give another folder")
        return
    if not (out / "run.json").exists():
        raise SimulationError(f"{out} holds no run to go on with (no run.json); start it without resume")
    old = read_record(out)
    check_same(out, old, record, LENGTHS[1:] if (out / "nve.chk").exists() else LENGTHS, kind)
    if not any(out.glob("*.chk")) and _beyond_a_checkpoint(out, old):
        raise SimulationError(
            f"{out}: its trajectory goes beyond the first checkpoint, but nvt.chk is missing; bring the file back from "
            "a copy, or start the run anew in another folder"
        )


def check_same(out: Path, old: dict, record: dict, lengths: Sequence[str], kind: type[Dataclass]) -> None:
    """Make sure that a record is of the run that another one is of.

    Parameters
    ----------
    out : Path
        For the message.
    old, record : dict
        What ``run.json`` says, and what is asked for.
    lengths : sequence of str
        Settings that may have changed, besides threads.
    kind : type
        The dataclass of the settings.

    Raises
    ------
    SimulationError
        Settings, atoms, versions or provenance are others.
    """
    free = {"threads", *lengths}
    free |= {key.removesuffix("_sha256") for key in old["provenance"] if key.endswith("_sha256")}  # names of files
    pairs = [("OpenMM", old["versions"]["openmm"], record["versions"]["openmm"])]
    parts = [(("atoms", "topology_sha256"), old, record)]
    parts += [(record["provenance"].keys() - free, old["provenance"], record["provenance"])]
    parts += [(record["settings"].keys() - free, completed(kind, old["settings"]), record["settings"])]
    for names, before, after in parts:
        pairs += [(name, before.get(name), after[name]) for name in names if name in before or old["format"] > 1]
    for name, was, now in pairs:
        if was != now:
            raise SimulationError(
                f"the run in {out} has {name} {was}, but {now} is asked for; resume it as it began (only its lengths "
                "and threads may change, the length of NVT not after NVE has begun), or start another one"
            )


def _beyond_a_checkpoint(out: Path, record: dict) -> bool:
    """Whether there are more frames than a run has before its first checkpoint."""
    settings, trajectory = record["settings"], out / "trajectory.dcd"
    frames = read_dcd(trajectory).frames if trajectory.exists() and trajectory.stat().st_size else 0
    return frames * settings["report_interval"] > settings["checkpoint_interval"]


def write_checkpoint(path: FilePath, context: openmm.Context) -> None:
    """Keep an ``openmm.Context``, and go on from what is kept: so the run is the one that is resumed from there.

    Parameters
    ----------
    path : path
    context : openmm.Context
    """
    data = context.createCheckpoint()
    write_bytes(path, seal(data))
    context.loadCheckpoint(data)


def load_checkpoint(path: FilePath, context: openmm.Context) -> None:
    """Bring an ``openmm.Context`` to where `write_checkpoint` was called.

    A checkpoint of version 0.1.0, which has no checksum, is taken with a `ResumeWarning`, and is given one.

    Raises
    ------
    SimulationError
        The file is damaged, or of another machine, platform or version.
    """
    raw = Path(path).read_bytes()
    data = unseal(raw)
    old = data is None and read_record(Path(path).parent)["format"] == 1
    if data is None and not old:
        raise SimulationError(
            f"{path}: is damaged, or no checkpoint of openmm-cgaa simulate (its checksum does not fit); bring the file "
            "back from a copy, or start the run anew in another folder"
        )
    before = _variables(context)
    try:
        context.loadCheckpoint(raw if old else data)
    except openmm.OpenMMException as error:
        raise SimulationError(
            f"{path} cannot be loaded ({error}); it belongs to the machine, the platform and the OpenMM version that "
            "wrote it"
        ) from error
    if _variables(context) != before:  # OpenMM reads whatever lies where they should be
        raise SimulationError(
            f"{path} cannot be loaded: another integrator wrote it, as earlier versions had for RESPA; start the run "
            "anew in another folder"
        )
    if old:
        warnings.warn(
            f"{path}: is of an older version and has no checksum; if the file was damaged, nothing can tell",
            ResumeWarning,
            stacklevel=2,
        )
        write_bytes(path, seal(raw))  # before run.json is of this format


def _variables(context: openmm.Context) -> dict:
    """Of an integrator in Python, by name; a run does not change them."""
    integrator = context.getIntegrator()
    if not isinstance(integrator, openmm.CustomIntegrator):
        return {}
    count = integrator.getNumGlobalVariables()
    return {integrator.getGlobalVariableName(k): integrator.getGlobalVariable(k) for k in range(count)}


def trim_csv(path: FilePath, steps: range) -> None:
    """Drop the rows of a table after the last of some steps, also one that was not written out; the header stays.

    Parameters
    ----------
    path : path
        Of a table that begins with a column of steps.
    steps : range
        All that must be there.

    Raises
    ------
    SimulationError
        The file is missing, damaged, or has other rows.
    """
    path = Path(path)
    text = path.read_bytes().decode(errors="replace") if path.exists() else ""
    header, *rows = text.splitlines(keepends=True) or [""]
    whole = [row for row in rows if row.endswith("\n")]
    found = [_step(row, header) for row in whole]
    kept = [row for row, step in zip(whole, found) if step is None or step < steps.stop]
    if [step for step in found if step is None or step < steps.stop] != list(steps):
        raise SimulationError(
            f"{path}: is damaged: up to step {steps.stop - 1} it should have {counted(len(steps), 'whole row')}, one "
            f"every {counted(steps.step, 'step')}; bring the file back from a copy, or start the run anew in another "
            "folder"
        )
    if len(kept) < len(rows):
        write_bytes(path, (header + "".join(kept)).encode())


def _step(row: str, header: str) -> int | None:
    """Of a row, or None where it is no such row."""
    cells = row.split(",")
    return int(cells[0]) if cells[0].isdecimal() and len(cells) == header.count(",") + 1 else None


class Dcd(NamedTuple):
    """Bytes before the first frame and of each frame; how many are whole; what the header says of them."""

    start: int
    frame_size: int
    frames: int
    first: int
    interval: int
    atoms: int


def read_dcd(path: FilePath) -> Dcd:
    """The layout of a DCD file as `openmm.app.DCDFile` writes it, CHARMM's.

    First come a header block of 84 bytes, titles and the number of atoms. The header has the number of frames at byte
    8, first step, interval and last step at 12, 16 and 20, the cell flag at 48. Then each frame has a cell of 48 bytes
    if flagged, and three arrays of float32. Every block stands between two 4-byte lengths.

    Raises
    ------
    SimulationError
        The file is damaged, or no such file.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        try:
            header = file.read(96)
            (cell,), (titles,) = struct.unpack_from("<i", header, 48), struct.unpack_from("<i", header, 92)
            start = 92 + titles + 8 + 12
            file.seek(start - 12)
            before, atoms, after = struct.unpack("<3i", file.read(12))
            if header[:8] != b"\x54\0\0\0CORD" or atoms < 1 or before != 4 or after != 4:
                raise struct.error
        except (struct.error, OSError):
            raise SimulationError(
                f"{path}: is damaged, or no trajectory of openmm-cgaa simulate; bring the file back from a copy, or "
                "start the run anew in another folder"
            ) from None
    frame_size = (56 if cell else 0) + 3 * (4 * atoms + 8)
    first, interval = struct.unpack_from("<2i", header, 12)
    return Dcd(start, frame_size, (size - start) // frame_size, first, interval, atoms)


def trim_dcd(path: FilePath, frames: int, num_atoms: int) -> None:
    """Drop the frames of an OpenMM DCD file after a number of them, also one that was not written out.

    Raises
    ------
    SimulationError
        The file is missing, damaged, of other atoms, or has fewer frames.
    """
    path = Path(path)
    if frames == 0:
        if path.exists():
            os.truncate(path, 0)
        return
    held = read_dcd(path) if path.exists() and path.stat().st_size else None
    if held is None or held.frames < frames or held.atoms != num_atoms:
        what = "no frame" if held is None else f"{counted(held.frames, 'frame')} of {counted(held.atoms, 'atom')}"
        raise SimulationError(
            f"{path} holds {what}, but the checkpoint comes after frame {frames} of {counted(num_atoms, 'atom')}; "
            "bring the file back, or start the run anew in another folder"
        )
    with open(path, "r+b") as file:
        file.truncate(held.start + frames * held.frame_size)
        file.seek(8)
        file.write(struct.pack("<i", frames))
        file.seek(20)
        file.write(struct.pack("<i", held.first + (frames - 1) * held.interval))
