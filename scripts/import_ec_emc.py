"""Turn raw labelled EC/EMC boxes into the project's data sets.

    python scripts/import_ec_emc.py RAW_FOLDER systems/ec_emc/data

RAW_FOLDER holds molecules.json, ec_emc_240.extxyz and seed102.npz, seed105.npz. Atoms are all EC, then all EMC, each
molecule in the order of molecules.json.
"""

import argparse
import hashlib
import json
from pathlib import Path

import ase.io
import numpy as np
from ase.data import chemical_symbols

from openmm_cgaa.reference import Dataset

COUNTS = {"EC": 6, "EMC": 12}
PROVENANCE = {
    "system": "6 EC + 12 EMC, periodic, 240 atoms",
    "teacher": "SevenNet-0 (7net-0, sevenn 0.13.0, float32, CPU) + D3(BJ), PBE parameters (dftd3 1.7.0)",
    "labels": "total energy (eV) and forces (eV/Å), the two added; no stress",
    "sampling": "classical force field (RDKit MMFF94 charges and bonded force constants around SevenNet-0's minimum "
    "geometry, generic Lennard-Jones), OpenMM 8.6.1, Langevin 2/ps, 1 fs, NPT at 1 bar, 300, 350, 400, 500 K in this "
    "order, each stage starting from the last; not the teacher's ensemble",
    "made": "2026-11-20",
}


def topology(molecules):
    """Elements, bonds, residue of each atom and residue names of the boxes."""
    elements, bonds, residues, names = [], [], [], []
    for name, count in COUNTS.items():
        for _ in range(count):
            bonds += [[i + len(elements), j + len(elements)] for i, j in molecules[name]["bonds"]]
            residues += [len(names)] * len(molecules[name]["elements"])
            elements += molecules[name]["elements"]
            names.append(name)
    return {"elements": elements, "bonds": np.array(bonds), "residues": np.array(residues), "residue_names": names}


def read_frames(path):
    """Arrays of a raw file, and the chemical symbols of its atoms."""
    if path.suffix == ".npz":
        raw = np.load(path, allow_pickle=False)
        arrays = {name: raw[name] for name in ("positions", "cell", "energy", "forces", "temperature")}
        return arrays, [chemical_symbols[number] for number in raw["numbers"]]
    frames = ase.io.read(path, ":")
    arrays = {
        "positions": np.array([frame.positions for frame in frames]),
        "cell": np.array([frame.cell.array for frame in frames]),
        "energy": np.array([frame.get_potential_energy() for frame in frames]),
        "forces": np.array([frame.get_forces() for frame in frames]),
        "temperature": np.array([frame.info["T"] for frame in frames]),
    }
    return arrays, frames[0].get_chemical_symbols()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    molecules = json.loads((args.raw / "molecules.json").read_text())
    sets = {
        "ec_emc_240.extxyz": ("ec_emc_240.npz", "1 ps"),
        "seed102.npz": ("ec_emc_seed102.npz", "0.4 ps"),
        "seed105.npz": ("ec_emc_seed105.npz", "0.8 ps"),
    }
    for source, (target, spacing) in sets.items():
        arrays, symbols = read_frames(args.raw / source)
        parts = topology(molecules)
        if symbols != parts["elements"]:
            raise SystemExit(f"{source}: elements differ from molecules.json")
        digest = hashlib.sha256((args.raw / source).read_bytes()).hexdigest()
        provenance = PROVENANCE | {"spacing": spacing, "source": source, "source_sha256": digest}
        dataset = Dataset(**arrays, **parts, provenance=provenance)
        dataset.save(args.out / target)
        print(f"{target}: {len(dataset)} frames, {(args.out / target).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
