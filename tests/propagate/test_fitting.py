"""Training of propagators: it learns, goes on as if nothing had been, and says what it cannot take.

Here are `fitsettings` and `windows`, too.
"""

import os
import signal

import numpy as np
import pytest
import torch
import yaml
from chains import SMALL, chain_sequence, chain_sequences, small_propagator

from openmm_cgaa.errors import CGAAError, DatasetError, GeometryError
from openmm_cgaa.host.signals import Interrupted
from openmm_cgaa.propagate import fitting
from openmm_cgaa.propagate.cores import CORES
from openmm_cgaa.propagate.fitsettings import is_propagation, load_propagation
from openmm_cgaa.propagate.fitting import Fitting, measured_scales, train_propagator
from openmm_cgaa.propagate.propagator import Propagator
from openmm_cgaa.propagate.sequences import Sequences
from openmm_cgaa.propagate.windows import batch_losses, batch_of, check_length, noisy


@pytest.fixture
def config(tmp_path):
    """Writes a configuration beside sequences; returns it."""
    chain_sequences(frames=60).save(tmp_path / "sequences.h5")

    def write(**changes):
        values = {
            **{"objective": "propagate", "data": ["sequences.h5"], "output": "run", "max_steps": 6},
            **{"validate_every": 3, "batch": 4, "lr": 2e-3, "final": 1.0, "threads": 1, "model": dict(SMALL)},
        }
        (tmp_path / "train.yaml").write_text(yaml.safe_dump(values | changes))
        return load_propagation(tmp_path / "train.yaml")

    return write


def weights(path):
    return Propagator.load(path).state_dict()


def rows(folder):
    return np.genfromtxt(folder / "metrics.csv", delimiter=",", names=True)


@pytest.mark.parametrize("form", CORES)
def test_thirty_steps_lower_the_loss(config, tmp_path, form):
    model = SMALL | {"form": form, "levels": 3, "largest": 2.0, "smallest": 0.1}
    path = train_propagator(config(max_steps=30, validate_every=10, batch=8, model=model))
    found = rows(tmp_path / "run")
    assert found["likelihood"][-1] < found["likelihood"][0] - 0.01 and found["score"][-1] < found["score"][0]
    made = Propagator.load(path)
    assert made.provenance["steps"] == 30 and made.provenance["sequences"]["train"] == ["train"]
    assert made.kinds == ["*A", "*B"] and made.scales.size == 4


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_broken_run_ends_like_an_unbroken_one(config, tmp_path, monkeypatch, step):
    options = {"model": SMALL | {"levels": 2}}
    unbroken = train_propagator(config(output="unbroken", **options))
    learn = Fitting.learn

    def signalled(self):
        found = learn(self)
        if self.step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Fitting, "learn", signalled)
        with pytest.raises(Interrupted, match="last.ckpt holds the state, the same command goes on"):
            train_propagator(config(**options))
    assert not (tmp_path / "run/model.safetensors").exists()
    resumed = train_propagator(config(**options))
    assert all(torch.equal(a, b) for a, b in zip(weights(unbroken).values(), weights(resumed).values()))
    for name in ("step", "likelihood", "score"):
        assert np.array_equal(rows(tmp_path / "run")[name], rows(tmp_path / "unbroken")[name])


def test_a_finished_run_is_left_as_it_is_and_begun_anew_on_demand(config):
    path = train_propagator(config())
    first = weights(path)
    assert all(torch.equal(a, b) for a, b in zip(first.values(), weights(train_propagator(config())).values()))
    with pytest.raises(CGAAError, match=r"another configuration \(different: seed\).*--restart"):
        train_propagator(config(seed=2))
    again = weights(train_propagator(config(seed=2), restart=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.values(), again.values()))


def test_other_data_are_another_run(config, tmp_path):
    train_propagator(config())
    chain_sequences(frames=61).save(tmp_path / "sequences.h5")
    with pytest.raises(CGAAError, match=r"different: data"):
        train_propagator(config())


def test_the_time_budget_ends_a_run_behind_a_checkpoint(config, tmp_path):
    train_propagator(config(max_minutes=0.0))
    assert rows(tmp_path / "run")["step"].tolist() == 3.0
    train_propagator(config(max_minutes=None))
    assert rows(tmp_path / "run")["step"].tolist() == [3.0, 6.0]


@pytest.mark.parametrize("fault", ["cut", "foreign"])
def test_checkpoints_that_are_not_gone_on_from(config, tmp_path, fault):
    train_propagator(config())
    last = tmp_path / "run/last.ckpt"
    if fault == "cut":
        last.write_bytes(last.read_bytes()[:-5])
        with pytest.raises(CGAAError, match="not a whole checkpoint; .*--restart"):
            train_propagator(config())
        train_propagator(config(), restart=True)
        return
    torch.save({"state": 1}, last)
    last.write_bytes(fitting.seal(last.read_bytes()))
    for restart in (False, True):  # another program's is not replaced
        with pytest.raises(CGAAError, match="not a checkpoint of a propagator; choose another output folder"):
            train_propagator(config(), restart=restart)


def test_scales_by_hand():
    one = chain_sequence("a", "train", frames=30)
    scales = measured_scales([one])
    assert scales.step == pytest.approx(np.sqrt(np.mean(np.diff(one.positions, axis=0) ** 2)))
    assert scales.mass == pytest.approx(6.0) and scales.bead_mass == pytest.approx(1.5)
    assert scales.inner == pytest.approx(one.inner.mean()) and scales.inner_spread == pytest.approx(one.inner.std())
    assert (scales.spacing, scales.size) == (5.0, 4)
    assert measured_scales([chain_sequence("a", "train", frames=5, size=1)]).inner_spread == 1.0


def test_nothing_that_moves():
    one = chain_sequence("a", "train", frames=5)
    one.positions[:] = one.positions[:1]
    with pytest.raises(DatasetError, match="no group moves in the training sequences; give a run that moves"):
        measured_scales([one])


def test_noise_has_one_size_on_all_of_a_history_and_its_target_is_clean():
    one, model = chain_sequence("a", "train", frames=6), small_propagator()
    past = noisy(np.zeros((3, 4000, 3)), 0.5, 0.5, np.random.default_rng(0))
    assert np.allclose(past.std((1, 2)), 0.5, rtol=0.03)
    sizes = [noisy(np.zeros((2, 500, 3)), 0.01, 1.0, np.random.default_rng(n)).std() for n in range(400)]
    counts = np.histogram(np.log(sizes), 4, (np.log(0.01), 0.0))[0]
    assert counts.min() > 60  # evenly in the logarithm
    batch = batch_of(model, [one], [(0, 3)], (1.0, 1.0), np.random.default_rng(1))
    moved = noisy(one.positions[1:4].astype(float), 1.0, 1.0, np.random.default_rng(1))
    reached = moved[-1] + 2.0 * (batch.state.velocities[:, 0] + batch.acceleration).numpy()
    assert np.allclose(reached, one.positions[4], atol=1e-4)


def test_a_window_without_noise_by_hand():
    one, model = chain_sequence("a", "train", frames=6), small_propagator()
    batch = batch_of(model, [one, one], [(0, 2), (1, 3)])
    x = one.positions.astype(float)
    assert np.allclose(batch.acceleration[:3], (x[3] - 2 * x[2] + x[1]) / 2.0, atol=1e-5)
    assert np.allclose(batch.acceleration[3:], (x[4] - 2 * x[3] + x[2]) / 2.0, atol=1e-5)
    assert np.allclose(batch.inner, np.concatenate([one.inner[2], one.inner[3]]))
    assert batch.window.tolist() == [0, 0, 0, 1, 1, 1]
    assert set(batch_losses(model, batch, np.random.default_rng(0))) == {"likelihood", "inner"}


def test_sequences_that_cannot_be_learned_from(config, tmp_path):
    with pytest.raises(DatasetError, match="sequence a has 3 frames, but a window has 4"):
        check_length([chain_sequence("a", "train", frames=3)], history=2)
    cases = {
        "frames of train are 5 ps apart, those of validation 10 ps": {"spacing": 10.0},
        "train has groups of 4 beads, validation of 3": {"size": 3},
        "looks 15 Å far, but the box is 20.00 Å wide": {"box": np.full(3, 20.0)},
    }
    for told, options in cases.items():
        both = [chain_sequence("train", "train"), chain_sequence("validation", "validation", **options)]
        Sequences(both).save(tmp_path / "sequences.h5")
        with pytest.raises((DatasetError, GeometryError), match=told):
            train_propagator(config(output="none"))
    Sequences([chain_sequence("train", "train")]).save(tmp_path / "sequences.h5")
    with pytest.raises(DatasetError, match="no sequence has the split validation, there are those of train"):
        train_propagator(config(output="none"))
    assert not (tmp_path / "none").exists()


def test_kinds_of_beads_that_only_validation_has(config, tmp_path):
    both = [chain_sequence("train", "train", kinds="A"), chain_sequence("validation", "validation")]
    Sequences(both).save(tmp_path / "sequences.h5")
    with pytest.raises(CGAAError, match=r"beads of kind \*B, but the propagator was trained on \*A"):
        train_propagator(config(output="none"))


def test_settings_that_cannot_be(config, tmp_path):
    cases = {
        "max_steps is 7; expected a multiple of validate_every": {"max_steps": 7},
        "noise_from is 1, above noise_to, 0.1; exchange them": {"noise_from": 1.0},
        r"data is \[\]; name at least one file": {"data": []},
        "unknown key radios": {"model": {"radios": 3.0}},
        "history is 0": {"model": {"history": 0}},
        "objective is 'forces', expected propagate": {"objective": "forces"},
    }
    for told, changes in cases.items():
        with pytest.raises(CGAAError, match=told):
            config(**changes)


def test_changes_of_a_configuration(config, tmp_path):
    config()
    path = tmp_path / "train.yaml"
    assert load_propagation(path, ["model.radius=9", "seed=5"]).model.radius == 9.0
    assert is_propagation(path) and not is_propagation(path, ["objective=forces"])
    assert load_propagation(path).data == [str(tmp_path / "sequences.h5")]


def test_an_output_that_is_an_input(config, tmp_path):
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "sequences.h5").read_bytes())
    with pytest.raises(CGAAError, match="model.safetensors"):
        train_propagator(config(output=".", data=["model.safetensors"]))


def test_a_loss_that_is_not_finite(config, monkeypatch):
    monkeypatch.setattr(Fitting, "validate", lambda self: {"likelihood": float("nan")})
    with pytest.raises(CGAAError, match="step 3: the validation loss is not finite; lower lr or clip"):
        train_propagator(config())
