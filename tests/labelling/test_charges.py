"""Charges of frames, of their atoms alone."""

import pytest

from openmm_cgaa.errors import EngineError
from openmm_cgaa.labelling.charges import checked, element_charges, misfit, total_charge

pytest.importorskip("ase")

LI, F, P, H, O, S = 3, 9, 15, 1, 8, 16
ELECTROLYTE = {"Li": 1, "P": -1}
EMIM, ACETONITRILE, BF4 = ["C"] * 6 + ["H"] * 11 + ["N"] * 2, ["C"] * 2 + ["H"] * 3 + ["N"], ["B"] + ["F"] * 4


def test_charges_follow_from_those_of_the_molecules():
    assert element_charges([(["C", "O"], 0), (["Li"], 1), (["P"] + ["F"] * 6, -1)]) == {"Li": 1, "P": -1}
    assert element_charges([(["C", "O"], 0)]) == {}


def test_ions_of_the_elements_of_the_solvent_have_charges_too():
    charges = element_charges([(EMIM, 1), (ACETONITRILE, 0), (BF4, -1)])
    for elements, charge in ((EMIM, 1), (ACETONITRILE, 0), (BF4, -1)):
        assert sum(charges.get(element, 0.0) for element in elements) == pytest.approx(charge)


def test_two_charges_of_one_sum_formula_are_refused():
    with pytest.raises(EngineError, match="molecules of one sum formula have different charges"):
        element_charges([(["O", "H"], -1), (["O", "H"], 0)])


@pytest.mark.parametrize(
    ("numbers", "periodic"), [([LI], False), ([P, *6 * [F]], False), ([LI, P, *6 * [F]], True), ([O, H, H], True)]
)
def test_closed_shells_are_taken(numbers, periodic):
    assert misfit(ELECTROLYTE, numbers, periodic) is None
    assert total_charge(ELECTROLYTE, numbers) == numbers.count(LI) - numbers.count(P)


@pytest.mark.parametrize(
    ("charges", "numbers", "periodic", "told"),
    [
        ({}, [LI, LI], False, "not told the charge of Li; give the charges of all ions: --setting 'charges="),
        ({}, [P, *6 * [F]], False, r"with the charge \+0 they have an odd number of electrons. If there are ions"),
        ({}, [O, H], False, "Else hydrogens are missing, or it is a radical"),
        ({"Li": 1}, [LI, LI, *2 * [P, *6 * [F]]], True, r"their box has the charge \+2, but it must be neutral"),
        ({"S": -0.5}, [S], False, "have the charge -0.5, which is not whole"),
    ],
)
def test_what_cannot_be_is_told(charges, numbers, periodic, told):
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(misfit(charges, numbers, periodic))


@pytest.mark.parametrize("charges", [1, ["Li"], {"Xx": 1}, {"Li": "1"}, {"Li": True}, {"Li": float("nan")}])
def test_what_are_no_charges(charges):
    with pytest.raises(EngineError, match="give the charge that an atom of an element stands for: --setting"):
        checked(charges)
