"""Beads of water from 1, 10 and 100 frames, with and without directions: paper 003 (docs/papers.md), tables 1 and 2.

    python records/water/rows.py ours-1 ours-100 --seeds 1 2 3    # trains and evaluates what is missing
    python records/water/rows.py ours-1 --run 20                  # 20 ps of its model, held against the reference
    python records/water/rows.py --table                          # the table of what is there

Frames are consecutive, 2 ps apart, as in the paper; with another seed they begin elsewhere in the run. Results stand in
rows.json: errors of the test trajectory, which no row was trained or selected on, and what a run of 512 waters differs
from the reference by. Rows that are called held learn from mean forces of held beads (`openmm-cgaa map --hold`), which
data/WATER_held.h5 has. All rows are held against three such frames of the test trajectory, too.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from openmm_cgaa import CGAAError, CGAAPotential, Dataset, SimulationSettings, analyze, evaluate, simulate, train
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.training.config import TrainingConfig
from openmm_cgaa.units import ANGSTROM_PER_NM, KJ_PER_KCAL, KJMOL_PER_EV

HERE, SYSTEM = Path(__file__).parent, Path(__file__).parents[2] / "systems/water"
RESULTS = HERE / "rows.json"
INVARIANT = {"vectors": 0, "tensors": 0}
ROWS = {
    "ours-1": (1, {}),
    "ours-10": (10, {}),
    "ours-100": (100, {}),
    "held-1": (1, {}),
    "held-10": (10, {}),
    "invariant-10": (10, INVARIANT),
    "invariant-100": (100, INVARIANT),
}
KCAL = KJMOL_PER_EV / KJ_PER_KCAL  # kcal/mol per eV


def subset(path: Path, frames: int, seed: int, water: str, held: bool) -> None:
    """So many consecutive training frames, and the validation frames."""
    whole = Dataset.load(held_frames(water) if held else SYSTEM / f"data/{water}.h5")
    splits = np.array([t.split for t in whole.trajectories])
    masks = []
    for one in whole.sets:
        mask = splits[one.trajectory] == "validation"
        own = np.flatnonzero(splits[one.trajectory] == "train")
        own = own[np.argsort(one.time[own])]
        start = 0 if frames >= len(own) else (seed - 1) * (len(own) - frames) // 4
        mask[own[start : start + frames]] = True
        masks.append(mask)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(whole.keep(masks), provenance={"from": f"{water}.h5", "frames": frames, "seed": seed}).save(path)


def make(row: str, seed: int, water: str, steps: int | None) -> dict:
    """Errors of a row's model on the test trajectory."""
    frames, changes = ROWS[row]
    name = f"{water}-{row}-{seed}"
    data = SYSTEM / f"runs/rows/{name}.h5"
    if not data.is_file():
        subset(data, frames, seed, water, row.startswith("held"))
    values = yaml.safe_load((SYSTEM / "train.yaml").read_text())
    values |= {"seed": seed, "output": str(SYSTEM / f"runs/rows/{name}"), "max_steps": steps or values["max_steps"]}
    values["data"] = {"paths": [str(data)]}
    values["model"] |= changes
    model = train(from_mapping(TrainingConfig, values, "train.yaml"))
    errors = evaluate(model, SYSTEM / f"data/{water}.h5", "test")
    return {**_told(errors), "steps": values["max_steps"]}


def held_frames(water: str) -> Path:
    """Frames whose labels are mean forces: ten, two and three of the training, validation and test trajectories."""
    return SYSTEM / f"data/{water}_held.h5"


def on_held(row: str, seed: int, water: str) -> dict:
    """Errors of a row's model on mean forces of the test trajectory."""
    return _told(evaluate(SYSTEM / f"runs/rows/{water}-{row}-{seed}/model.safetensors", held_frames(water), "test"))


def _told(errors: dict) -> dict:
    force, ends = errors["force"], errors["intervals"]["component"]
    return {
        "rmse_kcal": force["component"] * KCAL,
        "interval_kcal": [end * KCAL for end in ends] if ends else None,
        "reference_kcal": force["reference_component"] * KCAL,
        "frames": errors["frames"],
    }


def run(row: str, seed: int, water: str, picoseconds: float) -> dict:
    """What a run of the model differs from the reference by: 300 K, 2 fs, from the last test frame."""
    folder, data = SYSTEM / f"runs/rows/{water}-{row}-{seed}", SYSTEM / f"data/{water}.h5"
    (frames,) = Dataset.load(data).select(splits=["test"]).sets
    topology, positions = frames.topology(len(frames) - 1), frames.positions[-1] / ANGSTROM_PER_NM
    potential = CGAAPotential(folder / "model.safetensors")
    settings = SimulationSettings(
        temperature=300.0, timestep=2.0, picoseconds=picoseconds, report_interval=100, seed=seed, threads=1
    )
    system = potential.createSystem(topology, positions=positions)
    again = (folder / "run/run.json").is_file()
    try:
        simulate(system, topology, positions, folder / "run", settings, resume=again, provenance=potential.provenance())
    except CGAAError as error:
        return {"picoseconds": picoseconds, "ended": str(error)}
    options = {"reference": data, "teacher_frames": 0, "begin": 0.1 * picoseconds, "angles": 4.5}
    summary = analyze(folder / "run", tell=lambda line: None, **options).summary
    (rdf,) = summary["rdf"].values()
    return {
        "picoseconds": picoseconds,
        "temperature": summary["temperature"]["all"],
        "rdf_difference": rdf["mean_difference_from_reference"],
        "rdf_by_chance": rdf["difference_by_chance"],
        "rdf_highest": [rdf["highest_at_nm"], rdf["highest"]],
        "angle_difference": summary["angles"]["mean_difference_from_reference"],
        "angle_by_chance": summary["angles"]["difference_by_chance"],
    }


def table(results: dict) -> str:
    """Of all rows, means over seeds."""
    heads = (
        "water | row | frames | seeds | force, rmse per component, kcal/mol/Å | of | of mean forces | "
        "difference of g(r) (by chance) | of P(theta)"
    )
    lines = [f"| {heads} |", "|---" * 9 + "|"]
    for key in dict.fromkeys(key.rsplit("-", 1)[0] for key in results):
        own = [value for name, value in results.items() if name.rsplit("-", 1)[0] == key]
        water, row = key.split("-", 1)
        found = np.array([value["rmse_kcal"] for value in own])
        spread = f" ± {found.std(ddof=1):.3f}" if len(found) > 1 else ""
        reference = own[0]["reference_kcal"]
        means = [value["held"]["rmse_kcal"] for value in own if "held" in value]
        mean = f"{np.mean(means):.3f}" if means else ""
        force = f"{found.mean():.3f}{spread} | {reference:.3f} | {mean}"
        lines.append(
            f"| {water} | `{row}` | {ROWS[row][0]} | {len(found)} | {force} | "
            f"{_of_runs(own, 'rdf')} | {_of_runs(own, 'angle')} |"
        )
    return "\n".join(lines)


def _of_runs(own: list[dict], name: str) -> str:
    runs = [value["run"] for value in own if "run" in value]
    if any("ended" in one for one in runs):
        return f"{sum('ended' in one for one in runs)} of {len(runs)} runs ended"
    means = [np.mean([one[f"{name}_{of}"] for one in runs]) for of in ("difference", "by_chance") if runs]
    return "{:.3f} ({:.3f})".format(*means) if runs else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--water", default="tip3p", choices=["tip3p", "spce"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--steps", type=int, help="for a trial; nothing is kept")
    parser.add_argument("--run", type=float, metavar="PS", help="run the model of each row and seed")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for row in args.rows:
        for seed in args.seeds:
            key = f"{args.water}-{row}-{seed}"
            if key not in results:
                found = make(row, seed, args.water, args.steps)
                print(key, json.dumps(found), flush=True)
                if not args.steps:
                    results[key] = found
                    write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
            if key in results and "held" not in results[key] and held_frames(args.water).is_file():
                results[key]["held"] = on_held(row, seed, args.water)
                print(key, json.dumps(results[key]["held"]), flush=True)
                write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
            if args.run and key in results and results[key].get("run", {}).get("picoseconds") != args.run:
                results[key]["run"] = run(row, seed, args.water, args.run)
                print(key, json.dumps(results[key]["run"]), flush=True)
                write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    if args.table or not args.rows:
        print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
