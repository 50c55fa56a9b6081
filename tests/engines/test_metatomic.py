"""`metatomic`, `metatomicmodule`: by metatomic's own ASE calculator a model gives what the plain evaluator gives."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("metatomic.torch", reason="the extra metatomic is not installed")
metatomic_ase = pytest.importorskip("metatomic_ase", reason="the extra metatomic is not installed")

from ase import Atoms, units  # noqa: E402
from ase.calculators.fd import calculate_numerical_stress  # noqa: E402
from ase.md.verlet import VelocityVerlet  # noqa: E402
from metatensor.torch import Labels  # noqa: E402
from metatomic.torch import ModelOutput  # noqa: E402
from near_pairs import scattered  # noqa: E402

from openmm_cgaa import CGAACalculator, CGAAPotential, export_metatomic  # noqa: E402
from openmm_cgaa.cli import main  # noqa: E402
from openmm_cgaa.data.dataset import Dataset  # noqa: E402
from openmm_cgaa.engines.ase import infer_grains  # noqa: E402
from openmm_cgaa.engines.metatomic import APART, last_line  # noqa: E402
from openmm_cgaa.structures.structure import write_structure  # noqa: E402

SALT = Path(__file__).parents[2] / "systems/ec_emc_lipf6/data/own.h5"
BUNDLED = "ec-emc-lipf6", "ec-emc-lipf6-fast"


@pytest.fixture(autouse=True)
def no_compiler():
    """A test calls a model a few times, which torch would spend on compiling it."""
    with torch.jit.optimized_execution(False):
        yield


@pytest.fixture(scope="module")
def salt():
    """248 atoms of EC, EMC and LiPF6 in their box."""
    frames = next(own for own in Dataset.load(SALT).sets if len(own.elements) == 248)
    return Atoms(frames.elements, frames.positions[0].astype(float), cell=frames.cell[0], pbc=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metatomic")
    for name in BUNDLED:
        export_metatomic(name, folder / f"{name}.pt")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_conserving_path):
    path = tmp_path_factory.mktemp("metatomic") / "tiny.pt"
    export_metatomic(tiny_conserving_path, path)
    return path


@pytest.fixture
def atoms(liquid):
    return Atoms(liquid.elements, liquid.positions[0].astype(float), cell=liquid.cell[0], pbc=True)


def calculator(path, **keywords):
    return metatomic_ase.MetatomicCalculator(path, device="cpu", **keywords)


def answers(atoms, calculator):
    atoms = atoms.copy()
    atoms.calc = calculator
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()


def assert_same(found, wanted, close=1e-9):
    """The energies without what rounding takes of thousands of eV."""
    assert found[0] == pytest.approx(wanted[0], rel=1e-13, abs=close)
    for one, other in zip(found[1:], wanted[1:]):
        np.testing.assert_allclose(one, other, atol=close * np.abs(other).max())


@pytest.mark.parametrize("name", BUNDLED)
def test_the_numbers_are_those_of_the_plain_evaluator(files, salt, name):
    """Of the box, of one whose atoms are shuffled and scattered over images, and of one with other lattice vectors."""
    energy, forces, stress = answers(salt, CGAACalculator(CGAAPotential(name, "double", "cpu", fused=False)))
    exported = calculator(files / f"{name}.pt", check_consistency=True)
    assert_same(answers(salt, exported), (energy, forces, stress))
    order = np.random.default_rng(5).permutation(len(salt))
    other = salt[order]
    other.positions = scattered(other.positions, other.cell.array)
    assert_same(answers(other, exported), (energy, forces[order], stress))
    other.set_cell(np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ other.cell.array)  # the same lattice
    assert_same(answers(other, exported), (energy, forces[order], stress))


def test_the_stress_is_the_slope_of_the_energy_in_a_triclinic_cell(tiny, atoms):
    cell = atoms.cell.array.copy()
    cell[2, 0] += 1.5
    atoms.set_cell(cell)
    atoms.calc = calculator(tiny)
    stress = atoms.get_stress()
    numerical = calculate_numerical_stress(atoms, eps=1e-4, force_consistent=False)
    np.testing.assert_allclose(stress, numerical, atol=1e-6 * np.abs(stress).max() + 1e-9)


def test_a_run_conserves_energy_as_the_calculator_of_the_package_does(files, salt):
    name, totals = BUNDLED[1], []
    for calc in (calculator(files / f"{name}.pt"), CGAACalculator(name, device="cpu")):
        moving = salt.copy()
        moving.calc = calc
        moving.set_momenta(
            np.random.default_rng(1).normal(size=(len(salt), 3)) * np.sqrt(salt.get_masses())[:, None] / 7
        )
        run, total = VelocityVerlet(moving, 0.5 * units.fs), []
        run.attach(lambda: total.append(moving.get_total_energy()))  # noqa: B023 - called inside of this turn
        run.run(20)
        totals.append(np.array(total))
    assert np.abs(totals[0] - totals[1]).max() < 1e-8
    assert np.ptp(totals[0]) < 0.1  # of some 8 eV of kinetic energy


def test_without_a_box_and_several_systems_at_once(tiny, tiny_conserving_path, atoms):
    found = CGAACalculator(tiny_conserving_path)
    free = atoms[[*range(10), *range(60, 75)]]
    free.positions = infer_grains(free).whole(free.positions, free.cell.array)
    free.set_cell(None)
    free.pbc = False
    exported = calculator(tiny)
    exported.calculate(free, ["energy", "forces"], ["positions"])
    found.calculate(free, ["energy", "forces"], ["positions"])
    assert exported.results["energy"] == pytest.approx(found.results["energy"], abs=1e-9)
    np.testing.assert_allclose(exported.results["forces"], found.results["forces"], atol=1e-9)
    outputs = {"energy": ModelOutput(unit="eV", sample_kind="system")}
    values = exported.run_model([free, atoms, free], outputs)["energy"].block().values[:, 0]
    assert float(values[0]) == float(values[2]) == pytest.approx(found.results["energy"], abs=1e-9)
    assert float(values[1]) == pytest.approx(found.get_potential_energy(atoms), abs=1e-9)


def test_a_network_in_single_precision_differs_by_rounding(tmp_path, tiny_conserving_path, atoms):
    export_metatomic(tiny_conserving_path, tmp_path / "single.pt", "single")
    found = answers(atoms, calculator(tmp_path / "single.pt"))
    assert_same(found, answers(atoms, CGAACalculator(tiny_conserving_path)), 1e-4)


def test_what_an_engine_cannot_have_is_refused_in_a_sentence(tiny, atoms):
    def said(call):
        with pytest.raises(Exception) as caught:  # noqa: PT011, B017 - torch.jit.Error is no RuntimeError
            call()
        return last_line(caught.value)

    exported, energy = calculator(tiny), {"energy": ModelOutput(unit="eV", sample_kind="system")}
    every = torch.tensor([[0, atom] for atom in range(len(atoms))])
    whole = exported.run_model(atoms, energy, Labels(["system", "atom"], every))["energy"].block().values
    assert float(whole) == pytest.approx(atoms_energy(atoms, exported), abs=1e-9)
    some = Labels(["system", "atom"], every[:100])
    assert "run the engine in one process" in said(lambda: exported.run_model(atoms, energy, some))
    single = {"energy": ModelOutput(unit="eV", sample_kind="atom")}
    assert "ask for no energies of atoms" in said(lambda: exported.run_model(atoms, single))
    slab = atoms.copy()
    slab.pbc = [True, True, False]
    slab.cell[2] = 0.0
    assert "periodic in some directions alone; give a box" in said(lambda: exported.run_model(slab, energy))
    assert "are C3H3O3 with 9 bonds" in said(lambda: exported.run_model(atoms[[*range(9)]], energy))


def atoms_energy(atoms, calculator):
    return calculator.get_potential_energy(atoms.copy())


def test_the_command_proves_what_it_writes(tmp_path, tiny_conserving_path, solvent, capsys, monkeypatch):
    topology, positions, _ = solvent
    box, output = tmp_path / "box.cif", tmp_path / "tiny.pt"
    write_structure(box, topology, positions)
    line = f"model export {tiny_conserving_path} --metatomic {output} --box {box}".split()
    assert main(line) == 0 and main(line) == 0  # a file of its own is replaced
    assert "it gives the model's energy and forces of" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setitem(APART, "single", (0.0, 0.0))
        assert main([*line, "--precision", "single"]) == 2
        assert "so nothing is written; give precision='double'" in capsys.readouterr().err
        assert main([*line, "--precision", "double"]) == 0
    before = output.read_bytes()
    positions[3] += 0.1
    write_structure(box, topology, positions)
    assert main(line) == 2
    assert "with atoms and no topology: atoms 0, " in capsys.readouterr().err and output.read_bytes() == before
