"""A small liquid, and two tiny models with random weights."""

import gc
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from openmm import app, unit

from openmm_cgaa import errors
from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.model.file import save_model
from openmm_cgaa.nn import build_network

gc.disable()  # until all is imported and collected: a million objects that stay, looked through again and again
# fixtures of several rooms
pytest_plugins = [
    "classical_run",
    "followed",
    "one_process",
    "sampled_kinds",
    "training_sets",
]
LONG = ("test_compiled.py", "test_site.py", "test_fused.py", "test_notebooks.py", "test_distilling.py")
LONG += ("test_validate.py", "test_kills.py", "test_signals.py", "test_active.py", "test_cuda_conserving.py")
EC_EMC = Path(__file__).parents[1] / "systems/ec_emc"
LIQUID = Path(__file__).parent / "files/liquid.h5"
TINY_CONSERVING = {
    "network": "conserving",
    **dict(atom_cutoff=4.0, grain_cutoff=6.0, num_basis=4, intra_basis=6, scalars=4, vectors=4, hidden=8),
    **dict(grain_scalars=8, grain_vectors=4, pair_channels=4),
}
TINY_PUBLISHED = {"network": "published", "scalars": 8, "vectors": 8, "cutoff": 6.0, "num_basis": 4}


def pytest_collection_modifyitems(items):
    """Files that take long, so that none is begun when the other processes have ended."""
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_collection_finish():
    """What is there now stays to the end, and no later collection looks at it."""
    gc.freeze()
    gc.enable()


def topology_of(elements, bonds, residues, names, box=None):
    """OpenMM Topology from arrays; box [3, 3] in nm."""
    topology = app.Topology()
    chain = topology.addChain()
    atoms, members = [], {}
    for element, residue in zip(elements, residues):
        if residue not in members:
            members[residue] = topology.addResidue(names[residue], chain)
        name = f"{element}{len(list(members[residue].atoms())) + 1}"
        atoms.append(topology.addAtom(name, app.Element.getBySymbol(element), members[residue]))
    for i, j in bonds:
        topology.addBond(atoms[i], atoms[j])
    if box is not None:
        topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in box] * unit.nanometer)
    return topology


@pytest.fixture(scope="session")
def liquid():
    """Six labelled frames of 6 EC and 12 EMC: four at 300 K, one at 350 K, one at 500 K (helpers/make_files.py)."""
    return Dataset.load(LIQUID).sets[0]


@pytest.fixture(scope="session")
def ec_emc_240():
    """All 280 frames that those are from, as a `Dataset`; for tests of which the numbers matter."""
    return Dataset.load(EC_EMC / "data/ec_emc_240.h5")


@pytest.fixture
def solvent(liquid):
    """(Topology, positions [240, 3] nm, box [3, 3] nm) of 6 EC and 12 EMC, the first labelled frame."""
    positions, box = liquid.positions[0].astype(float) / 10.0, liquid.cell[0] / 10.0
    topology = topology_of(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names, box)
    return topology, positions, box


def tiny_model(path, config, liquid, **metadata):
    """A model file with random weights, that knows EC and EMC."""
    frame = liquid.positions[0].astype(float), liquid.cell[0]
    types = GrainMap.from_arrays(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names)
    types = types.with_references(*frame).types
    torch.manual_seed(7)
    network = build_network(config, types)
    network.set_reference(torch.tensor([-60.125, -80.25], dtype=torch.float64))
    save_model(path, network, {"config": config, "types": [kind.to_dict() for kind in types], **metadata})
    return path


@pytest.fixture(scope="session")
def tiny_conserving_path(tmp_path_factory, liquid):
    return tiny_model(tmp_path_factory.mktemp("models") / "conserving.safetensors", TINY_CONSERVING, liquid)


@pytest.fixture(scope="session")
def tiny_published_path(tmp_path_factory, liquid):
    return tiny_model(tmp_path_factory.mktemp("models") / "published.safetensors", TINY_PUBLISHED, liquid)


@pytest.fixture(params=["conserving", "published"])
def any_path(request, tiny_conserving_path, tiny_published_path):
    return {"conserving": tiny_conserving_path, "published": tiny_published_path}[request.param]


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request):
    """Where the network computes; a law that takes it holds on every kind of device."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    return request.param


@pytest.fixture
def without_figures(monkeypatch):
    """A report's figures take most of its time; they are left out, as where matplotlib is not installed."""
    find = errors.find_spec
    monkeypatch.setattr(errors, "find_spec", lambda name: None if name == "matplotlib" else find(name))


@pytest.fixture(autouse=True)
def fixed_seeds():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - ASE's velocities and others draw from the global generator
