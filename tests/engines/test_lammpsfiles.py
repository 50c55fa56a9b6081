"""Files for LAMMPS: all that they say of a box is what the box is, and none is replaced."""

import ast
import copy
import json

import numpy as np
import pytest
from openmm import app, unit

from openmm_cgaa import GrainMap
from openmm_cgaa.cli import main
from openmm_cgaa.engines.lammpsfiles import FILES, atom_types, data_file, write_lammps
from openmm_cgaa.errors import CGAAError, EngineError, GrainError, OutputError
from openmm_cgaa.model.loaded import LoadedModel
from openmm_cgaa.structures.structure import write_structure


def parts(text):
    """{heading: rows of words} of a data file."""
    found, heading = {"": []}, ""
    for line in text.splitlines()[1:]:
        words = line.split("#")[0].split()
        if words and words[0].isalpha():
            heading = words[0]
            found[heading] = []
        elif words:
            found[heading].append(words)
    return found


@pytest.fixture
def model(tiny_conserving_path):
    return LoadedModel(tiny_conserving_path, "double")


def test_the_data_file_holds_the_box(solvent, model, tmp_path):
    """Positions inside, image flags that make molecules whole, molecules, masses and velocities."""
    topology, positions, box = solvent
    moving = np.random.default_rng(0).normal(size=positions.shape)
    write_lammps(tmp_path, model, topology, positions + 3.0 * box[1], moving)
    found = parts((tmp_path / "box.data").read_text())
    low, high = np.array([words[:2] for words in found[""][2:5]], float).T
    xy, xz, yz = map(float, found[""][5][:3])
    read = np.array([[high[0], 0, 0], [xy, high[1], 0], [xz, yz, high[2]]])
    np.testing.assert_allclose(read, 10.0 * box, atol=1e-9)
    assert (low == 0).all()
    atoms = np.array(found["Atoms"], float)
    np.testing.assert_array_equal(atoms[:, 0], np.arange(1, 241))
    inside, images = atoms[:, 3:6], atoms[:, 6:9]
    assert ((inside @ np.linalg.inv(read) > -1e-9) & (inside @ np.linalg.inv(read) < 1 + 1e-9)).all()
    whole = inside + images @ read
    grains = GrainMap.from_topology(topology)
    np.testing.assert_array_equal(atoms[:, 1], grains.atom_grain + 1)
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds()])
    assert np.linalg.norm(whole[bonds[:, 0]] - whole[bonds[:, 1]], axis=1).max() < 2.0
    steps = (whole - 10.0 * positions) @ np.linalg.inv(read)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    masses = {number: float(mass) for number, mass in found["Masses"]}
    told = [masses[str(int(kind))] for kind in atoms[:, 2]]
    np.testing.assert_allclose(told, [a.element.mass.value_in_unit(unit.dalton) for a in topology.atoms()], atol=1e-5)
    np.testing.assert_allclose(np.array(found["Velocities"], float)[:, 1:], 10.0 * moving, atol=1e-9)


def test_a_box_that_lies_otherwise_is_turned(solvent, model):
    """Bonds are as long, and velocities have the same part along them; the box lies as LAMMPS wants it."""
    topology, positions, box = solvent
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    grains, moving = GrainMap.from_topology(topology), np.random.default_rng(2).normal(size=positions.shape)
    bonds, found = np.array([(a.index, b.index) for a, b in topology.bonds()]), []
    for each in (np.eye(3), turn):
        given = positions @ each, box @ each, moving @ each
        read = parts(data_file(grains, topology, atom_types(topology), *given, "title"))
        edges = np.array([words[1] for words in read[""][2:5]], float)
        atoms, speeds = np.array(read["Atoms"], float), np.array(read["Velocities"], float)[:, 1:]
        way = np.diff((atoms[:, 3:6] + atoms[:, 6:9] * edges)[bonds], axis=1)[:, 0]
        found.append([edges, np.linalg.norm(way, axis=1), (way * speeds[bonds[:, 0]]).sum(1)])
    for straight, turned in zip(*found):
        np.testing.assert_allclose(turned, straight, atol=1e-6)


def test_the_script_is_python_and_names_what_is_there(solvent, model, tmp_path, tiny_conserving_path):
    topology, positions, _ = solvent
    write_lammps(tmp_path / "new/folder", model, topology, positions, temperature=310, timestep=1.0, picoseconds=2.0)
    folder = tmp_path / "new/folder"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    script = (folder / "run.py").read_text()
    ast.parse(script)
    assert json.dumps(str(tiny_conserving_path)) in script and 'precision="double"' in script
    run = (folder / "run.lmp").read_text()
    assert "velocity all create 310 1" in run and "timestep 0.001\n" in run and "run 2000\n" in run
    assert GrainMap.load(folder / "grains.json").num_atoms == 240


def test_nothing_is_replaced(solvent, model, tmp_path):
    topology, positions, _ = solvent
    (tmp_path / "run.lmp").write_text("mine")
    with pytest.raises(OutputError, match="holds run.lmp already; move them away, or name another folder"):
        write_lammps(tmp_path, model, topology, positions)
    assert [path.name for path in tmp_path.iterdir()] == ["run.lmp"] and (tmp_path / "run.lmp").read_text() == "mine"


def test_what_cannot_be_is_refused_and_leaves_nothing(solvent, model, tmp_path):
    topology, positions, _ = solvent
    for wrong, error, words in (
        (dict(model=LoadedModel("ec-emc-lipf6-fast"), topology=strange(topology)), GrainError, "EC"),
        (dict(topology=boxless(topology)), EngineError, "has no box.*unit cell"),
        (dict(positions=positions[1:]), CGAAError, "240"),
        (dict(positions=positions * np.nan), CGAAError, "finite"),
    ):
        given = {"model": model, "topology": topology, "positions": positions} | wrong
        with pytest.raises(error, match=words):
            write_lammps(tmp_path / "x", **given)
        assert not (tmp_path / "x").exists()


def boxless(topology):
    topology = copy.deepcopy(topology)
    topology.setPeriodicBoxVectors(None)
    return topology


def strange(topology):
    modeller = app.Modeller(topology, np.zeros((topology.getNumAtoms(), 3)) * unit.nanometer)
    modeller.delete([next(atom for atom in topology.atoms() if atom.element.symbol == "H")])
    return modeller.topology


def test_the_command(solvent, tiny_conserving_path, tmp_path, capsys):
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    words = ["lammps", str(tiny_conserving_path), str(tmp_path / "box.cif"), "--out", str(tmp_path / "out")]
    assert main([*words, "--temperature", "280"]) == 0
    assert f"mpiexec -n 2 python {tmp_path}/out/run.py" in capsys.readouterr().out
    assert "create 280 1" in (tmp_path / "out/run.lmp").read_text()
    assert main(words) == 2 and "already" in capsys.readouterr().err
