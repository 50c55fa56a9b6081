"""What callers hand in, as plain numbers of the wanted unit, or a sentence that names the argument."""

import mdtraj
import numpy as np
import pytest
from openmm import Vec3, app, unit

from openmm_cgaa.errors import EngineError, GeometryError, GrainError
from openmm_cgaa.inputs import arguments


@pytest.mark.parametrize(
    "values",
    [
        [[1.0, 2.0, 3.0]],
        np.array([[1, 2, 3]]),
        [[10.0, 20.0, 30.0]] * unit.angstrom,
        [Vec3(1, 2, 3)] * unit.nanometer,
        [Vec3(1000, 2000, 3000) * unit.picometer],
    ],
)
def test_numbers_of_any_form_are_in_one_unit(values):
    found = arguments.numbers(values, unit.nanometer, "positions", "an array in nm")
    assert found.dtype == np.float64 and found == pytest.approx(np.array([[1.0, 2.0, 3.0]]))


def test_numbers_are_a_copy():
    given = np.zeros(3)
    arguments.numbers(given, unit.nanometer, "box", "an array")[0] = 1.0
    assert given[0] == 0.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("words", "x is not an array of real numbers .*'words'.*; give three numbers"),
        ([[1.0], [1.0, 2.0]], "x is not an array of real numbers"),
        ([1.0 + 2.0j], "x is complex"),
        ([True, False], "x is not an array of real numbers"),
        ([1.0, 2.0] * unit.kelvin, "x has another dimension than nanometer; give three numbers"),
    ],
)
def test_what_are_no_numbers(values, message):
    with pytest.raises(GeometryError, match=message):
        arguments.numbers(values, unit.nanometer, "x", "three numbers")


def test_one_number():
    assert arguments.number(1.5 * unit.angstrom, unit.nanometer, "length", "nm") == pytest.approx(0.15)
    for value in (np.nan, np.inf, [1.0], None):
        with pytest.raises(EngineError, match="length is .*; give a length in nm"):
            arguments.number(value, unit.nanometer, "length", "a length in nm")


def test_words_that_only_count_as_something_are_refused():
    assert arguments.integer(np.int32(3), "n", 0, 3) == 3 and arguments.flag(np.True_, "f") is True
    for call, message in (
        (lambda: arguments.integer(True, "n", 0, 3), "n is True; give an integer from 0 to 3"),
        (lambda: arguments.integer(1.0, "n", 0, 3), "n is 1.0; give an integer"),
        (lambda: arguments.integer(4, "n", 0, 3), "n is 4; give an integer"),
        (lambda: arguments.force_group(32, "group"), "group is 32; give an integer from 0 to 31"),
        (lambda: arguments.flag("no", "f"), "f is 'no'; give True or False"),
        (lambda: arguments.choice("gpu", "device", ["cpu", "cuda"]), "device 'gpu' is not known; give 'cpu' or 'cuda'"),
        (lambda: arguments.path("", "model"), "model is ''; give a name or the path of a file"),
    ):
        with pytest.raises(EngineError, match=message):
            call()


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        ([], "atoms is empty"),
        ([True, False], "a mask of booleans; give indices"),
        ([0, 5], "atoms 0 to 5 are asked for, but the topology has 0 to 4"),
        ([1, 1], "atom 1 more than once"),
        ([0.0], "give a sequence of integers"),
        (3, "give a sequence of integers"),
    ],
)
def test_atoms_that_are_no_part(atoms, message):
    with pytest.raises(EngineError, match=message):
        arguments.subset(atoms, 5)
    assert arguments.subset((4, 0), 5).tolist() == [4, 0]  # in the caller's order


def test_the_way_to_a_topology():
    for value, message in (
        ("box.cif", r"read the file first: topology, positions = openmm_cgaa.read_structure\('box.cif'\)"),
        (mdtraj.Topology(), "give its .to_openmm"),
        (app.Topology(), "the topology has no atoms"),
        (None, "give an openmm.app.Topology"),
    ):
        with pytest.raises(GrainError, match=message):
            arguments.topology(value)
    with pytest.raises(GrainError, match="GrainMap.from_topology takes it"):
        arguments.mdtraj_topology(app.Topology())
    with pytest.raises(GrainError, match="the templates of 'EC' are not pairs of atom names"):
        arguments.templates({"EC": [("C1",)]})
