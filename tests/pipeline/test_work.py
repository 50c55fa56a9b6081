"""What the stages that pipelines share do where something goes wrong."""

from dataclasses import replace

import pytest

from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.pipeline import work
from openmm_cgaa.pipeline.stages import Pipeline
from openmm_cgaa.pipeline.work import Work
from openmm_cgaa.training.config import DataConfig, LossConfig, TrainingConfig


def test_a_student_that_blows_up_here_and_there_is_no_end(tmp_path, liquid, monkeypatch):
    said = []

    def sample(plan, path, workers, model, splits):
        if plan.name == "some":
            frames = replace(liquid.take([0]), energy=None, forces=None)
            Dataset([frames], [Trajectory("a", "liquid", "train")]).save(path)
        raise CGAAError("1 trajectories failed: own-s3: blew up")

    monkeypatch.setattr(work, "sample", sample)
    for name in ("some", "none"):
        (tmp_path / name).touch()
    with Pipeline.owning(tmp_path / "out", said.append) as pipeline:
        stages = Work(pipeline, "springs:Springs")
        assert len(Dataset.load(stages.sampled("own", "it samples", tmp_path / "some"))) == 1
        assert said[0] == "it samples" and "own-s3: blew up" in said[1]
        with pytest.raises(CGAAError, match="blew up"):  # what an earlier call left is not taken for the result
            stages.sampled("own", "", tmp_path / "none", splits=["train"])


def test_a_term_of_the_loss_that_is_off_makes_no_training_begin_anew(tmp_path):
    """An update that brought such a term made two distillations begin with their first students again."""
    stages, loss = Work(Pipeline(tmp_path)), LossConfig(forces=2.0)
    config = TrainingConfig({"network": "conserving"}, DataConfig(["a.h5"]), "a", 1000, loss=loss)
    assert stages.training("student", "", config).settings["loss"] == {"energy": 1.0, "forces": 2.0}
    config = replace(config, loss=replace(loss, grain_energy=3.0))
    assert stages.training("student", "", config).settings["loss"]["grain_energy"] == 3.0
