"""The measures of order in a crystal, `records/rdx/order.py`, on shapes and crystals whose answer is known."""

import sys
from pathlib import Path

import numpy as np
import pytest

from openmm_cgaa.mapping.grains import GrainMap

sys.path.insert(0, str(Path(__file__).parents[2] / "records" / "rdx"))
from order import angle, centered


@pytest.mark.parametrize("degrees", [0.0, 3.0, 90.0, 177.0])
def test_the_angle_of_a_turned_shape(degrees):
    rng = np.random.default_rng(1)
    shape, axis = rng.standard_normal((7, 3)), rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + np.sin(np.radians(degrees)) * cross + (1 - np.cos(np.radians(degrees))) * cross @ cross
    assert angle(shape, shape @ turn) == pytest.approx(degrees, abs=1e-4)
    assert angle(shape, -shape) > 1.0  # a mirror image is not a turned shape


def test_centers_of_molecules_that_cross_the_boundary():
    grains = GrainMap.from_arrays(["O", "O"], [[0, 1]], [0, 0])
    xyz, box = np.array([[0.05, 0.5, 0.5], [0.95, 0.5, 0.5]]), np.eye(3)
    centers, _ = centered(grains, xyz, box, grains.slots, np.array([True, True]))
    assert np.allclose(centers[0, 0] % 1.0, 0.0) or np.allclose(centers[0, 0] % 1.0, 1.0)
