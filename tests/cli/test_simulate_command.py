"""``openmm-cgaa simulate`` (`simulation.modelled`) and scripts/simulate.py, on a tiny model."""

import json
import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_CONSERVING, tiny_model
from openmm import app
from program_files import gro

from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAADomainWarning, SimulationError
from openmm_cgaa.simulation.folder import read_dcd
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.structures.structure import write_structure

# the weights are random: the atoms only have to move for some steps
OPTIONS = "--report-interval 2 --checkpoint-interval 4 --timestep 0.01 --threads 1 --max-stretch 2"
OPTIONS += " --platform Reference --backend python"


@pytest.fixture
def box(solvent, tmp_path):
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    return tmp_path / "box.cif"


def simulate(box, model, out, more):
    return main(["simulate", str(box), "--model", str(model), "--out", str(out), *OPTIONS.split(), *more.split()])


def test_run_and_resume(box, any_path, tmp_path, capsys):
    more = "--nve-picoseconds"
    assert simulate(box, any_path, tmp_path / "a", f"--picoseconds 6e-5 {more} 4e-5") == 0
    assert "analyze" in capsys.readouterr().out
    assert simulate(box, any_path, tmp_path / "b", f"--picoseconds 4e-5 {more} 0") == 0
    assert simulate(box, any_path, tmp_path / "b", f"--picoseconds 6e-5 {more} 4e-5 --resume") == 0
    whole, resumed = read_run(tmp_path / "a"), read_run(tmp_path / "b")
    assert whole.trajectory.n_frames == 5 and len(whole.state) == 3 and len(whole.nve) == 2
    assert np.allclose(whole.trajectory.xyz, resumed.trajectory.xyz, atol=1e-6)
    assert np.abs(whole.trajectory.xyz[-1] - whole.trajectory.xyz[0]).max() > 0
    assert len(whole.provenance["model_sha256"]) == 64


def test_what_lies_outside_of_training_at_the_start_stands_in_the_record(box, liquid, tmp_path):
    domain = {"periodic": True, "species": {"EC": [0.8, 1.0], "EMC": [0.0, 0.2]}, "density": [0.1, 0.2]}
    model = tiny_model(tmp_path / "m.safetensors", TINY_CONSERVING, liquid, domain=domain)
    with pytest.warns(CGAADomainWarning) as told:
        assert simulate(box, model, tmp_path / "a", "--picoseconds 4e-5") == 0
    found = read_run(tmp_path / "a").outside
    assert found.keys() == {"fraction EC of the start", "fraction EMC of the start", "density of the start", "density"}
    said = " ".join(str(w.message) for w in told)
    assert all(text in said for text in found.values())


def test_files_that_belong_together(solvent, tiny_conserving_path, tmp_path, capsys):
    """GROMACS's coordinates with bonds from SMILES, and a run that goes on with them."""
    topology, positions, box = solvent
    (tmp_path / "box.gro").write_text(gro(topology, positions, box))
    out, model = str(tmp_path / "a"), str(tiny_conserving_path)
    files = [str(tmp_path / "box.gro"), "--smiles", "EC=O=C1OCCO1", "EMC=CCOC(=O)OC"]
    command = ["simulate", *files, "--model", model, "--out", out, *OPTIONS.split(), "--picoseconds"]
    assert main([*command, "4e-5"]) == 0
    assert main([*command, "8e-5", "--resume"]) == 0
    run = read_run(tmp_path / "a")
    assert run.trajectory.n_frames == 4 and run.trajectory.topology.n_bonds == topology.getNumBonds()
    assert np.allclose(run.trajectory.xyz[0], positions, atol=1e-3)
    (tmp_path / "box.gro").write_text(gro(topology, positions + 0.001, box))
    assert main([*command, "9e-5", "--resume"]) == 2  # other contents under the same name
    assert "topology_sha256" in capsys.readouterr().err


def test_pressure_needs_a_model_with_an_energy(box, tiny_conserving_path, tiny_published_path, tmp_path, capsys):
    assert simulate(box, tiny_published_path, tmp_path / "a", "--picoseconds 2e-5 --pressure 1") == 2
    assert "--pressure" in capsys.readouterr().err and not (tmp_path / "a").exists()
    assert simulate(box, tiny_conserving_path, tmp_path / "a", "--picoseconds 6e-4 --pressure 1") == 0
    assert read_run(tmp_path / "a").settings["pressure"] == 1.0


def test_respa(box, tiny_conserving_path, tiny_published_path, tmp_path, capsys):
    assert simulate(box, tiny_conserving_path, tmp_path / "a", "--picoseconds 6e-5 --inner-steps 2") == 0
    assert simulate(box, tiny_published_path, tmp_path / "b", "--picoseconds 6e-5 --inner-steps 2") == 2
    assert "intraForceGroup" in capsys.readouterr().err


def test_threads_are_those_of_the_command_alone(box, tiny_conserving_path, tmp_path, monkeypatch):
    before, seen = torch.get_num_threads(), []

    def simulated(*_, minimize, model):
        return seen.append(torch.get_num_threads()) or minimize

    monkeypatch.setattr("openmm_cgaa.simulation.modelled.simulate", simulated)
    assert simulate(box, tiny_conserving_path, tmp_path / "a", f"--threads {before + 2}") == 0
    assert seen == [before + 2] and torch.get_num_threads() == before


def test_torch_backend_runs(box, tiny_conserving_path, tmp_path):
    pytest.importorskip("openmmtorch")
    assert simulate(box, tiny_conserving_path, tmp_path / "a", "--picoseconds 2e-5 --backend torch") == 0
    assert json.loads((tmp_path / "a" / "run.json").read_text())["provenance"]["backend"] == "torch"


def test_other_model_does_not_resume(box, tiny_conserving_path, tiny_published_path, tmp_path, capsys):
    assert simulate(box, tiny_conserving_path, tmp_path / "a", "--picoseconds 2e-5") == 0
    before = json.loads((tmp_path / "a" / "run.json").read_text())
    assert simulate(box, tiny_published_path, tmp_path / "a", "--picoseconds 4e-5 --resume") == 2
    assert "has model" in capsys.readouterr().err
    assert simulate(box, tiny_conserving_path, tmp_path / "a", "--picoseconds 4e-5") == 2
    assert "holds a run already" in capsys.readouterr().err
    assert before == json.loads((tmp_path / "a" / "run.json").read_text())


def test_files_that_cannot_be_read(box, tiny_conserving_path, tmp_path, capsys):
    (tmp_path / "broken.cif").write_text("data_\n")
    for name, message in [
        ("missing.cif", "No such file"),
        ("box.mol2", "not from .mol2"),
        ("broken.cif", "is not a .cif file"),
    ]:
        assert simulate(tmp_path / name, tiny_conserving_path, tmp_path / "a", "") == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_script_runs(box, tiny_conserving_path, tmp_path, monkeypatch):
    script = Path(__file__).parents[2] / "scripts" / "simulate.py"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), str(box), str(tiny_conserving_path), "2"])
    runpy.run_path(str(script), run_name="__main__")
    assert app.PDBxFile("final.cif").topology.getNumBonds() == 228


@pytest.mark.parametrize(
    ("lengths", "longer"),
    [
        ("--picoseconds 1e-5", "--picoseconds 2e-05"),
        ("--picoseconds 0 --nve-picoseconds 1e-5", "--nve-picoseconds 2e-05"),
    ],
)
def test_a_run_shorter_than_its_interval_is_told_and_goes_on(
    box, tiny_conserving_path, tmp_path, capsys, lengths, longer
):
    out = tmp_path / "a"
    assert simulate(box, tiny_conserving_path, out, lengths) == 0
    assert main(["analyze", str(out)]) == 2
    told = capsys.readouterr().err
    assert "trajectory.dcd: holds no frame: a run of 1e-05 ps that writes one every 2e-05 ps" in told
    assert f"with --resume and {longer} or more" in told and "damaged" not in told
    assert simulate(box, tiny_conserving_path, out, f"{lengths} {longer} --resume") == 0
    assert read_run(out).trajectory.n_frames == 1


def test_a_run_that_was_ended_before_its_first_frame_goes_on_as_it_was(box, tiny_conserving_path, tmp_path):
    out, whole = tmp_path / "a", "--picoseconds 2e-5"
    assert simulate(box, tiny_conserving_path, out, whole) == 0
    os.truncate(out / "trajectory.dcd", read_dcd(out / "trajectory.dcd").start)
    with pytest.raises(SimulationError, match="holds no frame.*Go on with it: .* with --resume$"):
        read_run(out)
