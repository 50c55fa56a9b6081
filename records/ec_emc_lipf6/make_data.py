"""Make the electrolyte's data anew: ``python records/ec_emc_lipf6/make_data.py [--workers N] [--threads N]``.

Some hours on two cores; killed at any moment it goes on where it was. Of each plan (``sample_*.yaml``) the folder
``runs`` holds the sampled frames (``liquids.h5``) and the labelled ones (``liquids-labelled.h5``), and from these come
the compact files in ``data``, the test boxes apart.
"""

import argparse
from pathlib import Path

import numpy as np

from openmm_cgaa.data import Dataset
from openmm_cgaa.pipeline.stages import Pipeline
from openmm_cgaa.pipeline.work import Work

SYSTEM = Path(__file__).parents[2] / "systems" / "ec_emc_lipf6"
PLANS = ("liquids", "more", "pairs", "close", "cuts", "turned", "strained")  # the cuts are made from the liquids
SPACE = {"cuts": ["cluster", "dynamics"]}  # volume scans stay in `runs`, for want of space


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", default="sevennet-0-d3")
    parser.add_argument("--workers", type=int, default=1, help="processes that sample and label (default: 1)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each when labelling (default: 1)")
    args = parser.parse_args()
    with Pipeline.owning(SYSTEM / "runs") as pipeline:
        work = Work(pipeline, args.teacher, workers=args.workers, threads=args.threads)
        for name in PLANS:
            plan, needs = SYSTEM / f"sample_{name}.yaml", [pipeline.folder / "liquids.h5"] if name == "cuts" else []
            frames = work.sampled(name, f"{name} are sampled", plan, workers=args.workers, inputs=needs)
            labelled = work.labelled(f"{name}-labelled", f"{name} are labelled", frames)
            keep(Dataset.load(labelled), name)


def keep(dataset, name):
    """The compact files of one plan; what tests is a file of its own."""
    for target, splits in ((name, ["train", "validation"]), (f"{name}_test", ["test"])):
        part = dataset.select(SPACE.get(name), splits)
        parts = with_and_without_ions(part) if name == "pairs" else {target: part}
        for file, part in parts.items():
            if len(part):
                path = SYSTEM / "data" / f"{file}.h5"
                part.save(path, precision="single")
                print(f"{path}: {len(part)} frames, {part.num_grains} grains, {path.stat().st_size / 1e6:.2f} MB")


def with_and_without_ions(dataset) -> dict:
    """Pairs in two files: the teacher knows no charges, so that to it an ion alone in a vacuum is a neutral radical."""
    ions = [bool({"LI", "PF6"} & set(frames.residue_names)) for frames in dataset.sets]
    return {
        name: dataset.keep([np.full(len(frames), ion == wanted) for frames, ion in zip(dataset.sets, ions)])
        for name, wanted in (("pairs", False), ("ion_pairs", True))
    }


if __name__ == "__main__":
    main()
