"""Atomistic reference of paper 003 (docs/papers.md): 512 waters, NVT at 300 K, Nosé-Hoover, a frame every 2 ps.

    python records/water/reference.py tip3p --picoseconds 2000
    python records/water/reference.py tip3p --data      # maps the runs MODEL, MODEL-validation and MODEL-test
    python records/water/reference.py tip3p --held      # mean forces of a few frames of these runs
    python records/water/reference.py tip3p --data --dipole, and --held --dipole    # the same as two beads a water
    python records/water/reference.py tip3p --name tip3p-large --waters 3916 --picoseconds 20   # where runs begin

It writes water.cif, system.xml, run.dcd and a checkpoint into systems/water/runs/MODEL, and goes on where it was
stopped. The box has the density of water at 300 K and 1 bar, 0.9965 g/cm3 (CRC Handbook of Chemistry and Physics),
which the paper does not state. The force fields are OpenMM's own tip3p.xml and spce.xml; waters are rigid.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

from openmm_cgaa import Dataset, Mapping, map_trajectories
from openmm_cgaa.structures.density import cube, mass_of_topology
from openmm_cgaa.structures.structure import read_structure, write_structure

sys.path.insert(0, str(Path(__file__).parents[1]))
import reference_run  # noqa: E402 - of the folder above

RUNS = Path(__file__).parents[2] / "systems/water/runs"
DENSITY = 0.9965  # g/cm3
HOLD = 20.0  # ps of sampling for a mean force
HELD = {"train": (10, 1), "validation": (2, 4), "test": (3, 6)}  # frames with mean forces, and from one to the next
TEMPERATURE, CUTOFF = 300.0, 1.0  # K, nm
STEP, EVERY, WARM_UP = 0.002, 1000, 25_000  # ps, steps between frames, steps before the first


def make(model: str, folder: Path, waters: int) -> None:
    """Box and System."""
    forcefield = app.ForceField(f"{model}.xml")
    made = app.Modeller(app.Topology(), [])
    made.addSolvent(forcefield, model="tip3p" if model == "tip3p" else "spce", numAdded=waters)
    edge = cube(mass_of_topology(made.topology), DENSITY) / 10.0
    positions = np.array(made.positions.value_in_unit(unit.nanometer))
    oxygens = np.repeat(positions[::3], 3, axis=0)
    scale = edge / made.topology.getPeriodicBoxVectors()[0][0].value_in_unit(unit.nanometer)
    positions += (scale - 1.0) * oxygens  # waters move, and keep their shape
    made.topology.setUnitCellDimensions((edge, edge, edge))
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": CUTOFF * unit.nanometer, "ewaldErrorTolerance": 5e-4}
    system = forcefield.createSystem(made.topology, **options)
    write_structure(folder / "water.cif", made.topology, positions)
    (folder / "system.xml").write_text(openmm.XmlSerializer.serialize(system))


def run(model: str, picoseconds: float, seed: int, folder: Path, waters: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "system.xml").is_file():
        make(model, folder, waters)
    integrator = openmm.NoseHooverIntegrator(TEMPERATURE, 2.0, STEP)  # K, 1/ps, ps
    reference_run.go_on(folder, "water.cif", integrator, picoseconds, EVERY, WARM_UP, seed)


def mapped(model: str, name: str, held: bool, dipole: bool) -> None:
    """Beads of the three runs of a water, in one data set; with beads held, mean forces of a few frames."""
    parts = []
    for split in ("train", "validation", "test"):
        folder = RUNS / (model if split == "train" else f"{model}-{split}")
        topology, _ = read_structure(folder / "water.cif")
        system = openmm.XmlSerializer.deserialize((folder / "system.xml").read_text())
        options: dict = {"temperature": TEMPERATURE, "split": split}
        if held:
            frames, stride = HELD[split]
            options |= {"frames": frames, "stride": stride, "hold": HOLD, "parts": RUNS / f"{name}.parts"}
            options["tell"] = lambda line: print(line, flush=True)
        mapping = Mapping.load("water-dipole" if dipole else "water-center")
        part = map_trajectories([folder / "run.dcd"], topology, system, mapping, **options)
        parts.append(replace(part, trajectories=[replace(part.trajectories[0], name=f"{model}-{split}")]))
    Dataset.merge(parts).save(RUNS.parent / f"data/{name}.h5", precision="single")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["tip3p", "spce"])
    parser.add_argument("--picoseconds", type=float, default=2000.0)
    parser.add_argument("--waters", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", action="store_true", help="map runs to systems/water/data instead")
    parser.add_argument("--held", action="store_true", help="the same with held beads, to MODEL_held.h5")
    parser.add_argument("--dipole", action="store_true", help="two beads a water (MODEL_dipole*.h5)")
    parser.add_argument("--name", help="of the folder in systems/water/runs; that of the model without it")
    args = parser.parse_args()
    if args.data or args.held:
        name = args.model + "_dipole" * args.dipole + "_held" * args.held
        mapped(args.model, name, args.held, args.dipole)
        return 0
    run(args.model, args.picoseconds, args.seed, RUNS / (args.name or args.model), args.waters)
    return 0


if __name__ == "__main__":
    sys.exit(main())
