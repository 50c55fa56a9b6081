"""Density profiles of a liquid that is the same everywhere, and of a slab; beside MDAnalysis."""

import mdtraj
import numpy as np
import pytest
from salts import SKEWED, salt_topology, universe

from openmm_cgaa.analysis.profile import density_profile
from openmm_cgaa.errors import GeometryError

SODIUM, CHLORINE = 22.98977, 35.453  # Da
GRAM = 1.66053906892e-3  # g/cm^3 in Da/nm^3


def points(fractions, box=SKEWED):
    """Sodium, then as many chlorides, at fractional coordinates [frames, atoms, 3]."""
    half = fractions.shape[1] // 2
    made = mdtraj.Trajectory((fractions @ box).astype(np.float32), salt_topology(half, half))
    made.time = np.arange(len(fractions), dtype=float)
    made.unitcell_vectors = np.tile(np.asarray(box, np.float32), (len(fractions), 1, 1))
    return made


def everywhere(frames=200, atoms=80, seed=1):
    return np.random.default_rng(seed).random((frames, atoms, 3))


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_uniform_liquid_in_a_skewed_box(axis):
    made = points(everywhere() + 3.0)  # outside of the box, as trajectories are that were never wrapped
    found = density_profile(made, made.topology, np.arange(80), axis, 0.1)
    volume = np.linalg.det(SKEWED)
    mass = 40 * (SODIUM + CHLORINE) * GRAM / volume
    assert found.mass.value.mean() == pytest.approx(mass, rel=1e-5)
    assert found.number.value.mean() == pytest.approx(80 / volume, rel=1e-5)
    off = (found.mass.value - mass) / found.mass.error
    assert 0.5 < np.sqrt(np.mean(np.square(off))) < 2.0
    height = 1.0 / np.linalg.norm(np.linalg.inv(SKEWED)[:, "xyz".index(axis)])
    assert found.middles[[0, -1]].sum() == pytest.approx(height)


def test_a_slab_has_two_faces():
    fractions = everywhere(100)
    fractions[..., 2] = 0.25 + 0.5 * fractions[..., 2]
    made = points(fractions, np.diag([2.0, 2.0, 4.0]))
    found = density_profile(made, made.topology, np.arange(40), "z", 0.1)
    inside = (found.middles > 1.0) & (found.middles < 3.0)
    assert found.number.value[~inside].max() == 0.0
    assert found.number.value[inside].mean() == pytest.approx(40 / 8.0)
    assert found.mass.value[inside].mean() == pytest.approx(40 * SODIUM * GRAM / 8.0, rel=1e-5)


def test_mdanalysis_finds_the_same():
    made = points(everywhere(20), np.diag([2.0, 2.5, 4.0]))
    other = universe(made)
    from MDAnalysis.analysis.lineardensity import LinearDensity

    other.add_TopologyAttr("charges", np.zeros(80))
    theirs = LinearDensity(other.atoms, binsize=1.0).run().results
    found = density_profile(made, made.topology, np.arange(80), "z", 0.1)
    assert found.mass.value == pytest.approx(theirs.z.mass_density, rel=0.03, abs=0.05)


def test_pieces_and_what_has_no_profile():
    made = points(everywhere(9, 10))
    found = density_profile(made, made.topology, np.arange(5))
    pieces = density_profile((made[:4], made[4:]), made.topology, np.arange(5))
    assert np.array_equal(found.mass.value, pieces.mass.value)
    with pytest.raises(GeometryError, match="needs atoms"):
        density_profile(made, made.topology, [])
    made.unitcell_vectors = None
    with pytest.raises(GeometryError, match="no box"):
        density_profile(made, made.topology, [0])
