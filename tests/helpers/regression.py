"""Energies, forces and virials of all models of this repository on fixed frames, in double precision.

`python tests/helpers/regression.py` wrote tests/files/regression.npz, before the rooms of the package were moved.
Run it again only where a change of numbers is meant, and say so. A liquid of EC
and EMC, one with ions, and a cluster with ions. ``--again`` computes models anew on the frames in the file.

    D=systems/ec_emc_lipf6/data
    python tests/helpers/regression.py systems/ec_emc/data/ec_emc_240.h5:0:0 $D/strained_ions.h5:0:0 $D/cuts.h5:5:0
    python tests/helpers/regression.py --again ec-emc-lipf6-fast
"""

import sys
from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).parents[1] / "files/regression.npz"
PUBLISHED = "ec-emc-lipf6-published"
MODELS = ("ec-emc", "ec-emc-lipf6", "ec-emc-lipf6-fast", PUBLISHED)
NOT_BUNDLED = {PUBLISHED: Path(__file__).parents[2] / f"systems/ec_emc_lipf6/models/{PUBLISHED}.safetensors"}


def frames(stored):
    """(number, GrainMap, positions [atoms, 3] in Å, box [3, 3] in Å or None) of each frame in the file."""
    from openmm_cgaa import GrainMap

    for k in range(int(stored["count"])):
        elements, residues = stored[f"{k}/elements"].tolist(), stored[f"{k}/residues"].tolist()
        grains = GrainMap.from_arrays(elements, stored[f"{k}/bonds"].tolist(), residues)
        box = stored[f"{k}/box"]
        yield k, grains, stored[f"{k}/positions"], box if box.any() else None


def computed(name, grains, positions, box, part=0, fused=False):
    """Energy (eV), forces [atoms, 3] (eV/Å) and virial [3, 3] (eV) of a bundled model, or None if it lacks a grain."""
    from openmm_cgaa import CGAAPotential

    potential = CGAAPotential(NOT_BUNDLED.get(name, name), precision="double", device="cpu", fused=fused)
    if not {kind.elements for kind in grains.types} <= {kind.elements for kind in potential.types}:
        return None
    matched = potential.grain_map(grains).align(positions, box)
    evaluator = potential.evaluator(matched, box is not None, part)
    result = evaluator.compute(torch.as_tensor(positions), None if box is None else torch.as_tensor(box))
    return [value.detach().numpy() for value in result]


def parts_of(name):
    return (0,) if name.endswith("published") else (0, 1, 2)


def key(k, name, part):
    return f"{k}/{name}/{part}"


def write(sources):
    """The file, from (data set, set, frame) of each frame."""
    from openmm_cgaa import Dataset

    stored = {"count": len(sources)}
    for k, (path, s, f) in enumerate(sources):
        found = Dataset.load(path).sets[s]
        stored |= {f"{k}/elements": [str(element) for element in found.elements]}
        stored |= {f"{k}/bonds": found.bonds, f"{k}/residues": found.residues, f"{k}/box": found.cell[f].astype(float)}
        stored[f"{k}/positions"] = found.positions[f].astype(float)
    add(stored, MODELS)


def add(stored, models):
    """Write the file with what these models give on its frames."""
    for k, grains, positions, box in list(frames({name: np.asarray(value) for name, value in stored.items()})):
        for name in models:
            for part in parts_of(name):
                result = computed(name, grains, positions, box, part)
                if result is not None:
                    for what, value in zip(("energy", "forces", "virial"), result):
                        stored[f"{key(k, name, part)}/{what}"] = value
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__" and sys.argv[1:2] == ["--again"]:
    with np.load(FILE) as known:
        add(dict(known), sys.argv[2:])
elif __name__ == "__main__":
    write([(path, int(s), int(f)) for path, s, f in (source.split(":") for source in sys.argv[1:])])
