"""Atomistic reference of capped alanine and Ala15, paper 004 (docs/papers.md), at 300 K in implicit water.

    python records/mapping/alanine_reference.py --picoseconds 12500 --seed 2
    python records/mapping/alanine_reference.py --compare      # phi and psi of the four runs
    python records/mapping/alanine_reference.py ala15 --picoseconds 3000

A run writes system.xml, run.dcd and a checkpoint into systems/alanine/runs/SEED, that of Ala15 into
systems/alanine/runs/ala15-SEED, and goes on where it was stopped. The force field is OpenMM's own amber99sbildn.xml
with amber99_obc.xml, the implicit water of Onufriev, Bashford and Case (2004), where the paper has water. Bonds with
hydrogens are held.
"""

import argparse
import shutil
import sys
from pathlib import Path

import alanine_rows
import mdtraj
import numpy as np
import openmm
from openmm import app

from openmm_cgaa.structures.structure import read_structure

sys.path.insert(0, str(Path(__file__).parents[1]))
import reference_run  # noqa: E402 - of the folder above

SYSTEM = Path(__file__).parents[2] / "systems/alanine"
FORCEFIELD = "amber99sbildn.xml", "amber99_obc.xml"
TEMPERATURE, FRICTION, STEP = 300.0, 1.0, 0.002  # K, 1/ps, ps
EVERY, WARM_UP = 500, 25_000  # steps
HELIX_PSI, HELIX_WIDTH = -0.6, 0.9  # rad
PLATFORMS = {"alanine": "Reference", "ala15": "CPU"}  # the Reference platform is faster on so few atoms


def compare() -> None:
    """How much the Ramachandran maps of the four runs differ, and the part of frames in the right-handed helix."""
    angles, topology = [], mdtraj.Topology.from_openmm(read_structure(SYSTEM / "alanine.cif")[0])
    for seed in (1, 2, 3, 4):
        run = mdtraj.load(SYSTEM / f"runs/{seed}/run.dcd", top=topology)
        angles.append(np.concatenate([mdtraj.compute_phi(run)[1], mdtraj.compute_psi(run)[1]], axis=1))
    shares = [alanine_rows.share(each, alanine_rows.COARSE) for each in angles]
    rest = [np.mean(shares[:own] + shares[own + 1 :], axis=0) for own in range(4)]
    apart = [alanine_rows.divergence(*pair) for pair in zip(shares, rest)]
    helix = [((phi < 0) & (np.abs(psi - HELIX_PSI) < HELIX_WIDTH)).mean() for phi, psi in (each.T for each in angles)]
    frames = sum(map(len, angles))
    print(f"{frames} frames; a run and the three others are {np.mean(apart):.3f} bits apart")
    above = np.mean(np.concatenate(angles)[:, 0] > 0)
    print(f"helix {np.mean(helix):.3f} ± {np.std(helix, ddof=1) / 2:.3f}; phi above 0 {above:.1e}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peptide", nargs="?", choices=PLATFORMS, default="alanine")
    parser.add_argument("--picoseconds", type=float, default=1000.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compare", action="store_true")
    args = parser.parse_args()
    if args.compare:
        compare()
        return 0
    name = "" if args.peptide == "alanine" else f"{args.peptide}-"
    start, folder = SYSTEM / f"{args.peptide}.cif", SYSTEM / f"runs/{name}{args.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "system.xml").is_file():
        shutil.copy(start, folder)
        topology = read_structure(start)[0]
        options = {"nonbondedMethod": app.NoCutoff, "constraints": app.HBonds}
        system = app.ForceField(*FORCEFIELD).createSystem(topology, **options)
        (folder / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, STEP)
    integrator.setRandomNumberSeed(args.seed)
    platform = PLATFORMS[args.peptide]
    reference_run.go_on(folder, start.name, integrator, args.picoseconds, EVERY, WARM_UP, args.seed, platform)
    return 0


if __name__ == "__main__":
    sys.exit(main())
