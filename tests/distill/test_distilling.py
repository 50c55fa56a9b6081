"""A whole distillation in small (`distilling`, `gathering`, `proof`): by a teacher of springs, with runs of no use."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import LIQUID
from openmm import unit

pytest.importorskip("lightning")

from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.distill import distilling
from openmm_cgaa.distill.distilling import densities_of, distill, is_labelled, part_refused
from openmm_cgaa.distill.distillplan import plan_of_smiles
from openmm_cgaa.model.file import load_model
from openmm_cgaa.sampling import liquids
from openmm_cgaa.structures.density import density, mass_of_topology
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.training.config import load_config

SYSTEM = Path(__file__).parents[2] / "systems" / "ec_emc"
SMILES, NAMES = "O=C1OCCO1", ["EC"]
SMALL = {
    "forcefield": [str(SYSTEM / "forcefield.xml")],
    "teacher": "springs:Springs",
    "teacher_settings": {"stiffness": 0.01},
    "density": 0.7,
    "workers": 1,
    "form": "fast",
    "classical": {
        **{"atoms": 50, "frames": 2, "equilibration": 0.02, "spacing": 0.01, "temperatures": [1.0], "npt": [1.0]},
        **{"densities": [0.9, 1.0], "validation": 1, "test": 1, "turned": 2, "strained": 2, "pairs": 4},
    },
    "own": {
        **{"rounds": 1, "temperatures": [1.0], "densities": [1.0], "npt": [1.0], "equilibration": 0.004},
        **{"npt_equilibration": 0.004, "spacing": 0.002, "frames": 2},
    },
    "training": {"first": 10, "steps": 20, "last": 10},
    "proof": {"nvt": 0.05, "nve": 0.05, "npt": 0.05, "hot": 0.05, "large": 60, "teacher_frames": 1},
}


def density_of(path):
    topology, _ = read_structure(path)
    box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom))
    return float(density(mass_of_topology(topology), box))


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liquids, "SETTLE", (100, 0.5))
        patch.setattr(liquids, "SHRINK", (4, 10))
        patch.setattr(distilling, "RELAXED", 0.2)
        yield patch


@pytest.fixture(scope="module")
def finished(tmp_path_factory, patch):
    folder, said = tmp_path_factory.mktemp("distilled") / "out", []
    return folder, distill(plan_of_smiles(SMILES, NAMES, SMALL), folder, said.append), said


def test_all_is_there(finished):
    folder, found, said = finished
    assert load_model(folder / "model.safetensors")[1]["provenance"]["name"] == "model"
    assert {"classical.h5", "own1.h5", "own2.h5", "student1", "student2", "run-nve"} <= {
        p.name for p in folder.iterdir()
    }
    own = Dataset.load(folder / "own2.h5")
    assert {t.split for t in own.trajectories} == {"train", "test"}
    assert found["measured"]["own_nvt_frames"] >= 2 and found["measured"]["own_npt_net_force"] > 0
    assert found["measured"]["test_force"] > 0
    for name in ("nvt", "nve", "npt", "hot"):  # a student that knows nothing may blow up, which is a result, too
        assert "blown_up" in json.loads((folder / f"run-{name}/found.json").read_text())
    assert found["verdict"].status == "not ready" and found["verdict"].exit_status == 4
    report = json.loads((folder / "report.json").read_text())
    assert report["verdict"]["status"] == "not ready" and "data:image/svg+xml" in (folder / "report.html").read_text()
    assert {stage["name"]: stage["labels"] for stage in report["stages"]}["own2"] == len(own)
    compile((folder / "use.py").read_text(), "use.py", "exec")
    # runs begin as dense as its own liquid, not as the first box, which was packed at 0.7 g/cm3
    begun = [density_of(folder / f"run-{name}/topology.cif") for name in ("npt", "hot")]
    assert begun == pytest.approx(2 * [found["measured"]["density"]], abs=1e-3)


def test_the_model_that_is_kept_has_learned_from_all_labels(finished):
    folder, found, _ = finished
    assert found["model"] == str(folder / "last" / "model.safetensors")
    steps = [load_config(folder / f"train-{name}.yaml") for name in ("student2", "last")]
    assert [Path(path).name for path in steps[1].data.paths] == ["classical.h5", "own1.h5", "own2.h5"]
    assert steps[1].init == str(folder / "student2" / "model.safetensors") and steps[1].max_steps == 10
    assert steps[1].loss == steps[0].loss and steps[1].optimizer.method == steps[0].optimizer.method
    judged = [json.loads((folder / f"{name}.json").read_text()) for name in ("own2", "last-own")]
    assert judged[0]["own_nvt_force"] != judged[1]["own_nvt_force"] == found["measured"]["own_nvt_force"]


def test_a_second_call_has_nothing_to_do(finished, patch):
    folder, found, _ = finished
    said = []
    again = distill(plan_of_smiles(SMILES, NAMES, SMALL), folder, said.append)
    assert said == [] and again["measured"] == found["measured"]


def test_a_folder_that_was_moved_goes_on(finished, patch, tmp_path):
    shutil.copytree(finished[0], tmp_path / "moved")
    said = []
    distill(plan_of_smiles(SMILES, NAMES, SMALL), tmp_path / "moved", said.append)
    assert said == []


def test_what_has_changed_is_made_anew_with_what_depends_on_it(finished, patch, tmp_path):
    """Here by two processes."""
    shutil.copytree(finished[0], tmp_path / "out")
    said = []
    plan = plan_of_smiles(SMILES, NAMES, SMALL | {"proof": SMALL["proof"] | {"teacher_frames": 2}, "workers": 2})
    distill(plan, tmp_path / "out", said.append)
    made = [line.split(",")[0] for line in said if "aside" not in line]
    names = "npt", "hot", "nve"
    assert made[:3] == [f"{name} beside the teacher" for name in names]
    ended = [line.split(" (")[0] for line in made[3:] if "is finished" in line]  # and what they warn of
    assert sorted(ended) == sorted(f"found-{name} is finished" for name in names)


def test_a_density_beyond_the_labels_is_no_labelled_one():
    """Methanol was right on its own frames at 0.95 g/cm3, where none of its labels was."""
    low, high = densities_of([LIQUID])
    assert 0.5 < low < high < 2.0
    assert is_labelled(low, [LIQUID]) and is_labelled(high, [LIQUID]) and is_labelled(None, [LIQUID])
    assert part_refused([LIQUID]) == 0.0
    assert not is_labelled(high + 0.01, [LIQUID]) and not is_labelled(low - 0.01, [LIQUID])


def test_labels_that_were_refused_are_counted(tmp_path):
    whole = Dataset.load(LIQUID)
    masks = [np.arange(len(one)) < len(one) // 4 for one in whole.sets]
    whole.keep([~mask for mask in masks]).save(tmp_path / "own1.h5")
    whole.keep(masks).save(tmp_path / "own1.refused.h5")
    assert part_refused([tmp_path / "own1.h5"]) == pytest.approx(sum(map(np.sum, masks)) / len(whole))
