"""What a run or a reference has left is read, or named."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import LIQUID

from openmm_cgaa.cli import main
from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.simulation.read import read_reference, read_run


def test_reading_what_is_no_run_or_damaged(run_folder, tmp_path, capsys):
    assert main(["analyze", str(tmp_path)]) == 2
    assert "no run.json" in capsys.readouterr().err
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    with pytest.raises(SimulationError, match="no frame at or after 9"):
        read_run(folder, begin=9.0)
    trajectory = folder / "trajectory.dcd"
    trajectory.write_bytes(trajectory.read_bytes()[:50])
    with pytest.raises(SimulationError, match="trajectory.dcd: is damaged"):
        read_run(folder)
    trajectory.unlink()
    with pytest.raises(SimulationError, match="trajectory.dcd: no such file"):
        read_run(folder)


def test_a_reference_of_other_atoms_is_told(run_folder, tmp_path, liquid):
    path, full = tmp_path / "other.h5", Dataset.load(LIQUID)
    elements = [liquid.elements[i] for i in np.arange(240)[::-1]]
    replace(full, sets=[replace(liquid, elements=elements)]).save(path)
    with pytest.raises(SimulationError, match="holds no frames of the run's atoms"):
        read_reference(path, read_run(run_folder).trajectory.topology)
