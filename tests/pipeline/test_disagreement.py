"""What a committee of models disagrees about, and which frames a budget buys."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("lightning")

from openmm_cgaa.data.dataset import Dataset, Frames, Trajectory
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.model.file import load_model, save_model
from openmm_cgaa.pipeline import disagreement
from openmm_cgaa.pipeline.disagreement import choose, disagreements
from openmm_cgaa.training.evaluation import predict
from openmm_cgaa.training.labelled import LabelledFrames

NOTHING = [[0.0, 0, 0], [0, 0, 0]]


@pytest.fixture
def pair():
    """One frame of two hydrogen molecules."""
    frames = Frames(
        positions=[[[0, 0, 0], [0.74, 0, 0], [0, 0, 4], [0.74, 0, 4]]],
        cell=np.zeros((1, 3, 3)),
        elements=["H"] * 4,
        bonds=[[0, 1], [2, 3]],
        residues=[0, 0, 1, 1],
        residue_names=["H2", "H2"],
    )
    return Dataset([frames], [Trajectory("pair", "pair", "train")])


@pytest.fixture
def committee(monkeypatch):
    """Models that are no more than their forces, [atoms, 3] in eV/Å, whatever the positions."""

    class Constant:
        def __init__(self, forces):
            self.forces = np.array(forces)

        def grain_map(self, grain_map):
            return grain_map

        def evaluate(self, grain_map, positions, box):
            return 0.0, self.forces * 964.8533212331002  # kJ/mol/nm

    monkeypatch.setattr(disagreement, "CGAAPotential", Constant)


def test_deviation_by_hand(pair, committee):
    models = [
        [[1.0, 0, 0], [2, 0, 0], [0, 5, 0], [0, -5, 0]],  # 3 on the first grain along x; nothing on the second
        NOTHING + NOTHING,
        [[0.0, 0, 0], [-3, 0, 0], [0, 0, 3], [0, 0, 0]],  # -3 on the first; 3 on the second, along z
    ]
    seen = []
    (found,) = disagreements(models, pair, progress=seen.append)
    # first: mean 0, distances 3, 0, 3; second: mean 1, distances 1, 1, 2; what acts within a grain does not count
    assert found == pytest.approx(np.array([[np.sqrt(18 / 3), np.sqrt(6 / 3)]])) and seen == [1, 2, 3]


def test_equal_models_do_not_disagree(liquid, tiny_conserving_path):
    dataset = Dataset([liquid.take([0, 1])], [Trajectory("a", "liquid", "train")], {"name": "any"})
    (found,) = disagreements([tiny_conserving_path] * 3, dataset)
    assert found.shape == (2, 18) and np.allclose(found, 0.0, atol=1e-7)


@pytest.fixture(scope="module")
def random_models(tmp_path_factory, tiny_conserving_path):
    """Three models whose weights differ."""
    network, metadata = load_model(tiny_conserving_path)
    random, paths = np.random.default_rng(1), []
    for number in range(3):
        for parameter in network.parameters():
            parameter.data *= float(random.uniform(1.0, 1.6))
        paths.append(tmp_path_factory.mktemp("committee") / f"{number}.safetensors")
        save_model(paths[-1], network, metadata)
    return paths


def test_deviations_are_those_of_the_predicted_forces(liquid, random_models):
    frames = liquid.take([0, 4])
    dataset = Dataset([replace(frames, trajectory=[0, 0])], [Trajectory("a", "liquid", "train")], {"name": "any"})
    (found,) = disagreements(random_models, dataset)
    net = []
    for path in random_models:
        network, metadata = load_model(path)
        types = GrainMap.from_arrays(frames.elements, frames.bonds, frames.residues, frames.residue_names).types
        labelled = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff)
        net.append([np.add.reduceat(f, np.r_[0:60:10, 60:240:15]) for _, f, _ in predict(network, labelled)])
    spread = np.sqrt(np.square(net - np.mean(net, 0)).sum(-1).mean(0))
    assert found.min() > 0 and np.allclose(np.sort(found), np.sort(spread), rtol=1e-3, atol=1e-4)


def test_grains_in_another_order_keep_their_deviations(liquid, random_models):
    frames, order = liquid.take([0]), np.random.default_rng(0).permutation(18)
    atoms = np.concatenate([np.flatnonzero(frames.residues == g) for g in order])
    place = np.argsort(atoms)
    moved = Frames(
        positions=frames.positions[:, atoms],
        cell=frames.cell,
        elements=[frames.elements[i] for i in atoms],
        bonds=place[frames.bonds],
        residues=np.repeat(np.arange(18), [np.sum(frames.residues == g) for g in order]),
        residue_names=[frames.residue_names[g] for g in order],
    )
    trajectories = [Trajectory("a", "liquid", "train")]
    (one,) = disagreements(random_models, Dataset([frames], trajectories, {"name": "any"}))
    (other,) = disagreements(random_models, Dataset([moved], trajectories))
    assert np.ptp(one) > 0.01 and np.allclose(other, one[:, order], rtol=1e-3, atol=1e-4)


@pytest.fixture
def candidates(pair):
    """Eight frames of two grains, from four trajectories, and four of one grain from a fifth."""
    (frames,) = pair.sets
    two = replace(
        frames,
        positions=np.repeat(frames.positions, 8, 0),
        cell=np.zeros((8, 3, 3)),
        trajectory=[0, 0, 0, 0, 1, 1, 2, 3],
        time=np.arange(8.0),
        temperature=np.full(8, np.nan),
    )
    one = Frames(
        np.repeat(frames.positions[:, :2], 4, 0), np.zeros((4, 3, 3)), ["H"] * 2, [[0, 1]], [0, 0], ["H2"], [4] * 4
    )
    return Dataset([two, one], [Trajectory(name, "pair", "train") for name in "abcde"])


def chosen_frames(dataset):
    """(grains, time) of each frame, its place in its set."""
    return sorted((frames.num_grains, int(time)) for frames in dataset.sets for time in frames.time)


def test_the_highest_come_first_as_whole_frames(candidates):
    scores = [np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.8, 0.7]), np.array([0.0, 0.95, 0.05, 0.06])]
    assert chosen_frames(choose(candidates, scores, 7)) == [(1, 1), (2, 5), (2, 6), (2, 7)]
    # the last grain buys no frame of two, but one of one
    assert chosen_frames(choose(candidates, scores, 8)) == [(1, 1), (1, 3), (2, 5), (2, 6), (2, 7)]
    made = choose(candidates, scores, 7)
    assert [t.name for t in made.trajectories] == ["b", "c", "d", "e"] and not made.labelled
    everything = choose(candidates, scores, 1000)
    assert len(everything) == 12 and [len(frames) for frames in everything.sets] == [8, 4]


def test_no_trajectory_takes_everything(candidates):
    scores = [np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1]), np.zeros(4)]
    # 10 grains, 5 trajectories: at most 4 of each
    taken = np.bincount(choose(candidates, scores, 10).sets[0].trajectory)
    assert taken[0] == 2 and taken.sum() == 5


def test_a_frame_larger_than_a_share_is_still_to_be_had(candidates):
    scores = [np.linspace(1, 0.5, 8), np.zeros(4)]
    assert chosen_frames(choose(candidates, scores, 2)) == [(2, 0)]


def test_a_budget_below_every_frame_buys_nothing(candidates):
    two = candidates.select(trajectories=["a", "b"])
    assert len(choose(two, [np.ones(6)], 1)) == 0
