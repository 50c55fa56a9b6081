"""The fast convolution gives SevenNet's own energies, forces and stresses."""

import numpy as np
import pytest

from openmm_cgaa.labelling import sevennet_cpu

ase = pytest.importorskip("ase")
pytest.importorskip("sevenn")


def calculator():
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator("7net-0", device="cpu")


@pytest.fixture(scope="module")
def both():
    fast = calculator()
    if not sevennet_cpu.speed_up(fast.model):
        pytest.skip("no C++ compiler")
    return calculator(), fast


@pytest.mark.parametrize("periodic", [True, False])
def test_same_numbers_as_the_library(both, solvent, periodic):
    topology, positions, box = solvent
    atoms = ase.Atoms([atom.element.symbol for atom in topology.atoms()], 10 * positions)[:40]
    if periodic:
        atoms.set_cell(10 * box)
        atoms.pbc = True
    for name in ("energy", "forces", "stress") if periodic else ("energy", "forces"):
        slow, fast = (one.get_property(name, atoms) for one in both)
        assert np.abs(slow - fast).max() < {"energy": 1e-3, "forces": 2e-5, "stress": 1e-6}[name]


def test_single_atom_without_neighbours(both):
    slow, fast = (one.get_property("energy", ase.Atoms("Li")) for one in both)
    assert slow == pytest.approx(fast, abs=1e-6)


def test_without_compiler_the_model_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(sevennet_cpu, "_library", lambda: None)
    model = calculator().model
    assert not sevennet_cpu.speed_up(model)
    assert not any(isinstance(layer.forward, sevennet_cpu._FastForward) for layer in model.modules())
