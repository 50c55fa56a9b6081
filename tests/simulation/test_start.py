"""The start of a run: a packing with molecules too close is minimised, a thermal frame is left as it is."""

import json

import numpy as np
import openmm
import pytest
from short_runs import SHORT, diatomics, frames, replaced, same_run, table

from openmm_cgaa import CGAAPotential
from openmm_cgaa.cli import main
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.simulation.run import simulate
from openmm_cgaa.structures.structure import write_structure


def crowded():
    """Two of the molecules 0.05 nm apart, where a hard core between all atoms acts."""
    system, topology, positions = diatomics()
    positions[2] = positions[0] + [0.0, 0.05, 0.0]
    positions[3] = positions[1] + [0.0, 0.05, 0.0]
    core = openmm.CustomNonbondedForce("(0.12/r)^12")
    core.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    core.setCutoffDistance(0.7)
    for _ in range(system.getNumParticles()):
        core.addParticle([])
    for k in range(0, system.getNumParticles(), 2):
        core.addExclusion(k, k + 1)
    system.addForce(core)
    return system, topology, positions


def record(folder):
    return json.loads((folder / "run.json").read_text())


def test_a_crowded_start_is_minimised(tmp_path, capsys):
    """The largest net force by hand: of (0.12/r)^12 between two atoms of each molecule 0.05 nm apart."""
    pair = 12 / 0.05 * (0.12 / 0.05) ** 12 + 20 * 2 * 0.05 / 0.12**2 * np.exp(-((0.05 / 0.12) ** 2))
    simulate(*crowded(), tmp_path / "a", replaced(nve_picoseconds=0.0), minimize=True)
    found = record(tmp_path / "a")["minimised"]
    assert found["before"]["net_force"] == pytest.approx(2 * pair / 964.85, rel=1e-2)
    assert found["after"]["net_force"] < 0.5
    said = capsys.readouterr().err
    assert f"the largest net force on one was {found['before']['net_force']:.1f} eV/Å, now it is" in said
    assert table(tmp_path / "a" / "state.csv")["translation_K"].max() < 500
    with pytest.raises(SimulationError):  # without, the same start tears
        simulate(*crowded(), tmp_path / "b", replaced(nve_picoseconds=0.0), progress=False)


def test_a_thermal_start_is_not_touched(tmp_path, capsys):
    simulate(*diatomics(), tmp_path / "a", SHORT, minimize=True, progress=False)
    simulate(*diatomics(), tmp_path / "b", SHORT, progress=False)
    same_run(tmp_path / "a", tmp_path / "b")
    assert "minimised" not in record(tmp_path / "a") and "minimised" not in capsys.readouterr().err


def test_a_run_that_was_minimised_goes_on(tmp_path):
    short = replaced(picoseconds=0.01, nve_picoseconds=0.0)
    simulate(*crowded(), tmp_path / "a", SHORT, minimize=True, progress=False)
    simulate(*crowded(), tmp_path / "b", short, minimize=True, progress=False)
    simulate(*crowded(), tmp_path / "b", SHORT, resume=True, minimize=True, progress=False)
    same_run(tmp_path / "a", tmp_path / "b")
    assert record(tmp_path / "b")["minimised"] == record(tmp_path / "a")["minimised"]
    assert len(frames(tmp_path / "b")) == 6


def test_a_model_without_an_energy_is_told(solvent, tiny_published_path, tmp_path, monkeypatch):
    monkeypatch.setattr("openmm_cgaa.simulation.start.NET_FORCE", 0.0)
    topology, positions, _ = solvent
    system = CGAAPotential(tiny_published_path).createSystem(topology, backend="python")
    few = replaced(picoseconds=2e-5, nve_picoseconds=0.0, timestep=0.01, max_stretch=2.0)
    with pytest.raises(SimulationError, match="cannot be minimised: .*; relax it before, or begin as it is"):
        simulate(system, topology, positions, tmp_path / "a", few, progress=False, minimize=True)
    assert simulate(system, topology, positions, tmp_path / "a", few, progress=False)  # the advice, followed


@pytest.mark.parametrize(("option", "minimised"), [("", True), ("--no-minimize", False)])
def test_the_command_minimises_a_packing(solvent, tiny_conserving_path, tmp_path, monkeypatch, option, minimised):
    monkeypatch.setattr("openmm_cgaa.simulation.start.NET_FORCE", 0.0)
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    names = f"{tmp_path}/box.cif --model {tiny_conserving_path} --out {tmp_path}/run --platform Reference"
    steps = "--picoseconds 2e-5 --timestep 0.01 --max-stretch 5 --backend python"
    assert main(["simulate", *names.split(), *steps.split(), *option.split()]) == 0
    assert ("minimised" in record(tmp_path / "run")) == minimised
