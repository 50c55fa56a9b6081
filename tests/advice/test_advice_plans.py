"""What messages about plans of sampling advise is done to the letter, and helps."""

import shutil

import numpy as np
import openmm
import pytest
from followed import refused
from sampling_plans import (
    FORCEFIELD,
    LIQUID,
    plan_file,
    sampled,
    short_preparation,  # noqa: F401 - for all tests here
)

pytest.importorskip("ase")


from openmm_cgaa.data import Dataset, Frames, Trajectory  # noqa: E402
from openmm_cgaa.sampling.sample import sample  # noqa: E402

SPRINGS = "springs:Springs"
BURST = {
    **{"kind": "dynamics", "source": "SOURCE", "teacher": SPRINGS, "teacher_settings": {"stiffness": 1e-4}},
    **{"temperature": 100, "steps": 5, "save_every": 5},
}
CUT = {"kind": "cluster", "per_frame": 1, "max_molecules": 2}


@pytest.fixture(scope="module")
def liquids(tmp_path_factory):
    """A data set of two frames of four EC, without temperatures."""
    random = np.random.default_rng(0)
    frames = Frames(
        positions=np.array([[[0, 0, 0], [0.74, 0, 0], [0, 0, 4], [0.74, 0, 4]]] * 2) + 0.01 * random.random((2, 4, 3)),
        cell=[np.diag([9.0, 9.0, 9.0])] * 2,
        **{"elements": ["H"] * 4, "bonds": [[0, 1], [2, 3]], "residues": [0, 0, 1, 1], "residue_names": ["H2", "H2"]},
    )
    path = tmp_path_factory.mktemp("liquids") / "liquids.h5"
    Dataset([frames], [Trajectory("h2", "liquid", "train")]).save(path)
    return path


PLANS = {  # (runs, changes of the plan), advice, (runs, changes)
    "sampler": (
        ([LIQUID], {"sampler": None}),
        "run ec needs a sampler; say which force field, system or model moves the atoms",
        ([LIQUID], {"sampler": {"forcefield": FORCEFIELD}}),
    ),
    "nothing moves": (
        ([LIQUID], {"sampler": {"threads": 1}}),
        "give forcefield (a list of files), system (files) or model",
        ([LIQUID], {"sampler": {"forcefield": FORCEFIELD}}),
    ),
    "two that move": (
        ([LIQUID], {"sampler": {"forcefield": FORCEFIELD, "system": FORCEFIELD[0]}}),
        "a system has its force field; leave forcefield out",
        None,  # test_a_system_of_another_box
    ),
    "platform": (
        ([LIQUID], {"sampler": {"forcefield": FORCEFIELD, "platform": "Abacus"}}),
        "OpenMM has no platform 'Abacus' here, only Reference",
        ([LIQUID], {"sampler": {"forcefield": FORCEFIELD, "platform": "Reference"}}),
    ),
    "no source": (
        ([CUT], {"sampler": None}),
        "the plan samples no frames to cut from; give source (.h5)",
        ([CUT | {"source": "SOURCE"}], {"sampler": None}),
    ),
    "a split of its own": (
        ([CUT | {"source": "SOURCE", "split": "test"}], {"sampler": None}),
        "what is cut from a trajectory has the split of that one; leave it out",
        ([CUT | {"source": "SOURCE"}], {"sampler": None}),
    ),
    "names": (
        ([LIQUID, LIQUID], {}),
        "two trajectories would be called ec; give the runs different names",
        ([LIQUID, LIQUID | {"name": "another"}], {}),
    ),
    "counts or structure": (
        ([LIQUID | {"structure": "EC.pdb"}], {}),
        "give either counts or structure",
        ([LIQUID], {}),
    ),
    "densities or box": (
        ([LIQUID | {"box": 11.0}], {}),
        "give either densities or box",
        ([LIQUID | {"box": 11.0, "densities": None}], {}),
    ),
    "neither": (
        ([LIQUID | {"densities": None}], {}),
        "NVT needs densities (g/cm3) or box (edges in Å)",
        ([LIQUID | {"densities": None, "box": [11.0, 11.0, 11.0]}], {}),
    ),
    "counts of none": (
        ([LIQUID | {"counts": {"EC": 0}}], {}),
        "expected how many there are of each molecule",
        ([LIQUID | {"counts": {"EC": 2}}], {}),
    ),
    "strained": (
        ([LIQUID | {"strained": ["EC"]}], {}),
        "strained names species, but strain is 0; give by how many Å their atoms are moved",
        ([LIQUID | {"strained": ["EC"], "strain": 0.1}], {}),
    ),
    "an empty list": (
        ([LIQUID | {"temperatures": []}], {}),
        "temperatures is an empty list; leave the key out, or give a value",
        ([LIQUID | {"temperatures": [310.0]}], {}),
    ),
    "name": (
        ([LIQUID | {"name": "a/b"}], {}),
        "it names a file, so it has no slash, and is not empty",
        ([LIQUID | {"name": "a-b"}], {}),
    ),
    "turned": (
        ([{"kind": "molecule", "species": ["EC", "LI"], "turned": True, "temperatures": 300}], {}),
        "has no bond that heavy atoms turn about; leave it out of a run with turned: true",
        ([{"kind": "molecule", "species": ["EC"], "temperatures": 300, "frames": 1, "equilibration": 0.01}], {}),
    ),
    "spacing": (
        ([LIQUID | {"spacing": 1e-4}], {}),
        "spacing is 0.0001 ps, less than a step of 1.0 fs",
        ([LIQUID | {"spacing": 1e-3}], {}),
    ),
    "a burst that saves nothing": (
        ([BURST | {"save_every": 10}], {}),
        "save_every is 10, but a burst has 5 steps only",
        ([BURST], {}),
    ),
    "a burst at no temperature": (
        ([BURST | {"temperature": None}], {}),
        "the frames of h2 have no temperature; give the run one",
        ([BURST], {}),
    ),
    "a burst of long steps": (
        ([BURST | {"step": 100.0, "teacher_settings": {"stiffness": 0.1}, "steps": 50}], {}),
        "take a shorter step than 100 fs, or frames that the teacher finds less strained",
        ([BURST], {}),
    ),
    "output": (([LIQUID], {"output": "frames"}), "a data set is an .h5 file", ([LIQUID], {"output": "frames.h5"})),
    "molecule": (
        ([LIQUID | {"counts": {"XX": 1}}], {}),
        "there is no molecule 'XX'; molecules is EC, EMC, LI, PF6",
        ([LIQUID | {"counts": {"EC": 2}}], {}),
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_plans(name, liquids, tmp_path):
    shutil.copy(liquids, tmp_path / "SOURCE")
    wrong, advice, right = PLANS[name]
    with refused(advice):
        sample(plan_file(tmp_path, *wrong[0], **wrong[1]))
    if right:
        assert len(Dataset.load(sample(plan_file(tmp_path, *right[0], **right[1]))))


def test_a_trajectory_of_other_settings(tmp_path):
    sampled(tmp_path, LIQUID)
    changed = LIQUID | {"frames": 1}
    with refused("move it away, or give the run another name") as error:
        sampled(tmp_path, changed)
    assert len(sampled(tmp_path, changed | {"name": "another"})) == 1
    part = tmp_path / "frames.h5.parts/ec.h5"
    assert str(part) in str(error.value)
    part.rename(tmp_path / "away.h5")
    assert len(sampled(tmp_path, changed)) == 1


def test_a_system_of_another_box(tmp_path, solvent):
    from openmm import app

    from openmm_cgaa.building.boxes import classical_system
    from openmm_cgaa.structures.structure import write_structure

    topology, positions, _ = solvent
    system = classical_system(topology, app.ForceField(*FORCEFIELD))
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    write_structure(tmp_path / "box.cif", topology, positions)
    sampler = {"system": "system.xml"}
    with refused("begin runs with the structure that it was made for"):
        sampled(tmp_path, LIQUID, sampler=sampler)
    run = {"kind": "liquid", "name": "box", "structure": "box.cif", "frames": 1, "spacing": 0.01, "equilibration": 0.0}
    assert len(sampled(tmp_path, run, sampler=sampler)) == 1


def test_a_molecule_without_parameters(tmp_path):
    pytest.importorskip("rdkit")
    from openmm_cgaa.building.forcefield import parametrize

    with refused("write its force field by hand, as systems/ec_emc_lipf6/ions.xml does for PF6, and leave it out here"):
        parametrize("PF6", "F[P-](F)(F)(F)(F)F")
    assert len(sampled(tmp_path, LIQUID | {"counts": {"EC": 2, "LI": 1, "PF6": 1}, "densities": 0.5}))
