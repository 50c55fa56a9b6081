"""Read what a run, or a reference for it, has left on the disk."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import mdtraj
import numpy as np

from ..data.dataset import Dataset, is_dataset
from ..errors import CGAAError, SimulationError
from ..inputs.arguments import FilePath
from ..mapping.grains import GrainMap
from ..structures.beads import tell_beads
from ..structures.lattice import triangular
from ..structures.lazyframes import LazyFrames
from ..structures.structure import read_structure
from ..structures.topologies import symbol
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .folder import read_dcd, read_record
from .run import SimulationSettings

T = TypeVar("T")


@dataclass(frozen=True)
class RunOutput:
    """A folder of `simulate`.

    Attributes
    ----------
    frames : LazyFrames or mdtraj.Trajectory
        Of the trajectory, read when they are looked at; times in ps. In memory where they come from a data set.
    grain_map : GrainMap
    settings, provenance : dict
        As in ``run.json``.
    outside : dict or None
        What lay outside of the training, {what: one sentence}, as ``run.json`` has it; None of older runs.
    state, nve : numpy structured arrays, or None where the part was not run
        Rows of ``state.csv`` and ``nve.csv``.
    stress : numpy structured array, or None
        Rows of ``stress.csv``, of both parts.
    """

    frames: LazyFrames | mdtraj.Trajectory
    grain_map: GrainMap
    settings: dict
    provenance: dict
    outside: dict | None
    state: np.ndarray | None
    nve: np.ndarray | None
    stress: np.ndarray | None

    @cached_property
    def box(self) -> np.ndarray | None:
        """Vectors of the first frame, [3, 3], nm; None without a box."""
        if isinstance(self.frames, LazyFrames):
            return self.frames.box
        return None if self.frames.unitcell_vectors is None else self.frames.unitcell_vectors[0]

    @cached_property
    def trajectory(self) -> mdtraj.Trajectory:
        """All frames, in memory from now on."""
        return self.frames[:]


def read_run(folder: FilePath, begin: float = 0.0) -> RunOutput:
    """Read a run's folder.

    Parameters
    ----------
    folder : path
    begin : float
        ps; frames and rows of ``state.csv`` before it are left out.

    Raises
    ------
    SimulationError
        A file is missing or cannot be read, or nothing is left after `begin`. Frames that are damaged are told when
        they are looked at.
    """
    folder = Path(folder)
    record = read_record(folder)
    settings = _settings(record["settings"], folder / "run.json")
    topology = mdtraj.Topology.from_openmm(_read(folder / "topology.cif", read_structure)[0])
    tell_beads(topology.residues, record.get("beads", {}))  # the file keeps their names alone
    path = folder / "trajectory.dcd"
    number = _read(path, lambda path: _held(path, topology, settings))
    interval = settings["report_interval"] * settings["timestep"] / 1000.0
    time = interval * np.arange(1, number + 1)
    skip = int(np.searchsorted(time, begin - 1e-9))
    if skip == number:
        raise SimulationError(f"{path}: no frame at or after {begin} ps; begin earlier, or run longer")
    state = _table(folder / "state.csv")
    if state is not None:
        state = state[state["time_ps"] >= begin - 1e-9]
    return RunOutput(
        frames=LazyFrames(path, topology, time[skip:], skip),
        grain_map=GrainMap.from_mdtraj(topology),
        settings=settings,
        provenance=record["provenance"],
        outside=record.get("outside"),
        state=state if state is not None and len(state) else None,
        nve=_table(folder / "nve.csv"),
        stress=_table(folder / "stress.csv"),
    )


def _settings(values: dict, path: Path) -> dict:
    """Checked, as far as this version knows them."""
    known = {f.name: values[f.name] for f in fields(SimulationSettings) if f.name in values}
    try:
        return values | asdict(SimulationSettings(**known))
    except CGAAError as error:
        raise SimulationError(f"{path}: is damaged ({error}); bring the file back from a copy") from None


def read_reference(path: FilePath, topology: mdtraj.Topology) -> mdtraj.Trajectory | LazyFrames:
    """A trajectory of the same atoms: any file of MDTraj, or a data set (h5).

    Parameters
    ----------
    path : path
    topology : mdtraj.Topology
        Of the run.

    Returns
    -------
    mdtraj.Trajectory or LazyFrames
        The latter of a file of MDTraj, whose frames stay in it until they are looked at.

    Raises
    ------
    SimulationError
        The file cannot be read, or holds other atoms; of a trajectory as far as its first frame tells.
    """
    path, elements = Path(path), [symbol(atom) for atom in topology.atoms]
    if path.suffix == ".h5" and is_dataset(path):
        frames = next((one for one in Dataset.load(path).sets if list(one.elements) == elements and one.periodic), None)
        if frames is None:
            raise SimulationError(f"{path}: holds no frames of the run's atoms, in the same order")
        turned = [(x @ turn, box) for x, (box, turn) in zip(frames.positions, map(triangular, frames.cell))]
        positions, boxes = (np.array(values) / ANGSTROM_PER_NM for values in zip(*turned))
        trajectory = mdtraj.Trajectory(positions, topology)
        trajectory.unitcell_vectors = boxes
        return trajectory
    found = LazyFrames(path, topology)
    _read(path, lambda _: found.box)  # the first frame tells whether it can be read
    return found


def _held(path: Path, topology: mdtraj.Topology, settings: dict) -> int:
    """Whole frames of a run."""
    held = read_dcd(path) if path.stat().st_size else None  # MDTraj takes some damaged files
    if held and held.atoms != topology.n_atoms:
        found = f"{counted(held.frames, 'frame')} of {counted(held.atoms, 'atom')}"
        raise SimulationError(f"{path}: holds {found}, not of {topology.n_atoms}")
    if not held or not held.frames:
        interval = settings["report_interval"] * settings["timestep"] / 1000.0
        before, last = settings["picoseconds"], settings["nve_picoseconds"]
        key, needed = ("--nve-picoseconds", interval - before) if last else ("--picoseconds", interval)
        longer = "" if before + last >= interval else f" and {key} {needed:g} or more"
        raise SimulationError(
            f"{path}: holds no frame: a run of {before + last:g} ps that writes one every {interval:g} ps has not come "
            f"to the first. Go on with it: openmm-cgaa simulate as before, with --resume{longer}"
        )
    return held.frames


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    if not path.is_file():
        raise SimulationError(f"{path}: no such file")
    try:
        return reader(path)
    except SimulationError:
        raise
    except Exception as error:
        raise SimulationError(f"{path}: cannot be read ({error}); is it truncated, or of another system?") from error


def _table(path: Path) -> np.ndarray | None:
    """Rows of a CSV file with a header, or None without one; an empty cell is nan, half a row at the end is passed."""
    if not path.exists():
        return None
    lines = _read(path, lambda path: path.read_text().splitlines(keepends=True))
    (header, *rows), found = [line.split(",") for line in lines if line.endswith("\n")] or [[]], []
    header = [name.strip() for name in header]
    if "time_ps" not in header:
        raise SimulationError(f"{path}: has no column time_ps; is it of openmm-cgaa simulate?")
    for number, row in enumerate(rows, start=2):
        try:
            values = tuple(float(cell) if cell.strip() else np.nan for cell in row)
        except ValueError:
            values = ()
        if len(values) != len(header) or not np.isfinite(values[header.index("time_ps")]):
            raise SimulationError(
                f"{path}: line {number} is damaged; bring the file back from a copy, or remove that line"
            )
        found.append(values)
    return np.array(found, dtype=[(name, float) for name in header]) if rows else None
