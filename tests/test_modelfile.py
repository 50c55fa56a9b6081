"""A model file gives back what was put in, and anything else than a whole model is refused by name."""

import json
import os

import pytest
import safetensors.torch
import torch
from conftest import tiny_model

from openmm_cgaa import modelfile
from openmm_cgaa.errors import ModelFileError


def rewrite(path, target, change):
    """The same file with a changed header, its checksum made to fit."""
    data = path.read_bytes()
    metadata, tensors = modelfile.read_metadata(data), safetensors.torch.load(data)
    change(metadata)
    metadata["sha256"] = modelfile._digest(metadata, tensors)
    target.write_bytes(safetensors.torch.save(tensors, {modelfile.HEADER: json.dumps(metadata)}))
    return target


def test_round_trip_keeps_weights_dtypes_and_metadata(any_path, tmp_path):
    network, metadata = modelfile.load_model(any_path)
    assert not network.training
    metadata["errors"] = {"force": 0.1}
    modelfile.save_model(tmp_path / "again.safetensors", network, metadata)
    again, read = modelfile.load_model(tmp_path / "again.safetensors")
    assert read["errors"] == {"force": 0.1} and read["types"] == metadata["types"] and read["units"]["energy"] == "eV"
    for (name, a), (_, b) in zip(network.state_dict().items(), again.state_dict().items()):
        assert a.dtype == b.dtype and torch.equal(a, b), name
    assert again.type_energy.tolist() == [-60.125, -80.25]


def test_a_file_holds_every_option(liquid, tmp_path):
    """A model outlives the defaults of the code that trained it."""
    path = tiny_model(tmp_path / "model.safetensors", {"network": "conserving", "scalars": 4}, liquid)
    config = modelfile.load_model(path)[1]["config"]
    assert config["scalars"] == 4
    assert {"atom_cutoff", "grain_cutoff", "hidden", "wall", "messages"} <= set(config)


def test_half_rounds_the_parameters_alone(any_path, tmp_path):
    network, metadata = modelfile.load_model(any_path)
    modelfile.save_model(tmp_path / "half.safetensors", network, metadata, half=True)
    again, _ = modelfile.load_model(tmp_path / "half.safetensors")
    parameters = dict(again.named_parameters())
    for name, tensor in network.state_dict().items():
        expected = tensor.half().float() if name in parameters else tensor
        assert torch.equal(again.state_dict()[name], expected), name
    assert (tmp_path / "half.safetensors").stat().st_size < any_path.stat().st_size


def test_bytes_load_as_the_file(any_path):
    assert modelfile.load_model(modelfile.model_bytes(any_path))[1] == modelfile.load_model(any_path)[1]


def test_missing_model_names_the_bundled_ones(tmp_path):
    with pytest.raises(ModelFileError, match="'no-such' *: neither a file nor a bundled model") as caught:
        modelfile.load_model("no-such")
    assert all(name in str(caught.value) for name in modelfile.bundled_models())


@pytest.mark.parametrize("keep", [0, 5, 500, -1])
def test_truncated_file(tiny_conserving_path, tmp_path, keep):
    path = tmp_path / "short.safetensors"
    path.write_bytes(tiny_conserving_path.read_bytes()[:keep])
    with pytest.raises(ModelFileError, match=f"{path}.*truncated"):
        modelfile.load_model(path)


def test_altered_weight(tiny_conserving_path, tmp_path):
    data = bytearray(tiny_conserving_path.read_bytes())
    data[-3] ^= 1
    (tmp_path / "altered.safetensors").write_bytes(data)
    with pytest.raises(ModelFileError, match="checksum does not match"):
        modelfile.load_model(tmp_path / "altered.safetensors")


def test_altered_metadata(tiny_conserving_path, tmp_path):
    data = tiny_conserving_path.read_bytes()
    assert b"atom_cutoff" in data
    (tmp_path / "altered.safetensors").write_bytes(data.replace(b'cutoff\\":4.0', b'cutoff\\":5.0', 1))
    with pytest.raises(ModelFileError, match="checksum does not match"):
        modelfile.load_model(tmp_path / "altered.safetensors")


def test_foreign_safetensors(tmp_path):
    safetensors.torch.save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelFileError, match="not a model of openmm_cgaa"):
        modelfile.load_model(tmp_path / "foreign.safetensors")


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


def test_pickle_is_refused_and_never_run(tmp_path):
    torch.save({"weight": Bomb()}, tmp_path / "pickle.pt")
    with pytest.raises(ModelFileError, match="not a whole safetensors file"):
        modelfile.load_model(tmp_path / "pickle.pt")


def test_newer_format(tiny_conserving_path, tmp_path):
    path = rewrite(tiny_conserving_path, tmp_path / "new.safetensors", lambda m: m.update(format=modelfile.FORMAT + 1))
    with pytest.raises(ModelFileError, match=f"model format {modelfile.FORMAT + 1}.*reads up to {modelfile.FORMAT}"):
        modelfile.load_model(path)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m: m["config"].update(network="transformer"), "unknown network 'transformer'"),
        (lambda m: m["config"].update(depth=3), "no option depth"),
        (lambda m: m["config"].update(hidden=9), "size mismatch"),
        (lambda m: m["types"].pop(), "cannot build its network"),
        (lambda m: m.pop("types"), "no 'types' in its metadata"),
        (lambda m: m["types"][0]["bonds"].append([0, 99]), "cannot build its network"),
        (lambda m: m.update(config="conserving"), "cannot build its network"),
    ],
)
def test_network_that_cannot_be_built(tiny_conserving_path, tmp_path, change, message):
    path = rewrite(tiny_conserving_path, tmp_path / "odd.safetensors", change)
    with pytest.raises(ModelFileError, match=message):
        modelfile.load_model(path)


@pytest.mark.parametrize("metadata", [{"config": {}}, {"config": {}, "types": [float("nan")]}])
def test_metadata_that_cannot_be_saved(tiny_conserving_path, tmp_path, metadata):
    network, _ = modelfile.load_model(tiny_conserving_path)
    with pytest.raises(ModelFileError):
        modelfile.save_model(tmp_path / "model.safetensors", network, metadata)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_write_leaves_the_old_file(tiny_conserving_path, tmp_path, monkeypatch):
    network, metadata = modelfile.load_model(tiny_conserving_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        modelfile.save_model(path, network, metadata)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
