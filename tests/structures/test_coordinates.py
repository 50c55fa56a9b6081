"""Coordinates that have names alone: .gro of any digits and boxes, and the elements that names say."""

import numpy as np
import pytest
from openmm import unit
from program_files import gro

from openmm_cgaa.errors import CGAAError, StructureWarning
from openmm_cgaa.structures.coordinates import element_symbol, named_topology, read_coordinates
from openmm_cgaa.structures.structure import read_structure

ROW = "    1WAT     OW    1{:>8}{:>8}{:>8}\n    1WAT    HW1    2   0.100   0.000   0.000\n"
ROW += "    1WAT    HW2    3   0.000   0.100   0.000\n"


@pytest.mark.parametrize(
    "name, known, alone, symbol",
    [
        ("CL", None, False, "Cl"),
        ("BR12", None, False, "Br"),
        ("C1A", None, False, "C"),
        ("HW1", None, False, "H"),
        ("1H2", None, False, "H"),
        ("CA", None, False, "C"),
        ("CA", None, True, "Ca"),
        ("NA", None, True, "Na"),
        ("NA", None, False, "N"),
        ("K", None, True, "K"),
        ("SI1", {"Si", "O", "H"}, False, "Si"),
        ("CL1", {"C", "H"}, False, "C"),
        ("XE", None, True, None),
        ("*", None, False, None),
    ],
)
def test_elements_of_names(name, known, alone, symbol):
    assert element_symbol(name, known, alone) == symbol


def test_a_name_that_says_no_element_is_refused():
    with pytest.raises(CGAAError, match="XX1 of residue FOO 1 says no element; give the topology"):
        named_topology("a.gro", [(1, "FOO", "C1"), (1, "FOO", "XX1")])
    with pytest.raises(CGAAError, match="residue FOO 1 has two atoms C1"):
        named_topology("a.gro", [(1, "FOO", "C1"), (1, "FOO", "C1")])


@pytest.mark.parametrize("digits", [3, 6])
def test_water_of_gro_needs_no_template(tmp_path, solvent, digits):
    """Also with the digits of `gmx editconf -ndec`, which OpenMM's reader does not take."""
    form = f"{{:>{digits + 5}.{digits}f}}"
    numbers = "".join(form.format(x) for x in (0.001, -0.002, 0.003))
    rows = ["title", "3"]
    for atom, x in (("OW", (0.001, -0.002, 0.003)), ("HW1", (0.1, 0, 0)), ("HW2", (0, 0.1, 0))):
        rows.append(f"    1SOL  {atom:>5s}    1" + "".join(form.format(value) for value in x))
    (tmp_path / "w.gro").write_text("\n".join([*rows, " 2.0 2.0 2.0"]) + "\n")
    assert numbers in (tmp_path / "w.gro").read_text()
    topology, positions = read_structure(tmp_path / "w.gro")
    assert [(a.name, b.name) for a, b in topology.bonds()] == [("OW", "HW1"), ("OW", "HW2")]
    np.testing.assert_allclose(positions.value_in_unit(unit.nanometer)[0], [0.001, -0.002, 0.003])


def test_boxes_of_gro(tmp_path, solvent):
    """A triclinic one, none, one of a lattice in long vectors, and a second frame."""
    topology, positions, _ = solvent
    path = tmp_path / "a.gro"
    box = np.array([[1.7, 0.0, 0.0], [0.4, 1.6, 0.0], [-0.5, 0.3, 1.8]])
    for given in (box, box + [[0, 0, 0], [1.7, 0, 0], [3.4, 0, 0]]):
        path.write_text(gro(topology, positions, given))
        found = read_coordinates(path)
        np.testing.assert_allclose(found.box.value_in_unit(unit.nanometer), box, atol=1e-6)
        np.testing.assert_allclose(found.positions.value_in_unit(unit.nanometer), positions, atol=1e-6)
    path.write_text(gro(topology, positions, 0 * box))
    assert read_coordinates(path).box is None
    path.write_text(2 * gro(topology, positions, box))
    with pytest.warns(StructureWarning, match="more than one frame; the first is taken"):
        assert len(read_coordinates(path).positions) == topology.getNumAtoms()


@pytest.mark.parametrize(
    "text, message",
    [
        ("title\n3\n" + ROW.format("0.000", "0.000", "0.000"), "it ends before its 3 atoms and the box after them"),
        ("title\n3\n" + ROW.format("0.000", "0.000", "******") + " 2 2 2\n", "cannot be read as coordinates"),
        ("title\n2\n" + ROW.format("0.000", "0.000", "0.000") + " 2 2 2\n", "stands where the box should"),
        ("title\nmany\n", "cannot be read as coordinates"),
        ("", "cannot be read as coordinates"),
    ],
)
def test_damaged_files_are_told(tmp_path, text, message):
    (tmp_path / "a.gro").write_text(text)
    with pytest.raises(CGAAError, match=f"a.gro.*{message}"):
        read_coordinates(tmp_path / "a.gro")
    (tmp_path / "a.rst7").write_text("title\n    2\n   0.1   0.2")
    with pytest.raises(CGAAError, match=r"a.rst7 cannot be read as coordinates"):
        read_coordinates(tmp_path / "a.rst7")
