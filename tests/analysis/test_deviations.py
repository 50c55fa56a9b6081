"""Error measures on forces that can be taken apart by hand."""

import numpy as np
import pytest

from openmm_cgaa.analysis.deviations import (
    bootstrap_intervals,
    energy_errors,
    force_errors,
    force_sums,
    net_force_and_torque,
    relative_positions,
    split_forces,
)

GRAINS = np.array([0] * 5 + [1] * 7 + [2] + [3] * 2)  # two molecules, an ion, a rod


@pytest.fixture
def geometry():
    random = np.random.default_rng(1)
    return random.normal(size=(3, len(GRAINS), 3)) * 2, random


def test_a_translation_is_only_translation(geometry):
    positions, random = geometry
    forces = random.normal(size=(3, 4, 3))[:, GRAINS]
    translation, rotation, vibration = split_forces(forces, relative_positions(positions, GRAINS), GRAINS)
    np.testing.assert_allclose(translation, forces, atol=1e-12)
    np.testing.assert_allclose(rotation, 0, atol=1e-12)
    np.testing.assert_allclose(vibration, 0, atol=1e-12)


def test_a_rotation_is_only_rotation(geometry):
    positions, random = geometry
    relative = relative_positions(positions, GRAINS)
    forces = np.cross(random.normal(size=(3, 4, 3))[:, GRAINS], relative)
    translation, rotation, vibration = split_forces(forces, relative, GRAINS)
    np.testing.assert_allclose(translation, 0, atol=1e-12)
    np.testing.assert_allclose(rotation, forces, atol=1e-10)
    np.testing.assert_allclose(vibration, 0, atol=1e-10)


def test_a_stretched_bond_is_only_vibration():
    positions = np.array([[[0.0, 0, 0], [1.2, 0, 0]]])
    forces = np.array([[[-0.7, 0, 0], [0.7, 0, 0]]])
    index = np.array([0, 0])
    translation, rotation, vibration = split_forces(forces, relative_positions(positions, index), index)
    np.testing.assert_allclose(vibration, forces, atol=1e-12)
    np.testing.assert_allclose(np.abs(translation) + np.abs(rotation), 0, atol=1e-12)


def test_the_parts_are_orthogonal_and_carry_net_force_and_torque(geometry):
    positions, random = geometry
    relative = relative_positions(positions, GRAINS)
    forces = random.normal(size=positions.shape)
    parts = split_forces(forces, relative, GRAINS)
    np.testing.assert_allclose(sum(parts), forces, atol=1e-12)
    assert sum(np.square(p).sum() for p in parts) == pytest.approx(np.square(forces).sum())
    net, torque = net_force_and_torque(forces, relative, GRAINS)
    np.testing.assert_allclose(net_force_and_torque(parts[0], relative, GRAINS)[0], net, atol=1e-12)
    np.testing.assert_allclose(net_force_and_torque(parts[1], relative, GRAINS)[1], torque, atol=1e-10)
    for values in net_force_and_torque(parts[2], relative, GRAINS):
        np.testing.assert_allclose(values, 0, atol=1e-10)


def test_torque_of_a_couple():
    positions = np.array([[[-1.0, 0, 0], [1.0, 0, 0]]])
    forces = np.array([[[0, -2.0, 0], [0, 2.0, 0]]])
    index = np.array([0, 0])
    net, torque = net_force_and_torque(forces, relative_positions(positions, index), index)
    np.testing.assert_allclose(net, [[[0, 0, 0]]])
    np.testing.assert_allclose(torque, [[[0, 0, 4.0]]])


def test_force_measures_of_a_uniform_error(geometry):
    positions, random = geometry
    reference = random.normal(size=positions.shape)
    assert "vector_padded" not in force_errors(reference, reference + 0.1, positions, GRAINS)
    errors = force_errors(reference, reference + 0.1, positions, GRAINS, padded_slots=33)
    assert errors["component"] == pytest.approx(0.1)
    assert [errors["vector_mean"], errors["vector_rms"]] == pytest.approx([0.1 * np.sqrt(3)] * 2)
    assert errors["vector_padded"] == pytest.approx(0.1 * np.sqrt(3 * 15 / (4 * 33)))
    assert errors["translation"] == pytest.approx(0.1)
    assert errors["rotation"] == pytest.approx(0, abs=1e-12) and errors["vibration"] == pytest.approx(0, abs=1e-12)
    net = net_force_and_torque(reference, relative_positions(positions, GRAINS), GRAINS)[0]
    sizes = np.bincount(GRAINS)
    assert errors["net_force"] == pytest.approx(0.1 * np.sqrt(np.square(sizes).mean() / np.square(net).mean()))
    assert errors["torque"] == pytest.approx(0, abs=1e-12)


def test_a_model_of_zero_force_has_relative_errors_of_one(geometry):
    positions, random = geometry
    reference = random.normal(size=positions.shape)
    errors = force_errors(reference, 0 * reference, positions, GRAINS)
    assert [errors["net_force"], errors["torque"]] == pytest.approx([1, 1])
    assert errors["component"] == errors["reference_component"]


def test_energy_measures():
    temperature = np.repeat([300.0, 400.0], 50)
    reference = np.random.default_rng(0).normal(size=100) + temperature
    errors = energy_errors(reference, reference + 0.24, 240, temperature)
    assert [errors["rmse"], errors["mean"]] == pytest.approx([1.0, 1.0])  # 0.24 eV over 240 atoms
    assert errors["rmse_about_mean"] == pytest.approx(0, abs=1e-9)
    # a constant per temperature explains nothing
    means = np.where(temperature == 300, reference[:50].mean(), reference[50:].mean())
    for row in energy_errors(reference, means, 240, temperature)["temperatures"].values():
        assert row["frames"] == 50 and row["r2"] == pytest.approx(0, abs=1e-12)
        assert row["rmse"] == pytest.approx(row["spread"])
    perfect = energy_errors(reference, reference, 240, temperature)["temperatures"]["300"]
    assert perfect["r2"] == 1.0


def test_intervals_cover_the_truth_and_shrink_with_frames():
    random, temperature = np.random.default_rng(0), np.repeat([300.0, 400.0], 20)
    positions = random.normal(size=(40, len(GRAINS), 3))
    reference = random.normal(size=positions.shape)
    predicted = reference + 0.1 * random.normal(size=positions.shape)
    energy = random.normal(size=40)
    energies = energy, energy + 0.1 + 0.2 * random.normal(size=40)

    def intervals(frames):
        arrays = (values[frames] for values in (reference, predicted, positions))
        sums = force_sums(*arrays, GRAINS)
        return bootstrap_intervals(sums, [e[frames] for e in energies], len(GRAINS), temperature[frames])

    found = intervals(np.arange(40))
    forces = force_errors(reference, predicted, positions, GRAINS)
    energy = energy_errors(*energies, len(GRAINS), temperature)
    for name in ("component", "net_force", "torque"):
        assert found[name][0] < forces[name] < found[name][1]
    assert found["energy"][0] < energy["rmse"] < found["energy"][1]
    assert found["energy_about_mean"][0] < energy["rmse_about_mean"] < found["energy_about_mean"][1]
    for name, row in energy["temperatures"].items():
        assert found["r2"][name][0] < row["r2"] < found["r2"][name][1]
    few = intervals(np.arange(0, 40, 8))
    assert np.ptp(few["component"]) > 1.5 * np.ptp(found["component"])
    assert intervals(np.arange(2))["r2"] == {"300": None}


def test_one_frame_has_no_r2():
    assert energy_errors([1.0], [1.1], 10, [300])["temperatures"]["300"]["r2"] is None
