"""Total energy of beads of hexane in NVE at several time steps: paper 004 (docs/papers.md).

    python records/mapping/hexane_drift.py three-grains-5.5 three-bare-5.5

A row is one of `WITHOUT_PRIOR` whose model is there. Each run has 2 ps at 300 K, from the same frame,
before its NVE. Results stand in hexane_drift.json.
"""

import argparse
import json
import sys
from pathlib import Path

import hexane_rows
from bead_study import STEPPING, TEMPERATURE, checksum, keep, read_results, system_of_model

from openmm_cgaa import Dataset, SimulationSettings, simulate
from openmm_cgaa.analysis.drift import energy_drift
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.units import ANGSTROM_PER_NM

RESULTS = Path(__file__).parent / "hexane_drift.json"
STEPS = 0.5, 1.0, 2.0, 4.0, 6.0  # fs
BEFORE = 2.0  # ps
WITHOUT_PRIOR = [row for row in hexane_rows.ROWS if not row.endswith("prior")]


def drift(row: str, step: float, picoseconds: float) -> dict:
    """Slope of the total energy, meV a bead and ps, with its error; or what ended the run."""
    name, bare, *_ = hexane_rows.parts_of_row(row)
    (frames,) = Dataset.load(hexane_rows.data_of(name, bare)).select(splits=["test"]).sets
    folder, topology, positions = hexane_rows.of_row(row, 1), frames.topology(0), frames.positions[0] / ANGSTROM_PER_NM
    settings = SimulationSettings(
        temperature=TEMPERATURE,
        timestep=step,
        picoseconds=BEFORE,
        nve_picoseconds=picoseconds,
        report_interval=round(48.0 / step),
        threads=1,
    )
    out, told = folder / f"nve-{step:g}", {"picoseconds": picoseconds, "ended": None}
    try:
        system = system_of_model(folder, topology, positions)
        made_by = {"model_sha256": checksum(folder / "model.safetensors")}
        resume = (out / "run.json").is_file()
        if not simulate(system, topology, positions, out, settings, resume=resume, provenance=made_by):
            raise SystemExit("interrupted; the same command goes on")
    except SimulationError as error:
        if STEPPING not in str(error):
            raise
        return told | {"ended": str(error)}
    nve = read_run(out).nve
    found = energy_drift(nve["time_ps"], nve["total_kjmol"], topology.getNumAtoms())
    return told | {"slope": found.value, "error": found.error, "temperature": float(nve["temperature_K"].mean())}


def table(results: dict) -> str:
    lines = ["| row | " + " | ".join(f"{step:g} fs" for step in STEPS) + " |", "|---" * (1 + len(STEPS)) + "|"]
    for row, found in results.items():
        cells = []
        for step in STEPS:
            one = found.get(f"{step:g}")
            ended = one is not None and one["ended"]
            cells.append("" if one is None else "ended" if ended else f"{one['slope']:.2g} ± {one['error']:.1g}")
        lines.append(f"| `{row}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*WITHOUT_PRIOR, []], metavar="ROW")
    parser.add_argument("--picoseconds", type=float, default=20.0)
    args = parser.parse_args()
    for row in args.rows:
        for step in STEPS:
            own = read_results(RESULTS).get(row, {})
            if own.get(f"{step:g}", {}).get("picoseconds") != args.picoseconds:
                own[f"{step:g}"] = drift(row, step, args.picoseconds)
                print(row, step, json.dumps(own[f"{step:g}"]), flush=True)
                keep(RESULTS, row, own)
    print(table(read_results(RESULTS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
