"""Is it still a crystal? ``python records/rdx/order.py RUN [--begin PS] [--json OUT]``.

A run of `openmm-cgaa simulate` that began with a crystal is held against its own start, frame by frame:

- how far each molecule's center is from its lattice site, in the cell of the frame;
- by what angle each molecule has turned, by the rotation that superposes its heavy atoms best.

A crystal keeps both, with no trend; in a melt the first grows without end, and the second goes to some 126 degrees, the
mean of random turns.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from openmm_cgaa.analysis.drift import mean
from openmm_cgaa.mapping.whole import whole_frame
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.units import ANGSTROM_PER_NM


def order(folder: str, begin: float = 0.0) -> dict:
    """Of each frame: rms and largest displacement (Å), rms and largest turn (degrees); and means over the frames."""
    run = read_run(folder, begin)
    topology, positions = read_structure(Path(folder, "topology.cif"))
    grains = [slots for slots in run.grain_map.slots]
    heavy = np.array([atom.element.symbol != "H" for atom in topology.atoms()])
    box = np.asarray(topology.getPeriodicBoxVectors()._value)
    sites, first = centered(run.grain_map, np.asarray(positions._value), box, grains, heavy)
    fractions = sites @ np.linalg.inv(box)
    rows = []
    for xyz, cell in zip(run.trajectory.xyz, run.trajectory.unitcell_vectors):
        now, shapes = centered(run.grain_map, xyz, cell, grains, heavy)
        away = now @ np.linalg.inv(cell) - fractions
        away -= np.round(away)
        away = ANGSTROM_PER_NM * (away - away.mean(0)) @ cell
        distance = np.linalg.norm(away, axis=1)
        turn = np.array([angle(a, b) for a, b in zip(first, shapes)])
        rows.append([rms(distance), distance.max(), rms(turn), turn.max()])
    values = np.array(rows)
    names = ("displacement_rms_A", "displacement_max_A", "turn_rms_deg", "turn_max_deg")
    thirds = np.array_split(values, 3)
    return {
        "run": str(folder),
        "frames": len(values),
        "ps": [float(run.trajectory.time[0]), float(run.trajectory.time[-1])],
        **{name: [round(float(x), 3) for x in mean(values[:, k])] for k, name in enumerate(names)},
        "thirds": {name: [round(float(part[:, k].mean()), 3) for part in thirds] for k, name in enumerate(names)},
        "largest": {name: round(float(values[:, k].max()), 3) for k, name in enumerate(names)},
    }


def centered(grain_map, xyz, box, grains, heavy):
    """Mean positions of the grains [grains, 3], and heavy atoms about their own mean; nm."""
    whole = np.asarray(whole_frame(grain_map, np.asarray(xyz, float), np.asarray(box, float)))
    centers = np.array([whole[atoms].mean(0) for atoms in grains])
    shapes = [whole[atoms[heavy[atoms]]] for atoms in grains]
    return centers, [shape - shape.mean(0) for shape in shapes]


def angle(first: np.ndarray, now: np.ndarray) -> float:
    """Degrees of the rotation that superposes two shapes best."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation(first, now)) - 1) / 2, -1, 1))))


def rotation(first: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The rotation [3, 3] by which ``first @ rotation`` lies best on `now` (Kabsch)."""
    u, _, v = np.linalg.svd(first.T @ now)
    u[:, -1] *= np.sign(np.linalg.det(u @ v))
    return u @ v


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("--begin", type=float, default=0.0, help="ps")
    parser.add_argument("--json", help="file that the numbers go to")
    args = parser.parse_args()
    found = order(args.run, args.begin)
    print(json.dumps(found, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n")
