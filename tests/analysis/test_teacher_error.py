"""Errors against a teacher that is the model itself, and their figure."""

import numpy as np
import pytest
import torch
from conftest import TINY_CONSERVING, tiny_model

from openmm_cgaa import CGAAPotential
from openmm_cgaa.analysis import figures
from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.analysis.teacher_error import teacher_error
from openmm_cgaa.labelling.teachers import Teacher
from openmm_cgaa.mapping.grains import GrainType
from openmm_cgaa.mapping.whole import whole_frame
from openmm_cgaa.model.file import load_model, save_model
from openmm_cgaa.nn import build_network
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.units import KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM


def test_error_against_a_teacher_that_is_the_model_itself_is_zero(run_folder, tiny_conserving_path, tmp_path):
    pytest.importorskip("ase")
    potential = CGAAPotential(tiny_conserving_path, precision="double")
    run = read_run(run_folder)

    class Self:
        implemented_properties = ["energy", "forces"]

        def get_potential_energy(self, atoms, force_consistent=False):
            energy, self.forces = potential.evaluate(run.grain_map, atoms.positions / 10.0, atoms.cell.array / 10.0)
            return energy / KJMOL_PER_EV + 0.24  # 1 meV/atom

        def get_forces(self, atoms):
            return self.forces / KJMOL_PER_NM_PER_EV_PER_ANGSTROM

    teacher = Teacher(Self(), {"name": "self"})
    error = teacher_error(run.trajectory, run.grain_map, potential, teacher, tmp_path / "parts", count=5)
    numbers = error.summary()
    assert error.frames.tolist() == [0, 10, 20, 29, 39]
    assert numbers["force_eV_per_A"]["component"] < 1e-6
    assert numbers["energy_meV_per_atom"]["mean"] == pytest.approx(-1.0, abs=1e-4)
    figures.teacher_figure(error, run.trajectory.time[error.frames], tmp_path / "teacher.png")
    assert (tmp_path / "teacher.png").stat().st_size > 1000


def other_model(path, liquid):
    """A model file of the same form as the tiny one, with other weights."""
    metadata = load_model(tiny_model(path, TINY_CONSERVING, liquid))[1]
    torch.manual_seed(8)
    other = build_network(metadata["config"], [GrainType.from_dict(entry) for entry in metadata["types"]])
    save_model(path, other, metadata)
    return path


def energy_of_scaled(potential, run, frame, factor):
    """eV of a frame with the centers of its molecules and its box scaled, the molecules as they are."""
    masses = np.array([atom.element.mass for atom in run.trajectory.topology.atoms])
    box = run.trajectory.unitcell_vectors[frame].astype(float)
    positions = whole_frame(run.grain_map, run.trajectory.xyz[frame].astype(float), box)
    for slots in run.grain_map.slots:
        center = masses[slots] @ positions[slots] / masses[slots].sum()
        positions[slots] += (factor - 1.0) * center
    return potential.evaluate(run.grain_map, positions, factor * box)[0] / KJMOL_PER_EV


def test_pressure_between_molecules_is_what_scaling_their_centers_costs(
    run_folder, tiny_conserving_path, liquid, tmp_path
):
    """By finite differences of both models' energies, -dE/dV."""
    pytest.importorskip("ase")
    from openmm_cgaa.engines.ase import CGAACalculator

    student = CGAAPotential(tiny_conserving_path, precision="double")
    taught = CGAAPotential(other_model(tmp_path / "other.safetensors", liquid), precision="double")
    run = read_run(run_folder)
    teacher = Teacher(CGAACalculator(taught, topology=run.grain_map), {"name": "other"})
    error = teacher_error(run.trajectory, run.grain_map, student, teacher, tmp_path / "parts", count=2)
    step = 1e-5
    for place, frame in enumerate(error.frames):
        volume = 1e3 * np.linalg.det(run.trajectory.unitcell_vectors[frame].astype(float))  # Å^3
        slopes = [
            (energy_of_scaled(model, run, frame, 1 + step) - energy_of_scaled(model, run, frame, 1 - step))
            / (6.0 * step * volume)
            for model in (student, taught)
        ]
        expected = 160217.66 * (slopes[1] - slopes[0])  # MPa in eV/Å^3
        assert error.pressure["molecular"][place] == pytest.approx(expected, rel=1e-3, abs=0.5)
    numbers = error.summary()["pressure_MPa"]
    assert numbers["molecular"]["mean"] == pytest.approx(error.pressure["molecular"].mean())
    assert abs(numbers["atomic"]["mean"] - numbers["molecular"]["mean"]) > 10.0  # inside of molecules they differ most


def test_a_pressure_that_is_off_is_told_with_its_error(run_folder, tiny_conserving_path, tmp_path, without_figures):
    """The teacher is the model itself with 1e-4 eV/Å^3 more tension: 16.02 MPa less pressure."""
    pytest.importorskip("ase")
    from openmm_cgaa.engines.ase import CGAACalculator

    class Tense(CGAACalculator):
        def calculate(self, *given):
            super().calculate(*given)
            self.results["stress"][:3] += 1e-4

    calculator = Tense(tiny_conserving_path, topology=read_run(run_folder).grain_map)
    report = analyze(
        run_folder,
        tmp_path / "out",
        model=tiny_conserving_path,
        teacher=Teacher(calculator, {"name": "tense"}),
        teacher_frames=4,
        tell=lambda line: None,
    )
    for found in report.summary["teacher"]["pressure_MPa"].values():
        assert found["mean"] == pytest.approx(16.02, abs=0.01) and found["error"] < 0.01
    energy = report.summary["teacher"]["energy_meV_per_atom"]
    assert energy["mean"] == pytest.approx(0.0, abs=1e-3) and 0 <= energy["error"] < 1e-3
    told = (tmp_path / "out" / "summary.txt").read_text()
    assert "mean pressure off by +16 ± 0 MPa, that between molecules by +16 ± 0 MPa" in told


def test_no_pressure_where_one_of_them_has_none(run_folder, tiny_published_path, tmp_path, without_figures):
    pytest.importorskip("ase")
    report = analyze(
        run_folder,
        tmp_path / "out",
        model=tiny_published_path,
        teacher="ase.calculators.lj:LennardJones",
        settings={"sigma": 1.5, "rc": 3.0},
        teacher_frames=1,
        tell=lambda line: None,
    )
    assert report.summary["teacher"]["pressure_MPa"] is None
    assert "mean pressure" not in (tmp_path / "out" / "summary.txt").read_text()
