"""Charges of ions that elements and bonds tell, and those that a user gives."""

import pytest

from openmm_cgaa.analysis.formalcharges import charges_of, formal_charge
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap


def kind(name, elements, bonds):
    return GrainMap.from_arrays(list(elements), bonds, [0] * len(elements), [name]).types[0]


def around(center, *others):
    return [center, *others], [(0, number) for number in range(1, len(others) + 1)]


SODIUM, CHLORIDE, WATER = kind("NA", ["Na"], []), kind("CL", ["Cl"], []), kind("HOH", *around("O", "H", "H"))
PF6 = kind("PF6", *around("P", *"FFFFFF"))


@pytest.mark.parametrize(
    ("elements", "bonds", "charge"),
    [
        (["Mg"], [], 2.0),
        (*around("N", *"HHHH"), 1.0),
        (*around("B", *"FFFF"), -1.0),
        (*around("P", *"FFFFFF"), -1.0),
        (*around("P", *"OOOO"), 0.0),  # has orders that bonds do not tell
        (*around("O", *"HH"), 0.0),
        (["Ar"], [], 0.0),
    ],
)
def test_formal_charges(elements, bonds, charge):
    assert formal_charge(kind("X", elements, bonds)) == charge


def test_ions_have_the_charges_that_they_are_given():
    kinds = [SODIUM, CHLORIDE, WATER]
    assert charges_of(kinds, [4, 4, 9]) == {"NA": 1.0, "CL": -1.0}
    assert charges_of(kinds, [4, 4, 9], {"NA": 0.8, "CL": -0.8}) == {"NA": 0.8, "CL": -0.8}
    assert charges_of([SODIUM, PF6], [4, 4]) == {"NA": 1.0, "PF6": -1.0}
    assert charges_of([SODIUM, WATER], [2, 2], {"HOH": -1}) == {"NA": 1.0, "HOH": -1.0}


@pytest.mark.parametrize(
    ("kinds", "counts", "given", "message"),
    [
        ([WATER], [4], None, "no ions: 4 HOHs of \\+0; give the charges .* --charges HOH=1, .* charges={'HOH': 1}"),
        ([SODIUM, CHLORIDE], [4, 3], None, "add up to \\+1 \\(4 NAs of \\+1, 3 CLs of -1\\)"),
        ([SODIUM, CHLORIDE], [4, 4], {"LI": 1.0}, "no grain LI; the grains are NA, CL"),
    ],
)
def test_charges_that_cannot_be(kinds, counts, given, message):
    with pytest.raises(CGAAError, match=message):
        charges_of(kinds, counts, given)
