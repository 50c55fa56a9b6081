"""What readers of one file (`pdbfiles`) skip in it: refused where something is lost, else told."""

import pytest
from pdb_files import contents, pdb_text

from openmm_cgaa.errors import CGAAError, StructureWarning
from openmm_cgaa.structures.structure import read_structure, write_structure


def spoiled(text, record, name):
    """The text, the name of the second line of a record changed."""
    lines = text.splitlines(keepends=True)
    at = [i for i, line in enumerate(lines) if line.startswith(record)][1 if record != "CRYST1" else 0]
    lines[at] = name + lines[at][len(name) :]
    return "".join(lines), at + 1


@pytest.mark.parametrize(
    ("record", "name"),
    [("HETATM", "hetatm"), ("HETATM", "HETAT "), ("HETATM", "ATQM  "), ("HETATM", " ATOM "), ("HETATM", "ATOM 1")]
    + [("HETATM", "      "), ("CONECT", "conect"), ("CRYST1", "Cryst1")],
)
def test_a_record_that_openmm_would_pass_over_is_refused(solvent, tmp_path, record, name):
    """Its reader knows a line by its first six columns; numbers beyond 99999 reach into them (openmm#3956)."""
    path, right = tmp_path / "box.pdb", pdb_text(*solvent[:2])
    text, number = spoiled(right, record, name)
    path.write_text(text)
    with pytest.raises(CGAAError, match=rf"line {number} \(.* would be lost: columns 1 to 6 hold {name!r}"):
        read_structure(path)
    path.write_text(right)
    assert contents(read_structure(path)[0]) == contents(solvent[0])


def test_a_file_in_small_letters_is_told_as_such(solvent, tmp_path):
    path = tmp_path / "box.pdb"
    path.write_text(pdb_text(*solvent[:2]).lower())
    with pytest.raises(CGAAError, match="would be lost: columns 1 to 6 hold 'cryst1'"):
        read_structure(path)


@pytest.mark.parametrize("text", ["TER\nEND\n", "CONECT    1    2\n", "MODEL        1\nENDMDL\n", ""])
def test_a_file_without_atoms_is_told_as_such(tmp_path, text):
    path = tmp_path / "none.pdb"
    path.write_text(text)
    with pytest.raises(CGAAError, match="it holds no ATOM and no HETATM record"):
        read_structure(path)


@pytest.mark.parametrize("text", ["", "data_x\n", "data_x\n_cell.length_a 3.0\n"])
def test_a_table_without_atoms_is_told_as_such(tmp_path, text):
    path = tmp_path / "none.cif"
    path.write_text(text)
    with pytest.raises(CGAAError, match="its first data block has no table atom_site"):
        read_structure(path)


def test_lines_of_no_record_are_told_and_passed_over(solvent, tmp_path):
    path = tmp_path / "box.pdb"
    path.write_text("made on Monday\n\nREMARK 1.000 2.000 3.000\n" + pdb_text(*solvent[:2]))
    with pytest.warns(
        StructureWarning, match=r"lines that are no records .*: 1, the first is line 1 \('made on Monday'\)"
    ):
        topology, _ = read_structure(path)
    assert contents(topology) == contents(solvent[0])


def test_only_the_first_block_of_a_table_is_taken_and_that_is_said(solvent, tmp_path):
    path = tmp_path / "box.cif"
    write_structure(path, *solvent[:2])
    path.write_text(path.read_text() + path.read_text().replace("data_", "data_again_", 1))
    with pytest.warns(StructureWarning, match="holds 2 data blocks with atoms; the first is taken"):
        topology, _ = read_structure(path)
    assert contents(topology) == contents(solvent[0])
