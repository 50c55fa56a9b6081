"""`model.referenceframe`, `training.reference`, `engines.verification`, `cli.model`: answers that differ are told."""

import json

import numpy as np
import pytest
import torch
from conftest import TINY_CONSERVING, tiny_model

from openmm_cgaa import CGAAError, CGAAPotential
from openmm_cgaa.cli import main
from openmm_cgaa.engines.verification import verified
from openmm_cgaa.model.file import bundled_models, changed_metadata, load_model, model_bytes, read_metadata, save_model
from openmm_cgaa.model.loaded import LoadedModel
from openmm_cgaa.model.referenceframe import KEY, ReferenceFrame
from openmm_cgaa.training import reference


@pytest.fixture
def model(any_path, tmp_path, liquid):
    """A model file with a reference frame."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(any_path.read_bytes())
    assert reference.add_reference_frame(path, [liquid])
    return path


def frame_of(path):
    return ReferenceFrame.of_metadata(read_metadata(path.read_bytes()))


def test_it_is_what_the_model_says_of_the_frame(model, liquid):
    frame = frame_of(model)
    np.testing.assert_array_equal(frame.positions, liquid.positions[0])
    potential = CGAAPotential(model, precision="double", device="cpu", fused=False)
    energy, forces = frame.computed(potential)
    assert energy == pytest.approx(frame.energy, abs=1e-9)
    np.testing.assert_allclose(forces, frame.forces, atol=1e-9)


@pytest.mark.parametrize("name", bundled_models())
def test_bundled_models_have_one(name):
    """Those of 0.1.0 have it beside their files, with what that version gave."""
    model = CGAAPotential(name, precision="double", device="cpu", fused=False)
    frame = ReferenceFrame.of_file(model_bytes(name), model.metadata)
    energy, forces = frame.computed(model)
    assert energy == pytest.approx(frame.energy, abs=1e-9) and len(frame.elements) > 100
    np.testing.assert_allclose(forces, frame.forces, atol=1e-9)


def test_weights_stay_as_they_are(model, any_path):
    (one, _), (other, _) = load_model(model), load_model(any_path)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_every_way_that_is_here_agrees(model):
    ways = verified(model.read_bytes())
    here = {way.way: way for way in ways if way.agrees is not None}
    assert {"torch, double precision", "torch, single precision", "PythonForce, platform Reference"} <= here.keys()
    assert all(way.agrees for way in here.values()), here
    assert here["torch, double precision"].forces < 1e-9
    assert all(way.reason for way in ways if way.agrees is None)


def test_another_answer_is_told(tmp_path, liquid, capsys):
    """Weights that were changed, with a checksum that is right: only computing it tells."""
    path = tiny_model(tmp_path / "model.safetensors", TINY_CONSERVING, liquid)
    assert reference.add_reference_frame(path, [liquid])
    network, metadata = load_model(path)
    with torch.no_grad():
        for weight in network.parameters():
            weight *= 1.001
    save_model(path, network, metadata)
    assert any(way.agrees is False and way.forces > 1e-5 for way in verified(path.read_bytes()))
    assert main(["model", "verify", str(path)]) == 1
    assert "does not agree" in capsys.readouterr().out


def test_a_model_without_one_is_told(any_path, capsys):
    assert verified(any_path.read_bytes()) == []
    assert main(["model", "verify", str(any_path)]) == 0
    assert "it has no reference frame to compute" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [{"positions": []}, {"forces": [[0.0, 0.0, np.pi]]}, {"elements": ["Xx"]}, {"residues": None}, {"more": 1}],
)
def test_a_spoiled_frame_is_a_sentence(model, change):
    own = json.loads(json.dumps(read_metadata(model.read_bytes())[KEY]))
    changed_metadata(model, {KEY: own | change})
    with pytest.raises(CGAAError, match="the reference frame of the model cannot be read"):
        verified(model.read_bytes())


def test_a_frame_that_is_too_large_is_left_out(any_path, tmp_path, liquid, monkeypatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(any_path.read_bytes())
    monkeypatch.setattr(reference, "LARGEST", 10)
    assert not reference.add_reference_frame(path, [liquid])
    assert path.read_bytes() == any_path.read_bytes()
    assert LoadedModel(path).metadata.get(KEY) is None
