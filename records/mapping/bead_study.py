"""What the rows of paper 004 (docs/papers.md) share: frames of beads from runs of atoms, models of them and their runs.

A row is run from `REPLICAS` frames of the test run, each with velocities of its own.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import mdtraj
import numpy as np
import openmm
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
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.training.config import TrainingConfig
from openmm_cgaa.training.fittedprior import fit_prior
from openmm_cgaa.units import ANGSTROM_PER_NM

TEMPERATURE = 300.0  # K
REPLICAS = 5
APART = 100.0  # nm between molecules that do not see each other: they diffuse by less in a run


class Part(NamedTuple):
    """Frames of one run of atoms, every `stride`-th of them."""

    split: str
    trajectory: Path
    frames: int
    stride: int = 1
    temperature: float = TEMPERATURE  # K


def mapped(path: Path, topology: app.Topology, mapping: Mapping, parts: Sequence[Part]) -> Path:
    """A data set of beads; what is there stays. The System of a run lies beside its trajectory."""
    if not path.is_file():
        made = []
        for number, part in enumerate(parts, 1):
            found = map_trajectories(
                [part.trajectory],
                topology,
                load_system(part.trajectory.parent / "system.xml"),
                mapping,
                temperature=part.temperature,
                split=part.split,
                frames=part.frames,
                stride=part.stride,
            )
            name = f"{part.trajectory.parent.name}-{number}"
            made.append(replace(found, trajectories=[replace(found.trajectories[0], name=name)]))
        Dataset.merge(made).save(path, precision="single")
    return path


def trained(values: dict, cutoff: float, split: str = "test") -> dict:
    """Errors, eV/Å a component, of the model that a training makes; a prior that it names is fitted first."""
    (data,) = values["data"]["paths"]
    if "prior" in values:
        fitted = fit_prior(Dataset.load(data).select(splits=["train"]), TEMPERATURE, cutoff=cutoff)
        write_bytes(values["prior"]["file"], fitted.prior.forcefield.encode())
    errors = evaluate(train(from_mapping(TrainingConfig, values, "train.yaml")), data, split)
    return {
        "rmse": errors["force"]["component"],
        "reference": errors["force"]["reference_component"],
        "interval": errors["intervals"].get("component"),
        "frames": errors["frames"],
        "steps": values["max_steps"],
    }


def begun(frames: Frames, replica: int) -> int:
    """The frame that a replica, 1 to `REPLICAS`, begins with."""
    return (replica - 1) * len(frames) // REPLICAS


def side_by_side(frames: Frames, replica: int, copies: int) -> tuple[app.Topology, np.ndarray]:
    """So many molecules that do not see each other, from frames after that of a replica; positions in nm."""
    one, made, places = frames.topology(0), app.Topology(), []
    for copy in range(copies):
        frame = begun(frames, replica) + copy * len(frames) // (REPLICAS * copies)
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
    out, ended = folder / f"{name}{replica}", None
    try:
        if not simulate(system, topology, positions, out, settings, resume=(out / "run.json").is_file()):
            raise SystemExit("interrupted; the same command goes on")
    except SimulationError as error:
        ended = str(error)
    try:
        trajectory = read_run(out).trajectory
    except CGAAError:  # it came to no frame
        return None, {"picoseconds": 0.0, "ended": ended}
    return trajectory, {"picoseconds": float(trajectory.time[-1]), "ended": ended}


def with_interval(values: Sequence[float], digits: int) -> str:
    """The mean of replicas and its 95 % interval, by Student's t."""
    if not len(values):
        return ""
    mean = np.mean(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def main(
    description: str,
    results: Path,
    rows: Sequence[str],
    make: Callable[[str, int, int | None], dict],
    run: Callable[[str, int, int, float], dict],
    table: Callable[[dict], str],
) -> int:
    """The command line of a study's rows."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*rows, []], metavar="ROW", help=", ".join(rows))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--steps", type=int, help="for a trial; nothing is kept")
    parser.add_argument("--run", type=float, metavar="PS", help="run the model of each row and seed five times")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    known = go_through(
        results, args.rows, args.seeds, lambda *one: make(*one, args.steps), run, args.run, keep=not args.steps
    )
    if args.table or not args.rows:
        print(table(known))
    return 0


def save(results: Path, known: dict) -> None:
    """Rows in the order of their names, so that a file does not tell when they were made."""
    write_bytes(results, (json.dumps(dict(sorted(known.items())), indent=1) + "\n").encode())


def runs_of(results: dict, row: str) -> list[dict]:
    """All runs of a row, of all seeds."""
    own = [value for key, value in results.items() if key.rsplit("-", 1)[0] == row]
    return [run for value in own for run in value.get("runs", {}).values()]


def go_through(
    results: Path,
    rows: Sequence[str],
    seeds: Sequence[int],
    make: Callable[[str, int], dict],
    run: Callable[[str, int, int, float], dict],
    picoseconds: float | None,
    keep: bool,
) -> dict:
    """What stands in a file of results, with what was missing of these rows and seeds; each is kept at once."""
    known = json.loads(results.read_text()) if results.is_file() else {}
    for row in rows:
        for seed in seeds:
            key = f"{row}-{seed}"
            if key not in known:
                known[key] = make(row, seed)
                print(key, json.dumps(known[key]), flush=True)
            for replica in range(1, REPLICAS + 1) if picoseconds else ():
                runs = known[key].setdefault("runs", {})
                if runs.get(str(replica), {}).get("asked") != picoseconds:
                    runs[str(replica)] = run(row, seed, replica, picoseconds) | {"asked": picoseconds}
                    print(key, replica, json.dumps(runs[str(replica)]), flush=True)
                if keep:
                    save(results, known)
            if keep:
                save(results, known)
    return known
