"""Beads of hexane at another temperature and density than those of their training: paper 004 (docs/papers.md).

    python records/mapping/hexane_reference.py --picoseconds 100 --hot
    python records/mapping/hexane_transfer.py three-grains-5.5 four-grains-5.5

A row is one of `hexane_drift.WITHOUT_PRIOR` whose model is there. Its runs at `hexane_reference.HOT` are held against
the atoms there, and so is the reference at 300 K; by chance, halves of the hot reference differ. Results stand in
hexane_transfer.json.
"""

import sys
from pathlib import Path

import hexane_rows
import numpy as np
from bead_study import Part, begun, mapped, replica_of, study, with_interval
from hexane_drift import WITHOUT_PRIOR
from hexane_reference import HOT

from openmm_cgaa import Dataset
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.units import ANGSTROM_PER_NM

RESULTS = Path(__file__).parent / "hexane_transfer.json"
FRAMES = 100
RUNS = 3


def hot(name: str, bare: bool) -> Dataset:
    """Mapped frames of the run at the higher temperature; made at the first call."""
    system = hexane_rows.SYSTEM
    topology, _ = read_structure(system / "runs/box.cif")
    part = Part("test", system / "runs/hot-1/run.xtc", FRAMES, temperature=HOT)
    path = system / f"runs/hot_{name}{'_bare' * bare}.h5"
    return Dataset.load(mapped(path, topology, hexane_rows.mapping_of(name, bare), [part]))


def difference(one: dict, other: dict) -> float:
    """Mean of |g - g| over all pairs of species."""
    return float(np.mean([np.abs(one["g"][pair][0] - g).mean() for pair, (g, _) in other["g"].items()]))


def transfer(row: str, picoseconds: float) -> dict:
    name, bare, *_ = hexane_rows.parts_of_row(row)
    (frames,) = hot(name, bare).sets
    (home,) = Dataset.load(hexane_rows.data_of(name, bare)).select(splits=["train"]).sets
    curves = lambda own: hexane_rows.distributions(name, hexane_rows.as_trajectory(own, frames.topology(0)))  # noqa: E731
    there, told = curves(frames), {"runs": {}}
    halves = [curves(frames.take(range(*part))) for part in ((0, FRAMES // 2), (FRAMES // 2, FRAMES))]
    told |= {"of_300": difference(curves(home), there), "halves": difference(*halves)}
    for replica in range(1, RUNS + 1):
        frame = begun(frames, replica)
        start = frames.topology(frame), frames.positions[frame] / ANGSTROM_PER_NM
        run, own = replica_of(hexane_rows.of_row(row, 1), *start, replica, picoseconds, temperature=HOT, name="hot")
        if own["ended"] is None:
            own["rdf"] = difference(hexane_rows.distributions(name, run[len(run) // 10 :]), there)
        told["runs"][str(replica)] = own
    return told


def table(results: dict) -> str:
    lines = ["| row | runs that held | g(r) differs | atoms at 300 K | halves of the reference |", "|---" * 5 + "|"]
    for row, found in results.items():
        held = [one["rdf"] for one in found["runs"].values() if "rdf" in one]
        rest = f"{found['of_300']:.3f} | {found['halves']:.3f}"
        lines.append(f"| `{row}` | {len(held)} of {len(found['runs'])} | {with_interval([held], 3)} | {rest} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(study(__doc__, RESULTS, WITHOUT_PRIOR, transfer, table, 20.0))
