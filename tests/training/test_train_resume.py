"""A broken run of training ends like an unbroken one, and its folder is nobody else's."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("lightning")

from training_sets import break_at, weights

from openmm_cgaa.errors import CGAAError, OutputError
from openmm_cgaa.host.files import owned
from openmm_cgaa.host.signals import Interrupted
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.module import Distillation
from openmm_cgaa.training.train import train


@pytest.mark.parametrize(
    ("data", "method", "step"),
    [("small", "adam", 4), ("small", "adam", 7), ("mixed", "adam", 4), ("mixed", "adam", 7), ("mixed", "soap", 7)],
)
def test_a_broken_run_resumes_to_the_same_weights(
    write_config, tmp_path, monkeypatch, data, method, step, small_set, mixed_set
):
    data = {"paths": [str(small_set if data == "small" else mixed_set)]}
    changes = {"data": data, "optimizer": {"lr": 1e-2, "method": method, "warmup_steps": 3}}
    unbroken = train(load_config(write_config(output="unbroken", **changes)))
    config = load_config(write_config(**changes))
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
