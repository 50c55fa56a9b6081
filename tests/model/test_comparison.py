"""`model.comparison`, and `openmm-cgaa model diff`: what differs between two models is named, and nothing else."""

import pytest
import torch
from conftest import TINY_CONSERVING, tiny_model

from openmm_cgaa.cli import main
from openmm_cgaa.errors import ModelFileError
from openmm_cgaa.model.comparison import differences
from openmm_cgaa.model.file import changed_metadata, load_model, save_model


@pytest.fixture
def pair(tmp_path, liquid):
    """Two files of one model."""
    return [tiny_model(tmp_path / f"{name}.safetensors", TINY_CONSERVING, liquid) for name in ("one", "other")]


def rows(pair):
    return {row[0]: row[1:] for row in differences(*(path.read_bytes() for path in pair))}


def test_the_same_model_differs_in_nothing(pair, capsys):
    assert rows(pair) == {}
    assert main(["model", "diff", *map(str, pair)]) == 0
    assert "are the same model" in capsys.readouterr().out


def test_what_differs_is_named_by_its_place(pair, capsys):
    changed_metadata(pair[1], {"provenance": {"seed": 2}, "errors": {"forces": 0.5}})
    assert rows(pair) == {"provenance.seed": ["-", "2"], "errors.forces": ["-", "0.5"]}
    assert main(["model", "diff", *map(str, pair)]) == 1
    assert "provenance.seed" in capsys.readouterr().out


def test_weights_differ_by_what_was_added(pair):
    network, metadata = load_model(pair[1])
    name, weight = next((name, each) for name, each in network.named_parameters() if each.numel() > 3)
    with torch.no_grad():
        weight.view(-1)[1] += 0.25
    save_model(pair[1], network, metadata)
    ((place, (number, apart)),) = rows(pair).items()
    assert place == f"weights.{name.split('.')[0]}" and number.startswith("1 of ") and apart == "by 0.25 at most"


def test_another_form_has_other_tensors(tmp_path, pair, liquid):
    other = tiny_model(tmp_path / "form.safetensors", TINY_CONSERVING | {"tensors": 2}, liquid)
    found = rows([pair[0], other])
    assert found["config.tensors"] == [str(TINY_CONSERVING.get("tensors", 0)), "2"]
    assert any(place.startswith("weights.") and "tensor" in values[0] for place, values in found.items())


def test_a_damaged_file_is_called_by_its_name(pair):
    data = bytearray(pair[1].read_bytes())
    data[-3] ^= 1
    with pytest.raises(ModelFileError, match="the second: the checksum does not match"):
        differences(pair[0].read_bytes(), bytes(data))
