"""The liquids for other trainers: ``python records/ec_emc_lipf6/baselines/export.py [--test]``.

Writes the frames of the splits train and validation, with ``--test`` of test too, into ``runs/baselines`` of the
system: SPLIT.extxyz for NequIP and Allegro, ``nep/SPLIT.xyz`` for torchnep, ``deepmd/SPLIT`` for DeePMD-kit. Energies
are the teacher's totals, nothing subtracted; the energies of the elements that fit the training frames best are
printed, for liquids.yaml holds them as its shifts.
"""

import argparse
from pathlib import Path

import numpy as np
from ase.io.extxyz import write_xyz

from openmm_cgaa.data import Dataset
from openmm_cgaa.data.extxyz import export_xyz
from openmm_cgaa.errors import CGAAError

SYSTEM = Path(__file__).parents[3] / "systems" / "ec_emc_lipf6"
DATA = SYSTEM / "data"
RUNS = SYSTEM / "runs" / "baselines"
FILES = {"train": "liquids.h5", "validation": "liquids.h5", "test": "liquids_test.h5"}


def export(splits, output=RUNS) -> dict:
    """Write the liquids of each split to a folder, in the format of each trainer; returns the frames of each."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    counts = {}
    for split in splits:
        dataset = Dataset.load(DATA / FILES[split]).select("liquid", split)
        export_xyz(dataset, output / f"{split}.extxyz")
        export_nep(dataset, output / "nep" / f"{split}.xyz")
        export_deepmd(dataset, output / "deepmd" / split)
        counts[split] = len(dataset)
    return counts


def export_nep(dataset, path) -> None:
    """Write the frames with no column but elements, positions and forces: torchnep 1.0.7 fails at one more of words."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        for frames in dataset.sets:
            write_xyz(file, [frames.atoms(index) for index in range(len(frames))])


def export_deepmd(dataset, output) -> None:
    """Write each set of frames to a folder of its own, in DeePMD-kit's format deepmd/npy.

    Å, eV, eV/Å; its virial is the stress times minus the volume (eV).
    """
    for number, frames in enumerate(dataset.sets):
        system = Path(output, f"{number:03d}")
        arrays = {
            "coord": frames.positions,
            "box": frames.cell,
            "energy": frames.energy,
            "force": frames.forces,
            "virial": -frames.stress * np.abs(np.linalg.det(frames.cell))[:, None, None],
        }
        (system / "set.000").mkdir(parents=True, exist_ok=True)
        for name, values in arrays.items():
            np.save(system / "set.000" / f"{name}.npy", values.reshape(len(frames), -1))
        symbols = sorted(set(frames.elements))
        (system / "type_map.raw").write_text("\n".join(symbols) + "\n")
        (system / "type.raw").write_text("\n".join(str(symbols.index(symbol)) for symbol in frames.elements) + "\n")


def element_energies(dataset: Dataset) -> dict:
    """Energy of each element (eV) whose sums are nearest to the frames' energies, least squares.

    Molecules of a few kinds do not settle all elements; of equal fits the one with the smallest energies is taken.
    """
    symbols = sorted({symbol for frames in dataset.sets for symbol in frames.elements})
    counts = [[frames.elements.count(symbol) for symbol in symbols] for frames in dataset.sets for _ in frames.energy]
    energies = np.linalg.lstsq(np.array(counts, float), np.concatenate([f.energy for f in dataset.sets]))[0]
    return dict(zip(symbols, energies.tolist()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", action="store_true", help="the test boxes, too")
    args = parser.parse_args()
    try:
        for split, frames in export(list(FILES) if args.test else ["train", "validation"]).items():
            print(f"{RUNS}: {frames} frames of {split}")
        shifts = element_energies(Dataset.load(DATA / FILES["train"]).select("liquid", "train"))
    except (CGAAError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print("energies of the elements, eV:", ", ".join(f"{symbol}: {energy:.4f}" for symbol, energy in shifts.items()))


if __name__ == "__main__":
    main()
