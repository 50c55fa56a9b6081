"""Radial distributions of a run beside those of the teacher's ensemble."""

from openmm_cgaa.distill.liquid_structure import structure_of
from openmm_cgaa.labelling.teachers import load_teacher


def test_structure_of_a_run(run_folder, tiny_conserving_path):
    teacher = load_teacher("springs:Springs", stiffness=0.01)
    found = structure_of(run_folder, tiny_conserving_path, teacher, 12, 0.0)
    assert {"EC-EMC", "EMC H - EC O"} <= found.keys()
    for curves in found.values():
        assert len(curves["r"]) == len(curves["model"]) == len(curves["teacher"])
        difference, by_chance = curves["difference"]
        assert difference >= 0.0 and by_chance >= 0.0
    assert structure_of(run_folder, tiny_conserving_path, teacher, 5, 0.0) == {}  # too few for an error
