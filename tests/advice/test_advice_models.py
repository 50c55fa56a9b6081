"""What messages about models and their arguments advise is done, and helps; and no advice is left out."""

import re
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from advice import World, follow, rows
from conftest import TINY_CONSERVING, TINY_PUBLISHED, tiny_model
from contexts import context_of, numbers
from openmm import unit

from openmm_cgaa import CGAAPotential, GrainMap, load_system
from openmm_cgaa.model.checks import take_grains
from openmm_cgaa.model.file import bundled_models, load_model, save_model
from openmm_cgaa.model.loaded import chosen_device
from openmm_cgaa.neighbors import memory
from openmm_cgaa.nn import build_network
from openmm_cgaa.training.config import OptimizerConfig

ROWS = {}
row = rows(ROWS)


@pytest.fixture
def world(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch):
    return World.of(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch)


@row(
    "; give an integer from ",
    "; give True or False",
    "is not known; give ",
    "a positive number in Da, or a Quantity of a mass",
)
def arguments_of_another_kind(w):
    yield lambda: w.potential.createSystem(w.topology, forceGroup="a")
    yield lambda: w.potential.createSystem(w.topology, removeCMMotion="no")
    yield lambda: w.potential.createSystem(w.topology, hydrogenMass="heavy")
    message = yield lambda: w.potential.createSystem(w.topology, backend="CPU")
    known = re.findall(r"'(\w+)'", message.split("; give ")[1])
    assert known == ["auto", "torch", "python"]
    w.potential.createSystem(w.topology, removeCMMotion=False, hydrogenMass=3, forceGroup=31, backend=known[2])


@row("; give a name or the path of a file", "; give an ")
def things_for_a_model_and_a_system(w):
    yield lambda: CGAAPotential(3)
    yield lambda: CGAAPotential("")
    yield lambda: w.potential.addForces(w.topology, w.topology)
    w.potential.addForces(w.topology, w.system())


@row(", or a Quantity of lengths", " has another dimension than ")
def positions_of_another_kind(w):
    energy, tensor = w.evaluate(), torch.tensor(w.positions, requires_grad=True)
    yield lambda: w.evaluate(positions=tensor)
    yield lambda: w.evaluate(positions=w.positions * unit.kelvin)
    for positions in (tensor.detach(), w.positions, 10 * w.positions * unit.angstrom):
        assert w.evaluate(positions=positions) == pytest.approx(energy)


@row("positions have shape ", ", expected (3, 3): its rows are the box vectors, in ")
def shapes(w):
    yield lambda: w.evaluate(positions=w.positions.T)
    yield lambda: w.evaluate(box=np.diag(w.box))
    w.evaluate(positions=w.positions.T.T, box=np.diag(np.diag(w.box)))


@row("); go back to the last good frame", "go back to the last good frame, and relax it or use a shorter")
def bad_frames(w):
    bad, overlap = w.positions.copy(), w.positions.copy()
    bad[3], overlap[3] = np.nan, overlap[2]
    context = context_of(w.potential.createSystem(w.topology), w.positions)
    yield lambda: w.evaluate(positions=bad)
    yield lambda: w.evaluate(positions=overlap)
    context.setPositions(overlap)
    yield lambda: numbers(context)
    context.setPositions(w.positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=2)
    context.getIntegrator().step(2)
    assert np.isfinite(numbers(context)[0])


@row(
    "give the indices of whole residues, or None for all atoms",
    "give indices: np.flatnonzero(atoms)",
    "give a sequence of integers, the indices of whole residues",
    "a CGAA model takes whole residues",
)
def parts_of_a_topology(w):
    def add(atoms):
        w.potential.addForces(w.topology, w.system(), atoms=atoms)

    mask = np.arange(240) < 20
    yield lambda: add([])
    yield lambda: add(mask)
    yield lambda: add("all")
    yield lambda: add(range(15))
    for atoms in (None, np.flatnonzero(mask), range(20)):
        add(atoms)


@row("is not among atoms; a model takes whole molecules, each of them one residue")
def part_that_is_bonded_to_the_rest(w):
    atoms = list(w.topology.atoms())
    w.topology.addBond(atoms[0], atoms[239])
    yield lambda: w.potential.addForces(w.topology, w.system(), atoms=range(20))
    w.potential.addForces(w.topology, w.system(), atoms=range(10, 20))


@row("a molecule flew apart, or positions and box are not of one frame; go back to the last good frame")
def molecule_in_pieces(w):
    apart = np.array(w.positions)
    apart[0] += [0.62, 0.4, 0.0]
    yield lambda: w.potential.evaluate(w.topology, apart, w.box)
    w.potential.evaluate(w.topology, w.positions, w.box)


@row("; make both from the same topology")
def system_of_another_topology(w):
    yield lambda: w.potential.addForces(w.topology, openmm.System())
    w.potential.addForces(w.topology, w.system())


@row("; give less")
def heavy_hydrogens(w):
    yield lambda: w.potential.createSystem(w.topology, hydrogenMass=9.0)
    w.potential.createSystem(w.topology, hydrogenMass=3.0)


@row("; give 'cpu' or 'cuda'", " finds no CUDA device; use 'cpu'", "; give 'cuda:0' or 'cuda'")
def devices(w):
    yield lambda: CGAAPotential(w.model, device="abacus")
    yield lambda: CGAAPotential(w.model, device="mps")
    with w.patch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        yield lambda: CGAAPotential(w.model, device="cuda")
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "device_count", lambda: 1)
        yield lambda: CGAAPotential(w.model, device="cuda:7")
        assert chosen_device("cuda:0").index == 0
    w.evaluate(CGAAPotential(w.model, device="cpu"))


@row("neither a file nor a bundled model")
def model_of_another_name(w):
    message = yield lambda: CGAAPotential("ec")
    named = re.search(r"\((.*)\)", message)[1].split(", ")
    assert named == bundled_models()
    for name in named:
        CGAAPotential(name)


@row("a model needs both", "only finite numbers, text, lists and dicts fit", "; known are ", "; expected ")
def metadata_of_a_model(w):
    network, good = load_model(w.model)
    good = {key: good[key] for key in ("config", "types")}
    path = w.path / "own.safetensors"
    yield lambda: save_model(path, network, {"types": good["types"]})
    yield lambda: save_model(path, network, good | {"errors": {"rmse": np.nan}})
    yield lambda: save_model(path, network, good | {"config": good["config"] | {"cutof": 1}})
    yield lambda: save_model(path, network, good | {"config": good["config"] | {"hidden": 0}})
    save_model(path, network, good | {"errors": {"rmse": 0.1, "of": ["a"]}})
    assert w.evaluate(CGAAPotential(path, "double")) == pytest.approx(w.evaluate(), abs=1e-6)


@row("train it again with a lower learning rate, or take another model")
def training_that_went_astray(w):
    network, good = load_model(w.model)
    next(network.parameters()).data += np.inf
    yield lambda: save_model(w.path / "own.safetensors", network, good)
    assert OptimizerConfig(lr=OptimizerConfig.lr / 2).lr > 0
    save_model(w.path / "own.safetensors", load_model(w.model)[0], good)


@row("get a fresh copy of it", "it is truncated, or not a model of openmm_cgaa", "get a fresh copy")
def damaged_files(w):
    path, data = w.path / "own.safetensors", w.model.read_bytes()
    for bad in (data[:-9] + b"123456789", data[:200]):
        path.write_bytes(bad)
        yield lambda: CGAAPotential(path)
    path.write_bytes(data)
    CGAAPotential(path)
    path, text = w.path / "system.xml", openmm.XmlSerializer.serialize(w.potential.createSystem(w.topology))
    path.write_text(text[:500])
    yield lambda: load_system(path)
    path.write_text(text)
    load_system(path)


@row("write it again with GrainMap.save")
def damaged_grain_map(w):
    path, grains = w.path / "grains.json", GrainMap.from_topology(w.topology)
    grains.save(path)
    path.write_text(path.read_text().replace("EC", "CE", 1))
    yield lambda: GrainMap.load(path)
    grains.save(path)
    assert w.potential.evaluate(GrainMap.load(path), w.positions, w.box)[0] == pytest.approx(w.evaluate())


@row("make the System anew, or get a fresh copy of the file")
def system_with_other_slots(w):
    path, system = w.path / "system.xml", w.potential.createSystem(w.topology)
    text = openmm.XmlSerializer.serialize(system)
    data = bytes.fromhex(re.search(r'function="([0-9a-f]+)"', text)[1])
    path.write_text(text.replace(data.hex(), data.replace(b"EC 1", b"EC 9", 1).hex()))
    yield lambda: load_system(path)
    path.write_text(openmm.XmlSerializer.serialize(w.potential.createSystem(w.topology)))
    assert np.isfinite(numbers(context_of(load_system(path), w.positions))[0])


@row("read it with openmm.XmlSerializer.deserialize, and save the System anew")
def system_of_version_0_1_0(w):
    old, path = Path(__file__).parents[1] / "files/system_0.1.0.xml", w.path / "system.xml"
    yield lambda: load_system(old)
    path.write_text(openmm.XmlSerializer.serialize(openmm.XmlSerializer.deserialize(old.read_text())))
    assert load_system(path).getNumParticles() == 25


@row("make the System anew with backend='python', and save that")
def torchforce_in_a_file(w):
    path, text = w.path / "system.xml", openmm.XmlSerializer.serialize(w.potential.createSystem(w.topology))
    path.write_text(text.replace('type="PythonForce"', 'type="TorchForce"'))
    yield lambda: load_system(path)
    path.write_text(openmm.XmlSerializer.serialize(w.potential.createSystem(w.topology, backend="python")))
    load_system(path)


@row(
    "check the hydrogens", "check the bonds of the topology", "check the bonds, or train", "train a model that has this"
)
def molecules_that_are_unknown(w):
    kind = w.potential.types[0]
    elements, bonds = list(kind.elements), list(kind.bonds)
    hydrogen = elements.index("H")

    def match(elements, bonds):
        return w.potential.grain_map(GrainMap.from_arrays(elements, bonds, [0] * len(elements)))

    lost = [i for i in range(len(elements)) if i != hydrogen]
    renumbered = [(lost.index(i), lost.index(j)) for i, j in bonds if hydrogen not in (i, j)]
    yield lambda: match([elements[i] for i in lost], renumbered)
    ring = next((i, j) for i, j in bonds if "H" not in (elements[i], elements[j]))
    yield lambda: match(elements, [bond for bond in bonds if bond != ring])
    heavy = next(j if i == hydrogen else i for i, j in bonds if hydrogen in (i, j))
    other = next(i for i, e in enumerate(elements) if e == "O")
    isomer = [bond for bond in bonds if hydrogen not in bond] + [(hydrogen, other)]
    assert heavy != other
    yield lambda: match(elements, isomer)
    match(elements, bonds)
    yield lambda: match(["O", "H", "H"], [(0, 1), (0, 2)])
    kinds = GrainMap.from_arrays(["O", "H", "H"], [(0, 1), (0, 2)], [0] * 3).types
    types = [kind.to_dict() for kind in kinds]
    save_model(
        w.path / "water.safetensors", build_network(TINY_CONSERVING, kinds), {"config": TINY_CONSERVING, "types": types}
    )
    w.potential = CGAAPotential(w.path / "water.safetensors")
    match(["O", "H", "H"], [(0, 1), (0, 2)])


@row("too many to compare with a reference geometry")
def too_many_exchanges(w):
    elements = ["C", "H", "H", "H"] + ["C", "H", "H"] * 13 + ["H"]
    carbons = [0, *range(4, 43, 3)]
    bonds = [(0, k) for k in (1, 2, 3)] + [(c, c + k) for c in carbons[1:] for k in (1, 2)] + [(carbons[-1], 43)]
    bonds += list(zip(carbons, carbons[1:]))
    positions = np.random.default_rng(0).normal(size=(44, 3)) * 0.02 + 0.03 * np.arange(44)[:, None]
    grains = GrainMap.from_arrays(elements, bonds, [0] * 44).with_references(10 * positions)
    kinds, types = grains.types, [kind.to_dict() for kind in grains.types]
    models = {}
    for config in (TINY_PUBLISHED, TINY_CONSERVING):
        models[config["network"]] = w.path / f"{config['network']}.safetensors"
        save_model(models[config["network"]], build_network(config, kinds), {"config": config, "types": types})
    yield lambda: CGAAPotential(models["published"]).evaluate(grains, positions)
    CGAAPotential(models["conserving"]).evaluate(grains, positions)


@row("; give a smaller system, or a model with a shorter cutoff")
def memory_of_the_machine(w):
    free = {"topology": GrainMap.from_topology(w.topology), "box": w.box}
    w.patch.setattr(memory, "memory", lambda: 3e5)
    yield lambda: w.evaluate(**free)
    one = GrainMap.from_topology(w.topology, atoms=range(10))
    w.evaluate(topology=take_grains(one, np.arange(10)), positions=w.positions[:10])
    w.patch.setattr(memory, "memory", lambda: 4e5)
    yield lambda: w.evaluate(**free)
    short = TINY_CONSERVING | {"atom_cutoff": 1.5, "grain_cutoff": 2.0}
    w.evaluate(CGAAPotential(tiny_model(w.path / "short.safetensors", short, w.liquid)), **free)


@pytest.mark.parametrize("steps", dict.fromkeys(ROWS.values()), ids=lambda steps: steps.__name__)
def test_the_advice_helps(steps, world):
    follow(steps, world)
