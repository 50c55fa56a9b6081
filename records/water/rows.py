"""Beads of water from 1, 10 and 100 frames, with and without directions: paper 003 (docs/papers.md), tables 1 and 2.

    python records/water/rows.py ours-1 ours-100 --seeds 1 2 3    # trains and evaluates what is missing
    python records/water/rows.py ours-1 --run 20                  # 20 ps of its model, held against the reference
    python records/water/rows.py ours-1 --large 40                # 40 ps of 3,916 waters
    python records/water/rows.py --table                          # the table of what is there

Frames are consecutive, 2 ps apart, as in the paper; with another seed they begin elsewhere in the run. Results stand in
rows.json: errors of the test trajectory, which no row was trained or selected on, and what a run of 512 waters differs
from the reference by. Rows that are called held learn from mean forces of held beads (`openmm-cgaa map --hold`), which
data/WATER_held.h5 has. Rows of one bead are held against three such frames of the test trajectory, too. Those that
are called dipole have two beads a water, which show its axis; their forces are net forces of waters, too.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import distributions
import mdtraj
import numpy as np
import openmm
import yaml
from openmm import app

from openmm_cgaa import (
    CGAAPotential,
    Dataset,
    Mapping,
    SimulationSettings,
    analyze,
    evaluate,
    simulate,
    train,
)
from openmm_cgaa.errors import CGAAError, SimulationError
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.structures.density import mass_of_atom
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.structures.trajectories import pieces
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
    "dipole-1": (1, {}),
    "dipole-10": (10, {}),
    "dipole-100": (100, {}),
    "invariant-10": (10, INVARIANT),
    "invariant-100": (100, INVARIANT),
}
PEERS = {f"{peer}-{frames}": frames for peer in ("deepmd", "allegro") for frames in (1, 10, 100)}  # see peer_rows.py
SECOND_SHELL = {"tip3p": 0.6, "spce": 0.45}  # nm, as the paper names them
LAGS = 1.0, 4.0  # ps, between which the mean square displacement gives the diffusion
KCAL = KJMOL_PER_EV / KJ_PER_KCAL  # kcal/mol per eV


def read_results() -> dict:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def write_results(results: dict) -> None:
    write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())


def frames_of(row: str) -> int:
    """How many frames a row learns from."""
    return PEERS[row] if row in PEERS else ROWS[row][0]


def samples_of(row: str, water: str) -> Path:
    """Mapped forces of the beads of a row, which it is tested on."""
    return SYSTEM / f"data/{water}{'_dipole' * row.startswith('dipole')}.h5"


def data_of(row: str, water: str) -> Path:
    """What a row learns from."""
    return held_frames(water) if row.startswith("held") else samples_of(row, water)


def settings_of(row: str) -> dict:
    """The training of a row, with absolute paths."""
    values = yaml.safe_load((SYSTEM / f"train{'_dipole' * row.startswith('dipole')}.yaml").read_text())
    if "prior" in values:
        values["prior"]["file"] = str(SYSTEM / values["prior"]["file"])
    return values | {"model": values["model"] | ROWS[row][1]}


def subset(path: Path, row: str, seed: int, water: str) -> None:
    """So many consecutive training frames as a row has, and the validation frames."""
    source, frames = data_of(row, water), frames_of(row)
    whole = Dataset.load(source)
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
    replace(whole.keep(masks), provenance={"from": source.name, "frames": frames, "seed": seed}).save(path)


def make(row: str, seed: int, water: str, steps: int | None) -> dict:
    """Errors of a row's model on the test trajectory."""
    name = f"{water}-{row}-{seed}"
    data = SYSTEM / f"runs/rows/{name}.h5"
    if not data.is_file():
        subset(data, row, seed, water)
    values = settings_of(row)
    values |= {"seed": seed, "output": str(SYSTEM / f"runs/rows/{name}"), "max_steps": steps or values["max_steps"]}
    values["data"] = {"paths": [str(data)]}
    model = train(from_mapping(TrainingConfig, values, "train.yaml"))
    return {**_told(evaluate(model, samples_of(row, water), "test")), "steps": values["max_steps"]}


def held_frames(water: str) -> Path:
    """Frames whose labels are mean forces: ten, two and three of the training, validation and test trajectories."""
    return SYSTEM / f"data/{water}_held.h5"


def on_held(row: str, seed: int, water: str) -> dict:
    """Errors of a row's model on mean forces of the test trajectory."""
    return _told(evaluate(SYSTEM / f"runs/rows/{water}-{row}-{seed}/model.safetensors", held_frames(water), "test"))


def _told(errors: dict) -> dict:
    """Of net forces, which those on single beads are."""
    (of_water,) = errors["by_grain"]["species"].values()
    ends, reference = errors["intervals"]["net_force"], of_water["reference_net_force"] * KCAL
    return {
        "rmse_kcal": of_water["net_force"] * reference,
        "interval_kcal": [end * reference for end in ends] if ends else None,
        "reference_kcal": reference,
        "frames": errors["frames"],
    } | ({"torque_relative": of_water["torque"]} if of_water.get("torque") else {})


def start(row: str, water: str, large: bool) -> tuple[app.Topology, np.ndarray]:
    """Topology and positions (nm) to begin a run with: the last test frame, or the end of the large atomistic run."""
    if not large:
        (frames,) = Dataset.load(samples_of(row, water)).select(splits=["test"]).sets
        return frames.topology(len(frames) - 1), frames.positions[-1] / ANGSTROM_PER_NM
    folder = SYSTEM / f"runs/{water}-large"
    topology, _ = read_structure(folder / "water.cif")
    beads = Mapping.load("water-dipole" if row.startswith("dipole") else "water-center").on(topology)
    *_, last = pieces(folder / "run.dcd", mdtraj.Topology.from_openmm(topology), 10)
    whole = GrainMap.from_topology(topology).whole(last.xyz[-1].astype(float), last.unitcell_vectors[-1])
    return beads.topology, beads.positions(whole[None])[0]


def run(row: str, seed: int, water: str, picoseconds: float, large: bool) -> dict:
    """What a run of the model differs from the reference by."""
    folder = SYSTEM / f"runs/rows/{water}-{row}-{seed}"
    topology, positions = start(row, water, large)
    potential = CGAAPotential(folder / "model.safetensors")
    system = potential.createSystem(topology, positions=positions)
    out = folder / ("large" if large else "run")
    return run_in(out, system, topology, positions, seed, picoseconds, water, potential.provenance())


def run_in(
    out: Path,
    system: openmm.System,
    topology: app.Topology,
    positions: np.ndarray,
    seed: int,
    picoseconds: float,
    water: str,
    provenance: dict | None = None,
) -> dict:
    """What a run of a System at 300 K, in steps of 2 fs, differs from the atomistic one by."""
    settings = SimulationSettings(
        temperature=300.0, timestep=2.0, picoseconds=picoseconds, report_interval=100, seed=seed, threads=1
    )
    again, ended = (out / "run.json").is_file(), {}
    try:
        if not simulate(system, topology, positions, out, settings, resume=again, provenance=provenance):
            raise SystemExit("interrupted; the same command goes on")
    except SimulationError as error:  # what was written before is shown as it is
        ended = {"ended": str(error)}
    begin = 0.0 if ended else 0.1 * picoseconds
    told = {"picoseconds": picoseconds, **ended}
    try:
        done = read_run(out, begin)
        summary = analyze(out, tell=lambda line: None, teacher_frames=0, begin=begin, lags=LAGS).summary
        masses = np.array([mass_of_atom(atom) for atom in topology.atoms()])
        found = distributions.curves(done.trajectory, done.grain_map, masses)
    except CGAAError as error:
        if ended:  # so soon that there are no frames
            return told
        raise error
    return told | {
        "until": float(done.trajectory.time[-1]),
        "temperature": summary["temperature"]["all"],
        "diffusion": summary.get("diffusion"),
        **distributions.difference(found, water),
        "g": np.round(found["g"], 4).tolist(),
        "p": np.round(found["p"], 4).tolist(),
    }


def table(results: dict) -> str:
    """Of all rows, means over seeds."""
    heads = (
        "water | row | frames | seeds | force, rmse per component, kcal/mol/Å | of | of mean forces | "
        "difference of g(r) (by chance) | of P(theta) | g at the second shell (atoms) | temperature, K | 3,916 waters: "
        "g(r) | of P(theta) | temperature, K"
    )
    lines = [f"| {heads} |", "|---" * 14 + "|"]
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
            f"| {water} | `{row}` | {frames_of(row)} | {len(found)} | {force} | "
            f"{_of_runs(own, 'rdf')} | {_of_runs(own, 'angle')} | {_second_shell(own, water)} | {_temperature(own)} | "
            f"{_of_runs(own, 'rdf', 'large')} | {_of_runs(own, 'angle', 'large')} | {_temperature(own, 'large')} |"
        )
    return "\n".join(lines)


def _of_runs(own: list[dict], name: str, kind: str = "run") -> str:
    """Means over runs, those that ended among them as far as they came; and how many ended."""
    runs = [value[kind] for value in own if kind in value]
    ended, shown = sum("ended" in one for one in runs), [one for one in runs if f"{name}_difference" in one]
    means = [np.mean([one[f"{name}_{of}"] for one in shown]) for of in ("difference", "by_chance") if shown]
    told = ["{:.3f} ({:.3f})".format(*means)] if shown else []
    return "; ".join(told + ([f"{ended} of {len(runs)} runs ended"] if ended else []))


def _second_shell(own: list[dict], water: str) -> str:
    """g(r) where the atoms have a feature that no network of the paper has, of the rows and of the atoms."""
    reference = distributions.stored(water)
    shown = [value["run"]["g"] for value in own if "g" in value.get("run", {})]
    if not shown or reference is None:
        return ""
    place = int(np.abs(reference["r_nm"] - SECOND_SHELL[water]).argmin())
    return f"{np.mean(shown, axis=0)[place]:.3f} ({reference['g'][place]:.3f} ± {reference['g_error'][place]:.3f})"


def _temperature(own: list[dict], kind: str = "run") -> str:
    found = [value[kind]["temperature"]["mean_K"] for value in own if "temperature" in value.get(kind, {})]
    return f"{np.mean(found):.0f}" if found else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--water", default="tip3p", choices=["tip3p", "spce"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--steps", type=int, help="for a trial; nothing is kept")
    parser.add_argument("--run", type=float, metavar="PS", help="run the model of each row and seed")
    parser.add_argument("--large", type=float, metavar="PS", help="the same with 3,916 waters")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    results = read_results()
    for row in args.rows:
        for seed in args.seeds:
            key = f"{args.water}-{row}-{seed}"
            if key not in results:
                found = make(row, seed, args.water, args.steps)
                print(key, json.dumps(found), flush=True)
                if not args.steps:
                    results[key] = found
                    write_results(results)
            one_bead = not row.startswith("dipole")
            if one_bead and key in results and "held" not in results[key] and held_frames(args.water).is_file():
                results[key]["held"] = on_held(row, seed, args.water)
                print(key, json.dumps(results[key]["held"]), flush=True)
                write_results(results)
            for kind, wanted in (("run", args.run), ("large", args.large)):
                if wanted and key in results and results[key].get(kind, {}).get("picoseconds") != wanted:
                    results[key][kind] = run(row, seed, args.water, wanted, kind == "large")
                    print(key, kind, json.dumps(results[key][kind]), flush=True)
                    write_results(results)
    if args.table or not args.rows:
        print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
