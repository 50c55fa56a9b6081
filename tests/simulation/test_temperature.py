"""Temperatures of each motion, of velocities and runs whose temperature is known."""

import numpy as np
import pytest
from openmm import app
from short_runs import diatomics, replaced, table

from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.simulation.run import simulate
from openmm_cgaa.simulation.temperature import kinetic_temperatures
from openmm_cgaa.units import BOLTZMANN_KJMOL


def maxwell(masses, kelvin, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(len(masses), 3)) * np.sqrt(BOLTZMANN_KJMOL * kelvin / masses)[:, None]


def bent_and_linear_and_single(n=1500):
    """Grains of water, of CO and of Li, n of each, at random places and turns."""
    rng = np.random.default_rng(0)
    shapes = [
        (["O", "H", "H"], [[0, 0, 0], [0.1, 0, 0], [-0.03, 0.09, 0]], [(0, 1), (0, 2)]),
        (["C", "O"], [[0, 0, 0], [0.12, 0, 0]], [(0, 1)]),
        (["Li"], [[0, 0, 0]], []),
    ]
    elements, positions, bonds, residues = [], [], [], []
    for symbols, shape, pairs in shapes:
        for _ in range(n):
            turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            bonds += [(len(elements) + i, len(elements) + j) for i, j in pairs]
            residues += [max(residues, default=-1) + 1] * len(symbols)
            elements += symbols
            positions.append(np.array(shape) @ turn + rng.uniform(0, 9, 3))
    masses = np.array([app.Element.getBySymbol(e).mass._value for e in elements])
    return GrainMap.from_arrays(elements, bonds, residues), np.concatenate(positions), masses


def test_maxwell_velocities_have_one_temperature():
    grains, positions, masses = bent_and_linear_and_single()
    got = kinetic_temperatures(maxwell(masses, 300.0), masses, positions, grains, com_removed=False)
    assert np.allclose(got, 300.0, rtol=0.05)  # vibration: 6000 degrees of freedom, 1.8 % of noise


def test_each_motion_shows_in_its_own_temperature():
    grains, positions, masses = bent_and_linear_and_single(n=5)
    translation, rotation, vibration = np.zeros((3, *positions.shape))
    for atoms in grains.slots:
        x, m = positions[atoms], masses[atoms]
        translation[atoms] = [0.1, -0.2, 0.3]
        rotation[atoms] = np.cross([1.0, 2.0, 3.0], x - m @ x / m.sum())
        if len(atoms) == 2:  # a stretch
            vibration[atoms] = (x[1] - x[0]) / m[:, None] * np.array([[1.0], [-1.0]])
    got = [kinetic_temperatures(v, masses, positions, grains) for v in (translation, rotation, vibration)]
    picture = np.array([[t.translation, t.rotation, t.vibration] for t in got])
    assert (np.diag(picture) > 1e-3).all()
    assert np.abs(picture - np.diag(np.diag(picture))).max() < 1e-9
    both = kinetic_temperatures(translation + rotation, masses, positions, grains)
    freedom = 3 * len(masses) - 3
    energy = 0.5 * np.sum(masses[:, None] * (translation + rotation) ** 2)
    assert both.total == pytest.approx(2 * energy / (freedom * BOLTZMANN_KJMOL))


def test_monatomic_grains_only_translate():
    grains = GrainMap.from_arrays(["Li"] * 4, [], range(4))
    got = kinetic_temperatures(np.ones((4, 3)), np.full(4, 7.0), np.eye(4)[:, :3], grains, com_removed=False)
    assert got.translation == pytest.approx(got.total) and np.isnan([got.rotation, got.vibration]).all()


def test_langevin_keeps_every_temperature(tmp_path):
    """Half-step velocities read the set temperature; at the full step this bond would be 10 % too cold."""
    settings = replaced(picoseconds=30.0, nve_picoseconds=0, timestep=2.0, friction=20.0, checkpoint_interval=10**6)
    simulate(*diatomics(k=6.8e5), tmp_path, settings, progress=False)
    rows = table(tmp_path / "state.csv")[200:]
    assert rows["volume_nm3"] == pytest.approx(1.5**3)
    assert rows["density_gml"] == pytest.approx(27 * 28.0101 * 1.66053906660e-3 / 1.5**3, rel=1e-4)
    for name in ("translation_K", "rotation_K", "vibration_K", "temperature_K", "C_K", "O_K"):
        assert rows[name].mean() == pytest.approx(300.0, rel=0.04)
