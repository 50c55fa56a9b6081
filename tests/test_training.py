"""Training: the loss by hand, the split, the schedule, and a broken run that ends like an unbroken one."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("lightning")

from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.modelfile import load_model
from openmm_cgaa.nn import build_network
from openmm_cgaa.nn.graph import Graph
from openmm_cgaa.reference import Dataset, Frames, Trajectory
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.data import BatchSchedule
from openmm_cgaa.training.evaluation import evaluate, predict
from openmm_cgaa.training.frames import LabelledFrames, common_types, limited
from openmm_cgaa.training.loss import Labels, error_terms
from openmm_cgaa.training.module import Distillation, learning_rate_factor, set_statistics
from openmm_cgaa.training.run import train

SYSTEM = Path(__file__).parents[1] / "systems" / "ec_emc"
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


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    """Sixteen frames of two temperatures: twelve train, two select, two test."""
    full = Dataset.load(SYSTEM / "data" / "ec_emc_240.h5")
    frames = full.sets[0].take([*range(8), *range(70, 78)])
    splits = [Trajectory(f"{name}-{t}", "liquid", name) for t in (300, 350) for name in ("train", "validation", "test")]
    index = np.array([0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 4, 5])
    dataset = Dataset([replace(frames, trajectory=index)], splits, full.teacher)
    path = tmp_path_factory.mktemp("data") / "small.h5"
    dataset.save(path)
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


def test_statistics_fit_the_energy_on_the_composition(small_set):
    types = common_types(Dataset.load(small_set))
    network = build_network(MODEL, types)
    compositions = np.array([[6, 12], [5, 3], [1, 1]])
    set_statistics(network, compositions, compositions @ [-60.0, -80.0], [np.ones((4, 3))])
    torch.testing.assert_close(network.type_energy, torch.tensor([-60.0, -80.0], dtype=torch.float64))


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


@pytest.mark.parametrize("step", [4, 7])
def test_a_broken_run_resumes_to_the_same_weights(write_config, tmp_path, monkeypatch, step):
    unbroken = train(load_config(write_config(output="unbroken")))
    config = load_config(write_config())
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


def test_another_configuration_in_the_same_folder_is_refused(write_config):
    train(load_config(write_config(max_steps=4)))
    with pytest.raises(CGAAError, match=r"different: max_steps.*--restart"):
        train(load_config(write_config(max_steps=8)))
    train(load_config(write_config(max_steps=8)), restart=True)


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
    save = torch.save

    def full_disk(checkpoint, file):
        if checkpoint["global_step"] == 8:
            file.write(b"half a checkpoint")
            raise OSError(28, "No space left on device")
        save(checkpoint, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_disk)
        with pytest.raises(CGAAError, match="No space left on device.*the one before is as it was"):
            train(config)
    folder = tmp_path / "run"
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 4
    assert sorted(p.name for p in folder.iterdir()) == ["best.ckpt", "last.ckpt", "log"]
    for (name, a), b in zip(weights(unbroken).items(), weights(train(config)).values()):
        assert torch.equal(a, b), name


def test_a_damaged_checkpoint_is_named(write_config, tmp_path):
    config = load_config(write_config(max_steps=4))
    train(config)
    last = tmp_path / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(CGAAError, match=r"last.ckpt: not a whole checkpoint.*--restart"):
        train(config)


def test_a_run_that_blows_up_stops(write_config):
    config = load_config(write_config(optimizer={"lr": 1e30, "warmup_steps": 0, "clip": 1e30}))
    with pytest.raises(CGAAError, match="step 4: the validation error is not finite"):
        train(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 3}, r"config.yaml: unknown key epochs; known are model, data"),
        ({"loss": {"virial": 1.0}}, r"config.yaml, loss: unknown key virial"),
        ({"data": {"paths": []}}, "paths is empty"),
        ({"data": {"paths": ["x"], "kinds": ["gas"]}}, "'gas' is no kind of frames; there are liquid"),
        ({"optimizer": {"lr": "1e-3"}}, r"lr is '1e-3', expected float; YAML wants a point"),
        ({"max_steps": 9}, "multiple of validate_every"),
        ({"data": {"align": True}}, "data: missing 1 required .*'paths'"),
        ({"optimizer": {"schedule": "linear"}}, "expected cosine or exponential"),
        ({"model": "conserving"}, "model is 'conserving', expected dict"),
    ],
)
def test_a_wrong_configuration_is_named(write_config, changes, message):
    with pytest.raises(CGAAError, match=message):
        load_config(write_config(**changes))


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
