"""Torsions of a molecule whose model is its own teacher; modes and stretches are in test_scans.py."""

from pathlib import Path

import pytest

pytest.importorskip("ase")

from openmm_cgaa import CGAAPotential  # noqa: E402
from openmm_cgaa.building.molecules import Molecule  # noqa: E402
from openmm_cgaa.labelling.teachers import load_teacher  # noqa: E402
from openmm_cgaa.validation.monomers import torsions  # noqa: E402
from openmm_cgaa.validation.rows import ROW_KINDS  # noqa: E402
from openmm_cgaa.validation.system import ValidatedSystem  # noqa: E402

EMC = str(Path(__file__).parents[2] / "systems/ec_emc/EMC.pdb")


@pytest.mark.filterwarnings("ignore::openmm_cgaa.errors.CGAADomainWarning")
def test_torsions_of_a_model_are_what_it_teaches():
    system = ValidatedSystem(
        model="ec-emc",
        teacher="openmm_cgaa.engines.ase:CGAACalculator",
        molecules=[Molecule("EMC", structure=EMC)],
        **{"boxes": {"box": "box.cif"}, "runs": {}, "rows": {"molecules": ROW_KINDS["molecules"](name="molecules")}},
    )
    teacher = load_teacher(system.teacher, model="ec-emc")
    found = torsions(system, "EMC", CGAAPotential("ec-emc"), teacher.calculator, step=180.0)
    assert sorted(row["name"].split(" (")[0] for row in found) == ["EMC CCOC", "EMC COCO", "EMC OCOC"]
    for row in found:
        assert len(row["x"]) == 3 and row["x"][0] == pytest.approx(row["x"][2])  # once around
        assert row["barrier_meV"]["teacher"] > 1.0 and row["largest_difference_meV"] < 1e-2
        assert row["model_eV"] == pytest.approx(row["teacher_eV"], abs=1e-5)
