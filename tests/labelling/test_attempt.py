"""Energies of atoms beside the label of a frame: those that a teacher has become energies of grains."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ase")

from ase.calculators.lj import LennardJones  # noqa: E402
from waters import waters  # noqa: E402

from openmm_cgaa.cli import main  # noqa: E402
from openmm_cgaa.data import Dataset, Trajectory  # noqa: E402
from openmm_cgaa.labelling.attempt import Job, attempt  # noqa: E402
from openmm_cgaa.labelling.label import label  # noqa: E402
from openmm_cgaa.labelling.teachers import load_teacher  # noqa: E402

LJ = "ase.calculators.lj:LennardJones"
SETTINGS = {"sigma": 2.0, "epsilon": 0.1, "rc": 4.0, "smooth": True}


class Told(LennardJones):
    """Lists energies of atoms, and gives them as it is told to."""

    def __init__(self, told):
        super().__init__(**SETTINGS)
        self.told = told

    def calculate(self, atoms=None, properties=None, system_changes=()):
        super().calculate(atoms, properties, system_changes)
        energies = self.results.pop("energies")
        given = {"none": None, "nan": energies * np.nan, "few": energies[1:], "off": energies + 0.01}
        if self.told in given:
            self.results["energies"] = given[self.told]


@pytest.fixture
def frames_path(tmp_path):
    """Four frames of two molecules in a box, whose atoms are some 2 Å apart."""
    grid = 2.0 * np.stack(np.meshgrid([0, 1, 2], [0, 1], [0], indexing="ij"), -1).reshape(6, 3)
    positions = grid + np.random.default_rng(1).normal(scale=0.1, size=(4, 6, 3))
    mixed = {
        "elements": ["O", "O", "H", "H", "H", "H"],
        "bonds": [[0, 3], [0, 4], [1, 2], [1, 5]],
        "residues": [0, 1, 1, 0, 0, 1],
    }
    frames = waters(positions=positions, energy=None, forces=None, stress=None, trajectory=np.zeros(4), **mixed)
    Dataset([frames], [Trajectory("box", "liquid", "train")]).save(tmp_path / "frames.h5")
    return tmp_path / "frames.h5"


def test_energies_of_grains_are_those_of_their_atoms(frames_path, tmp_path, capsys):
    """The residues are mixed up: sums go by them, not by blocks of atoms."""
    output = tmp_path / "labels.h5"
    options = [word for key, value in SETTINGS.items() for word in ("--setting", f"{key}={str(value).lower()}")]
    assert main(["label", str(frames_path), str(output), "--teacher", LJ, *options]) == 0
    assert "with energies of grains: 4 frames" in capsys.readouterr().out
    (frames,) = Dataset.load(output).sets
    for index in range(4):
        atoms = frames.atoms(index)
        atoms.calc = LennardJones(**SETTINGS)
        alone = atoms.get_potential_energies()
        expected = [alone[[0, 3, 4]].sum(), alone[[1, 2, 5]].sum()]
        np.testing.assert_allclose(frames.grain_energies[index], expected, rtol=1e-5, atol=1e-7)
    assert main(["data", "info", str(output)]) == 0
    assert "with energies of grains: 4 of 4 frames" in capsys.readouterr().out


@pytest.mark.parametrize("told", ["nothing", "none", "nan", "few", "off"])
def test_energies_that_are_none_are_left_out(frames_path, told):
    (frames,) = Dataset.load(frames_path).sets
    teacher = replace(load_teacher(LJ), calculator=Told(told))
    found = attempt(teacher, Job(frames.numbers, frames.positions[0], frames.cell[0]))
    assert found.energies is None and np.isfinite(found.forces).all() and found.energy != 0


def test_labels_of_before_go_on_without(frames_path, tmp_path):
    """Parts of an earlier version hold no energies of atoms; frames with and without them are two sets."""
    output = tmp_path / "labels.h5"
    label(frames_path, output, LJ, settings=SETTINGS)
    parts = sorted(output.with_name("labels.h5.parts").glob("*.npz"))
    for path in parts[:3]:
        with np.load(path) as file:
            older = {name: file[name] for name in file.files if name != "energies"}
        np.savez(path, **older)
    made = label(frames_path, output, LJ, settings=SETTINGS)
    assert sorted((len(s), s.grain_energies is not None) for s in made.sets) == [(1, True), (3, False)]
    assert made.provenance["labelling"]["with_grain_energies"] == 1
