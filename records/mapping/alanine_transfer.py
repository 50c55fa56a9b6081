"""Models of capped alanine on the backbone of Ala15: paper 004 (docs/papers.md).

    python records/mapping/alanine_transfer.py core_chemical-bare core_cb_chemical-bare

A row is one of `ROWS` whose model is there. Its mapping makes beads of Ala15, too, and `ala15_rows` says what
is measured. Grains are refused, for no grain of capped alanine is linked to another alanine; that is kept, too. Results
stand in alanine_transfer.json.
"""

import json
import sys
from functools import partial
from pathlib import Path

import ala15_rows
import alanine_rows
from bead_study import Part, mapped, molecules_of, replica_of, side_by_side, study

from openmm_cgaa import CGAAError, Dataset
from openmm_cgaa.structures.structure import read_structure

RESULTS = Path(__file__).parent / "alanine_transfer.json"
FRAMES = 500
ROWS = [row for row in alanine_rows.ROWS if row.startswith("core")]


def transfer(row: str, picoseconds: float) -> dict:
    system = alanine_rows.SYSTEM
    name, form = row.rsplit("-", 1)
    beads, bare = name.rsplit("_", 1)[0], form == "bare"
    topology, _ = read_structure(system / "ala15.cif")
    path = system / f"runs/ala15_by_{name}{'_bare' * bare}.h5"
    mapping = alanine_rows.mapping_of(name, bare)
    part = Part("test", system / f"runs/ala15-{ala15_rows.RUNS['test']}/run.dcd", FRAMES)
    (frames,) = Dataset.load(mapped(path, topology, mapping, [part])).sets
    start = side_by_side(frames, 1, ala15_rows.COPIES)
    try:
        run, told = replica_of(system / f"runs/rows/{row}-1", *start, 1, picoseconds, name="ala15-")
    except CGAAError as error:  # before it began
        return {"refused": str(error)}
    if run is None or not len(settled := run[run.time > ala15_rows.SETTLED]):
        return told
    # beads of a residue may stand in another order
    own = {}
    for bead in alanine_rows.mapping_of(name, False).on(topology).topology.atoms():
        own[int(bead.residue.id) - 1, bead.name] = bead.index
    order = [own[bead] for bead in ala15_rows.places(beads)]
    positions = molecules_of(settled, ala15_rows.COPIES)[:, order]
    return told | ala15_rows.told_of(beads, positions, *ala15_rows.atoms_of(f"{beads}_equal-grains"))


if __name__ == "__main__":
    sys.exit(study(__doc__, RESULTS, ROWS, transfer, partial(json.dumps, indent=1), 50.0))
