"""The peers of the electrolyte's models: what they are trained on, and that all are held to one measure."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import openmm
import pytest
import torch
import yaml
from ase.calculators.calculator import Calculator
from ase.io import read
from ase.stress import full_3x3_to_voigt_6_stress

from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.data.extxyz import import_xyz
from openmm_cgaa.errors import DatasetError, EngineError
from openmm_cgaa.host.environment import environment
from openmm_cgaa.training.evaluation import evaluate as evaluate_network
from openmm_cgaa.units import GPA_PER_EV_PER_ANGSTROM3

SYSTEM = Path(__file__).parents[2] / "systems" / "ec_emc_lipf6"
BASELINES = Path(__file__).parents[2] / "records" / "ec_emc_lipf6" / "baselines"
sys.path.insert(0, str(BASELINES))
import evaluate as script  # noqa: E402 - scripts of their folder, not of the package
import peers  # noqa: E402
from export import element_energies, export  # noqa: E402


@pytest.fixture(scope="module")
def liquids():
    return Dataset.load(SYSTEM / "data" / "liquids.h5")


@pytest.fixture(scope="module")
def some(liquids):
    """Two validation frames of each of two compositions, salt in both."""
    chosen = liquids.select("liquid", "validation")
    return chosen.keep([np.arange(len(frames)) < 2 * (number < 2) for number, frames in enumerate(chosen.sets)])


class Labels(Calculator):
    """Answers with the labels, energies shifted, forces and stress scaled."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, frames, shift=0.0, scale=1.0):
        super().__init__()
        self.frames, self.shift, self.scale = frames, shift, scale

    def calculate(self, atoms=None, *args):
        super().calculate(atoms, *args)
        index = next(i for i, x in enumerate(self.frames.positions) if np.array_equal(x, atoms.positions))
        self.results = {
            "energy": self.frames.energy[index] + self.shift,
            "forces": self.frames.forces[index] * self.scale,
            "stress": full_3x3_to_voigt_6_stress(self.frames.stress[index] * self.scale),
        }


def test_exported_liquids_are_the_liquids(liquids, tmp_path):
    assert export(["validation"], tmp_path / "new") == {"validation": 96}
    expected = liquids.select("liquid", "validation")
    found = import_xyz(tmp_path / "new" / "validation.extxyz")
    assert {t.name for t in found.trajectories} == {t.name for t in expected.trajectories}
    assert all(t.split == "validation" for t in found.trajectories)
    energies, forces = (
        [np.concatenate([getattr(frames, name).ravel() for frames in data.sets]) for data in (expected, found)]
        for name in ("energy", "forces")
    )
    np.testing.assert_allclose(np.sort(energies[1]), np.sort(energies[0]), rtol=1e-12)
    np.testing.assert_allclose(np.sort(forces[1]), np.sort(forces[0]), atol=1e-6)
    assert all(frames.stress is not None for frames in found.sets)


def test_other_trainers_get_the_same_frames(liquids, tmp_path):
    expected = liquids.select("liquid", "validation")
    export(["validation"], tmp_path)
    ours = [(frames, index) for frames in expected.sets for index in range(len(frames))]
    read_back = read(tmp_path / "nep" / "validation.xyz", ":")
    assert len(read_back) == len(ours)
    for atoms, (frames, index) in zip(read_back, ours):
        assert atoms.get_chemical_symbols() == list(frames.elements)
        np.testing.assert_allclose(atoms.positions, frames.positions[index], atol=1e-7)
        np.testing.assert_allclose(atoms.get_forces(), frames.forces[index], atol=1e-7)
        np.testing.assert_allclose(atoms.get_stress(voigt=False), frames.stress[index], rtol=1e-6)
    first = iter(read_back)
    for number, frames in enumerate(expected.sets):
        system = tmp_path / "deepmd" / "validation" / f"{number:03d}"
        names, types = (system / "type_map.raw").read_text().split(), np.loadtxt(system / "type.raw", int)
        arrays = {path.stem: np.load(path) for path in (system / "set.000").glob("*.npy")}
        for index in range(len(frames)):
            atoms = next(first)
            assert [names[kind] for kind in types] == atoms.get_chemical_symbols()
            assert arrays["energy"][index] == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
            np.testing.assert_allclose(arrays["coord"][index].reshape(-1, 3), atoms.positions, atol=1e-7)
            np.testing.assert_allclose(arrays["force"][index].reshape(-1, 3), atoms.get_forces(), atol=1e-7)
            np.testing.assert_allclose(arrays["box"][index].reshape(3, 3), atoms.cell, rtol=1e-6)
            virial = -atoms.get_volume() * atoms.get_stress(voigt=False)
            np.testing.assert_allclose(arrays["virial"][index].reshape(3, 3), virial, rtol=1e-5, atol=1e-6)


def test_energies_of_elements_add_up():
    energies = {"C": -7.0, "H": -3.5, "O": -6.0}
    sets = []
    for elements in (["C", "H", "H"], ["O", "H", "H"], ["C", "O"]):
        positions, total = np.arange(3.0 * len(elements)).reshape(1, -1, 3), sum(energies[e] for e in elements)
        labels = {"energy": np.array([total]), "forces": np.zeros_like(positions)}
        topology = {"bonds": np.empty((0, 2), int), "residues": np.zeros(len(elements), int), "residue_names": ["A"]}
        sets.append(Frames(positions, np.zeros((1, 3, 3)), elements, **topology, **labels))
    dataset = Dataset(sets, [Trajectory("a", "molecule")], {"name": "none"})
    assert element_energies(dataset) == pytest.approx(energies)


def test_nequip_begins_with_the_energies_of_the_training_frames(liquids):
    config = yaml.safe_load((BASELINES / "liquids.yaml").read_text())
    shifts = config["training_module"]["model"]["per_type_energy_shifts"]
    assert config["elements"] == list(shifts)
    assert shifts == pytest.approx(element_energies(liquids.select("liquid", "train")), abs=1e-3)


def test_peers_know_the_elements_of_the_liquids(liquids):
    elements = sorted({symbol for frames in liquids.sets for symbol in frames.elements})
    nep = [line.split() for line in (BASELINES / "nep.in").read_text().splitlines()]
    assert next(line[2:] for line in nep if line[0] == "type") == elements
    assert json.loads((BASELINES / "deepmd.json").read_text())["model"]["type_map"] == elements
    assert yaml.safe_load((BASELINES / "liquids.yaml").read_text())["elements"] == elements


def test_who_knows_the_labels_makes_no_error(some):
    errors = script.evaluate(some, Labels)
    assert errors["frames"] == 4 and errors["grains"] == some.num_grains
    assert errors["force"]["component"] == errors["force"]["net_force"] == errors["force"]["torque"] == 0
    assert errors["energy"]["rmse"] == pytest.approx(0, abs=1e-9) and errors["stress"] == pytest.approx(0, abs=1e-6)


def test_errors_are_what_they_should_be(some):
    errors = script.evaluate(some, lambda frames: Labels(frames, 1.0, 0.5))
    force = errors["force"]
    assert force["component"] == pytest.approx(0.5 * force["reference_component"])
    assert force["net_force"] == pytest.approx(0.5) and force["torque"] == pytest.approx(0.5)
    off = np.concatenate([np.full(len(frames), 1000 / frames.num_atoms) for frames in some.sets])
    assert errors["energy"]["rmse"] == pytest.approx(np.sqrt(np.mean(off**2)))
    assert errors["energy"]["rmse_within"] == pytest.approx(0, abs=1e-9)
    stress = np.concatenate([frames.stress for frames in some.sets])
    assert errors["stress"] == pytest.approx(0.5 * GPA_PER_EV_PER_ANGSTROM3 * np.sqrt(np.mean(stress**2)), rel=1e-5)


def test_another_zero_costs_nothing_where_it_is_taken_off(some):
    def calculator(frames):
        return Labels(frames, 0.1 * frames.num_atoms)

    assert script.evaluate(some, calculator)["energy"]["rmse"] > 90
    assert script.evaluate(some, calculator, own_zero=True)["energy"]["rmse"] == pytest.approx(0, abs=1e-6)


def test_a_model_of_our_own_is_measured_as_by_the_package(liquid, tiny_conserving_path, tmp_path):
    dataset = Dataset([liquid.take([0, 3])], [Trajectory("a", "liquid", "validation")], {"name": "none"})
    dataset = replace(dataset, sets=[replace(dataset.sets[0], trajectory=np.zeros(2, int))])
    dataset.save(tmp_path / "two.h5")
    expected = evaluate_network(tiny_conserving_path, tmp_path / "two.h5")
    found = script.evaluate(dataset, script.calculators(str(tiny_conserving_path)))
    for name in ("component", "net_force", "torque", "vibration", "vector_rms"):
        assert found["force"][name] == pytest.approx(expected["force"][name], rel=1e-4), name
    assert found["energy"]["rmse"] == pytest.approx(expected["energy"]["rmse"], rel=1e-5)


def test_classical_force_field_of_both_compositions(some):
    errors = script.evaluate(some, script.calculators("classical"), own_zero=True)
    force = errors["force"]
    assert 0.2 < force["component"] / force["reference_component"] < 0.7
    assert errors["energy"]["rmse"] < 5 and errors["stress"] is None
    text = script.report(errors)
    assert text.startswith("4 frames") and f"{force['component']:.4f}" in text and "stress" not in text


def test_a_call_is_timed_on_the_cell_of_the_paper():
    timing = script.time_call("classical", script.calculators("classical"), 1)
    assert timing.ms > 0 and timing.steps == 1


def test_frames_without_labels_are_refused(some):
    bare = replace(some, sets=[replace(f, energy=None, forces=None, stress=None) for f in some.sets], teacher=None)
    with pytest.raises(DatasetError, match="no labels"):
        script.evaluate(bare, Labels)


MODELS = ["model.nequip.pt2", "model.nequip.pth", "model.pb", "nep_best.txt"]


@pytest.mark.parametrize("model", MODELS)
def test_what_is_missing_is_said(model, tmp_path, monkeypatch):
    with pytest.raises(EngineError, match="no such file"):
        script.calculators(str(tmp_path / model))
    (tmp_path / model).write_bytes(b"no model")
    package = next(peers.PEERS[ending][2] for ending in peers.PEERS if model.endswith(ending))
    for module in ("nequip", "deepmd", "nep_adapters"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EngineError, match=f"needs the package {package}"):
        script.calculators(str(tmp_path / model))


def test_who_is_no_peer_is_refused():
    with pytest.raises(peers.PeerError, match=r"expected the model of a peer.*\.pb"):
        peers.calculator("ec-emc-lipf6")


@pytest.mark.parametrize("fails", [False, True])
def test_a_peer_has_the_threads_that_were_asked_for(fails, tmp_path, monkeypatch):
    seen = {}

    def load(model):
        seen["threads"] = [os.environ[f"DP_{where}_OP_PARALLELISM_THREADS"] for where in ("INTRA", "INTER")]
        if fails:
            raise RuntimeError("another version")
        return model

    module = ModuleType("deepmd.calculator")
    module.DP = load
    monkeypatch.setitem(sys.modules, "deepmd", ModuleType("deepmd"))
    monkeypatch.setitem(sys.modules, "deepmd.calculator", module)
    (tmp_path / "model.pb").write_bytes(b"")
    with environment(OMP_NUM_THREADS="3", DP_INTRA_OP_PARALLELISM_THREADS="8"):
        if fails:
            with pytest.raises(peers.PeerError, match="DeePMD-kit cannot load it.*another version"):
                peers.calculator(tmp_path / "model.pb")
        else:
            assert peers.calculator(tmp_path / "model.pb") == str(tmp_path / "model.pb")
    assert seen["threads"] == ["3", "3"]


def test_peers_need_nothing_of_the_package():
    code = "import sys, peers; assert not {'openmm_cgaa', 'numpy', 'openmm', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=BASELINES, check=True)


def test_listed_peers_are_those_that_can_be_called():
    listed = yaml.safe_load((BASELINES / "peers.yaml").read_text())["peers"]
    assert {Path(peer["settings"]["model"]).parent.name for peer in listed} == {"nequip", "allegro", "deepmd", "nep"}
    for peer in listed:
        file, _, function = peer["calculator"].partition(":")
        assert (BASELINES / file).is_file() and getattr(peers, function) is peers.calculator
        assert peers.is_peer(peer["settings"]["model"])


@pytest.mark.parametrize("model", ["no-such-model", "no.such.module:Calculator", "gone.nequip.pth"])
def test_command_ends_in_one_line(model, monkeypatch, capsys):
    platform = openmm.Platform.getPlatformByName("CPU")
    before = torch.get_num_threads(), platform.getPropertyDefaultValue("Threads")
    monkeypatch.setattr(sys, "argv", ["evaluate.py", model])
    with pytest.raises(SystemExit) as stopped:
        script.main()
    told = capsys.readouterr().err
    assert stopped.value.code == 2 and told.startswith("error: ") and model.split(":")[0] in told
    assert told.count("\n") == 1
    assert (torch.get_num_threads(), platform.getPropertyDefaultValue("Threads")) == before


def test_command_refuses_no_threads(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "classical", "--threads", "0"])
    with pytest.raises(SystemExit):
        script.main()
    assert "at least 1 thread" in capsys.readouterr().err
