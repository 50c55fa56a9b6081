"""What the rows of paper 004 (docs/papers.md) share: frames of beads from runs of atoms, and models of them."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from openmm import app

from openmm_cgaa import Dataset, Mapping, evaluate, load_system, map_trajectories, train
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.training.config import TrainingConfig
from openmm_cgaa.training.fittedprior import fit_prior

TEMPERATURE = 300.0  # K


class Part(NamedTuple):
    """Frames of one run of atoms, every `stride`-th of them."""

    split: str
    trajectory: Path
    frames: int
    stride: int = 1


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
                temperature=TEMPERATURE,
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


def main(
    description: str,
    results: Path,
    rows: Sequence[str],
    make: Callable[[str, int, int | None], dict],
    run: Callable[[str, int, float], dict],
    table: Callable[[dict], str],
) -> int:
    """The command line of a study's rows."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*rows, []], metavar="ROW", help=", ".join(rows))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--steps", type=int, help="for a trial; nothing is kept")
    parser.add_argument("--run", type=float, metavar="PS", help="run the model of each row and seed")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    known = go_through(
        results, args.rows, args.seeds, lambda *one: make(*one, args.steps), run, args.run, keep=not args.steps
    )
    if args.table or not args.rows:
        print(table(known))
    return 0


def go_through(
    results: Path,
    rows: Sequence[str],
    seeds: Sequence[int],
    make: Callable[[str, int], dict],
    run: Callable[[str, int, float], dict],
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
            if picoseconds and known[key].get("run", {}).get("asked") != picoseconds:
                known[key]["run"] = run(row, seed, picoseconds) | {"asked": picoseconds}
                print(key, "run", json.dumps(known[key]["run"]), flush=True)
            if keep:
                write_bytes(results, (json.dumps(known, indent=1) + "\n").encode())
    return known
