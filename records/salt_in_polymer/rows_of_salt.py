"""What a propagator does to a salt in a polymer, beside molecular dynamics: paper 002 (docs/papers.md).

    python records/salt_in_polymer/rows_of_salt.py MODEL test-20 test-14 test-8 --steps 4900
    python records/salt_in_polymer/rows_of_salt.py MODEL test-20 --no-refine --steps 4900
    python records/salt_in_polymer/rows_of_salt.py --table

Each row begins with frame 10 of the sequences that systems/salt_in_polymer/README.md makes, steps so far or until a
group flies, and is held against all frames of them. Results stand in rows.json. The reference's diffusion is told of
quarters of its run, too: how far molecular dynamics of that length is from its own longer runs.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import saltbeads

from openmm_cgaa.analysis.chainreport import analyze_propagation
from openmm_cgaa.analysis.groupliquid import motion
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.propagate.propagation import RUN, propagate
from openmm_cgaa.propagate.sequences import Sequences

RESULTS = Path(__file__).parent / "rows.json"
BEGIN, LAGS, EQUILIBRIUM = 10, (200.0, 1000.0), 400.0  # frame; ps; ps that are left out of a propagation
PARTS = 4
FLEW = "a group moves by"


def read_results() -> dict:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def made(model: Path, run: str, steps: int, refine: bool) -> dict:
    """What a propagation of a run is like."""
    start = saltbeads.SYSTEM / f"runs/{run}.h5"
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:8]  # a model that was trained anew has a folder of its own
    out = saltbeads.SYSTEM / f"runs/rows/{digest}-{run}{'' if refine else '-no-refine'}"
    ended = ""
    try:
        told = propagate(model, start, steps, out, frame=BEGIN, refine=refine, resume=(out / "run.json").is_file())
        if not told.ended:
            raise SystemExit("interrupted; the same command goes on")
        speed = told.ns_per_day
    except SimulationError as error:
        if FLEW not in str(error):  # what else is wrong is no result
            raise
        ended, speed = str(error), None
    frames = len(Sequences.load(out / RUN).members[0])
    row = {"model": digest, "steps": frames, "ended": ended, "ns_per_day": speed}
    begin = EQUILIBRIUM if not ended else 0.0
    try:
        report = analyze_propagation(out, reference=start, begin=begin, tell=lambda line: None, lags=LAGS)
    except SimulationError as error:  # too few frames before it ended
        return row | {"analysis": str(error)}
    return row | {key: _without_curves(value) for key, value in report.summary[run].items()}


def _without_curves(value: dict) -> dict:
    return {key: one for key, one in value.items() if key not in ("distances_A", "contact_map_A")}


def parts_of_reference(run: str) -> list[dict]:
    """Diffusion, 1e-9 m^2/s, of each quarter of a run of molecular dynamics."""
    (one,) = Sequences.load(saltbeads.SYSTEM / f"runs/{run}.h5").members
    length, found = len(one) // PARTS, []
    for part in range(PARTS):
        some = slice(part * length, (part + 1) * length)
        told = motion(replace(one, positions=one.positions[some], inner=one.inner[some]), *LAGS)
        found.append({kind: value.value for kind, value in told.items()})
    return found


def table(results: dict) -> str:
    """Of all rows."""
    lines = [
        "| run | refined | steps | pairs nearer than 0.5, 1, 2 Å a frame (reference) | nearest, Å | g(r) off | "
        "diffusion of EO, LI, TFSI, 1e-9 m²/s (reference) |",
        "|---" * 7 + "|",
    ]
    for name, row in results.items():
        run, refined = name.removesuffix("-no-refine"), "no" if name.endswith("-no-refine") else "yes"
        if "propagated" not in row:
            lines.append(f"| {run} | {refined} | {row['steps']} | {row['ended']} | | | |")
            continue
        ours, theirs = row["propagated"], row["reference"]
        near = ", ".join(f"{value:.2g}" for value in ours["pairs_nearer_than_A"].values())
        of = ", ".join(f"{value:.2g}" for value in theirs["pairs_nearer_than_A"].values())
        off = ", ".join(f"{kind} {one['value']:.3f}" for kind, one in row["difference_of_g"].items())
        moved = ", ".join(f"{_diffusion(ours, kind)} ({_diffusion(theirs, kind)})" for kind in ("EO", "LI", "TFSI"))
        nearest = f"{ours['closest_A']:.2f} ({theirs['closest_A']:.2f})"
        until = f"{row['steps']}{', then ' + row['ended'] if row['ended'] else ''}"
        lines.append(f"| {run} | {refined} | {until} | {near} ({of}) | {nearest} | {off} | {moved} |")
    return "\n".join(lines)


def _diffusion(side: dict, kind: str) -> str:
    own = side.get("diffusion", {}).get(kind)
    return f"{own['1e-9_m2_per_s']:.3g} ± {own['error']:.1g}" if own else "–"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--steps", type=int, default=4900)
    parser.add_argument("--no-refine", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    results = read_results()
    for run in args.runs:
        key = run + "-no-refine" * args.no_refine
        results[key] = made(args.model, run, args.steps, not args.no_refine)
        if not args.no_refine:
            results[key]["quarters_of_reference"] = parts_of_reference(run)
        write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
        print(key, json.dumps(results[key]), flush=True)
    if args.table or not args.runs:
        print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
