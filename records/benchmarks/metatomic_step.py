"""A step by a metatomic export beside one by TorchForce's module: ``python records/benchmarks/metatomic_step.py``.

Both on one thread of a CPU, in double precision, on frames of 248 and 983 atoms of the electrolyte that are moved by
some 0.02 Å at each call. Metatomic's own ASE calculator calls the export, its list of neighbours included. Prints
milliseconds of processor time, the median of some calls after those in which torch compiles, and how far forces are
apart.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from metatomic_ase import MetatomicCalculator

from openmm_cgaa import CGAAPotential, Dataset, GrainMap, export_metatomic
from openmm_cgaa.engines.torchforce import PeriodicModule
from openmm_cgaa.model.scripted import ScriptedEvaluator
from openmm_cgaa.units import KJMOL_PER_NM_PER_EV_PER_ANGSTROM

DATA = Path(__file__).parents[2] / "systems/ec_emc_lipf6/data"
FRAMES = {"own.h5": 248, "liquids_test.h5": 983}


def timed(call, frames):
    """Median milliseconds of processor time of the calls after the first five, and the last answer."""
    spent = []
    for frame in frames:
        begun = time.process_time()
        found = call(frame)
        spent.append(1000.0 * (time.process_time() - begun))
    return float(np.median(spent[5:])), found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="ec-emc-lipf6-fast")
    parser.add_argument("--calls", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    potential = CGAAPotential(args.model, "double", "cpu", fused=False)
    with tempfile.TemporaryDirectory() as folder:
        export_metatomic(potential, Path(folder) / "model.pt")
        for name, size in FRAMES.items():
            own = next(own for own in Dataset.load(DATA / name).sets if len(own.elements) == size)
            random = np.random.default_rng(0)
            frames = [own.positions[0] + random.normal(0.0, 0.02, own.positions[0].shape) for _ in range(args.calls)]
            grains = potential.grain_map(GrainMap.from_arrays(own.elements, own.bonds, own.residues, own.residue_names))
            evaluator = ScriptedEvaluator(potential.network, grains, True)
            module, box = torch.jit.script(PeriodicModule(evaluator, []).eval()), torch.tensor(own.cell[0] / 10.0)
            before, pulls = timed(lambda at, call=module, box=box: call(torch.tensor(at / 10.0), box)[1], frames)
            atoms = Atoms(own.elements, cell=own.cell[0], pbc=True)
            atoms.calc = MetatomicCalculator(Path(folder) / "model.pt", device="cpu")

            def forces(at, atoms=atoms):
                atoms.positions = at
                return atoms.get_forces()

            ours, found = timed(forces, frames)
            apart = np.abs(found - pulls.numpy() / KJMOL_PER_NM_PER_EV_PER_ANGSTROM).max()
            told = f"{ours:.0f} ms, TorchForce's module {before:.0f} ms; {apart:.1e} eV/Å apart"
            print(f"{args.model}, {size} atoms: {told}")


if __name__ == "__main__":
    main()
