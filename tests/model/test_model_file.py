"""A model file gives back what was put in, and anything else than a whole model is refused by name.

Also `schema`.
"""

import json
import os
import re
from pathlib import Path

import pytest
import safetensors.torch
import torch
from conftest import tiny_model

from openmm_cgaa.errors import ModelFileError
from openmm_cgaa.host.formats import MODEL
from openmm_cgaa.model import file


def rewrite(path, target, change):
    """The same file with a changed header, its checksum made to fit."""
    data = path.read_bytes()
    metadata, tensors = file.read_metadata(data), safetensors.torch.load(data)
    change(metadata)
    metadata["sha256"] = file._digest(metadata, tensors)
    target.write_bytes(safetensors.torch.save(tensors, {file.HEADER: json.dumps(metadata)}))
    return target


def test_round_trip_keeps_weights_dtypes_and_metadata(any_path, tmp_path):
    network, metadata = file.load_model(any_path)
    assert not network.training
    metadata["errors"] = {"force": 0.1}
    file.save_model(tmp_path / "again.safetensors", network, metadata)
    again, read = file.load_model(tmp_path / "again.safetensors")
    assert read["errors"] == {"force": 0.1} and read["types"] == metadata["types"] and read["units"]["energy"] == "eV"
    for (name, a), (_, b) in zip(network.state_dict().items(), again.state_dict().items()):
        assert a.dtype == b.dtype and torch.equal(a, b), name
    assert again.type_energy.tolist() == [-60.125, -80.25]


def test_a_file_holds_every_option(liquid, tmp_path):
    """A model outlives the defaults of the code that trained it."""
    path = tiny_model(tmp_path / "model.safetensors", {"network": "conserving", "scalars": 4}, liquid)
    config = file.load_model(path)[1]["config"]
    assert config["scalars"] == 4
    assert {"atom_cutoff", "grain_cutoff", "hidden", "wall", "messages"} <= set(config)


def test_half_rounds_the_parameters_alone(any_path, tmp_path):
    network, metadata = file.load_model(any_path)
    file.save_model(tmp_path / "half.safetensors", network, metadata, half=True)
    again, _ = file.load_model(tmp_path / "half.safetensors")
    parameters = dict(again.named_parameters())
    for name, tensor in network.state_dict().items():
        expected = tensor.half().float() if name in parameters else tensor
        assert torch.equal(again.state_dict()[name], expected), name
    assert (tmp_path / "half.safetensors").stat().st_size < any_path.stat().st_size


def test_bytes_load_as_the_file(any_path):
    assert file.load_model(file.model_bytes(any_path))[1] == file.load_model(any_path)[1]


def test_missing_model_names_the_bundled_ones(tmp_path):
    with pytest.raises(ModelFileError, match="'no-such' *: neither a file nor a bundled model") as caught:
        file.load_model("no-such")
    assert all(name in str(caught.value) for name in file.bundled_models())


def test_a_model_that_is_bundled_no_longer():
    with pytest.raises(ModelFileError, match="'ec-emc-lipf6-published' does not come with the package") as caught:
        file.load_model("ec-emc-lipf6-published")
    (path,) = re.findall(r"\S+\.safetensors", str(caught.value))
    assert file.load_model(Path(__file__).parents[2] / path)[1]["config"]["network"] == "published"


@pytest.mark.parametrize("keep", [0, 5, 500, -1])
def test_truncated_file(tiny_conserving_path, tmp_path, keep):
    path = tmp_path / "short.safetensors"
    path.write_bytes(tiny_conserving_path.read_bytes()[:keep])
    with pytest.raises(ModelFileError, match=f"{path}.*truncated"):
        file.load_model(path)


def test_altered_weight(tiny_conserving_path, tmp_path):
    data = bytearray(tiny_conserving_path.read_bytes())
    data[-3] ^= 1
    (tmp_path / "altered.safetensors").write_bytes(data)
    with pytest.raises(ModelFileError, match="checksum does not match"):
        file.load_model(tmp_path / "altered.safetensors")


def test_altered_metadata(tiny_conserving_path, tmp_path):
    data = tiny_conserving_path.read_bytes()
    assert b"atom_cutoff" in data
    (tmp_path / "altered.safetensors").write_bytes(data.replace(b'cutoff\\":4.0', b'cutoff\\":5.0', 1))
    with pytest.raises(ModelFileError, match="checksum does not match"):
        file.load_model(tmp_path / "altered.safetensors")


def test_foreign_safetensors(tmp_path):
    safetensors.torch.save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelFileError, match="not a model of openmm_cgaa"):
        file.load_model(tmp_path / "foreign.safetensors")


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


def test_pickle_is_refused_and_never_run(tmp_path):
    torch.save({"weight": Bomb()}, tmp_path / "pickle.pt")
    with pytest.raises(ModelFileError, match="not a whole safetensors file"):
        file.load_model(tmp_path / "pickle.pt")


def test_newer_format(tiny_conserving_path, tmp_path):
    path = rewrite(tiny_conserving_path, tmp_path / "new.safetensors", lambda m: m.update(format=MODEL.current + 1))
    with pytest.raises(ModelFileError, match=f"model of format {MODEL.current + 1}.*reads up to {MODEL.current}"):
        file.load_model(path)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m: m["config"].update(network="transformer"), "unknown network 'transformer'"),
        (lambda m: m["config"].update(depth=3), "unknown key depth"),
        (lambda m: m["config"].update(hidden=9), "size mismatch"),
        (lambda m: m["types"].pop(), "domain|cannot build its network"),
        (lambda m: m.pop("types"), "no 'types' in its metadata"),
    ],
)
def test_network_that_cannot_be_built(tiny_conserving_path, tmp_path, change, message):
    path = rewrite(tiny_conserving_path, tmp_path / "odd.safetensors", change)
    with pytest.raises(ModelFileError, match=message):
        file.load_model(path)


DOMAIN = {
    "periodic": True,
    "species": {"EC": [0.2, 0.4], "EMC": [0.6, 0.8]},
    "compositions": [{"EC": 6, "EMC": 12}],
    "densities": [[0.9, 1.2]],
    "density": [0.9, 1.2],
    "temperature": [300.0, 500.0],
    "temperatures": [300.0, 500.0],
    "shortest_contact": 1.7,
}
BAD = [None, True, "words", [], {}, -1, 0, 1e300, 10**30, [1, 2, 3], [2.0, 1.0], [None, None], {"EC": -1}]
NONSENSE = {  # where: values that cannot be meant there
    "format": [None, True, "1", 1.0, 0, -1],
    "units": [None, {}, {"length": "nm", "energy": "eV"}, {"length": "angstrom", "energy": "kJ/mol"}],
    "provenance": [None, [], "words"],
    "errors": [None, [], 0.1],
    "domain": [None, [], "words"],
    "config": [None, [], "conserving"],
    "config.network": [None, 1, [], "transformer"],
    "config.atom_cutoff": BAD,
    "config.grain_cutoff": BAD,
    "config.atom_neighbors": BAD,
    "config.hidden": BAD,
    "config.num_basis": BAD,
    "config.messages": [*(bad for bad in BAD if bad != 0), 0.5],
    "config.wall": [bad for bad in BAD if bad != 0],
    "types": [None, {}, [], "words", [None], [{}]],
    "types.0": [None, [], "words"],
    "types.0.name": [None, 1, "", "EMC"],
    "types.0.elements": [None, [], "COH", ["X"] * 10, [1] * 10, [None] * 10],
    "types.0.bonds": [None, "words", [[0]], [[0, 99]], [[-1, 0]], [[0, 0]], [[0, 1.5]], [[0, 1]], [[True, 2]]],
    "types.0.classes": [None, [], [0] * 10, list(range(1, 11)), [-1] * 10, list(range(9)), [0.5] * 10],
    "types.0.reference": [[], "words", [[0, 0]] * 10, [[0, 0, None]] * 10],
    "domain.periodic": [None, 1, "yes"],
    "domain.species": [None, [], {"XY": [0, 1]}, {"EC": [0.5]}, {"EC": [0.5, 0.1]}, {"EC": [-1, 1]}, {"EC": [0, 2]}],
    "domain.density": BAD,
    "domain.temperature": BAD,
    "domain.temperatures": [None, "words", {}, [-1], [None], ["300"]],
    "domain.shortest_contact": BAD,
    "domain.compositions": [None, {}, [None], [{}], [{"EC": -1}], [{"EC": 0.5}], [{"XY": 1}], [{"EC": 0}]],
    "beads": [
        None,
        [],
        {"EC": None},
        {"EC": {}},
        {"EC": {"W": ["W"]}},
        {"EC": {"W": ["", 1.0]}},
        {"EC": {"W": ["W", 0]}},
    ],
    "domain.densities": [None, {}, [[1.0, 0.5]], [[-1, 1]], [1.0], [[0.9, 1.2]] * 2],
}
CASES = [(where, value) for where, values in NONSENSE.items() for value in values]
CASES += [(where, "missing") for where in ("format", "config", "types", "provenance", "domain", "errors", "units")]
CASES += [(f"types.0.{part}", "missing") for part in ("name", "elements", "bonds", "classes")]


@pytest.mark.parametrize("where, value", CASES, ids=lambda x: str(x)[:30])
def test_sealed_nonsense_is_refused(tiny_conserving_path, tmp_path, where, value):
    """A file whose checksum fits, but which no training can have written."""

    def change(metadata):
        metadata["domain"] = json.loads(json.dumps(DOMAIN))
        *path, last = (int(part) if part.isdigit() else part for part in where.split("."))
        for part in path:
            metadata = metadata[part]
        if value == "missing":
            del metadata[last]
        else:
            metadata[last] = value

    path = rewrite(tiny_conserving_path, tmp_path / "odd.safetensors", change)
    with pytest.raises(ModelFileError, match="odd.safetensors: "):
        file.load_model(path)


def test_metadata_with_numbers_that_are_none_is_refused(tiny_conserving_path, tmp_path):
    data = tiny_conserving_path.read_bytes()
    text = json.dumps(file.read_metadata(data) | {"errors": {"force": float("nan")}})
    path = tmp_path / "odd.safetensors"
    path.write_bytes(safetensors.torch.save(safetensors.torch.load(data), {file.HEADER: text}))
    with pytest.raises(ModelFileError, match="odd.safetensors: its 'openmm_cgaa' header cannot be read .NaN in it"):
        file.load_model(path)


def test_a_sound_domain_loads(tiny_conserving_path, tmp_path):
    path = rewrite(tiny_conserving_path, tmp_path / "sound.safetensors", lambda m: m.update(domain=DOMAIN))
    assert file.load_model(path)[1]["domain"] == DOMAIN


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_do_not_load(any_path, tmp_path, value):
    """Else the first energy that is not finite is blamed on the atoms."""
    data = any_path.read_bytes()
    metadata, tensors = file.read_metadata(data), safetensors.torch.load(data)
    for name in sorted(tensors)[:: max(1, len(tensors) // 8)]:
        if name.endswith(".high") and value > 0 or not tensors[name].is_floating_point() or not tensors[name].numel():
            continue
        spoilt = {key: tensor.clone() for key, tensor in tensors.items()}
        spoilt[name].view(-1)[-1] = value
        metadata["sha256"] = file._digest(metadata, spoilt)
        path = tmp_path / "spoilt.safetensors"
        path.write_bytes(safetensors.torch.save(spoilt, {file.HEADER: json.dumps(metadata)}))
        with pytest.raises(ModelFileError, match=f"spoilt.safetensors: .*{name}"):
            file.load_model(path)


def test_weights_that_are_no_numbers_are_not_saved(tiny_conserving_path, tmp_path):
    network, metadata = file.load_model(tiny_conserving_path)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(ModelFileError, match="not finite are 1 of 960 numbers of .*; its training went astray"):
        file.save_model(tmp_path / "model.safetensors", network, metadata)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("metadata", [{"config": {}}, {"config": {}, "types": [float("nan")]}])
def test_metadata_that_cannot_be_saved(tiny_conserving_path, tmp_path, metadata):
    network, _ = file.load_model(tiny_conserving_path)
    with pytest.raises(ModelFileError):
        file.save_model(tmp_path / "model.safetensors", network, metadata)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_write_leaves_the_old_file(tiny_conserving_path, tmp_path, monkeypatch):
    network, metadata = file.load_model(tiny_conserving_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.save_model(path, network, metadata)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
