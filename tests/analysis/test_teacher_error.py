"""Errors against a teacher that is the model itself, and their figure."""

import pytest

from openmm_cgaa import CGAAPotential
from openmm_cgaa.analysis import figures
from openmm_cgaa.analysis.teacher_error import teacher_error
from openmm_cgaa.labelling.teachers import Teacher
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
