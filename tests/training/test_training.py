"""Training: the loss by hand, the split, the schedule, and a broken run that ends like an unbroken one."""

import csv
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("lightning")

from openmm_cgaa.cli import main
from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.errors import CGAAError, DatasetError, OutputError
from openmm_cgaa.host.files import owned
from openmm_cgaa.host.signals import Interrupted
from openmm_cgaa.mapping.grains import GrainType
from openmm_cgaa.model.file import load_model
from openmm_cgaa.nn import build_network, complete_config
from openmm_cgaa.nn.graph import Graph, batch_graphs
from openmm_cgaa.training import compiled
from openmm_cgaa.training.batches import BatchSchedule
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.evaluation import evaluate, predict
from openmm_cgaa.training.labelled import LabelledFrames, closest_pairs, collate, common_types
from openmm_cgaa.training.module import Distillation, learning_rate_factor, set_statistics
from openmm_cgaa.training.objectives import Labels, error_terms, weighted_loss
from openmm_cgaa.training.selection import limited
from openmm_cgaa.training.train import train

SYSTEM = Path(__file__).parents[2] / "systems" / "ec_emc"
MODEL = {
    "network": "conserving",
    "atom_cutoff": 3.5,
    "grain_cutoff": 6.0,
    "scalars": 4,
    "vectors": 2,
    "hidden": 8,
    "grain_scalars": 8,
    "grain_vectors": 2,
    "pair_channels": 2,
    "intra_basis": 4,
}


PUBLISHED = {"network": "published", "scalars": 8, "vectors": 8, "cutoff": 6.0}


@pytest.fixture(scope="module")
def small_set(tmp_path_factory, ec_emc_240):
    """Sixteen frames of two temperatures: twelve train, two select, two test."""
    full = ec_emc_240
    frames = full.sets[0].take([*range(8), *range(70, 78)])
    splits = [Trajectory(f"{name}-{t}", "liquid", name) for t in (300, 350) for name in ("train", "validation", "test")]
    index = np.array([0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 4, 5])
    dataset = Dataset([replace(frames, trajectory=index)], splits, full.teacher)
    path = tmp_path_factory.mktemp("data") / "small.h5"
    dataset.save(path)
    return path


def cut(frames, residues, count, number, trajectory):
    """The first frames of some molecules of a liquid alone in a vacuum, with made-up labels."""
    chosen = np.flatnonzero(np.isin(frames.residues, residues))
    place = {atom: i for i, atom in enumerate(chosen)}
    bonds = [[place[i], place[j]] for i, j in frames.bonds if i in place]
    return vacuum(
        frames.positions[:count, chosen] + np.zeros(3),
        [frames.elements[i] for i in chosen],
        bonds,
        [residues.index(r) for r in frames.residues[chosen]],
        [frames.residue_names[r] for r in residues],
        number,
        trajectory,
    )


def vacuum(positions, elements, bonds, residues, names, energy, trajectory):
    """Frames that are not periodic, with made-up labels."""
    count = len(positions)
    return Frames(
        positions=positions,
        cell=np.zeros((count, 3, 3)),
        elements=elements,
        bonds=bonds,
        residues=residues,
        residue_names=names,
        trajectory=np.full(count, trajectory),
        time=np.arange(count),
        temperature=np.full(count, np.nan),
        energy=energy + 0.1 * np.arange(count),
        forces=np.random.default_rng(count).normal(size=positions.shape),
    )


PF6 = np.array([[0.0, 0, 0], [1.6, 0, 0], [-1.6, 0, 0], [0, 1.6, 0], [0, -1.6, 0], [0, 0, 1.6], [0, 0, -1.6]])
PF6_BONDS = [[0, i] for i in range(1, 7)]


@pytest.fixture(scope="module")
def mixed_set(tmp_path_factory, small_set):
    """Liquids with and without stress, molecules, an ion of one atom and an ion pair."""
    liquid = Dataset.load(small_set)
    frames, unit = liquid.sets[0], np.random.default_rng(0)
    stress = unit.normal(size=(8, 3, 3)) * 1e-3
    names = [t.name for t in liquid.trajectories]
    first = len(names)
    kinds = {
        "EC alone": "molecule",
        "Li alone": "molecule",
        "PF6 alone": "molecule",
        "EC and EMC": "pair",
        "ions": "pair",
    }
    ions = np.concatenate([[[3.0, 0.4, 0.1]], PF6]) + 0.05 * unit.normal(size=(3, 8, 3))
    sets = [
        replace(frames.take(range(8)), stress=stress + stress.swapaxes(1, 2)),
        frames.take(range(8, 16)),
        cut(frames, [0], 4, -70.0, first),
        vacuum(np.zeros((2, 1, 3)), ["Li"], np.zeros((0, 2)), [0], ["LI"], -0.3, first + 1),
        vacuum(
            PF6 + 0.05 * unit.normal(size=(3, 7, 3)), ["P"] + ["F"] * 6, PF6_BONDS, [0] * 7, ["PF6"], -35.0, first + 2
        ),
        cut(frames, [1, 7], 3, -170.0, first + 3),
        vacuum(ions, ["Li", "P"] + ["F"] * 6, np.array(PF6_BONDS) + 1, [0] + [1] * 7, ["LI", "PF6"], -37.0, first + 4),
    ]
    added = [Trajectory(name, kind, "train") for name, kind in kinds.items()]
    path = tmp_path_factory.mktemp("data") / "mixed.h5"
    Dataset(sets, [*liquid.trajectories, *added], liquid.teacher).save(path)
    return path


@pytest.fixture
def write_config(tmp_path, small_set):
    def write(**changes):
        config = {
            "model": MODEL,
            "data": {"paths": [str(small_set)]},
            "loss": {"energy": 10.0, "net_force": 1.0, "torque": 1.0},
            "optimizer": {"lr": 1e-2, "warmup_steps": 3},
            "output": "run",
            "max_steps": 12,
            "validate_every": 4,
            "batch_grains": 36,
            "ema_decay": 0.9,
            "threads": 1,
            "accelerator": "cpu",
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(config | changes))
        return path

    return write


def weights(path):
    return load_model(path)[0].state_dict()


def break_at(monkeypatch, step):
    """As a kill would: nothing is written after this step."""
    original = Distillation.on_train_batch_end

    def dies(self, *args):
        original(self, *args)
        if self.trainer.global_step == step:
            raise RuntimeError("killed")

    monkeypatch.setattr(Distillation, "on_train_batch_end", dies)


def test_every_epoch_is_a_permutation_and_a_restart_finds_its_place():
    batches = list(BatchSchedule([18] * 7, 36, 12, seed=3))
    assert len(batches) == 12
    for epoch in range(4):
        assert len({i for batch in batches[3 * epoch : 3 * epoch + 3] for i in batch}) == 6
    assert list(BatchSchedule([18] * 7, 36, 12, seed=3, start=5)) == batches[5:]
    assert batches[:3] != batches[3:6] and batches != list(BatchSchedule([18] * 7, 36, 12, seed=4))
    with pytest.raises(DatasetError, match="54 grains to train on, fewer than one batch of 72"):
        BatchSchedule([18] * 3, 72, 1, seed=0)


def test_batches_are_filled_by_grains():
    grains = np.array([2, 2, 2, 18, 18, 20, 75, 1])
    for batch in BatchSchedule(grains, 40, 30, seed=0):
        assert grains[batch].sum() <= 40 or len(batch) == 1
    assert {6} in [set(batch) for batch in BatchSchedule(grains, 40, 30, seed=0)]


def test_limits_are_nested_and_even(small_set):
    full = Dataset.load(small_set)
    frames = replace(full.sets[0], trajectory=np.repeat([0, 1, 2, 2], 4), time=np.arange(16.0))
    dataset = Dataset([frames], full.trajectories[:3], full.teacher)

    def taken(grains, seed=0):
        return [s.time.tolist() for s in limited(dataset, {"liquid": grains}, seed).sets] or [[]]

    before = set()
    for grains in range(0, 18 * 16 + 1, 9):
        (now,) = taken(grains)
        assert len(now) == grains // 18 and before <= set(now)
        before = set(now)
        if len(now) == 6:  # two of each trajectory, and of a trajectory not two neighbours
            assert np.bincount(np.minimum(np.array(now, int) // 4, 2)).tolist() == [2, 2, 2]
            assert min(np.diff(sorted(now))[::2]) > 1
    assert taken(18 * 6) == taken(18 * 6) and any(taken(18 * 6) != taken(18 * 6, seed) for seed in (1, 2, 3))
    assert len(limited(dataset, {"pair": 0})) == 16


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_learning_rate_warms_up_and_ends_at_final(schedule):
    rate = [learning_rate_factor(step, 100, 10, 0.01, schedule) for step in range(101)]
    assert rate[9] == 1.0 and np.all(np.diff(rate[:10]) > 0) and np.all(np.diff(rate[10:]) < 0)
    assert rate[100] == pytest.approx(0.01)


def diatomics(positions):
    """Two grains of two atoms and one of a single atom, in one frame."""
    return Graph(
        positions=positions,
        counts=[2, 1],
        atom_grain=torch.tensor([0, 0, 1, 1, 2]),
        grain_frame=torch.zeros(3, dtype=torch.int64),
        num_frames=1,
        pair_index=torch.zeros(2, 0, dtype=torch.int64),
        pair_shift=torch.zeros(0, 3),
        edge_index=torch.zeros(2, 0, dtype=torch.int64),
        edge_shift=torch.zeros(0, 3),
    )


def test_loss_terms_by_hand():
    positions = torch.tensor([[0.0, 0, 0], [2, 0, 0], [5, 0, 0], [5, 4, 0], [9, 9, 9]])
    labels = Labels(torch.zeros(1, dtype=torch.float64), torch.zeros(5, 3), torch.zeros(1, 3, 3))
    # a couple on the first grain, a push on the second
    forces = torch.tensor([[0.0, -3, 0], [0, 3, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]])
    energy, virial = torch.tensor([10.0], dtype=torch.float64), torch.full((1, 3, 3), 2.0)
    terms = error_terms(energy, forces, virial, labels, diatomics(positions))
    assert terms["energy"] == pytest.approx((10 / 5) ** 2)
    assert terms["forces"] == pytest.approx((9 + 9 + 1 + 1) / 15)
    assert terms["net_force"] == pytest.approx((2**2 / (3 * 2)) / 3)
    # torque 2 * 1 * 3 about the first center; sum of r'^2 is 2
    assert terms["torque"] == pytest.approx((6**2 / (2 * 2)) / 2)
    assert terms["stress"] == pytest.approx((2 / 5) ** 2)
    unknown = labels._replace(virial=torch.full((1, 3, 3), torch.nan))
    assert error_terms(energy, forces, virial, unknown, diatomics(positions))["stress"] == 0.0


def test_independent_errors_weigh_the_same_in_every_force_term():
    torch.manual_seed(0)
    frames = 4000
    one = diatomics(torch.randn(5, 3) * 2)
    graph = one._replace(
        positions=one.positions.repeat(frames, 1),
        atom_grain=(one.atom_grain + 3 * torch.arange(frames)[:, None]).flatten(),
        grain_frame=torch.arange(frames).repeat_interleave(3),
        num_frames=frames,
    )
    zero = torch.zeros(frames, dtype=torch.float64)
    labels = Labels(zero, torch.zeros(5 * frames, 3), torch.full((frames, 3, 3), torch.nan))
    terms = error_terms(zero, 0.1 * torch.randn(5 * frames, 3), labels.virial, labels, graph)
    for name in ("forces", "net_force", "torque"):
        assert terms[name] == pytest.approx(0.01, rel=0.05)


def test_a_frame_weighs_as_its_atoms_in_energy_and_stress():
    one = diatomics(torch.randn(5, 3))
    graph = batch_graphs(
        [
            one,
            one._replace(
                counts=[1, 0],
                **{
                    name: getattr(one, name)[:n]
                    for name, n in (("positions", 2), ("atom_grain", 2), ("grain_frame", 1))
                },
            ),
        ],
        [2, 1],
    )[0]
    labels = Labels(torch.zeros(2, dtype=torch.float64), torch.zeros(7, 3), torch.zeros(2, 3, 3))
    energy, virial = (
        torch.tensor([1.0, 4.0], dtype=torch.float64),
        torch.tensor([1.0, 4.0])[:, None, None].expand(2, 3, 3),
    )
    terms = error_terms(energy, torch.zeros(7, 3), virial, labels, graph)
    expected = (5 * (1 / 5) ** 2 + 2 * (4 / 2) ** 2) / 7
    assert terms["energy"] == pytest.approx(expected) and terms["stress"] == pytest.approx(expected)
    labels.virial[0] = torch.nan
    assert error_terms(energy, torch.zeros(7, 3), virial, labels, graph)["stress"] == pytest.approx((4 / 2) ** 2)


def test_the_stress_has_the_sign_of_ase_and_teaches(tiny_conserving_path, liquid):
    atoms = liquid.atoms(0)
    grain_map = liquid.grain_map()
    atoms.calc = CGAACalculator(tiny_conserving_path, grain_map)
    labelled = replace(liquid.take([0]), stress=atoms.get_stress(voigt=False)[None], trajectory=[0])
    dataset = Dataset([labelled], [Trajectory("a", "liquid", "train")], {"name": "itself"})
    network, metadata = load_model(tiny_conserving_path)
    types = [GrainType.from_dict(entry) for entry in metadata["types"]]
    frames = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff)
    graph, labels, _ = collate(frames.items, frames.slots)
    assert labels.virial.abs().max() > 0.1
    energy, forces, virial = network.train()(graph)
    torch.testing.assert_close(virial.detach(), labels.virial, rtol=1e-3, atol=1e-3)
    assert error_terms(energy, forces, virial, labels, graph)["stress"] < 1e-9
    error_terms(energy, forces, virial, labels._replace(virial=2 * labels.virial), graph)["stress"].backward()
    assert max(p.grad.abs().max() for p in network.parameters() if p.grad is not None) > 1e-6


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


def test_walls_need_only_the_closest_pairs(mixed_set):
    full = Dataset.load(mixed_set)
    types = common_types(full)
    network = build_network(MODEL, types)
    frames = LabelledFrames(full, types, network.grain_cutoff, network.atom_cutoff)
    network.calibrate(collate(frames.items, frames.slots)[0])
    expected = network.shortest.clone()
    assert (expected > 0).sum() > 8
    network.calibrate(collate([(closest_pairs(g, types), labels) for g, labels in frames.items], frames.slots)[0])
    assert torch.equal(network.shortest, expected)


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


def test_a_run_trains_and_exports_its_best_weights(write_config, tmp_path, small_set, capsys):
    assert main(["train", str(write_config(max_steps=24))]) == 0
    model = tmp_path / "run" / "model.safetensors"
    network, metadata = load_model(model)
    assert metadata["provenance"]["steps_done"] == 24 and metadata["provenance"]["steps"] % 4 == 0
    assert metadata["provenance"]["trajectories"]["validation"] == ["validation-300", "validation-350"]
    assert metadata["provenance"]["frames"] == {"train": 12, "validation": 2}
    assert metadata["domain"]["species"] == {"EC": [1 / 3, 1 / 3], "EMC": [2 / 3, 2 / 3]}
    assert 0.8 < metadata["domain"]["density"][0] < metadata["domain"]["density"][1] < 1.3
    assert 1.0 < metadata["domain"]["shortest_contact"] < 3.0
    errors = evaluate(model, small_set, "validation")
    assert errors["force"]["component"] == pytest.approx(metadata["errors"]["forces"], rel=1e-4)
    assert errors["energy"]["rmse"] == pytest.approx(metadata["errors"]["energy_mev"], rel=1e-3)
    with open(tmp_path / "run" / "log" / "version_0" / "metrics.csv") as file:
        rows = [float(row["val/forces"]) for row in csv.DictReader(file) if row["val/forces"]]
    assert len(rows) == 6 and rows[-1] < rows[0]
    assert main(["evaluate", str(model), str(small_set), "--split", "test", "--json", str(tmp_path / "e.json")]) == 0
    printed = capsys.readouterr().out
    assert "2 frames (test), 480 atoms, 36 grains" in printed and "note" not in printed
    assert main(["evaluate", str(model), str(small_set)]) == 0
    assert "trained or selected on 4 of these trajectories" in capsys.readouterr().out
    with pytest.raises(DatasetError, match=r"no frame of split test and these kinds.*it has liquid \(test\)"):
        evaluate(model, small_set, "test", ["pair"])
    assert (tmp_path / "e.json").is_file()


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


def test_a_run_on_frames_of_all_sizes(write_config, mixed_set, tmp_path, capsys):
    changes = {"loss": {"net_force": 1.0, "torque": 1.0, "stress": 1.0}, "max_steps": 4, "batch_grains": 30}
    model = train(load_config(write_config(data={"paths": [str(mixed_set)]}, **changes)))
    metadata = load_model(model)[1]
    assert metadata["domain"]["compositions"] == [{"EC": 6, "EMC": 12, "LI": 0, "PF6": 0}]
    assert 0.8 < metadata["domain"]["density"][0] < 1.3 and metadata["domain"]["temperature"] == [300.0, 350.0]
    assert metadata["provenance"]["frames"] == {"train": 27, "validation": 2}
    assert metadata["errors"]["virial_mev"] > 0
    assert main(["evaluate", str(model), str(mixed_set), "--split", "train", "--json", str(tmp_path / "e.json")]) == 0
    assert "6 EC + 12 EMC" in capsys.readouterr().out
    errors = json.loads((tmp_path / "e.json").read_text())
    assert {kind: row["frames"] for kind, row in errors["groups"]["kind"].items()} == {
        "liquid": 12,
        "molecule": 9,
        "pair": 6,
    }
    # atoms of all frames count the same
    parts = [evaluate(model, mixed_set, "train", [kind]) for kind in ("liquid", "molecule", "pair")]
    squares = sum(part["force"]["component"] ** 2 * part["atoms"] for part in parts)
    assert errors["force"]["component"] == pytest.approx(np.sqrt(squares / errors["atoms"]))
    assert errors["stress"]["frames"] == parts[0]["stress"]["frames"] == 6 and parts[1]["stress"] is None
    assert evaluate(model, mixed_set, "train", "molecule")["frames"] == 9
    assert set(errors["groups"]["temperature"]) == {"300 K", "350 K"}


def test_only_ions(mixed_set, tmp_path, write_config):
    """Nothing but single atoms: no torque, no pairs, no edges."""
    full = Dataset.load(mixed_set)
    ions = full.select(trajectories=["Li alone"])
    both = [replace(ions.trajectories[0], name=split, split=split) for split in ("train", "validation")]
    ions = Dataset([replace(ions.sets[0], trajectory=[0, 1])], both, full.teacher)
    ions.save(tmp_path / "ions.h5")
    changes = {"batch_grains": 1, "loss": {"torque": 1.0}, "max_steps": 4}
    model = train(load_config(write_config(data={"paths": ["ions.h5"]}, **changes)))
    metadata = load_model(model)[1]
    assert "shortest_contact" not in metadata["domain"] and metadata["domain"]["periodic"] is False
    assert evaluate(model, tmp_path / "ions.h5")["force"]["torque"] is None


def test_frames_that_cannot_train_are_named(write_config, tmp_path, small_set, mixed_set):
    full = Dataset.load(small_set)

    def refuses(message, dataset=None, **changes):
        if dataset is not None:
            dataset.save(tmp_path / "other.h5")
            changes["data"] = {"paths": ["other.h5"]} | changes.get("data", {})
        with pytest.raises(CGAAError, match=message):
            train(load_config(write_config(**changes)))

    loose = [replace(t, split="") for t in full.trajectories]
    refuses("6 trajectories belong to no split.*replace", Dataset(full.sets, loose, full.teacher))
    refuses("no frame is left of split validation.*liquid .train.", full.select(splits=["train"]))
    refuses("no frame is left of split train", full, data={"max_grains": {"liquid": 17}})
    bare = [replace(frames, energy=None, forces=None) for frames in full.sets]
    refuses("frames of .* have no labels; run openmm-cgaa label", Dataset(bare, full.trajectories, None))
    refuses("no training frame has a stress", loss={"stress": 1.0})
    other = {"paths": [str(small_set), "other.h5"]}
    renamed = [replace(t, name=f"other {t.name}") for t in full.trajectories]
    refuses("labels of different teachers|labelled by", Dataset(full.sets, renamed, {"name": "another"}), data=other)
    refuses("this network has no virial", model=PUBLISHED, data={"paths": [str(mixed_set)]}, loss={"stress": 1.0})


def test_a_run_starts_from_a_model(write_config, tmp_path, small_set, mixed_set):
    first = train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4, output="first")))
    still = {"lr": 1e-12, "warmup_steps": 0}
    changes = {"init": str(first), "max_steps": 4, "optimizer": still}
    second = train(load_config(write_config(**changes)))
    network, metadata = load_model(second)
    before, known = load_model(first)
    assert metadata["types"] == known["types"]  # LI and PF6 too, though these data have none
    for (name, a), b in zip(before.state_dict().items(), network.state_dict().values()):
        if name.endswith((".low", ".high")):  # ranges widen
            assert (b <= a if name.endswith("low") else b >= a).all() and not torch.isinf(b[~torch.isinf(a)]).any()
        else:
            torch.testing.assert_close(a, b, rtol=0, atol=1e-6, msg=name)
    assert metadata["provenance"]["init"] == {"model.safetensors": known["sha256"]}
    with pytest.raises(CGAAError, match=r"init: the network of .* is another.*different: hidden"):
        train(load_config(write_config(**changes, model=MODEL | {"hidden": 9})), restart=True)
    with pytest.raises(CGAAError, match="LI"):
        changes["init"] = str(train(load_config(write_config(max_steps=4, output="solvent"))))
        train(load_config(write_config(**changes, data={"paths": [str(mixed_set)]})), restart=True)


@pytest.mark.parametrize("network", ["conserving", "published"])
def test_a_whole_configuration_is_what_a_file_gives_back(network):
    whole = complete_config({"network": network})
    assert json.loads(json.dumps(whole)) == whole  # or a run could not start from its own model


def test_another_teachers_labels_are_noticed(write_config, tmp_path, mixed_set, capsys):
    model = train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4)))
    full = Dataset.load(mixed_set)
    replace(full, teacher={"name": "another"}).save(tmp_path / "other.h5")
    assert not evaluate(model, mixed_set)["other_teacher"]
    capsys.readouterr()
    assert main(["evaluate", str(model), str(tmp_path / "other.h5")]) == 0
    assert "labels are of another teacher than the model's" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(CGAAError, match="init: .* learned from .*, but the labels are by another; .*zeros"):
        train(load_config(write_config(init=str(model), data={"paths": ["other.h5"]}, max_steps=4, output="second")))


def test_walls_move_where_new_frames_come_closer(write_config, mixed_set, tmp_path):
    first = train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4, output="first")))
    full = Dataset.load(mixed_set)
    closer = replace(full.sets[6], positions=full.sets[6].positions * np.where(np.arange(8) == 0, 0.95, 1.0)[:, None])
    Dataset([*full.sets[:6], closer], full.trajectories, full.teacher).save(tmp_path / "closer.h5")
    config = load_config(write_config(init=str(first), data={"paths": ["closer.h5"]}, max_steps=4))
    before, after = (load_model(path)[0].shortest for path in (first, train(config)))
    assert torch.all(after <= before) and (after < before).sum() in (2, 4)  # Li with F, perhaps with P
    assert torch.equal(after == 0, before == 0)


def test_walls_inside_grains_are_put_up_by_frames_that_nobody_strained(write_config, mixed_set, tmp_path):
    full = Dataset.load(mixed_set)
    first = load_model(train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4, output="first"))))[
        0
    ]
    assert all(
        (density.low > 0.5).all() and (density.high < 10.0).all() for density in first.intra if len(density.others) > 1
    )
    grown = [replace(frames, positions=1.2 * frames.positions, cell=1.2 * frames.cell) for frames in full.sets]
    for name, strain in (("plain", 0.0), ("strained", 0.4)):
        again = [
            replace(t, name=f"{t.name}-{name}", details={**t.details, "strain": strain}) for t in full.trajectories
        ]
        Dataset(grown, again, full.teacher).save(tmp_path / f"{name}.h5")
        paths = [str(mixed_set), f"{name}.h5"]
        network = load_model(train(load_config(write_config(data={"paths": paths}, max_steps=4, output=name))))[0]
        for own, before in zip(network.intra, first.intra):
            assert torch.equal(own.low, before.low)
            assert torch.equal(own.high, before.high) == (strain > 0.0 or len(own.others) == 1)


def test_what_is_validated_is_what_is_saved(write_config, mixed_set, tmp_path):
    """Also where a model goes on with frames beyond its walls, and where a checkpoint knows of none."""
    first = train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4, output="first")))
    full = Dataset.load(mixed_set)
    grown = [replace(frames, positions=1.2 * frames.positions, cell=1.2 * frames.cell) for frames in full.sets]
    Dataset(grown, full.trajectories, full.teacher).save(tmp_path / "grown.h5")
    config = load_config(write_config(init=str(first), data={"paths": ["grown.h5"]}, max_steps=4, output="second"))
    metadata = load_model(train(config))[1]
    errors = evaluate(tmp_path / "second" / "model.safetensors", tmp_path / "grown.h5", "validation", ["liquid"])
    assert errors["force"]["component"] == pytest.approx(metadata["errors"]["forces"], rel=1e-4)
    for name in ("best.ckpt", "last.ckpt"):
        path = tmp_path / "second" / name
        older = torch.load(path, weights_only=True)
        older["state_dict"] = {k: v for k, v in older["state_dict"].items() if not k.endswith((".low", ".high"))}
        torch.save(older, path)
    assert load_model(train(config))[1]["errors"] == metadata["errors"]


@pytest.mark.parametrize("data", ["small", "mixed"])
@pytest.mark.parametrize("step", [4, 7])
def test_a_broken_run_resumes_to_the_same_weights(
    write_config, tmp_path, monkeypatch, step, data, small_set, mixed_set
):
    data = {"paths": [str(small_set if data == "small" else mixed_set)]}
    unbroken = train(load_config(write_config(output="unbroken", data=data)))
    config = load_config(write_config(data=data))
    with monkeypatch.context() as patch:
        break_at(patch, step)
        with pytest.raises(RuntimeError, match="killed"):
            train(config)
    resumed = train(config)
    for (name, a), b in zip(weights(unbroken).items(), weights(resumed).values()):
        assert torch.equal(a, b), name
    last = [torch.load(tmp_path / run / "last.ckpt", weights_only=True) for run in ("unbroken", "run")]
    assert last[0]["global_step"] == last[1]["global_step"] == 12
    for name, a in last[0]["state_dict"].items():
        assert torch.equal(a, last[1]["state_dict"][name]), name
    assert last[0]["validation"] == last[1]["validation"]


@pytest.mark.parametrize("step", [2, 4, 7])
def test_a_signal_saves_the_state_between_two_steps(write_config, tmp_path, monkeypatch, step):
    unbroken = train(load_config(write_config(output="unbroken")))
    config, end = load_config(write_config()), Distillation.on_train_batch_end

    def signalled(self, *args):
        end(self, *args)
        if self.trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(Distillation, "on_train_batch_end", signalled)
        with pytest.raises(Interrupted, match=r"interrupted \(SIGTERM\); .*last.ckpt holds the state") as stopped:
            train(config)
    assert stopped.value.status == 143 and signal.getsignal(signal.SIGTERM) == before
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] == step
    assert not (tmp_path / "run" / "model.safetensors").exists()
    resumed = train(config)
    for (name, a), b in zip(weights(unbroken).items(), weights(resumed).values()):
        assert torch.equal(a, b), name
    last = [torch.load(tmp_path / run / "last.ckpt", weights_only=True) for run in ("unbroken", "run")]
    assert last[0]["global_step"] == last[1]["global_step"] == 12
    assert last[0]["validation"] == last[1]["validation"]


def test_another_configuration_in_the_same_folder_is_refused(write_config):
    train(load_config(write_config(max_steps=4)))
    with pytest.raises(CGAAError, match=r"different: max_steps.*--restart"):
        train(load_config(write_config(max_steps=8)))
    train(load_config(write_config(max_steps=8)), restart=True)


def test_a_run_leaves_what_its_caller_set_in_torch(write_config, small_set):
    """And does not mind it."""
    torch.manual_seed(5)
    threads, expected = torch.get_num_threads(), torch.rand(3)
    torch.manual_seed(5)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"):
            model = train(load_config(write_config(threads=threads + 1, max_steps=4)))
            evaluate(model, small_set, "test")
            assert torch.is_inference_mode_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(3), expected)
    assert all(w.dtype in (torch.float32, torch.float64) for w in load_model(model)[0].state_dict().values())


def test_a_finished_run_ends_at_once_and_the_time_budget_stops_one(write_config, tmp_path):
    config = load_config(write_config(max_minutes=1e-6))
    train(config)
    last = tmp_path / "run" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 4
    written = last.stat().st_mtime_ns
    train(config)
    assert last.stat().st_mtime_ns == written
    train(replace(config, max_minutes=None))
    assert torch.load(last, weights_only=True)["global_step"] == 12


def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_goes_on_from_it(write_config, tmp_path, monkeypatch):
    unbroken = train(load_config(write_config(output="unbroken")))
    config = load_config(write_config())
    written, replace_file = [], os.replace

    def full_disk(source, target):
        written.append(Path(target).name)
        if len(written) > 3:
            raise OSError(28, "No space left on device", source)
        replace_file(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full_disk)
        with pytest.raises(OutputError, match="ckpt.*No space left on device.*make room, then run the same command"):
            train(config)
    assert written[1:3] == ["best.ckpt", "last.ckpt"]  # after .owner
    folder = tmp_path / "run"
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 4
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "best.ckpt", "last.ckpt", "log"]
    for (name, a), b in zip(weights(unbroken).items(), weights(train(config)).values()):
        assert torch.equal(a, b), name


def test_a_damaged_checkpoint_is_named(write_config, tmp_path):
    config = load_config(write_config(max_steps=4))
    train(config)
    last = tmp_path / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(CGAAError, match=r"last.ckpt: not a whole checkpoint.*--restart"):
        train(config)
    train(config, restart=True)
    with open(last, "r+b") as file:  # in the weights, where torch would not see it
        file.seek(last.stat().st_size // 2)
        file.write(bytes(64))
    with pytest.raises(CGAAError, match=r"last.ckpt: not a whole checkpoint \(its checksum does not fit\)"):
        train(config)


def test_files_of_others_are_not_replaced(write_config, tmp_path):
    config = load_config(write_config(max_steps=4))
    folder = Path(config.output)
    folder.mkdir()
    foreign = folder / "model.safetensors"
    foreign.write_bytes(b"of another program")
    for restart in (False, True):
        with pytest.raises(OutputError, match="holds model.safetensors, but no last.ckpt"):
            train(config, restart)
    foreign.rename(folder / "mine.safetensors")
    torch.save({"state_dict": {}}, folder / "best.ckpt")
    with pytest.raises(CGAAError, match="best.ckpt: not a checkpoint of openmm-cgaa train"):
        train(config, restart=True)
    (folder / "best.ckpt").unlink()
    with owned(folder), pytest.raises(OutputError, match=f"process {os.getpid()} on .* works in it"):
        train(config)
    own = train(config)
    before = own.read_bytes()
    with pytest.raises(OutputError, match="model.safetensors: is an input"):
        train(load_config(write_config(max_steps=4, init=str(own))), restart=True)
    assert own.read_bytes() == before and (folder / "last.ckpt").is_file()


def test_a_run_that_blows_up_stops(write_config):
    config = load_config(write_config(optimizer={"lr": 100.0, "warmup_steps": 0, "clip": 0}))
    with pytest.raises(CGAAError, match="step 4: the validation error is not finite"):
        train(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 3}, r"config.yaml: unknown key epochs; known are model, data"),
        ({"loss": {"virial": 1.0}}, r"config.yaml: loss: unknown key virial"),
        ({"data": {"paths": []}}, r"paths is \[\]; name at least one data set"),
        ({"data": {"paths": ["x"], "max_grains": {"liquid": "many"}}}, "max_grains of liquid is 'many'"),
        ({"data": {"paths": ["x"], "max_grains": {"gas": 10}}}, "'gas' is no kind of frames"),
        ({"loss": {"energy": 0, "forces": 0}}, "weights of 0 or more, one of them above 0"),
        ({"data": {"paths": ["x"], "kinds": ["gas"]}}, "'gas' is no kind of frames; there are liquid"),
        ({"optimizer": {"lr": "1e-3"}}, r"lr is '1e-3', expected float; YAML wants a point"),
        ({"max_steps": 9}, "multiple of validate_every"),
        ({"data": {"align": True}}, "config.yaml: data: paths is missing"),
        ({"optimizer": {"schedule": "linear"}}, "expected cosine or exponential"),
        ({"model": "conserving"}, "model is 'conserving', expected dict"),
    ],
)
def test_a_wrong_configuration_is_named(write_config, changes, message):
    with pytest.raises(CGAAError, match=message):
        load_config(write_config(**changes))


def test_changes_replace_what_the_file_says(write_config, tmp_path):
    path = write_config()
    config = load_config(
        path, ["seed=2", "data.max_grains.liquid=100", "optimizer.lr=1.0e-4", "output=runs/x", "data.kinds=[liquid]"]
    )
    assert config.seed == 2 and config.data.max_grains == {"liquid": 100} and config.optimizer.lr == 1e-4
    assert config.output == str(tmp_path / "runs" / "x") and config.data.kinds == ["liquid"]
    assert config.optimizer.warmup_steps == 3  # the rest stays
    null = load_config(path, ["data.max_grains=null", "data.max_grains.pair=3"])
    assert null.data.max_grains == {"pair": 3}
    for change, message in [
        ("seed", "expected key=value"),
        ("seed=[", "expected key=value"),
        ("=3", "expected key=value"),
        ("max_steps.deep=3", "max_steps is no block of keys"),
        ("seed.deep=3", "seed is {'deep': 3}, expected int"),
        ("sead=3", "unknown key sead"),
        ("seed=two", "seed is 'two', expected int"),
    ]:
        with pytest.raises(CGAAError, match=message):
            load_config(path, [change])


def test_the_command_takes_changes(write_config, tmp_path):
    path = write_config()
    assert main(["train", str(path), "--set", "max_steps=4", "--set", "output=here"]) == 0
    assert (tmp_path / "here" / "model.safetensors").is_file()


def test_a_missing_configuration_and_unknown_network_options(write_config, tmp_path, capsys):
    assert main(["train", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: No such file" in capsys.readouterr().err
    with pytest.raises(CGAAError, match="model: .*no option width"):
        train(load_config(write_config(model={"network": "conserving", "width": 3})))


@pytest.mark.parametrize("name", ["conserving", "no_messages", "published"])
def test_the_configurations_of_the_bundled_models_are_valid(name):
    config = load_config(SYSTEM / f"train_{name}.yaml")
    sets = [Dataset.load(path) for path in config.data.paths]
    assert [len(s) for s in sets] == [280, 500, 250]
    assert len(Dataset.merge(sets).select(splits=["train"])) == 208 + 750
    build_network(config.model, common_types(sets[0], config.data.align))


LOSS = {"energy": 10.0, "forces": 1.0, "net_force": 3.0, "torque": 2.0, "stress": 0.5}


@pytest.fixture
def written_out(monkeypatch):
    """The operations of a compiled step, but run one by one: a compilation takes minutes."""
    monkeypatch.setattr(compiled, "compile_fx", lambda program, fakes: program)


def assert_same_step(step, network, weights, items, slots):
    """One batch through the compiled step and through the network, loss, terms and gradients."""
    graph, labels, _ = collate(items, slots)
    answers = []
    for one in (step, lambda *batch: weighted_loss(network, weights, *batch)):
        network.zero_grad()
        loss, terms = one(graph, labels)
        (2 * loss).backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in network.parameters()]
        answers.append([loss.detach(), *(terms[name].detach() for name in LOSS), *gradients])
    for ours, reference in zip(*answers):
        scale = float(reference.abs().max()) + 1e-6
        torch.testing.assert_close(ours, reference, rtol=2e-4, atol=2e-4 * scale)


def test_a_compiled_step_is_the_step_whatever_the_batch(mixed_set, written_out):
    dataset = Dataset.load(mixed_set)
    types = common_types(dataset)
    torch.manual_seed(0)
    network = build_network(MODEL, types).train()
    frames = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff)
    set_statistics(
        network,
        [graph.counts for graph, _ in frames.items],
        [labels.energy.item() for _, labels in frames.items],
        [labels.forces.numpy() for _, labels in frames.items],
    )
    step = compiled.CompiledStep(network, LOSS, frames.items, frames.slots)
    liquid, other, molecule, lithium, anion, pair, ions = (frames.items[i] for i in (0, 9, 16, 20, 22, 25, 28))
    for batch in ([liquid], [liquid, other], [molecule], [lithium, ions], [pair, anion, liquid], [ions]):
        assert_same_step(step, network, LOSS, batch, frames.slots)
    for parameter in network.parameters():  # it takes the weights of the moment
        parameter.data.mul_(1.1)
    assert_same_step(step, network, LOSS, [liquid, pair], frames.slots)


class Springs(torch.nn.Module):
    """Atoms of two grains repel each other."""

    conserving = True

    def __init__(self):
        super().__init__()
        self.strength = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, graph):
        positions = graph.positions.detach().requires_grad_(True)
        i, j = graph.pair_index[0], graph.pair_index[1]
        r = (positions[j] + graph.pair_shift - positions[i]).norm(dim=1)
        energy = torch.zeros(graph.num_frames, dtype=torch.float64)
        energy = energy.index_add(0, graph.grain_frame[graph.atom_grain[i]], (self.strength.exp() / r).double())
        (gradient,) = torch.autograd.grad(energy.sum(), positions, create_graph=True)
        return energy, -gradient, torch.zeros(graph.num_frames, 3, 3)


def test_a_step_compiles(mixed_set):
    dataset = Dataset.load(mixed_set)
    types = common_types(dataset)
    frames = LabelledFrames(dataset, types, 0.0, 3.5)
    network = Springs()
    step = compiled.CompiledStep(network, LOSS, frames.items, frames.slots)
    for batch in ([0, 9], [28], [29, 1]):
        assert_same_step(step, network, LOSS, [frames.items[i] for i in batch], frames.slots)


def test_a_run_by_compiled_steps_ends_with_the_same_weights(write_config, tmp_path, written_out):
    train(load_config(write_config(output="plain")))
    train(load_config(write_config(output="compiled", compile=True)))
    plain, other = (weights(tmp_path / name / "model.safetensors") for name in ("plain", "compiled"))
    for name in plain:
        torch.testing.assert_close(other[name], plain[name], rtol=1e-3, atol=1e-4)


def test_a_step_that_cannot_be_compiled_says_why(write_config, monkeypatch, mixed_set):
    def fails(program, fakes):
        raise compiled.InductorError(RuntimeError("No working C++ compiler found"), None)

    dataset = Dataset.load(mixed_set)
    frames = LabelledFrames(dataset, common_types(dataset), 0.0, 3.5)
    monkeypatch.setattr(compiled, "compile_fx", fails)
    with pytest.raises(CGAAError, match=r"\(No working C\+\+ compiler found\).*compile: false"):
        compiled.CompiledStep(Springs(), LOSS, frames.items, frames.slots)
    with pytest.raises(CGAAError, match="no training frame has a grain of type number 2"):
        compiled.CompiledStep(Springs(), LOSS, frames.items[:16], frames.slots)
    with pytest.raises(CGAAError, match="sizes of this network follow from values.*compile: false"):
        train(load_config(write_config(model=PUBLISHED, compile=True)))
