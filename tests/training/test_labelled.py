"""Labelled frames as graphs: statistics, grain types, walls, and frames of all sizes in one batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from linked import cuts_of_emc
from shared_energies import with_shares
from training_sets import MODEL, PUBLISHED

from openmm_cgaa.data import Dataset
from openmm_cgaa.nn import build_network
from openmm_cgaa.nn.graph import grain_sum
from openmm_cgaa.training.evaluation import predict
from openmm_cgaa.training.labelled import LabelledFrames, closest_pairs, collate, common_types
from openmm_cgaa.training.module import set_statistics
from openmm_cgaa.training.objectives import error_terms


def test_statistics_fit_the_energy_on_the_composition(small_set):
    types = common_types(Dataset.load(small_set))
    network = build_network(MODEL, types)
    compositions = np.array([[6, 12], [5, 3], [1, 1]])
    set_statistics(network, compositions, compositions @ [-60.0, -80.0], [np.ones((4, 3))])
    torch.testing.assert_close(network.type_energy, torch.tensor([-60.0, -80.0], dtype=torch.float64))


def test_what_the_compositions_leave_open_is_shared(small_set, mixed_set):
    types = common_types(Dataset.load(mixed_set))
    assert [t.name for t in types] == ["EC", "EMC", "LI", "PF6"]
    network = build_network(MODEL, types)
    pairs = np.array([[6, 12, 1, 1], [5, 3, 2, 2], [1, 1, 0, 0]])
    set_statistics(network, pairs, pairs @ [-60.0, -80.0, -10.0, -20.0], [np.ones((4, 3))])
    torch.testing.assert_close(network.type_energy, torch.tensor([-60.0, -80.0, -15.0, -15.0], dtype=torch.float64))
    alone = np.concatenate([pairs, [[0, 0, 1, 0]]])
    set_statistics(network, alone, alone @ [-60.0, -80.0, -10.0, -20.0], [np.ones((4, 3))])
    torch.testing.assert_close(network.type_energy, torch.tensor([-60.0, -80.0, -10.0, -20.0], dtype=torch.float64))


def test_two_molecules_of_one_name_are_told_apart(mixed_set):
    full = Dataset.load(mixed_set)
    renamed = [replace(frames, residue_names=["UNL"] * frames.num_grains) for frames in full.sets[2:5]]
    types = common_types(Dataset(renamed, full.trajectories, full.teacher))
    assert [t.name for t in types] == ["UNL", "UNL_2", "UNL_3"]


def test_energies_of_grains_follow_their_grains_into_a_batch(mixed_set):
    """Where they are the x of net forces, they are so in whatever order grains come; those of other frames are nan."""
    full = with_shares(Dataset.load(mixed_set), [0, 3, 5])
    frames = LabelledFrames(full, common_types(full), 0.0, 0.0)
    graph, labels, _ = collate([frames.items[i] for i in (28, 25, 20, 1, 9, 26, 0)], frames.slots)
    known = torch.isfinite(labels.grains)
    assert known.sum() == 18 + 18 + 1 + 2 + 2 and len(known) == known.sum() + 18 + 2
    torch.testing.assert_close(labels.grains[known], grain_sum(labels.forces[:, 0], graph)[known])
    network = build_network(MODEL, common_types(full)).train()
    energy, forces, virial, grains = network.with_grains(graph, walls=False)
    error_terms(energy, forces, virial, labels, graph, grains)["grain_energy"].backward()
    read = ("intra_out", "atom_out", "grain_out")
    learns = {name: p.grad.abs().sum() > 0 for name, p in network.named_parameters() if p.grad is not None}
    # the last bias moves all grains of a type alike, which does not count
    assert all(learns[f"{name}.{layer}.weight"] for name in read for layer in (0, 2))
    cut = full.cut(cuts_of_emc(full.sets[0]))
    assert [s.grain_energies is not None for s in cut.sets] == [False, False, False, True, False, False, False]
    bare = LabelledFrames(Dataset.load(mixed_set), common_types(full), 0.0, 0.0)
    assert collate(bare.items, bare.slots)[1].grains is None


def test_walls_need_only_the_closest_pairs(mixed_set):
    full = Dataset.load(mixed_set)
    types = common_types(full)
    network = build_network(MODEL, types)
    frames = LabelledFrames(full, types, network.grain_cutoff, network.atom_cutoff)
    network.set_contacts(collate(frames.items, frames.slots)[0])
    expected = network.walls.shortest.clone()
    assert (expected > 0).sum() > 8
    network.set_contacts(collate([(closest_pairs(g, types), labels) for g, labels in frames.items], frames.slots)[0])
    assert torch.equal(network.walls.shortest, expected)


def test_aligned_frames_are_superposed_on_the_reference(small_set):
    dataset = Dataset.load(small_set)
    dataset = Dataset([dataset.sets[0].take([0, 7])], dataset.trajectories, dataset.teacher)
    types = common_types(dataset, align=True)
    aligned, plain = (LabelledFrames(dataset, types, 0.0, 0.0, align) for align in (True, False))

    def deviation(frames):
        emc = [t.name for t in types].index("EMC")
        block = frames.items[1][0].positions[-12 * 15 :] if emc else frames.items[1][0].positions[: 12 * 15]
        grains = block.view(12, 15, 3) - block.view(12, 15, 3).mean(1, keepdim=True)
        reference = torch.tensor(types[emc].reference)
        u, s, vt = torch.linalg.svd(torch.einsum("gsx,sy->gxy", grains, reference))
        s[:, 2] *= torch.det(u @ vt).sign()
        return (grains.square().sum((1, 2)) + reference.square().sum() - 2 * s.sum(1)).sum()

    assert deviation(aligned) < 0.9 * deviation(plain)
    energy = [item[1].forces.norm() for item in aligned.items]
    torch.testing.assert_close(energy, [item[1].forces.norm() for item in plain.items])


def test_batched_predictions_are_those_of_single_frames(small_set):
    dataset = Dataset.load(small_set)
    types = common_types(dataset)
    torch.manual_seed(0)
    network = build_network(MODEL, types).eval()
    few = Dataset([dataset.sets[0].take(range(4))], dataset.trajectories, dataset.teacher)
    frames = LabelledFrames(few, types, network.grain_cutoff, network.atom_cutoff)
    for joined, single in zip(predict(network, frames, 3), predict(network, frames, 1)):
        for one, other, tolerance in zip(joined, single, (1e-4, 1e-5, 1e-4)):
            np.testing.assert_allclose(one, other, atol=tolerance)


@pytest.mark.parametrize("network", [MODEL, PUBLISHED], ids=["conserving", "published"])
def test_frames_of_all_sizes_mix(mixed_set, network):
    full = Dataset.load(mixed_set)
    align = network["network"] == "published"
    types = common_types(full, align)
    torch.manual_seed(0)
    network = build_network(network, types).eval()
    frames = LabelledFrames(full, types, network.grain_cutoff, network.atom_cutoff, align)
    assert frames.grains.tolist() == [18] * 16 + [1] * 9 + [2] * 6
    for joined, single in zip(predict(network, frames, 40), predict(network, frames, 1)):
        for one, other in zip(joined, single):
            np.testing.assert_allclose(one, other, atol=2e-3 if np.shape(one) == (3, 3) else 1e-4)
    graph, labels, _ = collate(frames.items[16:], frames.slots)
    energy, forces, virial = network.train()(graph)
    terms = error_terms(energy, forces, virial, labels, graph)
    assert all(torch.isfinite(term) for term in terms.values()) and terms["stress"] == 0.0
    sum(terms.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
