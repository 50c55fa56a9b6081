"""Beyond an end of training is what a reader can tell from it."""

import re

import numpy as np
import pytest

from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.model import domain
from openmm_cgaa.structures.density import mass_of_topology
from openmm_cgaa.training.groups import _density, _temperature

SAME = [domain.SAME_FRACTION, domain.SAME_DENSITY, domain.SAME_TEMPERATURE, domain.SAME_DISTANCE]


@pytest.mark.parametrize("same", SAME)
def test_rounding_is_not_beyond(same):
    values = np.array([0.7 - 2 * same, 0.7 - 0.9 * same, np.nextafter(0.7, 0), 0.7, 0.7 + 0.9 * same, 0.7 + 2 * same])
    assert (domain.beyond(values, (0.7, 0.7), same) > 0).tolist() == [True, False, False, False, False, True]
    assert domain.beyond(0.7 + 2 * same, (0.7, 0.7), same) == pytest.approx(2 * same)


@pytest.mark.parametrize("off", [1e-7, 0.99 * domain.SAME_DENSITY, 1.01 * domain.SAME_DENSITY, 0.1])
def test_a_density_that_is_told_differs_from_training_as_it_is_told(solvent, off):
    topology, _, box = solvent
    grain_map = GrainMap.from_topology(topology)
    here = mass_of_topology(topology) * 1.66053906660 / (1e3 * np.linalg.det(box))
    for trained in (here - off, here + off):
        told = domain.outside({"density": [trained, trained]}, grain_map.types, grain_map, box).get("density")
        assert (told is not None) == (off > domain.SAME_DENSITY)
        if told:
            numbers = re.findall(r"\d+\.\d+", told)
            assert numbers[0] != numbers[1] == numbers[2]
        label = _density(here, [trained, trained])[1]
        assert label == ("inside" if told is None else "outside")


def test_a_shape_at_its_wall_is_inside(solvent):
    topology, positions, box = solvent
    grain_map = GrainMap.from_topology(topology)
    apart = grain_map.distances(positions * 10, box * 10)

    def told(off):
        walls = [(each.min(0) + off, each.max(0) - off) for each in apart]
        return domain.shapes_outside(walls, grain_map, positions, box)

    assert told(0.0) == told(0.009) == {}
    for text in told(0.011).values():
        here, wall = re.findall(r"(\d+\.\d+) Å", text)
        assert here != wall


def test_a_temperature_of_training_is_inside():
    assert _temperature(np.float32(298.15), {"temperature": [298.15, 298.15]})[1] == "inside"
    assert _temperature(300.0, {"temperature": [298.15, 298.15]})[1] == "outside"
