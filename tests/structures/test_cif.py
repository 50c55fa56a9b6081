"""Small-molecule CIF files as they come: with and without operations, digits in brackets, disorder, several crystals.

And what `unitcell` makes of them.
"""

import numpy as np
import pytest

pytest.importorskip("ase")
from crystal_files import CO2, cif_file

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.structures.cif import is_crystal, read_cif
from openmm_cgaa.structures.unitcell import fill, space_group

SITE = "O1 0.118 0.119 0.118"
GROUP = "_space_group_name_H-M_alt 'P a -3'"


def test_operations_of_a_setting_that_has_no_standard_symbol(tmp_path):
    """P 21/n, whose symbol the tables do not list, by its operations."""
    operations = ["x,y,z", "1/2-x,1/2+y,1/2-z", "-x,-y,-z", "1/2+x,1/2-y,1/2+z"]
    loop = "loop_\n_symmetry_equiv_pos_as_xyz\n" + "".join(f"'{each}'\n" for each in operations)
    text = CO2.replace(GROUP, f"_symmetry_space_group_name_H-M 'P 21/n'\n{loop}").replace("_Z 4", "_Z ?")
    text = text.replace("a 5.6", "a 5.600(3)").replace("C1 0 0 0\n", "")
    unit = read_cif(cif_file(tmp_path, text))
    sites, fractional = fill(unit)
    x = np.array([0.118, 0.119, 0.118])
    expected = [x, [0.382, 0.619, 0.382], -x, [0.618, 0.381, 0.618]]
    np.testing.assert_allclose(fractional, expected, atol=1e-12)
    assert sites.tolist() == [0] * 4 and unit.contents is None


def test_symbols_in_all_their_forms():
    for forms in (("Pbca", "P b c a", 61, "61"), ("P 1 21/c 1", "P21/c", "P 21/c", 14), ("Pa-3", "P a -3", 205)):
        rotations = [space_group(form)[0] for form in forms]
        assert all(np.array_equal(rotations[0], other) for other in rotations)
    with pytest.raises(CGAAError, match="no space group 'Pxyz'"):
        space_group("Pxyz")


@pytest.mark.parametrize(
    "old, new, message",
    [
        (CO2, "nothing", "holds 0 structures|no CIF"),
        (CO2, CO2 + CO2.replace("data_dry", "data_ice"), r"holds 2 structures .*\(dry, ice\).*leave the data block of"),
        ("cell_length_a 5.6", "cell_length_a ?", r"_cell_length_a is '\?', expected a number"),
        ("_cell_length_a 5.6\n", "", "_cell_length_a is None"),
        (SITE, "O1 0.118 ? 0.118", r"_atom_site_fract_y of site 2 is '\?'"),
        (GROUP, "", "names no symmetry; add its space group"),
        (GROUP, "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,q'\n", "symmetry operation 1 is none; expected such as"),
        (GROUP, "_space_group_name_H-M_alt 'P 21/q'", "no space group 'P 21/q'"),
        ("_Z 4", "_Z 8", "found are 4 C, not 8; 8 O, not 16"),
        ("'C O2'", "'C O2 H2'", "0 H, not 8.*hydrogens"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, message):
    path = cif_file(tmp_path, CO2.replace(old, new))
    with pytest.raises(CGAAError, match=message):
        fill(read_cif(path))


@pytest.mark.parametrize("key, ordered, value", [("occupancy", "1", "0.5"), ("disorder_group", ".", "2")])
def test_disorder_is_refused_and_order_is_not(tmp_path, key, ordered, value):
    text = CO2.replace("_fract_z\n", f"_fract_z\n_atom_site_{key}\n").replace("C1 0 0 0", f"C1 0 0 0 {ordered}")
    assert len(fill(read_cif(cif_file(tmp_path, text.replace(SITE, f"{SITE} {ordered}"))))[0]) == 12
    with pytest.raises(CGAAError, match=f"given.cif: the site O1 .*{value}.*leave one arrangement"):
        read_cif(cif_file(tmp_path, text.replace(SITE, f"{SITE} {value}")))


def test_one_block_of_several_is_enough(tmp_path):
    """The advice: leave the data block of one crystal in the file."""
    both = CO2 + CO2.replace("data_dry", "data_ice")
    with pytest.raises(CGAAError, match="leave the data block of one crystal in it"):
        read_cif(cif_file(tmp_path, both))
    left = both[both.index("data_ice") :]
    assert read_cif(cif_file(tmp_path, left)).elements == ["C", "O"]


def test_a_crystal_is_told_from_other_files(tmp_path):
    path = cif_file(tmp_path, CO2)
    assert is_crystal(path) and not is_crystal(tmp_path / "nowhere.cif")
    (tmp_path / "box.cif").write_text("data_cell\n_atom_site.Cartn_x\n")
    assert not is_crystal(tmp_path / "box.cif")
