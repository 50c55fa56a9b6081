"""The teacher's energies of grains for frames that were labelled before: ``grain_energies.py IN.h5 OUT.h5``.

Energies, forces and stress stay those of IN. Each frame is labelled again by the teacher of the data set, a file a
frame in PARTS: what is there is not computed again, whoever asks for it. Some 2.6 ms an atom on one core.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.labelling.label import label_frames
from openmm_cgaa.labelling.teachers import known_teacher
from openmm_cgaa.mapping.sums import grain_sums

PARTS = Path(__file__).parents[2] / "systems" / "ec_emc_lipf6" / "runs" / "grain_energies.parts"


def with_grain_energies(dataset: Dataset, progress=None) -> Dataset:
    """The same frames and labels, with energies of grains.

    Parameters
    ----------
    dataset : Dataset
        Labelled.
    progress : callable, optional
        Called with a `labelling.label.Progress`.

    Raises
    ------
    DatasetError
        The teacher tells no energies of atoms, or its energies are not those of the labels.
    CGAAError
        The teacher is not the one here, or fails.
    """
    teacher = known_teacher(dataset.teacher)
    atoms = [frames.atoms(index) for frames in dataset.sets for index in range(len(frames))]
    labels = iter(label_frames(atoms, teacher, PARTS, progress))
    sets = []
    for frames in dataset.sets:
        energies = [next(labels).energies for _ in range(len(frames))]
        if any(each is None for each in energies):
            raise DatasetError(f"the teacher {teacher.identity['name']} tells no energies of atoms")
        sets.append(replace(frames, grain_energies=grain_sums(energies, frames.residues)))
    return replace(dataset, sets=sets)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", metavar="IN.h5")
    parser.add_argument("output", metavar="OUT.h5")
    args = parser.parse_args()

    def progress(status):
        print(f"\r{status.atoms} of {status.all_atoms} atoms", end="", file=sys.stderr, flush=True)

    try:
        dataset = with_grain_energies(Dataset.load(args.frames), progress if sys.stderr.isatty() else None)
        dataset.save(args.output)
    except (CGAAError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{args.output}: {len(dataset)} frames, with energies of grains")


if __name__ == "__main__":
    main()
