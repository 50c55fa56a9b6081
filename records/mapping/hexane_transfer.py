"""Beads of hexane at another temperature and density than those of their training: paper 004 (docs/papers.md).

    python records/mapping/hexane_reference.py --picoseconds 100 --hot
    python records/mapping/hexane_transfer.py three-grains-5.5 four-grains-5.5

A row is one of `hexane_rows` whose model is there and has no prior. Its run at `hexane_reference.HOT` is held against
the atoms there, and so is the reference at 300 K. Results stand in hexane_transfer.json.
"""

import argparse
import json
import sys
from pathlib import Path

import hexane_rows
import numpy as np
from bead_study import Part, begun, mapped, replica_of, save
from hexane_reference import HOT

from openmm_cgaa import Dataset
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.units import ANGSTROM_PER_NM

RESULTS = Path(__file__).parent / "hexane_transfer.json"
FRAMES = 100


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
    frame = begun(frames, 1)
    start = frames.topology(frame), frames.positions[frame] / ANGSTROM_PER_NM
    run, told = replica_of(hexane_rows.of_row(row, 1), *start, 1, picoseconds, temperature=HOT, name="hot")
    if told["ended"] is not None:
        return told
    (home,) = Dataset.load(hexane_rows.data_of(name, bare)).select(splits=["train"]).sets
    there = hexane_rows.distributions(name, hexane_rows.as_trajectory(frames, start[0]))
    here = hexane_rows.distributions(name, hexane_rows.as_trajectory(home, home.topology(0)))
    own = hexane_rows.distributions(name, run[len(run) // 10 :])
    return told | {"rdf": difference(own, there), "rdf_of_300": difference(here, there)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*hexane_rows.ROWS, []], metavar="ROW")
    parser.add_argument("--picoseconds", type=float, default=60.0)
    args = parser.parse_args()
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for row in args.rows:
        known[row] = transfer(row, args.picoseconds)
        save(RESULTS, known)
    print(json.dumps(known, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
