"""The pressure of a run, against what the energy says when molecules come nearer without changing their shape."""

from dataclasses import replace

import numpy as np
import pytest
from bead_boxes import bead_box, save_bead_model

from openmm_cgaa import CGAAPotential, SimulationSettings, simulate
from openmm_cgaa.analysis.pressures import mean_pressure
from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.errors import EngineError
from openmm_cgaa.mapping.whole import whole_frames
from openmm_cgaa.model.loaded import LoadedModel
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.units import BOLTZMANN_KJMOL

MPA = 1.66053906717  # of kJ/mol/nm^3
STRAIN = 1e-4


def by_energy(run, model, frame):
    """``-dU/dV + N k T / V`` with centers that follow the box, MPa."""
    whole = whole_frames(
        run.grain_map, run.trajectory.xyz[[frame]].astype(float), run.trajectory.unitcell_vectors[[frame]]
    )
    box = run.trajectory.unitcell_vectors[frame].astype(float)
    energies, volumes = [], []
    for factor in (1 - STRAIN, 1 + STRAIN):
        moved = whole[0].copy()
        for slots in run.grain_map.slots:
            moved[slots] += (factor - 1) * moved[slots].mean(0)
        energies.append(model.evaluate(run.grain_map, moved, factor * box)[0])
        volumes.append(np.linalg.det(factor * box))
    ideal = run.grain_map.num_grains * BOLTZMANN_KJMOL * run.settings["temperature"] / np.linalg.det(box)
    return MPA * (ideal - (energies[1] - energies[0]) / (volumes[1] - volumes[0]))


def test_it_is_the_slope_of_the_energy(run_folder, tiny_conserving_path):
    run, model = read_run(run_folder), LoadedModel(tiny_conserving_path, "double")
    one = replace(run, frames=run.frames[7])
    assert mean_pressure(one, model).value == pytest.approx(by_energy(run, model, 7), rel=1e-4)
    chosen = [0, 20, 39]
    some = mean_pressure(run, model, 3)
    each = [mean_pressure(replace(run, frames=run.frames[int(k)]), model).value for k in chosen]
    assert some.value == pytest.approx(np.mean(each), rel=1e-9) and some.error > 0


def test_a_model_without_a_virial_has_none(run_folder, tiny_published_path):
    with pytest.raises(EngineError, match="has no virial, for its forces are no gradient"):
        mean_pressure(read_run(run_folder), LoadedModel(tiny_published_path))


def test_analyze_tells_it(run_folder, tiny_conserving_path, tmp_path, without_figures):
    report = analyze(run_folder, tmp_path / "out", model=tiny_conserving_path, teacher_frames=0, tell=lambda line: None)
    found = report.summary["pressure"]
    value, error = mean_pressure(read_run(run_folder), LoadedModel(tiny_conserving_path))
    assert found == {"mean_MPa": pytest.approx(value), "error_MPa": pytest.approx(error)}
    assert any(line.startswith("pressure") and "MPa at constant volume" in line for line in report.lines)


def test_beads_have_one_too(tmp_path):
    """Grains of one bead and of several; MDTraj gives beads no mass."""
    topology, positions = bead_box()
    model = LoadedModel(save_bead_model(tmp_path / "beads.safetensors"), "double")
    system = CGAAPotential(tmp_path / "beads.safetensors").createSystem(topology)
    settings = SimulationSettings(picoseconds=0.02, timestep=1.0, report_interval=10, threads=1)
    simulate(system, topology, positions, tmp_path / "run", settings, progress=False)
    run = read_run(tmp_path / "run")
    one = replace(run, frames=run.frames[0])
    assert mean_pressure(one, model).value == pytest.approx(by_energy(one, model, 0), rel=1e-4)
