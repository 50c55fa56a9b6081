"""Rows of the study of water beads: configurations that can run, frames that follow each other, a table."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from openmm_cgaa.data import Dataset
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.training.config import TrainingConfig

pytest.importorskip("lightning")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "records/water"))
import rows  # noqa: E402 - a script of its folder, not of the package


@pytest.mark.parametrize("row", rows.ROWS)
def test_each_row_is_a_configuration(row):
    config = from_mapping(TrainingConfig, rows.settings_of(row), "train.yaml")
    assert config.loss.energy == 0.0 and (config.prior is not None) == row.startswith("dipole")


def test_the_data_are_of_three_runs():
    dataset = Dataset.load(rows.SYSTEM / "data/tip3p.h5")
    assert {
        t.split: int(sum((s.trajectory == n).sum() for s in dataset.sets)) for n, t in enumerate(dataset.trajectories)
    } == {
        "train": 100,
        "validation": 10,
        "test": 20,
    }
    (frames,) = dataset.sets
    assert frames.num_grains == frames.num_atoms == 512 and frames.energy is None
    assert np.abs(frames.forces.sum(1)).max() < 0.05  # no force on the whole
    assert np.allclose(frames.density, 0.9965, atol=1e-3)


def test_held_frames_are_of_the_same_runs_and_have_mean_forces():
    held, ordinary = (Dataset.load(rows.SYSTEM / f"data/{name}") for name in ("tip3p_held.h5", "tip3p.h5"))
    (means,), (samples,) = held.sets, ordinary.sets
    numbers = {t.split: int((means.trajectory == n).sum()) for n, t in enumerate(held.trajectories)}
    assert numbers == {"train": 10, "validation": 2, "test": 3} and held.teacher["settings"]["hold_ps"] == 20.0
    same = [(m, s) for m, x in enumerate(means.positions) for s, y in enumerate(samples.positions) if np.allclose(x, y)]
    assert len(same) == 15
    noise = np.array([samples.forces[s] - means.forces[m] for m, s in same])
    assert 0.10 < np.sqrt((noise**2).mean()) < 0.14  # eV/Å, of the mapped forces of one frame


def test_frames_of_a_row_follow_each_other(tmp_path, monkeypatch):
    for seed, first in ((1, 2.0), (5, 182.0)):
        rows.subset(tmp_path / f"{seed}.h5", "ours-10", seed, "tip3p")
        part = Dataset.load(tmp_path / f"{seed}.h5")
        splits = np.array([t.split for t in part.trajectories])
        times = np.sort(np.concatenate([s.time[splits[s.trajectory] == "train"] for s in part.sets]))
        assert (
            np.allclose(np.diff(times), 2.0) and times[0] - first == pytest.approx(0.0, abs=60.0) and len(times) == 10
        )


def test_results_are_of_these_rows_and_make_a_table():
    results = json.loads(rows.RESULTS.read_text())
    assert results and {key.split("-", 1)[1].rsplit("-", 1)[0] for key in results} <= {*rows.ROWS, *rows.PEERS}
    table = rows.table(results | {"tip3p-ours-1-99": replace_errors(results["tip3p-ours-1-1"], 4.0)})
    assert "| tip3p | `ours-1` | 1 | " in table and " ± " in table


def test_a_run_that_ended_is_shown_as_far_as_it_came():
    one = json.loads(rows.RESULTS.read_text())["tip3p-ours-1-1"]
    at_once = one | {"run": {"ended": "why", "picoseconds": 20.0}}
    later = one | {"run": one["run"] | {"ended": "why"}}
    table = rows.table({"tip3p-ours-1-1": at_once}).splitlines()[-1]
    assert table.count("1 of 1 runs ended") == 2 and table.count("|") == 15
    whole = f"{one['run']['rdf_difference']:.3f} ({one['run']['rdf_by_chance']:.3f})"
    assert f"{whole}; 1 of 2 runs ended" in rows.table({"tip3p-ours-1-1": later, "tip3p-ours-1-2": one})


def replace_errors(result, value):
    return result | {"rmse_kcal": value}


def test_frames_go_to_other_trainers_as_they_are(tmp_path):
    pytest.importorskip("ase")
    sys.path.insert(0, str(ROOT / "records/ec_emc_lipf6/baselines"))
    import peer_rows
    from ase.io import read

    rows.subset(tmp_path / "part.h5", "allegro-1", 1, "tip3p")
    dataset = Dataset.load(tmp_path / "part.h5")
    peer_rows.export(dataset, tmp_path)
    (frames,) = dataset.select(splits=["train"]).sets
    (atoms,) = read(tmp_path / "train.extxyz", ":")
    assert np.allclose(atoms.get_forces(), frames.forces[0], atol=1e-6)
    assert np.allclose(np.load(tmp_path / "train/set.000/coord.npy")[0].reshape(-1, 3), atoms.positions, atol=1e-6)
    assert len(read(tmp_path / "validation.extxyz", ":")) == 10
    for row, frames_of_row in rows.PEERS.items():
        commands = (peer_rows.deepmd if "deepmd" in row else peer_rows.allegro)(tmp_path, frames_of_row, seed=2)
        assert len(commands) in (2, 3)
    assert json.loads((tmp_path / "input.json").read_text())["training"]["seed"] == 2


def test_a_peer_moves_beads_in_openmm(monkeypatch):
    pytest.importorskip("ase")
    import openmm
    import peer_rows
    from ase.calculators.lj import LennardJones

    monkeypatch.setattr(peer_rows.peers, "calculator", lambda path: LennardJones(sigma=2.5, epsilon=0.02, rc=6.0))
    topology, positions = rows.start("deepmd-10", "tip3p", large=False)
    system = peer_rows.system_of("model.pb", topology)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    state, step = context.getState(energy=True, forces=True), 1e-4
    forces = state.getForces(asNumpy=True)._value
    energies = []
    for sign in (1, -1):
        moved = positions.copy()
        moved[7, 1] += sign * step
        context.setPositions(moved)
        energies.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert forces[7, 1] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), rel=1e-3)


def test_beads_are_shown_to_peers_as_oxygen(monkeypatch):
    pytest.importorskip("ase")
    import bead_peers
    from ase import Atoms
    from ase.calculators.lj import LennardJones

    monkeypatch.setattr(bead_peers.peers, "calculator", lambda path: LennardJones(sigma=2.5, epsilon=0.02, rc=6.0))
    beads = Atoms("X2", [[0.0, 0.0, 0.0], [2.7, 0.0, 0.0]], cell=[20.0] * 3, pbc=True)
    beads.calc = bead_peers.calculator("model.pb")
    assert bead_peers.peers.calculator("").get_potential_energy(Atoms("O2", beads.positions)) < 0.0
    assert beads.get_potential_energy() < 0.0 and beads.get_forces()[0, 0] == -beads.get_forces()[1, 0] != 0.0


def test_two_beads_of_a_water_have_its_center_and_its_distributions():
    import distributions
    import mdtraj

    runs = []
    for name in ("tip3p", "tip3p_dipole"):
        (frames,) = Dataset.load(rows.SYSTEM / f"data/{name}.h5").select(splits=["test"]).sets
        trajectory = mdtraj.Trajectory(frames.positions / 10.0, mdtraj.Topology.from_openmm(frames.topology(0)))
        trajectory.unitcell_vectors = frames.cell / 10.0
        runs.append(distributions.curves(trajectory, frames.grain_map(), frames.masses))
    for name in ("g", "p"):
        assert np.allclose(runs[0][name], runs[1][name], atol=0.02)  # files of XTC or DCD round
    assert runs[0]["frames"] == 20 and runs[0]["r_nm"].max() < 1.0 and 2.0 < runs[0]["g"].max() < 3.5
    told = distributions.difference(runs[0], "tip3p")
    assert 0.0 < told["rdf_difference"] < 3 * told["rdf_by_chance"] < 0.1
    reference = {k: np.array(v) for k, v in json.loads(distributions.STORED.read_text())["tip3p"].items()}
    assert distributions.difference(reference, "tip3p")["rdf_difference"] == 0.0
