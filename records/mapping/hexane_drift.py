"""Total energy of beads of hexane in NVE at several time steps: paper 004 (docs/papers.md).

    python records/mapping/hexane_drift.py three-grains-5.5 three-bare-5.5

A row is one of `WITHOUT_PRIOR` whose model is there. Each run has 2 ps at 300 K, from the same frame,
before its NVE. Results stand in hexane_drift.json.
"""

import sys
from pathlib import Path

import hexane_rows
from bead_study import TEMPERATURE, moved, read_results, study, system_of_model

from openmm_cgaa import Dataset, SimulationSettings
from openmm_cgaa.analysis.drift import energy_drift
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
    system = system_of_model(folder, topology, positions)
    told = {
        "picoseconds": picoseconds,
        "ended": moved(folder, name := f"nve-{step:g}", system, topology, positions, settings),
    }
    if told["ended"]:
        return told
    nve = read_run(folder / name).nve
    found = energy_drift(nve["time_ps"], nve["total_kjmol"], topology.getNumAtoms())
    return told | {"slope": found.value, "error": found.error, "temperature": float(nve["temperature_K"].mean())}


def drifts(row: str, picoseconds: float) -> dict:
    """`drift` at all time steps; what is known stays."""
    known = read_results(RESULTS).get(row, {})
    done = {step for step, own in known.items() if own["picoseconds"] == picoseconds}
    return {f"{step:g}": known[f"{step:g}"] if f"{step:g}" in done else drift(row, step, picoseconds) for step in STEPS}


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


if __name__ == "__main__":
    sys.exit(study(__doc__, RESULTS, WITHOUT_PRIOR, drifts, table, 20.0))
