"""Correlations of rotors that turn freely or by small steps, which are known, and beside another package's."""

import mdtraj
import numpy as np
import pytest
from salts import SKEWED, salt_topology, universe

from openmm_cgaa.analysis.orientation import orientation
from openmm_cgaa.errors import GeometryError, SimulationError
from openmm_cgaa.mapping.grains import GrainMap

INTERVAL = 0.1  # ps


def rods(axes, broken=True):
    """Waters whose first O-H bond lies along given axes [frames, waters, 3], in a skewed box."""
    frames, count = axes.shape[:2]
    random = np.random.default_rng(3)
    start = random.random((frames, count, 1, 3)) @ SKEWED
    other = np.cross(axes, [0.3, 0.5, 0.8])
    xyz = start + 0.1 * np.stack([0 * axes, axes, other], axis=2)
    xyz = xyz.reshape(frames, -1, 3)
    if broken:
        xyz = xyz - np.floor(xyz @ np.linalg.inv(SKEWED)) @ SKEWED
    made = mdtraj.Trajectory(xyz.astype(np.float32), salt_topology(0, 0, count))
    made.time = INTERVAL * np.arange(frames)
    made.unitcell_vectors = np.tile(np.asarray(SKEWED, np.float32), (frames, 1, 1))
    return made


def of(made, first="name O", second="name H1"):
    topology = made.topology
    return orientation(made, GrainMap.from_mdtraj(topology), topology.select(first), topology.select(second))


def turning(frames, count, diffusion, seed=1):
    """Axes that turn at random by steps so small that they diffuse."""
    random = np.random.default_rng(seed)
    axes, small = [random.normal(size=(count, 3))], 10
    axes[0] /= np.linalg.norm(axes[0], axis=1, keepdims=True)
    for step in range((frames - 1) * small):
        kick = np.sqrt(2 * diffusion * INTERVAL / small) * random.normal(size=(count, 3))
        new = axes[-1] + np.cross(kick, axes[-1])
        new /= np.linalg.norm(new, axis=1, keepdims=True)
        axes[-1 if step % small else slice(len(axes), None)] = new if step % small else [new]
    return np.array(axes)


def test_rigid_rotors_that_turn_freely():
    """In a plane each, at one speed: C1 is the cosine of the angle."""
    angle = 2.0 * INTERVAL * np.arange(400)[:, None] + np.arange(5)
    found = of(rods(np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)))["HOH"]
    turned = np.cos(2.0 * found.lags)
    assert found.c1.value == pytest.approx(turned, abs=1e-4)
    assert found.c2.value == pytest.approx(1.5 * turned**2 - 0.5, abs=2e-4)
    assert found.lags[:3] == pytest.approx([0.0, 0.1, 0.2]) and found.c1.error.max() < 1e-4


def test_rotational_diffusion():
    """exp(-2 D t) and exp(-6 D t), of which the times are 1 / (2 D) and 1 / (6 D)."""
    found = of(rods(turning(800, 60, 0.25)))["HOH"]
    for curve, time, rate in zip((found.c1, found.c2), found.times, (0.5, 1.5)):
        assert np.abs(curve.value - np.exp(-rate * found.lags)).max() < 0.06
        assert time.value == pytest.approx(1 / rate, abs=4 * time.error) and 0 < time.error < 0.3 / rate


def test_what_hardly_turns_has_no_time():
    found = of(rods(turning(60, 10, 0.02)))["HOH"]
    assert found.times == (None, None) and found.c1.value[0] == 1.0


def test_another_package_finds_the_same():
    dynamics = pytest.importorskip("waterdynamics", reason="waterdynamics is not installed: pip install waterdynamics")
    made = rods(turning(40, 6, 0.5), broken=False)
    found, other = of(made)["HOH"], universe(made)
    theirs = dynamics.WaterOrientationalRelaxation(other, "resname HOH", 0, 40, 8)
    theirs.run()
    oh = [row[0] for row in theirs.timeseries]  # from a lag of one frame on, of starts that are a lag apart
    assert found.c2.value[1] == pytest.approx(oh[0], abs=1e-3)
    assert np.abs(found.c2.value[1:7] - oh[:6]).max() < 0.2


def test_the_axis_of_a_dipole_and_what_is_none():
    made = rods(turning(20, 4, 0.5))
    assert list(of(made, "name O", "name H1 H2")) == ["HOH"]
    with pytest.raises(GeometryError, match="no grain has atoms of both selections"):
        of(made, "name O", "index 1000")
    still = made[:]
    still.xyz[:, 1::3] = still.xyz[:, 0::3]
    with pytest.raises(GeometryError, match="an axis has no length"):
        of(still)
    with pytest.raises(SimulationError, match="5 frames, too few"):
        of(made[:5])
