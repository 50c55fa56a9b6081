"""What the verdict is given: each number has its unit and its error."""

from dataclasses import replace

import numpy as np
import pytest

from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.distill.distillplan import plan_of_smiles
from openmm_cgaa.distill.measures import densities, labelled_densities, mean_density, of_evaluation, of_runs
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.training.evaluation import evaluate


@pytest.fixture
def dataset(liquid):
    frames = replace(liquid, trajectory=np.zeros(len(liquid), int))
    return Dataset([frames], [Trajectory("a", "liquid", "test")], {"name": "t", "settings": {}})


def test_of_an_evaluation(tiny_conserving_path, liquid, dataset, tmp_path):
    dataset.save(tmp_path / "a.h5")
    errors = evaluate(tiny_conserving_path, tmp_path / "a.h5", "test")
    found = of_evaluation(errors)
    assert found["force_relative"] == pytest.approx(found["force"] / np.sqrt((liquid.forces**2).mean()), rel=1e-4)
    assert found["mean_energy"] == errors["energy"]["mean"] and found["frames"] == len(liquid)
    if errors["stress"]:
        assert found["pressure"] == pytest.approx(1000 * errors["stress"]["pressure_mean"])
        assert 0 <= found["pressure_error"] <= 1000 * errors["stress"]["pressure"]


def test_of_runs():
    nothing = {"blown_up": "at once"}
    plan = plan_of_smiles("CCO")
    found = of_runs(dict.fromkeys(("nvt", "nve", "npt", "hot"), nothing), plan)
    assert found["temperatures"] == {} and "density" not in found and "drift" not in found
    runs = {
        "nvt": {
            "structure": {"A-B": {"difference": [0.01, 0.02]}},
            "temperature": {"translation": {"mean_K": 300.0, "error_K": 2.0}},
            "bonds": {"largest_deviation_A": 0.2},
        },
        "nve": {"drift": {"meV_per_atom_per_ps": 0.001, "error": 0.002}},
        "npt": {
            "density": {"mean_g_per_ml": 0.8, "error_g_per_ml": 0.01},
            "bonds": {"largest_deviation_A": 0.3},
            "teacher": {"pressure_MPa": {"molecular": {"mean": -20.0, "error": 3.0}}},
            "outside": {"density": "It is thin."},
        },
        "hot": nothing,
    }
    found = of_runs(runs, plan)
    assert found["temperatures"] == {"translation": [300.0, 2.0]} and found["largest_stretch"] == 0.3
    assert (found["density"], found["drift"], found["drift_error"]) == (0.8, 0.001, 0.002)
    # the model's pressure is the barostat's, 1 bar; it is 20 MPa below the teacher's
    assert found["density_teacher_pressure"] == pytest.approx(20.1) and found["density_teacher_pressure_error"] == 3.0
    assert found["rdf_difference"] == {"A-B": [0.01, 0.02]} and found["warnings"] == ["npt: It is thin."]


def test_densities(liquid, dataset):
    assert densities(dataset) == pytest.approx(list(liquid.density))
    assert labelled_densities(dataset) == (min(liquid.density), max(liquid.density))
    assert mean_density(dataset) == pytest.approx(liquid.density.mean())
    with pytest.raises(CGAAError, match="no periodic frame is left"):
        densities(dataset.select(trajectories=[]))
