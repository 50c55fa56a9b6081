"""Teachers beside each other on the same frames: ``python records/teachers/compare.py OUT.json [FRAMES] [TEACHER]``.

What each has computed is kept in ``OUT.TEACHER.npz``, so that a run that ends goes on. Frames are those of
systems/ec_emc, evenly from the trajectories at 300 and 350 K.
"""

import json
import sys
import time
from pathlib import Path

import ase
import numpy as np

from openmm_cgaa import Dataset
from openmm_cgaa.analysis.deviations import force_errors
from openmm_cgaa.labelling.named import NAMED
from openmm_cgaa.labelling.teachers import load_teacher
from openmm_cgaa.mapping.sums import relative_positions
from openmm_cgaa.mapping.whole import whole_frames
from openmm_cgaa.units import GPA_PER_EV_PER_ANGSTROM3

ROOT = Path(__file__).parents[2]
DATA = ROOT / "systems/ec_emc/data/ec_emc_seed105.h5"
FIRST = "sevennet-0-d3"  # the others are held against it
KEYS = "energy", "forces", "stress", "seconds"


def main():
    out, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
    frames = chosen(count)
    found = {name: computed(name, frames, out.with_suffix(f".{name}.npz")) for name in sys.argv[3:] or list(NAMED)}
    rows = {}
    for name, one in found.items():
        part = np.arange(min(len(one["energy"]), len(found[FIRST]["energy"])))
        first, one = ({key: values[part] for key, values in of.items()} for of in (found[FIRST], one))
        rows[name] = {"frames": len(part)} | row(one, first, frames.take(part))
    out.write_text(json.dumps(rows, indent=1) + "\n")
    for name, values in rows.items():
        print(name, *(f"{key} {value:.4g}" for key, value in values.items()), sep="\n  ")


def chosen(count):
    """So many frames, from the first two trajectories in turn."""
    (frames,) = Dataset.load(DATA).sets
    which = [np.flatnonzero(frames.trajectory == t) for t in (0, 1)]
    return frames.take(np.stack([w[np.linspace(0, len(w) - 1, count // 2).astype(int)] for w in which], 1).ravel())


def computed(name, frames, path):
    """Arrays energy [frames], forces [frames, atoms, 3], stress [frames, 3, 3] in eV and Å, CPU seconds [frames]."""
    rows = list(zip(*(np.load(path)[key] for key in KEYS))) if path.is_file() else []
    calculator = load_teacher(name).calculator if len(rows) < len(frames) else None
    for positions, cell in zip(frames.positions[len(rows) :], frames.cell[len(rows) :]):
        atoms = ase.Atoms(frames.numbers, positions, cell=cell, pbc=True, calculator=calculator)
        start = time.process_time()
        row = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
        rows.append((*row, time.process_time() - start))
        np.savez(path, **dict(zip(KEYS, map(np.array, zip(*rows)))))
    return dict(np.load(path))


def row(one, first, frames):
    """Numbers of a teacher beside those of the first."""
    whole = whole_frames(frames.grain_map(), frames.positions, frames.cell)
    errors = force_errors(first["forces"], one["forces"], whole, frames.residues)
    energies = (one["energy"] - first["energy"]) / frames.num_atoms
    pressures = [pressure(one, whole, frames), pressure(first, whole, frames)]
    error = lambda values: float(np.std(values, ddof=1) / np.sqrt(len(values)))  # noqa: E731
    return {
        "median CPU s a frame": float(np.median(one["seconds"])),
        "rms force, eV/Å": float(np.sqrt(np.mean(np.square(one["forces"])))),
        "force off, eV/Å": errors["component"],
        "net force off, relative": errors["net_force"] or 0.0,
        "torque off, relative": errors["torque"] or 0.0,
        "energy off about its mean, meV/atom": 1e3 * float(np.std(energies)),
        "spread of energies, meV/atom": 1e3 * float(np.std(one["energy"])) / frames.num_atoms,
        "pressure, MPa": float(pressures[0].mean()),
        "pressure, error, MPa": error(pressures[0]),
        "pressure off, MPa": float((pressures[0] - pressures[1]).mean()),
        "pressure off, error, MPa": error(pressures[0] - pressures[1]),
    }


def pressure(one, whole, frames):
    """MPa [frames], by the forces on molecules' centers: forces within molecules do not count. No kinetic part."""
    inner = np.einsum("fax,fax->f", one["forces"], relative_positions(whole, frames.residues))
    outer = -np.trace(one["stress"], axis1=1, axis2=2) - inner / np.abs(np.linalg.det(frames.cell))
    return 1e3 * GPA_PER_EV_PER_ANGSTROM3 * outer / 3


if __name__ == "__main__":
    main()
