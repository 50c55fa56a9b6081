"""A small labelled data set: two waters in a box, at random, by a teacher that nobody has."""

import numpy as np

from openmm_cgaa.data import Dataset, Frames, Trajectory

TEACHER = {"name": "springs", "settings": {"k": [1, 2]}, "versions": {"springs": "1"}, "weights_sha256": "ab"}
WATER = {
    "elements": ["O", "H", "H"] * 2,
    "bonds": [[0, 1], [0, 2], [3, 4], [3, 5]],
    "residues": [0, 0, 0, 1, 1, 1],
    "residue_names": ["HOH", "HOH"],
}


def waters(**changes):
    random = np.random.default_rng(0)
    arrays = {
        "positions": random.normal(size=(4, 6, 3)),
        "cell": np.repeat(10 * np.eye(3)[None], 4, axis=0),
        "trajectory": [0, 0, 1, 1],
        "time": [0.0, 0.5, 0.0, 0.5],
        "temperature": [300, 300, 400, np.nan],
        "energy": -1e3 + random.normal(size=4),
        "forces": random.normal(size=(4, 6, 3)),
        "stress": random.normal(size=(4, 3, 3)),
    }
    return Frames(**arrays | WATER | changes)


def runs(prefix="run", **changes):
    trajectories = [
        Trajectory(f"{prefix}-a", "liquid", "train", {"seed": 1}),
        Trajectory(f"{prefix}-b", "pair", "test"),
    ]
    return Dataset([waters(**changes)], trajectories, TEACHER, {"made": "here"})
