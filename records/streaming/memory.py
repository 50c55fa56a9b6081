"""Peak memory of `openmm-cgaa analyze` on a trajectory of any size.

    python records/streaming/memory.py write RUN --gigabytes 10
    python records/streaming/memory.py measure RUN --diffusion 1 20 --profile z

The first writes a run that nobody has simulated: rods of one O and 19 C whose centers walk at random and whose atoms
shake, in frames 0.1 ps apart. The second analyses it in a process of its own, with the options that follow, and tells
the most memory that this process has had.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import mdtraj
import numpy as np
from mdtraj.formats import DCDTrajectoryFile
from openmm import unit

from openmm_cgaa.simulation.folder import make_record
from openmm_cgaa.simulation.run import SimulationSettings
from openmm_cgaa.structures.structure import write_structure

ATOMS, BOND = 20, 0.15  # of a rod; nm
CELL = np.array([0.5, 0.5, 3.4])  # nm, of a rod in the first frame
STEP, SHAKE = 0.02, 0.004  # nm, of a center between two frames, and of an atom
AT_ONCE = 100  # frames


def rods(across: int, along: int) -> tuple[mdtraj.Topology, np.ndarray, np.ndarray]:
    """Topology, centers [rods, 3] and box edges [3], nm, of `across` x `across` x `along` rods."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    centers = np.stack(np.indices((across, across, along)), -1).reshape(-1, 3) * CELL
    for _ in centers:
        residue, atoms = topology.add_residue("ROD", chain), []
        for number in range(ATOMS):
            element = mdtraj.element.carbon if number else mdtraj.element.oxygen
            atoms.append(topology.add_atom(f"{element.symbol}{number + 1}", element, residue))
        for one, other in zip(atoms, atoms[1:]):
            topology.add_bond(one, other)
    return topology, centers, np.array([across, across, along]) * CELL


def write_run(folder: Path, frames: int, across: int = 10, along: int = 3, seed: int = 1) -> Path:
    """A folder as `simulate` leaves it, of so many frames, which are never in memory together."""
    random, (topology, centers, edges) = np.random.default_rng(seed), rods(across, along)
    folder.mkdir(parents=True)
    made = topology.to_openmm()
    made.setUnitCellDimensions(edges * unit.nanometer)
    shape = np.zeros((ATOMS, 3))
    shape[:, 2] = BOND * (np.arange(ATOMS) - 0.5 * (ATOMS - 1))
    settings = SimulationSettings(picoseconds=0.1 * frames, timestep=1.0, report_interval=100)
    write_structure(folder / "topology.cif", made, (centers[:, None] + shape).reshape(-1, 3) * unit.nanometer)
    (folder / "run.json").write_text(json.dumps(make_record(settings, {}, made)))
    shake = SHAKE * random.normal(size=(2 * AT_ONCE, len(centers), ATOMS, 3))
    with DCDTrajectoryFile(str(folder / "trajectory.dcd"), "w") as file:
        for start in range(0, frames, AT_ONCE):
            count = min(AT_ONCE, frames - start)
            walk = centers + STEP * random.normal(size=(count, *centers.shape)).cumsum(axis=0)
            centers = walk[-1]
            noise = shake[(first := random.integers(AT_ONCE)) : first + count]
            xyz = (walk[:, :, None] + shape + noise).reshape(count, -1, 3)
            lengths, angles = np.tile(10.0 * edges, (count, 1)), np.full((count, 3), 90.0)
            file.write((10.0 * xyz).astype(np.float32), lengths.astype(np.float32), angles.astype(np.float32))
    return folder


def measured(folder: Path, options: list[str]) -> dict:
    """Seconds and GB that the analysis of a run takes."""
    begun = time.time()
    call = "import sys; from openmm_cgaa.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", call, "analyze", str(folder), "--teacher-frames", "0", *options]
    subprocess.run(command, check=True)
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    size = (folder / "trajectory.dcd").stat().st_size
    return {"trajectory_GB": size / 1e9, "peak_GB": kilobytes * 1024 / 1e9, "seconds": time.time() - begun}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("write", "measure"))
    parser.add_argument("run", type=Path)
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--across", type=int, default=10, help="rods along x and along y")
    parser.add_argument("--along", type=int, default=3, help="rods along z")
    args, options = parser.parse_known_args()
    if args.what == "measure":
        print(json.dumps(measured(args.run, options)))
        return
    frame = 12 * ATOMS * args.across**2 * args.along + 80
    write_run(args.run, round(1e9 * args.gigabytes / frame), args.across, args.along)


if __name__ == "__main__":
    main()
