"""What a plan takes, what it fills in, and what it refuses."""

import re

import pytest
import yaml

from openmm_cgaa.cli import main
from openmm_cgaa.distill.distillplan import QUICK, DistillPlan, plan_of_smiles, read_distill_plan
from openmm_cgaa.errors import CGAAError

DME = "COCCOC"


def test_changes_leave_the_rest_of_a_group(tmp_path):
    (tmp_path / "plan.yaml").write_text(
        "molecules: [{name: DME, smiles: COCCOC}]\nclassical: {atoms: 300}\nteacher_settings: {dispersion: false}\n"
    )
    plan = read_distill_plan(tmp_path / "plan.yaml", {**QUICK, "teacher_settings": {"fast": False}})
    assert plan.classical.atoms == 300 and plan.classical.pairs == QUICK["classical"]["pairs"]
    assert plan.teacher_settings == {"fast": False}


def test_a_smiles_is_a_plan():
    plan = plan_of_smiles(DME)
    (molecule,) = plan.molecules
    assert (molecule.name, molecule.smiles, molecule.count) == ("C4H10O2", DME, 1)
    assert plan.teacher == "sevennet-0-d3" and plan.form == "good" and plan.density is None


def test_several_with_ratios_and_names():
    plan = plan_of_smiles("O=C1OCCO1:1 CCOC(=O)OC:2", ["EC", "EMC"], {"form": "fast"})
    assert [(one.name, one.count) for one in plan.molecules] == [("EC", 1), ("EMC", 2)] and plan.form == "fast"
    assert plan.counts({"EC": 10, "EMC": 15}, 240) == {"EC": 6, "EMC": 12}
    assert plan.counts({"EC": 10, "EMC": 15}, 1) == {"EC": 1, "EMC": 2}
    assert [one.name for one in plan_of_smiles("CCO COC").molecules] == ["C2H6O", "C2H6Oa"]
    assert plan_of_smiles("c1:c:c:c:c:c1:2").molecules[0].count == 2  # a colon is an aromatic bond, too


def test_a_plan_that_is_written_is_the_plan(tmp_path):
    path = tmp_path / "plan.yaml"
    assert main(["distill", "--smiles", DME, "--names", "DME", "--quick", "--write-template", str(path)]) == 0
    plan = read_distill_plan(path)
    assert plan == plan_of_smiles(DME, ["DME"], QUICK) and plan.own.rounds == QUICK["own"]["rounds"]
    assert yaml.safe_load(path.read_text())["classical"]["temperatures"] == [0.95, 1.15, 1.35]
    assert read_distill_plan(path, {"temperature": 350.0}).temperature == 350.0


@pytest.mark.parametrize(
    ("text", "names", "changes", "message"),
    [
        ("", None, {}, "there is no SMILES; give one or several"),
        (DME, ["A", "B"], {}, "names: 2 names for 1 molecule; give each one"),
        ("C1CC", None, {}, "the SMILES 'C1CC' does not parse"),
        ("C.C", None, {}, "holds 2 molecules; list each"),
        (DME, None, {"form": "best"}, "form is 'best', expected good or fast"),
        (DME, None, {"own": {"rounds": 0}}, "own: rounds is 0; expected a whole number from 1"),
        (DME, None, {"temprature": 300}, "unknown key temprature; known are molecules"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(text, names, changes, message):
    with pytest.raises(CGAAError, match=message):
        plan_of_smiles(text, names, changes)


def test_a_structure_needs_a_force_field():
    with pytest.raises(CGAAError, match="LI has no SMILES, so no generic force field; give forcefield"):
        DistillPlan(molecules=[{"name": "LI", "structure": "LI.pdb"}])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give a plan .\\.yaml., the files of a topology, or molecules by --smiles"),
        (["plan.yaml", "--smiles", DME], "plan.yaml is a plan, which says all; give it alone"),
        (["--smiles", DME], "say with --out which folder everything goes into"),
    ],
)
def test_the_command_says_what_is_missing(words, message, capsys):
    assert main(["distill", *words]) == 2
    assert re.search(message, capsys.readouterr().err)


IONS = "O=C1OCCO1 [Li+] F[P-](F)(F)(F)(F)F"


def test_a_teacher_that_knows_charges_is_told_those_of_the_smiles():
    plan = plan_of_smiles(IONS, ["EC", "LI", "PF6"], {"teacher": "gfn2-xtb"})
    assert plan.teacher_settings == {"charges": {"Li": 1.0, "P": -1.0}}
    own = {"teacher": "gfn2-xtb", "teacher_settings": {"charges": {"Li": 1, "F": -1 / 6}}}
    assert plan_of_smiles(IONS, ["EC", "LI", "PF6"], own).teacher_settings == own["teacher_settings"]
    assert plan_of_smiles(IONS, ["EC", "LI", "PF6"]).teacher_settings == {}
