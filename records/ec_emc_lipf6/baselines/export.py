"""The liquids for other trainers: ``python records/ec_emc_lipf6/baselines/export.py [--test]``.

Writes train.extxyz and validation.extxyz, with ``--test`` test.extxyz too, into ``../runs/baselines``. Energies are the
teacher's totals, nothing subtracted; the energies of the elements that fit the training frames best are printed, for
nequip.yaml holds them as its shifts.
"""

import argparse
from pathlib import Path

import numpy as np

from openmm_cgaa.data import Dataset
from openmm_cgaa.data.extxyz import export_xyz
from openmm_cgaa.errors import CGAAError

SYSTEM = Path(__file__).parents[3] / "systems" / "ec_emc_lipf6"
DATA = SYSTEM / "data"
RUNS = SYSTEM / "runs" / "baselines"
FILES = {"train": "liquids.h5", "validation": "liquids.h5", "test": "liquids_test.h5"}


def export(splits, output=RUNS) -> dict:
    """Write the liquids of each split to SPLIT.extxyz in a folder; returns the frames of each."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    counts = {}
    for split in splits:
        dataset = Dataset.load(DATA / FILES[split]).select("liquid", split)
        export_xyz(dataset, output / f"{split}.extxyz")
        counts[split] = len(dataset)
    return counts


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
            print(f"{RUNS / split}.extxyz: {frames} frames")
        shifts = element_energies(Dataset.load(DATA / FILES["train"]).select("liquid", "train"))
    except (CGAAError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print("energies of the elements, eV:", ", ".join(f"{symbol}: {energy:.4f}" for symbol, energy in shifts.items()))


if __name__ == "__main__":
    main()
