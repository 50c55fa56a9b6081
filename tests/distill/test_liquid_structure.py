"""Radial distributions of a run beside those of the teacher's ensemble."""

from types import SimpleNamespace

import mdtraj
import numpy as np
import pytest

from openmm_cgaa.distill import liquid_structure
from openmm_cgaa.distill.liquid_structure import structure_of, wandered
from openmm_cgaa.labelling.teachers import load_teacher


def test_structure_of_a_run(run_folder, tiny_conserving_path):
    teacher = load_teacher("springs:Springs", stiffness=0.01)
    found = structure_of(run_folder, tiny_conserving_path, teacher, 12, 0.0)
    assert {"EC-EMC", "EMC H - EC O"} <= found.keys()
    for curves in found.values():
        assert len(curves["r"]) == len(curves["model"]) == len(curves["teacher"])
        difference, by_chance = curves["difference"]
        assert difference >= 0.0 and by_chance >= 0.0
    assert structure_of(run_folder, tiny_conserving_path, teacher, 5, 0.0) == {}  # too few for an error


def test_molecules_of_a_liquid_wander_and_those_of_a_solid_do_not(monkeypatch, tmp_path):
    """Two-atom molecules, a cube of 0.4 nm for each: a random walk, and a lattice that shakes and drifts."""
    rng, steps, sites = np.random.default_rng(0), 200, 0.4 * np.stack(np.indices((3, 3, 3)), -1).reshape(-1, 3)
    slots = np.arange(54).reshape(-1, 2)
    turned = 0.05 * rng.standard_normal((steps, 27, 3))

    def measured(centers):
        xyz = np.stack([centers + turned, centers - turned], axis=2).reshape(steps, 54, 3)
        trajectory = mdtraj.Trajectory(xyz, None)
        trajectory.unitcell_vectors = np.repeat(1.2 * np.eye(3)[None], steps, axis=0)
        run = SimpleNamespace(trajectory=trajectory, grain_map=SimpleNamespace(slots=slots, num_grains=27))
        monkeypatch.setattr(liquid_structure, "read_run", lambda folder, begin: run)
        return wandered(tmp_path, 0.0)

    drift = np.linspace(0.0, 5.0, steps)[:, None, None]
    assert measured(sites + 0.03 * rng.standard_normal((steps, 27, 3)) + drift) < 0.2
    walk = 0.02 * np.cumsum(rng.standard_normal((steps, 27, 3)), axis=0)
    assert measured(sites + walk) == pytest.approx(0.02 * np.sqrt(3 * steps / 2) / 0.4, rel=0.2)
