"""The benchmark times what it names, and prints and writes the same numbers."""

import json

import numpy as np
import pytest
import torch
from openmm import app, unit

from openmm_cgaa.cli import main
from openmm_cgaa.simulation import benchmark


@pytest.fixture(autouse=True)
def threads_as_before(monkeypatch):
    """The command sets the threads of its process, which here is that of all tests."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, str(threads))
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def box_file(solvent, tmp_path):
    topology, positions, _ = solvent
    path = tmp_path / "box.cif"
    with open(path, "w") as file:
        app.PDBxFile.writeFile(topology, positions * unit.nanometer, file)
    return path


def test_command_times_model_and_peer_on_one_box(box_file, tiny_conserving_path, tmp_path, capsys):
    out = tmp_path / "timings.json"
    arguments = ["benchmark", str(box_file), "--model", str(tiny_conserving_path), "--threads", "1", "--steps", "5"]
    assert main([*arguments, "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    names = [row["what"] for row in result["timings"]]
    assert result["atoms"] == 240 and result["threads"] == 1
    assert names[-1] == "classical force field" and any(name.endswith("backend python") for name in names)
    assert all(row["ms"] > 0 and row["steps"] >= 5 for row in result["timings"])
    assert "classical force field" in capsys.readouterr().out


def test_a_calculator_is_called_at_new_positions_each_time(solvent):
    pytest.importorskip("ase")

    class Counter:
        seen = []

        def get_potential_energy(self, atoms, force_consistent=False):
            self.seen.append(atoms.positions.copy())
            return 0.0

        def get_forces(self, atoms):
            return np.zeros_like(atoms.positions)

    topology, positions, _ = solvent
    timing = benchmark.time_calculator("counter", Counter(), topology, positions * unit.nanometer, calls=2)
    assert timing.steps == 2 and len(Counter.seen) == 3
    assert not np.array_equal(Counter.seen[1], Counter.seen[2])
    assert np.abs(Counter.seen[0] / 10.0 - positions).max() < 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.pdb"], "absent.pdb cannot be read"),
        (["--threads", "0"], "--threads: 0 is not a whole number from 1 to 512"),
        (["--forcefield", "absent.xml"], "absent.xml: no such force field"),
    ],
)
def test_bad_input_is_told(arguments, message, tiny_conserving_path, capsys):
    assert main(["benchmark", "--model", str(tiny_conserving_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_box_is_needed(solvent, tiny_conserving_path, tmp_path, capsys):
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors(None)
    path = tmp_path / "free.cif"
    with open(path, "w") as file:
        app.PDBxFile.writeFile(topology, positions * unit.nanometer, file)
    assert main(["benchmark", str(path), "--model", str(tiny_conserving_path)]) == 2
    assert "no periodic box" in capsys.readouterr().err


def test_without_a_checkout_a_topology_is_asked_for(tiny_conserving_path, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("openmm_cgaa.cli.benchmark.BUILD", tmp_path / "build.py")
    assert main(["benchmark", "--model", str(tiny_conserving_path)]) == 2
    assert "name a topology" in capsys.readouterr().err
