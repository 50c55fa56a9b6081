"""A frame cut among processes has the energy, forces and virial of the whole one. So `ranks`, `shells`, `nn.halo`."""

import itertools

import numpy as np
import pytest
import torch
from boxes import supercell
from conftest import TINY_CONSERVING, topology_of
from linked import cuts_of_emc
from together import together

from openmm_cgaa.engines.domains import Domains
from openmm_cgaa.engines.ranks import OneRank
from openmm_cgaa.engines.shells import Frame, seen_by
from openmm_cgaa.errors import EngineError, GeometryError, SimulationError
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model.file import save_model
from openmm_cgaa.model.loaded import LoadedModel
from openmm_cgaa.nn import build_network

SHORT = dict(TINY_CONSERVING, atom_cutoff=3.0, grain_cutoff=4.5)
CONFIGS = {
    "messages": SHORT,
    "two layers": dict(SHORT, messages=2, tensors=3),
    "no messages": dict(SHORT, messages=0),
    "several images": dict(SHORT, grain_cutoff=16.0, atom_cutoff=7.0),
}


def model_of(path, liquid, config, types, cuts=()):
    """Random weights, walls that pairs feel, and reference energies, in a file."""
    torch.manual_seed(3)
    network = build_network(config, types)
    network.walls.shortest.fill_(2.2)
    network.set_reference(torch.arange(len(types)) - 3.25)
    saved = {"config": config, "types": [kind.to_dict() for kind in types], "cuts": [cut.to_dict() for cut in cuts]}
    save_model(path, network, saved)
    return LoadedModel(path, "double")


@pytest.fixture
def frame(liquid):
    """(GrainMap, positions, box) in Å: the liquid three times along x, atoms moved so that no cell is like another."""
    topology = topology_of(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names)
    whole = liquid.grain_map().whole(liquid.positions[0].astype(float), liquid.cell[0])
    grain_map, positions, box = supercell(topology, whole / 10.0, liquid.cell[0] / 10.0, (3, 1, 1))
    noise = np.random.default_rng(1).normal(scale=0.03, size=positions.shape)
    return grain_map, 10.0 * positions + noise, 10.0 * box


def by_place(positions, box, parts):
    """Who holds each atom: the box cut along x, so that molecules lie on both sides of a border."""
    return np.floor((positions @ np.linalg.inv(box))[:, 0] % 1.0 * parts).astype(int)


def shared(model, grain_map, positions, box, holder, calls=1):
    """(energy, forces, virial) of the processes, of each the `Domains`, and whether all told the same sums."""

    def work(ranks):
        domains, atoms = Domains(model, model.grain_map(grain_map), ranks), np.flatnonzero(holder == ranks.rank)
        for _ in range(calls):
            found = domains(atoms, positions[atoms], box)
        return atoms, *found, domains

    parts = together(holder.max() + 1, work)
    forces = np.zeros_like(positions)
    for atoms, energy, of_atoms, virial, _ in parts:
        forces[atoms] = of_atoms
        assert energy == parts[0][1] and (virial == parts[0][3]).all()
    return parts[0][1], forces, parts[0][3], [part[-1] for part in parts]


def of_the_whole(model, grain_map, positions, box):
    evaluator = model.evaluator(grain_map, True)
    assert evaluator.fused is not None
    energy, forces, virial = evaluator.compute(model.tensor(positions), model.tensor(box))
    return float(energy), forces.numpy(), virial.numpy()


def assert_same(found, expected, atol=1e-10):
    assert found[0] == pytest.approx(expected[0], abs=1e-9)
    for ours, theirs in zip(found[1:], expected[1:]):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("name", CONFIGS)
def test_domains_give_what_the_whole_box_gives(frame, liquid, tmp_path, name, parts):
    grain_map, positions, box = frame
    model = model_of(tmp_path / "m.safetensors", liquid, CONFIGS[name], liquid.grain_map().types)
    *found, domains = shared(model, grain_map, positions, box, by_place(positions, box, parts))
    assert_same(found, of_the_whole(model, grain_map, positions, box))
    assert sum(each.own for each in domains) == len(positions)
    if parts > 1 and name != "several images":
        assert all(each.known < len(positions) for each in domains)  # shells, and not all of the box


def test_in_a_skewed_box_wherever_atoms_are_held(frame, liquid, tmp_path):
    """Atoms of one molecule at several processes, one that holds nothing, one that holds no first atom, any image."""
    grain_map, positions, box = frame
    model = model_of(tmp_path / "m.safetensors", liquid, CONFIGS["two layers"], liquid.grain_map().types)
    shear = np.array([[1.0, 0.0, 0.0], [0.2, 1.0, 0.0], [-0.1, 0.3, 1.0]])
    whole = model.grain_map(grain_map).whole(positions, box)
    centers = np.zeros_like(whole)
    for slots in grain_map.slots:
        centers[slots] = whole[slots].mean(axis=0)
    box, positions = box @ shear, whole - centers + centers @ shear
    random = np.random.default_rng(2)
    holder = random.integers(0, 2, len(positions))
    first = [slots[0] for slots in model.grain_map(grain_map).slots]
    holder[random.permutation(np.setdiff1d(np.arange(len(positions)), first))[:50]] = 3
    moved = positions + random.integers(-2, 3, positions.shape) @ box
    *found, domains = shared(model, grain_map, moved, box, holder)
    assert_same(found, of_the_whole(model, grain_map, positions, box))
    assert [each.own > 0 for each in domains] == [True, True, False, False]


def test_linked_grains(liquid, frame, tmp_path):
    """Parts of a molecule that is cut: their own process may be another one."""
    grain_map, positions, box = frame
    cuts = cuts_of_emc(liquid)
    model = model_of(tmp_path / "m.safetensors", liquid, SHORT, liquid.cut(cuts).grain_map().types, cuts)
    *found, domains = shared(model, grain_map, positions, box, by_place(positions, box, 3))
    assert_same(found, of_the_whole(model, grain_map, positions, box))
    assert all(each.known < len(positions) for each in domains)


def test_a_shell_is_what_own_grains_see_and_no_more(frame, liquid):
    """Against all pairs of atoms and of centers, over all images."""
    grain_map, positions, box = frame
    layout = layout_of(grain_map)
    here = Frame.of(torch.from_numpy(positions), torch.from_numpy(box), layout)
    own = np.random.default_rng(0).random(grain_map.num_grains) < 0.1
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ box
    order = np.argsort(grain_map.type_index, kind="stable")
    atoms = [np.asarray(grain_map.whole(positions, box))[grain_map.slots[g]] for g in order]
    for grain_reach, atom_reach in ((6.0, 3.0), (0.0, 4.0), (7.0, 0.0)):
        expected = own.copy()
        for j, k in itertools.product(np.flatnonzero(own), np.flatnonzero(~own)):
            centers = np.linalg.norm(atoms[k].mean(0) + shifts - atoms[j].mean(0), axis=1).min()
            apart = atoms[k][:, None, None] + shifts - atoms[j][:, None]
            expected[k] |= centers < grain_reach or np.linalg.norm(apart, axis=3).min() < atom_reach
        np.testing.assert_array_equal(seen_by(own, here, grain_reach, atom_reach), expected & ~own)


def test_a_run_goes_on_while_atoms_change_hands(frame, liquid, tmp_path):
    """Shells are chosen anew before an atom has crossed half of the skin; between, only holders change."""
    grain_map, positions, box = frame
    model = model_of(tmp_path / "m.safetensors", liquid, SHORT, liquid.grain_map().types)
    way = np.random.default_rng(4).normal(size=positions.shape)
    way *= 0.12 / np.linalg.norm(way, axis=1).max()

    def work(ranks):
        domains = Domains(model, model.grain_map(grain_map), ranks)
        found = []
        for step in range(12):
            here = positions + step * way
            here += np.floor(step / 3) * box[0]  # LAMMPS wraps atoms when it hands them on
            atoms = np.flatnonzero(by_place(here + 0.1 * step, box, 2) == ranks.rank)[::-1]
            found.append((atoms, *domains(atoms, here[atoms], box)))
        return found, domains

    (one, domains), (other, _) = together(2, work)
    assert domains.times_shared == 3  # the first time, and whenever 0.5 Å are nearly gone
    for step, parts in enumerate(zip(one, other)):
        forces = np.zeros_like(positions)
        for atoms, _, of_atoms, _ in parts:
            forces[atoms] = of_atoms
        assert_same((parts[0][1], forces, parts[0][3]), of_the_whole(model, grain_map, positions + step * way, box))


def test_one_process_needs_no_other(frame, liquid, tmp_path):
    grain_map, positions, box = frame
    model = model_of(tmp_path / "m.safetensors", liquid, SHORT, liquid.grain_map().types)
    found = Domains(model, model.grain_map(grain_map), OneRank())(np.arange(len(positions)), positions, box)
    assert_same(found, of_the_whole(model, grain_map, positions, box))


def test_what_cannot_be_shared_is_refused(frame, liquid, tmp_path, tiny_published_path):
    grain_map, positions, box = frame
    published = LoadedModel(tiny_published_path)
    with pytest.raises(EngineError, match="published form"):
        Domains(published, published.grain_map(grain_map), OneRank())
    model = model_of(tmp_path / "m.safetensors", liquid, SHORT, liquid.grain_map().types)
    domains = Domains(model, model.grain_map(grain_map), OneRank())
    every = np.arange(len(positions))
    with pytest.raises(SimulationError, match=r"hold 719 atoms, but the topology has 720; atom 5 is missing.*lost"):
        domains(np.delete(every, 5), np.delete(positions, 5, 0), box)
    for wrong, words in ((np.nan, "finite"), (1e30, "Å")):
        broken = positions.copy()
        broken[7, 1] = wrong
        with pytest.raises(GeometryError, match=words):
            domains(every, broken, box)
    slow = LoadedModel(tmp_path / "m.safetensors", fused=False)
    with pytest.raises(EngineError, match="no fused kernels"):
        shared(slow, grain_map, positions, box, by_place(positions, box, 2))
