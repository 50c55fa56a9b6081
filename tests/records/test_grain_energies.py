"""Energies of grains for frames that have labels already: those that the teacher would have given with them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ase")

from waters import waters

from openmm_cgaa.data import Dataset, Trajectory
from openmm_cgaa.errors import DatasetError
from openmm_cgaa.labelling.label import label

sys.path.insert(0, str(Path(__file__).parents[2] / "records" / "ec_emc_lipf6"))
import grain_energies  # noqa: E402 - a script of its folder


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """Makes a data set of two topologies by a teacher."""
    monkeypatch.setattr(grain_energies, "PARTS", tmp_path / "parts")
    positions = waters().positions + 3.0 * np.arange(6)[:, None]
    liquid = waters(positions=positions, energy=None, forces=None, stress=None, trajectory=np.zeros(4))
    alone = replace(liquid, cell=np.zeros((4, 3, 3)), trajectory=np.ones(4))
    trajectories = [Trajectory("box", "liquid", "train"), Trajectory("gas", "molecule", "train")]
    Dataset([liquid, alone], trajectories).save(tmp_path / "frames.h5")
    return lambda teacher: label(tmp_path / "frames.h5", tmp_path / f"{teacher.split(':')[1]}.h5", teacher)


def test_they_are_those_of_the_first_time(labelled, tmp_path, monkeypatch):
    made = labelled("ase.calculators.lj:LennardJones")
    bare = replace(made, sets=[replace(frames, grain_energies=None) for frames in made.sets])
    bare.save(tmp_path / "bare.h5")
    monkeypatch.setattr(sys, "argv", ["grain_energies.py", str(tmp_path / "bare.h5"), str(tmp_path / "again.h5")])
    grain_energies.main()
    for first, again in zip(made.sets, Dataset.load(tmp_path / "again.h5").sets, strict=True):
        np.testing.assert_array_equal(again.grain_energies, first.grain_energies)
        np.testing.assert_array_equal(again.forces, first.forces)


def test_a_teacher_without_them_is_refused(labelled):
    with pytest.raises(DatasetError, match="springs:Springs tells no energies of atoms"):
        grain_energies.with_grain_energies(labelled("springs:Springs"))
