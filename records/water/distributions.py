"""g(r) to 10 Å and P(theta) within 4.5 Å of the waters' centers of mass, as paper 003 (docs/papers.md) compares them.

    python records/water/distributions.py tip3p    # of the atomistic run in systems/water/runs/tip3p
    python records/water/distributions.py tip3p --figure records/images/water.png ours-1 ours-100 dipole-100

The curves of the reference stand in distributions.json; runs of models are held against them by `rows`, whose first
seeds the figure shows.
"""

import argparse
import io
import json
import sys
from pathlib import Path

import mdtraj
import numpy as np
from matplotlib.figure import Figure

from openmm_cgaa.analysis.angles import angular_distribution
from openmm_cgaa.analysis.rdf import center_pairs, radial_distribution
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.whole import whole_frames
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.structures.trajectories import pieces

RUNS = Path(__file__).parents[2] / "systems/water/runs"
STORED, RESULTS = (Path(__file__).parent / f"{name}.json" for name in ("distributions", "rows"))
COLORS = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"  # told apart by the colour-blind
FARTHEST, NEIGHBORS = 1.0, 0.45  # nm, of g(r) and of the triplets of P(theta)
AT_A_TIME = 100  # frames


def curves(trajectory: mdtraj.Trajectory, grain_map: GrainMap, masses: np.ndarray) -> dict:
    """Of the molecules of a trajectory; masses [atoms] in any unit. Errors are of five blocks."""
    whole = whole_frames(grain_map, trajectory.xyz, trajectory.unitcell_vectors)
    centers = np.stack([np.average(whole[:, own], axis=1, weights=masses[own]) for own in grain_map.slots], axis=1)
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in grain_map.slots:
        topology.add_atom("W", mdtraj.element.virtual, topology.add_residue("HOH", chain))
    points = mdtraj.Trajectory(centers, topology)
    points.unitcell_vectors = trajectory.unitcell_vectors
    (pairs,) = center_pairs(grain_map).values()
    rdf = radial_distribution(points, pairs)
    angles = angular_distribution(points, NEIGHBORS)
    near = rdf.r < FARTHEST
    return {
        "frames": len(points),
        "r_nm": rdf.r[near],
        "g": rdf.g[near],
        "g_error": rdf.error[near],
        "theta": angles.theta,
        "p": angles.p,
        "p_error": angles.error,
    }


def stored(water: str) -> dict | None:
    """The reference's curves; None where it was not run."""
    found = json.loads(STORED.read_text()).get(water)
    return found and {name: np.array(values) for name, values in found.items()}


def difference(found: dict, water: str) -> dict:
    """Means over the bins of how far curves are from the reference's, and how far they would be by chance."""
    reference, told = stored(water), {}
    if reference is None:
        raise SystemExit(f"no curves of {water} yet: python records/water/distributions.py {water}")
    for name, what in (("g", "rdf"), ("p", "angle")):
        error = np.hypot(found[f"{name}_error"], reference[f"{name}_error"])
        told[f"{what}_difference"] = float(np.abs(found[name] - reference[name]).mean())
        told[f"{what}_by_chance"] = float(
            np.sqrt(2.0 / np.pi) * error.mean()
        )  # the mean of a Gaussian's absolute value
    return told


def figure(path: str, water: str, rows: list[str]) -> None:
    """g(r), the same in detail, and P(theta), of the reference and of rows."""
    reference, results = stored(water), json.loads(RESULTS.read_text())
    runs = {row: results[f"{water}-{row}-1"]["run"] for row in rows}
    made = Figure(figsize=(12.0, 3.6), layout="constrained")
    axes = made.subplots(1, 3)
    r, theta = 10.0 * reference["r_nm"], reference["theta"]
    for ax, x, name in zip(axes, (r, r, theta), "ggp"):
        ax.spines[["top", "right"]].set_visible(False)
        band = 2.0 * reference[f"{name}_error"]
        ax.fill_between(x, reference[name] - band, reference[name] + band, color="0.75", linewidth=0)
        ax.plot(x, reference[name], color="black", linewidth=1.6, label="atoms")
        for color, (row, found) in zip(COLORS, runs.items()):
            if name in found:  # a run may end before its first frame
                ended = f", ended after {found['until']:.1f} ps" if "ended" in found else ""
                ax.plot(x, found[name], color=color, linewidth=1.2, label=row + ended)
    axes[0].set(xlabel="r (Å)", ylabel="g(r)", xlim=(2.0, 10.0), ylim=(0.0, None))
    axes[1].set(xlabel="r (Å)", ylabel="g(r), in detail", xlim=(3.0, 7.0), ylim=(0.75, 1.2))
    axes[2].set(xlabel="angle between two neighbours (degrees)", ylabel="P, 1 at its largest", ylim=(0.0, 1.05))
    axes[0].legend(frameon=False, fontsize="small")
    picture = io.BytesIO()
    made.savefig(picture, format="png", dpi=130)
    write_bytes(path, picture.getvalue())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("water", choices=["tip3p", "spce"])
    parser.add_argument("--figure", nargs="+", metavar=("OUT.png", "ROW"), help="draw rows, and measure nothing")
    args = parser.parse_args()
    if args.figure:
        figure(args.figure[0], args.water, args.figure[1:])
        return 0
    folder = RUNS / args.water
    topology, _ = read_structure(folder / "water.cif")
    read = list(pieces(folder / "run.dcd", mdtraj.Topology.from_openmm(topology), AT_A_TIME))
    masses = np.array([atom.element.mass._value for atom in topology.atoms()])
    found = curves(mdtraj.join(read), GrainMap.from_topology(topology), masses)
    stored = json.loads(STORED.read_text()) if STORED.is_file() else {}
    told = {name: np.round(values, 5).tolist() for name, values in found.items()}
    write_bytes(STORED, (json.dumps(stored | {args.water: told}) + "\n").encode())
    print(f"{args.water}: {found['frames']} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
