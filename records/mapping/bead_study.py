"""What the rows of paper 004 (docs/papers.md) share: frames of beads from runs of atoms, models of them and their runs.

A row is run from `REPLICAS` starts, each with velocities of its own. Results go into a JSON file, row by row, so that
several processes may work on rows of one file. What a result was made from is told by checksums: data that changed are
refused, as is a folder with a model of other data, or with a run of another model.
"""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import mdtraj
import numpy as np
import openmm
from filelock import FileLock
from openmm import app
from scipy import stats

from openmm_cgaa import (
    CGAAError,
    CGAAPotential,
    Dataset,
    Mapping,
    SimulationSettings,
    evaluate,
    load_system,
    map_trajectories,
    simulate,
    train,
)
from openmm_cgaa.data.dataset import Frames
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.model.file import model_bytes, read_metadata
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.training.config import TrainingConfig
from openmm_cgaa.training.fittedprior import fit_prior
from openmm_cgaa.units import ANGSTROM_PER_NM

TEMPERATURE = 300.0  # K
REPLICAS = 5
APART = 100.0  # nm between molecules that do not see each other: they diffuse by less in a run
STEPPING = "stopped near step"  # what an error of a run says, and no refusal


class Part(NamedTuple):
    """Frames of one run of atoms, every `stride`-th of them."""

    split: str
    trajectory: Path
    frames: int
    stride: int = 1
    temperature: float = TEMPERATURE  # K


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def mapped(path: Path, topology: app.Topology, mapping: Mapping, parts: Sequence[Part]) -> Path:
    """A data set of beads; what is there stays. The System of a run lies beside its trajectory."""
    systems = [part.trajectory.parent / "system.xml" for part in parts]
    made_of = {
        "mapping": asdict(mapping),
        "parts": [[str(value) for value in part] for part in parts],
        "systems": [checksum(system) for system in systems],
    }
    if path.is_file():
        if Dataset.load(path).provenance.get("made_of") != json.loads(json.dumps(made_of)):
            raise SystemExit(f"{path} was made of other frames or by another mapping; remove it and its rows")
        return path
    made = []
    for number, (part, system) in enumerate(zip(parts, systems), 1):
        found = map_trajectories(
            [part.trajectory],
            topology,
            load_system(system),
            mapping,
            temperature=part.temperature,
            split=part.split,
            frames=part.frames,
            stride=part.stride,
        )
        if len(found) < part.frames:
            raise SystemExit(f"{part.trajectory} gives {len(found)} frames; {part.frames} are wanted: run it longer")
        name = f"{part.trajectory.parent.name}-{number}"
        made.append(replace(found, trajectories=[replace(found.trajectories[0], name=name)]))
    whole = Dataset.merge(made)
    replace(whole, provenance=whole.provenance | {"made_of": made_of}).save(path, precision="single")
    return path


def trained(values: dict, cutoff: float, split: str = "test") -> dict:
    """Errors, eV/Å a component, of the model that a training makes; a prior that it names is fitted first."""
    (data,) = values["data"]["paths"]
    if "prior" in values:
        fitted = fit_prior(Dataset.load(data).select(splits=["train"]), TEMPERATURE, cutoff=cutoff)
        write_bytes(values["prior"]["file"], fitted.prior.forcefield.encode())
    model = train(from_mapping(TrainingConfig, values, "train.yaml"))
    made_of = read_metadata(model_bytes(model))["provenance"]["data"]
    if made_of != {Path(data).name: checksum(Path(data))}:
        raise SystemExit(f"{model} learned from other data; remove its folder")
    errors = evaluate(model, data, split)
    return {
        "rmse": errors["force"]["component"],
        "reference": errors["force"]["reference_component"],
        "interval": errors["intervals"].get("component"),
        "frames": errors["frames"],
        "steps": values["max_steps"],
        "data": checksum(Path(data)),
    }


def begun(frames: Frames, replica: int) -> int:
    """The frame that a replica, 1 to `REPLICAS`, begins with."""
    return (replica - 1) * len(frames) // REPLICAS


def side_by_side(frames: Frames, replica: int, copies: int) -> tuple[app.Topology, np.ndarray]:
    """So many molecules that do not see each other, from frames of all the run; positions in nm."""
    one, made, places = frames.topology(0), app.Topology(), []
    for copy in range(copies):
        frame = (copy * REPLICAS + replica - 1) * len(frames) // (REPLICAS * copies)
        chain, own = made.addChain(), {}
        for residue in one.residues():
            target = made.addResidue(residue.name, chain, str(1000 * copy + int(residue.id)))
            for atom in residue.atoms():
                own[atom] = bead = made.addAtom(atom.name, None, target)
                bead.species, bead.mass = atom.species, atom.mass
        for first, second in one.bonds():
            made.addBond(own[first], own[second])
        positions = frames.positions[frame] / ANGSTROM_PER_NM
        places.append(positions - positions.mean(0) + [APART * copy, 0.0, 0.0])
    return made, np.concatenate(places)


def molecules_of(trajectory: mdtraj.Trajectory, copies: int) -> np.ndarray:
    """Positions of each of these molecules in all frames, one after the other, nm: [copies frames, beads, 3]."""
    split = trajectory.xyz.reshape(len(trajectory), copies, -1, 3)
    return np.swapaxes(split, 0, 1).reshape(-1, split.shape[2], 3)


def system_of_model(folder: Path, topology: app.Topology, positions: np.ndarray) -> openmm.System:
    return CGAAPotential(folder / "model.safetensors").createSystem(topology, positions=positions)


def replica_of(
    folder: Path,
    topology: app.Topology,
    positions: np.ndarray,
    replica: int,
    picoseconds: float,
    make_system: Callable[[app.Topology, np.ndarray], openmm.System] | None = None,
    temperature: float = TEMPERATURE,
    name: str = "run",
) -> tuple[mdtraj.Trajectory | None, dict]:
    """A run in a folder, from positions in nm: its trajectory, how far it came and what ended it.

    Without `make_system` the model in the folder moves the beads.
    """
    system = (make_system or partial(system_of_model, folder))(topology, positions)
    settings = SimulationSettings(
        temperature=temperature, timestep=2.0, picoseconds=picoseconds, report_interval=250, seed=replica, threads=1
    )
    ended = moved(folder, name := f"{name}{replica}", system, topology, positions, settings)
    try:
        trajectory = read_run(folder / name).trajectory
    except CGAAError:  # it came to no frame
        return None, {"picoseconds": 0.0, "ended": ended}
    return trajectory, {"picoseconds": float(trajectory.time[-1]), "ended": ended}


def moved(
    folder: Path,
    name: str,
    system: openmm.System,
    topology: app.Topology,
    positions: np.ndarray,
    settings: SimulationSettings,
) -> str | None:
    """Simulate in a folder of the model's, or go on there; what ended the run, if anything did."""
    out = folder / name
    (model,) = [*folder.glob("model.safetensors"), *folder.glob("mace.model")]
    made_by = {"model_sha256": checksum(model), "forces": [force.getName() for force in system.getForces()]}
    try:
        resume = (out / "run.json").is_file()
        if not simulate(system, topology, positions, out, settings, resume=resume, provenance=made_by):
            raise SystemExit("interrupted; the same command goes on")
    except SimulationError as error:
        if STEPPING not in str(error):
            raise
        return str(error)
    return None


def with_interval(values: Sequence[Sequence[float]], digits: int) -> str:
    """The mean of runs and its 95 % interval, by Student's t.

    Values are those of the runs of each model. Of one model it is the interval over its runs, of several that over the
    means of models.
    """
    values = [own for own in values if len(own)]
    if not values:
        return ""
    each = values[0] if len(values) == 1 else [np.mean(own) for own in values]
    mean = np.mean(each)
    if len(each) == 1:
        return f"{mean:.{digits}f}"
    half = stats.t.ppf(0.975, len(each) - 1) * np.std(each, ddof=1) / np.sqrt(len(each))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def runs_of(results: dict, row: str) -> list[list[dict]]:
    """Runs of each model of a row."""
    own = [value for key, value in results.items() if key.rsplit("-", 1)[0] == row]
    return [list(value.get("runs", {}).values()) for value in own]


def rows_of(results: dict) -> list[str]:
    return list(dict.fromkeys(key.rsplit("-", 1)[0] for key in results))


def of_runs(runs: Sequence[Sequence[dict]], value: Callable[[dict], float | None]) -> list[list[float]]:
    """A number of each run that has it, by model."""
    return [[number for one in own if (number := value(one)) is not None] for own in runs]


def read_results(path: Path) -> dict:
    return json.loads(path.read_text()) if path.is_file() else {}


def keep(path: Path, key: str, value: dict) -> None:
    """Put one entry into a file of results, which other processes may write to."""
    with FileLock(Path(tempfile.gettempdir()) / f"{path.name}.lock"):
        known = read_results(path) | {key: value}
        write_bytes(path, (json.dumps(dict(sorted(known.items())), indent=1) + "\n").encode())


def study(
    description: str,
    results: Path,
    rows: Sequence[str],
    make: Callable[[str, float], dict],
    table: Callable[[dict], str],
    picoseconds: float,
) -> int:
    """The command line of what is made of models that are there: rows, and the length of their runs."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*rows, []], metavar="ROW", help=", ".join(rows))
    parser.add_argument("--picoseconds", type=float, default=picoseconds)
    args = parser.parse_args()
    for row in args.rows:
        own = make(row, args.picoseconds)
        print(row, json.dumps(own), flush=True)
        keep(results, row, own)
    print(table(read_results(results)))
    return 0


def main(
    description: str,
    results: Path,
    rows: Sequence[str],
    make: Callable[[str, int], dict],
    run: Callable[[str, int, int, float], dict],
    table: Callable[[dict], str],
) -> int:
    """The command line of a study's rows."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*rows, []], metavar="ROW", help=", ".join(rows))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--run", type=float, metavar="PS", help="run the model of each row and seed five times")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    for row in args.rows:
        for seed in args.seeds:
            key = f"{row}-{seed}"
            own = read_results(results).get(key)
            known = (own or {}).get("runs", {})
            replicas = range(1, REPLICAS + 1) if args.run else ()
            wanted = [one for one in replicas if known.get(str(one), {}).get("asked") != args.run]
            if own is None or wanted:  # a model that is here is not trained again
                found = make(row, seed)
                own = own if own and own.get("data") == found.get("data") else found
            print(key, json.dumps({name: value for name, value in own.items() if name != "runs"}), flush=True)
            keep(results, key, own)
            runs = own.setdefault("runs", {})
            for replica in replicas:
                if runs.get(str(replica), {}).get("asked") != args.run:
                    runs[str(replica)] = run(row, seed, replica, args.run) | {"asked": args.run}
                    print(key, replica, json.dumps(runs[str(replica)]), flush=True)
                    keep(results, key, own)
    if args.table or not args.rows:
        print(table(read_results(results)))
    return 0
