"""Densities of sampled liquids beside those that were asked for, by argon in cubes (39.948 u: 66.335 g/cm3 Å^3)."""

import re

import numpy as np
import pytest

from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.data.densities import by_temperature, sampled

MASS = 66.335


def argon(densities, index, kelvin=300.0):
    """Frames of one atom in cubes of these densities."""
    cells = np.eye(3) * np.cbrt(MASS / np.array(densities))[:, None, None]
    count = len(densities)
    frames = dict(trajectory=np.full(count, index), temperature=np.full(count, kelvin))
    return Frames(np.zeros((count, 1, 3)), cells, ["Ar"], [], [0], ["AR"], **frames)


def one(densities, kind="liquid", **details):
    return Dataset([argon(densities, 0)], [Trajectory("box", kind, details=details)])


@pytest.mark.parametrize(
    "densities, details, message",
    [
        ([0.9, 0.8, 0.85], {"ensemble": "NPT", "density": 1.0}, None),
        (
            [0.84, 0.82, 0.83],
            {"ensemble": "NPT", "density": 1.0},
            "box: the density of its frames is 0.830 g/cm3, begun at 1.000;",
        ),
        ([0.98, 0.9, 0.8], {"ensemble": "NPT", "density": 1.0}, "falls from 0.980 to 0.800 g/cm3, begun at 1.000;"),
        (
            [0.9, 0.5, 0.1],
            {"ensemble": "NPT", "density": 1.0},
            "falls from 0.900 to 0.100 g/cm3, .*: the box evaporated",
        ),
        (
            [0.1, 0.1, 0.1],
            {"ensemble": "NPT", "density": 1.0},
            "is 0.100 g/cm3, begun at 1.000: the box evaporated; .*ensemble: NVT",
        ),
        ([1.6, 1.6, 1.6], {"ensemble": "NPT", "density": 1.0}, None),  # denser than where it began
        ([0.98, 0.9, 0.8], {"ensemble": "NPT"}, "falls"),  # as written before the record said where it began
        ([0.98, 0.9, 0.9], {"ensemble": "NPT"}, None),
        ([0.98, 0.5], {"ensemble": "NVT", "density": 1.0}, None),
        ([0.98, 0.5], {}, None),
    ],
)
def test_a_box_that_strays_is_told(densities, details, message):
    (found,) = sampled(one(densities, **details))
    assert (found.mean, found.first, found.last) == pytest.approx(
        (np.mean(densities), densities[0], densities[-1]), rel=1e-4
    )
    if message is None:
        assert found.strayed == ""
    else:
        assert re.search(message, found.strayed)


def test_only_liquids_with_a_box_have_one():
    assert list(sampled(one([1.0], kind="scan", ensemble="NPT", density=2.0))) == []
    vacuum = Frames(np.zeros((1, 1, 3)), np.zeros((1, 3, 3)), ["Ar"], [], [0], ["AR"])
    assert list(sampled(Dataset([vacuum], [Trajectory("one", "liquid")]))) == []


def test_by_composition_and_temperature():
    sets = [argon([1.0, 2.0], 0), argon([3.0], 1), argon([4.0], 1, np.nan)]
    trajectories = [Trajectory("a", "liquid", details={"ensemble": "NPT"}), Trajectory("b", "scan")]
    rows = by_temperature(Dataset(sets, trajectories))
    assert {key: found.round(3).tolist() for key, found in rows.items()} == {
        ("1 AR", "liquid", "NPT", "300"): [1.0, 2.0],
        ("1 AR", "scan", "-", "-"): [4.0],
        ("1 AR", "scan", "-", "300"): [3.0],
    }
