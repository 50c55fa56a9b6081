"""The teacher gives the numbers it is known for, and labelling survives interruption."""

import sys

import numpy as np
import pytest

from openmm_cgaa.errors import DatasetError, EngineError
from openmm_cgaa.reference.teacher import label, sevennet_0_d3

ase = pytest.importorskip("ase")

# one EC molecule out of a liquid, Å; energies in eV and forces in eV/Å from sevenn 0.13.0 (7net-0) and dftd3 1.7.0
EC = ase.Atoms(
    "OCOC2OH4",
    [
        [0.547, 1.361, 2.288],
        [0.357, 0.806, 1.236],
        [-0.448, 1.225, 0.191],
        [-0.703, 0.131, -0.652],
        [0.478, -0.758, -0.443],
        [0.856, -0.429, 0.901],
        [-0.962, 0.417, -1.692],
        [-1.667, -0.348, -0.305],
        [1.383, -0.597, -1.115],
        [0.16, -1.809, -0.409],
    ],
)
SEVENNET_ENERGY, D3_ENERGY = -61.33398, -0.18676
FORCES_ON_FIRST_ATOMS = [[-0.0298, 0.1584, -0.4009], [-0.049, -0.4599, 0.1069], [0.0527, 1.2163, 0.4753]]


class Springs:
    """Every atom tied to the origin; counts its calls and breaks down at will."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, breaks_at=None):
        self.calls, self.breaks_at = 0, breaks_at

    def get_potential_energy(self, atoms, force_consistent=False):
        self.calls += 1
        if self.calls == self.breaks_at:
            raise KeyboardInterrupt
        return 0.5 * (atoms.positions**2).sum()

    def get_forces(self, atoms):
        return -atoms.positions


def argon_frames(count):
    return [ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 3.0 + i]]) for i in range(count)]


def test_teacher_reproduces_its_labels_and_stress_is_the_derivative():
    pytest.importorskip("sevenn")
    pytest.importorskip("dftd3")
    atoms = EC.copy()
    atoms.calc = sevennet_0_d3()
    assert atoms.get_potential_energy() == pytest.approx(SEVENNET_ENERGY + D3_ENERGY, abs=1e-3)
    assert np.abs(atoms.get_forces()[:3] - FORCES_ON_FIRST_ATOMS).max() < 1e-3

    atoms.set_cell([6.0, 6.5, 7.0])
    atoms.pbc = True
    stress = atoms.get_stress(voigt=False)[2, 2]
    strained = []
    for strain in (1e-3, -1e-3):
        copy = atoms.copy()
        copy.set_cell(atoms.cell.array * [1, 1, 1 + strain], scale_atoms=True)
        copy.calc = atoms.calc
        strained.append(copy.get_potential_energy())
    assert (strained[0] - strained[1]) / (2e-3 * atoms.get_volume()) == pytest.approx(stress, abs=2e-4)


def test_missing_teacher_names_package_and_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sevenn.calculator", None)
    with pytest.raises(EngineError, match=r"sevenn.*openmm-cgaa\[teacher\]"):
        sevennet_0_d3()


def test_interrupted_labelling_goes_on_where_it_was(tmp_path):
    path, frames = tmp_path / "labels.npz", argon_frames(5)
    with pytest.raises(KeyboardInterrupt):
        label(frames, Springs(breaks_at=4), path)
    assert len(np.load(path)["energy"]) == 3
    rest = Springs()
    arrays = label(frames, rest, path)
    assert rest.calls == 2
    assert np.allclose(arrays["energy"], [0.5 * (3.0 + i) ** 2 for i in range(5)])
    assert np.allclose(arrays["forces"], -arrays["positions"])
    assert [file.name for file in tmp_path.iterdir()] == ["labels.npz"]


def test_labels_of_other_frames_are_refused_and_kept(tmp_path):
    path = tmp_path / "labels.npz"
    label(argon_frames(2), Springs(), path)
    before = path.read_bytes()
    with pytest.raises(DatasetError, match="other frames"):
        label(argon_frames(3)[::-1], Springs(), path)
    assert path.read_bytes() == before
    path.write_bytes(before[:100])
    with pytest.raises(DatasetError, match="cannot be read"):
        label(argon_frames(2), Springs(), path)


def test_frames_of_different_atoms_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="frame 1"):
        label([ase.Atoms("Ar"), ase.Atoms("Ne")], Springs(), tmp_path / "labels.npz")
