"""Turn the first labelled boxes of EC, EMC and LiPF6, raw arrays, into data sets with splits.

    python scripts/import_raw.py RAW_FOLDER systems

RAW_FOLDER holds molecules.json, ec_emc_240.extxyz and seed101.npz to seed106.npz. Atoms are all EC, all EMC, all Li,
all PF6, each molecule in the order of molecules.json.
"""

import argparse
import hashlib
import json
from pathlib import Path

import ase.io
import numpy as np

from openmm_cgaa import Dataset, Frames, Trajectory

IONS = {
    "LI": {"elements": ["Li"], "bonds": []},
    "PF6": {"elements": ["P"] + 6 * ["F"], "bonds": [[0, i] for i in range(1, 7)]},
}
SAMPLING = (
    "classical force field (RDKit MMFF94 charges and bonded force constants around SevenNet-0's minimum geometry, "
    "generic Lennard-Jones), OpenMM 8.6.1, Langevin 2/ps, 1 fs, NPT at 1 bar, 300, 350, 400, 500 K in this order, each "
    "stage starting from the last; not the teacher's ensemble"
)
TEACHER = {
    "name": "sevennet-0-d3",
    "settings": {"dispersion": True},
    "versions": {"sevenn": "0.13.0", "dftd3": "1.7.0"},
    "weights_sha256": "7052cb42b7b3be42b40b97fa0d21077a48c54b5548948fc4dcf346629f813c36",
}
# file: (target, ps between its frames, take every n-th: frames 0.4 ps apart are too alike)
SOURCES = {
    "ec_emc_240.extxyz": ("ec_emc/data/ec_emc_240.h5", 1.0, 1),
    "seed102.npz": ("ec_emc/data/ec_emc_seed102.h5", 0.4, 1),
    "seed105.npz": ("ec_emc/data/ec_emc_seed105.h5", 0.8, 1),
}


def topology(molecules, counts):
    """Elements, bonds, residue of each atom and residue names of the boxes."""
    elements, bonds, residues, names = [], [], [], []
    for name, count in counts.items():
        for _ in range(count):
            bonds += [[i + len(elements), j + len(elements)] for i, j in molecules[name]["bonds"]]
            residues += [len(names)] * len(molecules[name]["elements"])
            elements += molecules[name]["elements"]
            names.append(name)
    return {"elements": elements, "bonds": np.array(bonds), "residues": np.array(residues), "residue_names": names}


def read_frames(path):
    """Arrays of a raw file, its atomic numbers and its counts of molecules."""
    names = ("positions", "cell", "energy", "forces", "temperature")
    if path.suffix == ".npz":
        raw = np.load(path, allow_pickle=False)
        return {name: raw[name] for name in names}, raw["numbers"], raw["counts"]
    frames = ase.io.read(path, ":")
    rows = [(f.positions, f.cell.array, f.get_potential_energy(), f.get_forces(), f.info["T"]) for f in frames]
    return {name: np.array(column) for name, column in zip(names, zip(*rows))}, frames[0].numbers, (6, 12, 0, 0)


def trajectories(stem, temperature):
    """Trajectories of a raw file and which of them each frame belongs to: a stage of one temperature each.

    The file that has to serve all purposes is cut in time: the first 3/4 of each stage train, the next 1/8 selects, the
    last 1/8 tests.
    """
    found, index = [], np.empty(len(temperature), int)
    for value in np.unique(temperature):
        stage = np.flatnonzero(temperature == value)
        cuts = [0, len(stage)]
        if stem == "ec_emc_240":
            cuts = [0, round(0.75 * len(stage)), round(0.875 * len(stage)), len(stage)]
        details = {"ensemble": "NPT", "temperature": float(value), "pressure_bar": 1.0}
        for split, begin, end in zip(("train", "validation", "test"), cuts, cuts[1:]):
            index[stage[begin:end]] = len(found)
            part = {"part of": f"{stem}-{value:g}K", "frames": [begin, end]} if len(cuts) > 2 else {}
            name = f"{stem}-{value:g}K" + (f"-{split}" if part else "")
            found.append(Trajectory(name, "liquid", split, details | part))
    return found, index


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path)
    parser.add_argument("systems", type=Path)
    args = parser.parse_args()
    molecules = json.loads((args.raw / "molecules.json").read_text()) | IONS
    for source, (target, spacing, every) in SOURCES.items():
        arrays, numbers, counts = read_frames(args.raw / source)
        found, index = trajectories(Path(source).stem, arrays["temperature"])
        time = np.concatenate([spacing * np.arange(n) for n in np.unique(arrays["temperature"], return_counts=True)[1]])
        order = np.argsort(arrays["temperature"], kind="stable")  # time runs within each temperature
        arrays["time"] = np.empty(len(order))
        arrays["time"][order] = time
        frames = Frames(
            **{name: values[::every] for name, values in (arrays | {"trajectory": index}).items()},
            **topology(molecules, {name: n for name, n in zip(("EC", "EMC", "LI", "PF6"), counts) if n}),
        )
        if not np.array_equal(frames.numbers, numbers):
            raise SystemExit(f"{source}: elements differ from molecules.json")
        digest = hashlib.sha256((args.raw / source).read_bytes()).hexdigest()
        provenance = {"sampling": SAMPLING, "made": "2026-11-20", "source": source, "source_sha256": digest}
        provenance["labels"] = "energies and forces in float32 on a CPU, no stress"
        dataset = Dataset([frames], found, TEACHER, provenance)
        path = args.systems / target
        path.parent.mkdir(exist_ok=True)
        dataset.save(path, precision="single")
        print(f"{path}: {len(dataset)} frames, {dataset.num_grains} grains, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
