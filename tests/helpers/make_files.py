"""`python tests/helpers/make_files.py` wrote tests/files/liquid.h5, the small liquid of most tests.

Four frames at 300 K, one after the other, one at 350 K and one at 500 K, labelled, cut from the data of the solvent.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).parents[2] / "systems/ec_emc/data/ec_emc_240.h5"
LIQUID = Path(__file__).parents[1] / "files/liquid.h5"
FRAMES = (0, 1, 2, 3, 90, 210)


def small_liquid():
    """Some frames of the data set and the trajectories that they are from, as a `Dataset`."""
    from openmm_cgaa.data import Dataset

    whole = Dataset.load(SOURCE)
    frames = whole.sets[0].take(list(FRAMES))
    used, trajectory = np.unique(frames.trajectory, return_inverse=True)
    provenance = {
        "cut from": SOURCE.relative_to(SOURCE.parents[3]).as_posix(),
        "sha256": hashlib.sha256(SOURCE.read_bytes()).hexdigest(),
        "frames": list(FRAMES),
        "command": "python tests/helpers/make_files.py",
    }
    trajectories = [whole.trajectories[number] for number in used]
    return Dataset([replace(frames, trajectory=trajectory)], trajectories, whole.teacher, provenance)


if __name__ == "__main__":
    small_liquid().save(LIQUID, precision="single")
    print(f"{LIQUID}: {LIQUID.stat().st_size} bytes")
