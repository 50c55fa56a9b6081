"""What messages about crystals advise is done, and helps."""

import pytest
from advice import World, follow, rows
from crystal_files import BUTADIYNE, CO2, FORMALDEHYDE, SHORT_CELL, cif_file, description

from openmm_cgaa.building.boxes import build
from openmm_cgaa.structures.cif import read_cif
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.structures.unitcell import fill, space_group

ROWS = {}
row = rows(ROWS)

ALDEHYDE = {"name": "FAL", "smiles": "C=O"}
CELL = {"spacegroup": "P 1", "cell": [6, 6, 6], "sites": FORMALDEHYDE}


@pytest.fixture
def world(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch):
    pytest.importorskip("ase")
    return World.of(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch)


def described(w, crystal, *molecules):
    """Number of molecules in a box that is built."""
    return read_structure(build(description(w.path, crystal, list(molecules))))[0].getNumResidues()


@row(
    "give either cif or all of ",
    "; leave count out, or change supercell",
    "; give a larger supercell",
    "; take it out of molecules",
)
def descriptions(w):
    yield lambda: described(w, {"cell": [6, 6, 6]}, ALDEHYDE)
    assert described(w, CELL, ALDEHYDE) == 1
    assert described(w, {"cif": cif_file(w.path, CO2)}, {"name": "CO2", "smiles": "O=C=O"}) == 4
    yield lambda: described(w, CELL, ALDEHYDE | {"count": 2})
    assert described(w, CELL | {"supercell": [1, 2, 1]}, ALDEHYDE | {"count": 2}) == 2
    yield lambda: described(w, SHORT_CELL, BUTADIYNE)
    assert described(w, SHORT_CELL | {"supercell": [2, 2, 2]}, BUTADIYNE) == 8
    yield lambda: described(w, CELL, ALDEHYDE, BUTADIYNE)


def changed(w, *words):
    """Number of atoms in the cell of a file of which words, each before what it becomes, are changed."""
    text = CO2
    for old, new in zip(words[::2], words[1::2]):
        assert old in text
        text = text.replace(old, new)
    return len(fill(read_cif(cif_file(w.path, text)))[0])


SITE = "O1 0.118 0.119 0.118\n"
GROUP = "_space_group_name_H-M_alt 'P a -3'"


@row(
    "it names no symmetry; add its space group, which is _space_group_name_H-M_alt 'P 1' where all",
    "leave one arrangement of the disordered atoms in the file, without occupancies and disorder groups",
    "look at its edges and angles, or give the symmetry operations of its own setting, in a CIF",
    "Add the atoms that are missing (hydrogens?), or correct the formula, Z or the symmetry",
    ", or are images listed beside their sites? Leave one site for each atom that no operation gives",
    "give a standard symbol, such as Pbca or P 21/c, or its number. Other settings, such as P 21/n, need a CIF",
)
def files(w):
    yield lambda: changed(w, GROUP, "")
    assert changed(w, GROUP, "_space_group_name_H-M_alt 'P 1'", "_Z 4", "_Z ?") == 2
    half = "O1 0.118 0.119 0.118 0.5\nO2 0.05 0.16 0.118 0.5\n"
    yield lambda: changed(w, "fract_z\n", "fract_z\n_atom_site_occupancy\n", "0 0 0", "0 0 0 1", SITE, half)
    assert changed(w) == 12
    yield lambda: changed(w, "length_a 5.6", "length_a 5.9")
    assert changed(w, "length_a 5.6", "length_a 5.60") == 12
    own = "loop_\n_space_group_symop_operation_xyz\n'x,y,z'\n'1/2+x,-y,1/2-z'\n"
    assert changed(w, "length_a 5.6", "length_a 5.9", "_Z 4", "_Z ?", GROUP, own) == 4
    yield lambda: changed(w, "'C O2'", "'C O2 H2'")
    assert changed(w, "'C O2'", "'C O2 H2'", SITE, SITE + "H1 0.3 0.3 0.3\n") == 20
    yield lambda: changed(w, SITE, SITE + "O2 -0.118 -0.119 -0.118\n")  # its image in the origin
    assert changed(w) == 12
    yield lambda: space_group("P 21/n")
    assert all(len(space_group(group)[0]) for group in ("Pbca", "P 21/c", 14))


@pytest.mark.parametrize("steps", dict.fromkeys(ROWS.values()), ids=lambda steps: steps.__name__)
def test_the_advice_helps(steps, world):
    follow(steps, world)
