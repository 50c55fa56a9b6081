"""Atomistic reference of capped alanine and Ala15, paper 004 (docs/papers.md), at 300 K in implicit water.

    python records/mapping/alanine_reference.py --picoseconds 12500 --seed 2
    python records/mapping/alanine_reference.py ala15 --picoseconds 5000

A run writes system.xml, run.dcd and a checkpoint into systems/alanine/runs/SEED, that of Ala15 into
systems/alanine/runs/ala15-SEED, and goes on where it was stopped. The
force field is OpenMM's own amber99sbildn.xml with amber99_obc.xml, the implicit water of Onufriev, Bashford and Case
(2004), where the paper has water. Bonds with hydrogens are held.
"""

import argparse
import shutil
import sys
from pathlib import Path

import openmm
from openmm import app

from openmm_cgaa.structures.structure import read_structure

sys.path.insert(0, str(Path(__file__).parents[1]))
import reference_run  # noqa: E402 - of the folder above

SYSTEM = Path(__file__).parents[2] / "systems/alanine"
FORCEFIELD = "amber99sbildn.xml", "amber99_obc.xml"
TEMPERATURE, FRICTION, STEP = 300.0, 1.0, 0.002  # K, 1/ps, ps
EVERY, WARM_UP = 500, 25_000  # steps
PLATFORMS = {"alanine": "Reference", "ala15": "CPU"}  # the Reference platform is faster on so few atoms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peptide", nargs="?", choices=PLATFORMS, default="alanine")
    parser.add_argument("--picoseconds", type=float, default=1000.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
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
