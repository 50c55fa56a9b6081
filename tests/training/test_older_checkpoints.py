"""Training goes on from what an older version left, and from a folder that was moved."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from older import training_0_1_0

from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.host.files import seal, unseal
from openmm_cgaa.model.file import load_model
from openmm_cgaa.training.checkpoints import read_checkpoint
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.train import train


@pytest.fixture
def config(tmp_path, ec_emc_240):
    """That of a run of version 0.1.0, half done, in another folder than it was begun in."""
    training_0_1_0(tmp_path)
    frames = replace(ec_emc_240.sets[0].take([0, 1, 2]), trajectory=np.array([0, 0, 1]))
    splits = [Trajectory("a", "liquid", "train"), Trajectory("b", "liquid", "validation")]
    Dataset([frames], splits, ec_emc_240.teacher).save(tmp_path / "small.h5")
    return load_config(tmp_path / "train.yaml")


def change(path, changed):
    """Write a checkpoint anew after a function has changed what it holds."""
    checkpoint = torch.load(io.BytesIO(unseal(path.read_bytes())), weights_only=True)
    changed(checkpoint)
    file = io.BytesIO()
    torch.save(checkpoint, file)
    path.write_bytes(seal(file.getvalue()))


def test_a_checkpoint_of_version_0_1_0(config):
    """Version 0.1.0 came to these errors in one go of four steps; its checkpoint is of another go."""
    metadata = load_model(train(config))[1]
    assert metadata["provenance"]["steps"] == metadata["provenance"]["steps_done"] == 4
    errors = metadata["errors"]
    assert errors["forces"] == pytest.approx(0.8458872437, rel=1e-5)
    assert errors["energy_mev"] == pytest.approx(87.97317505, rel=1e-4)
    assert errors["torque"] == pytest.approx(2.2455132008, rel=1e-5)


def test_the_best_weights_of_a_moved_run_stay_the_best(config, tmp_path):
    """Lightning names checkpoints by their paths, and forgot all scores where these were others."""

    def unbeatable(checkpoint):
        (state,) = [s for s in checkpoint["callbacks"].values() if s.get("monitor")]
        state["best_model_score"] = state["current_score"] = torch.tensor(0.0)
        state["best_k_models"] = {path: torch.tensor(0.0) for path in state["best_k_models"]}
        state["kth_value"] = torch.tensor(0.0)

    change(tmp_path / "run/last.ckpt", unbeatable)
    before = (tmp_path / "run/best.ckpt").read_bytes()
    assert load_model(train(config))[1]["provenance"]["steps"] == 2  # those of the best weights
    assert (tmp_path / "run/best.ckpt").read_bytes() == before
    assert read_checkpoint(tmp_path / "run/last.ckpt")["global_step"] == 4


def test_a_setting_that_has_come_since_was_at_its_default(config, tmp_path):
    def older(checkpoint):
        del checkpoint["run"]["score_energy"], checkpoint["run"]["optimizer"]["clip"]

    change(tmp_path / "run/last.ckpt", older)
    other = replace(config, score_energy=3.0)
    with pytest.raises(CGAAError, match="another configuration .different: score_energy"):
        train(other)
    assert load_model(train(config))[1]["provenance"]["steps_done"] == 4
