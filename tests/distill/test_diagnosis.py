"""What strangers ask for, told before the first hour is spent."""

import re

import pytest

from openmm_cgaa.distill.diagnosis import check_files, diagnose
from openmm_cgaa.distill.distillplan import DistillPlan, plan_of_smiles, read_distill_plan
from openmm_cgaa.errors import CGAAError

TEACHER = {"teacher": "springs:Springs", "teacher_settings": {"stiffness": 0.01}}


def plan(smiles, names=None, **changes):
    return plan_of_smiles(smiles, names, {**TEACHER, **changes})


def test_nothing_is_said_of_what_is_usual():
    assert diagnose(plan("COCCOC CC#N")) == []


@pytest.mark.parametrize(
    ("smiles", "told"),
    [
        ("CC=CC", "leaves open which side the neighbours of atoms 2 and 3 lie on, cis or trans; one form is taken"),
        ("C[CH]C", "has 1 unpaired electron; are hydrogens missing in its SMILES"),
        ("CC(O)C(C)F", "leaves the handedness of atoms 2, 4 open; one form is taken"),
        ("C" * 20, "has 62 atoms in one grain; nothing so large was tried yet"),
    ],
)
def test_what_the_user_should_know(smiles, told):
    (line,) = diagnose(plan(smiles, ["X"]))
    assert re.search(told, line)


def test_what_a_teacher_makes_of_charges_is_told():
    pytest.importorskip("sevenn")
    ions = "[Na+] [Cl-]", ["NA", "CL"]
    sodium, chloride = diagnose(plan_of_smiles(*ions))
    assert sodium.startswith("NA has the charge +1; sevennet-0-d3 knows no charges: to it an ion alone is a radical")
    assert chloride.startswith("CL has the charge -1;")
    assert all("it is told elements and positions alone" in line for line in diagnose(plan(*ions)))


def test_a_teacher_that_is_told_charges_needs_no_word():
    pytest.importorskip("tblite")
    assert diagnose(plan_of_smiles("[Na+] [Cl-]", ["NA", "CL"], {"teacher": "gfn2-xtb"})) == []
    with pytest.raises(CGAAError, match="molecule X: the teacher gfn2-xtb cannot label them: .* odd number of electro"):
        diagnose(plan_of_smiles("C[CH]C", ["X"], {"teacher": "gfn2-xtb"}))


@pytest.mark.parametrize("smiles", ["[Na+]", "[Mg+2]:1 [Cl-]:1", "CC#N:5 [Na+]:1"])
def test_a_liquid_that_is_not_neutral_is_refused(smiles):
    with pytest.raises(CGAAError, match=r"the liquid has the charge \+1 \(.*a liquid is neutral; give counterions"):
        diagnose(plan(smiles))
    assert diagnose(plan("[Mg+2]:1 [Cl-]:2"))  # which the message names


def test_a_box_that_a_molecule_does_not_fit_into_is_told():
    (line,) = diagnose(plan("COCCOC", classical={"atoms": 50}))
    assert re.search(r"boxes of 3 molecules are some 7.7 Å wide.*plan.yaml: classical: {atoms: 245}", line)
    assert diagnose(plan("COCCOC", classical={"atoms": 245})) == []


@pytest.mark.parametrize(
    ("smiles", "told"),
    [
        ("C1#CC1", "RDKit finds no sound geometry; give a structure file in place of the SMILES"),
        ("FS(F)(F)(F)(F)F", "MMFF94 has no parameters"),
        ("C.C", "holds 2 molecules; list each under a name of its own"),
    ],
)
def test_a_smiles_that_leads_nowhere_is_refused(smiles, told):
    with pytest.raises(CGAAError, match=f"molecule X: .*{told}"):
        diagnose(plan(smiles, ["X"]))


@pytest.mark.parametrize("smiles", ["C[C@H](O)F C[C@@H](O)F", "OCC CCO"])
def test_two_names_for_one_molecule_are_refused(smiles):
    with pytest.raises(CGAAError, match="A and B have the same atoms and bonds; a model takes them for one molecule"):
        diagnose(plan(smiles, ["A", "B"]))


def test_an_element_that_the_teacher_lacks_is_refused():
    pytest.importorskip("sevenn")
    with pytest.raises(CGAAError, match="molecule AT: the teacher sevennet-0-d3 does not know At"):
        diagnose(plan_of_smiles("[AtH]", ["AT"]))


def test_an_element_that_openmm_lacks_is_refused():
    with pytest.raises(CGAAError, match="molecule OG: OpenMM knows no element Og; it cannot be simulated"):
        diagnose(plan("[Og]", ["OG"]))


def test_files_are_looked_for_beside_the_plan(tmp_path, monkeypatch):
    (tmp_path / "plan.yaml").write_text("molecules: [{name: A, structure: A.pdb}]\nforcefield: [ff.xml]\n")
    read = read_distill_plan(tmp_path / "plan.yaml")
    with pytest.raises(CGAAError, match="ff.xml, .*A.pdb: no such file; paths are relative to the plan's folder"):
        check_files(read)
    for name in ("A.pdb", "ff.xml"):
        (tmp_path / name).touch()
    check_files(read)


def test_a_force_field_that_does_not_know_the_molecule_is_refused(tmp_path):
    (tmp_path / "ff.xml").write_text("<ForceField></ForceField>")
    made = DistillPlan(molecules=[{"name": "A", "smiles": "CC"}], forcefield=[str(tmp_path / "ff.xml")], **TEACHER)
    with pytest.raises(CGAAError, match=r"field \(ff.xml\) cannot be used for these molecules: No template found"):
        diagnose(made)
