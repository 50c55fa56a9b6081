"""`engines.installation` and `cli.doctor`: what is here, what is missing, and how it comes."""

import openmm
import pytest

import openmm_cgaa
from openmm_cgaa.cli import main
from openmm_cgaa.engines import installation
from openmm_cgaa.errors import EXTRAS
from openmm_cgaa.training import reference


def test_what_is_needed_is_found_with_its_version():
    found = {one.what: one for one in installation.packages()}
    assert found["openmm"].state == installation.FINE and found["torch"].told[0].isdigit()
    assert {f"{name} ({extra})" for name, extra in EXTRAS.items()} <= found.keys()


def test_a_missing_package_comes_with_its_command(monkeypatch):
    monkeypatch.setattr(installation, "EXTRAS", {"no-such-package": "train"})
    monkeypatch.setattr(installation, "NEEDED", ("neither-this",))
    own, needed, extra = installation.packages()
    assert (own.what, own.told) == ("openmm-cgaa", openmm_cgaa.__version__)
    assert (extra.state, extra.cure) == (installation.MISSING, "pip install 'openmm-cgaa[train]'")
    assert (needed.state, needed.cure) == (installation.WRONG, "pip install openmm-cgaa")


def test_platforms_and_processor_are_told(monkeypatch):
    monkeypatch.setenv("OPENMM_CPU_THREADS", "1")
    found = {one.what: one.told for one in installation.surroundings()}
    assert openmm.Platform.getPlatform(0).getName() in found["OpenMM's platforms"]
    assert "OPENMM_CPU_THREADS=1" in found["cores"]


def test_a_plugin_that_does_not_load_is_told(monkeypatch):
    monkeypatch.setattr(openmm.Platform, "getPluginLoadFailures", lambda: ["Error loading library libFoo.so: no bar"])
    told = [one.told for one in installation.surroundings() if one.what == "a plugin of OpenMM"]
    assert told == ["Error loading library libFoo.so: no bar"]
    lines = [f"Error loading library {name}.so: libOpenCL.so.1: no such file" for name in ("libOne", "libTwo")]
    for failures, rows in ((lines, 1), ([], 0)):
        monkeypatch.setattr(openmm.Platform, "getPluginLoadFailures", lambda own=failures: own)
        assert [one.what for one in installation.surroundings()].count("OpenCL") == rows


def test_a_torchforce_that_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(installation, "missing_torchforce", lambda: "openmmtorch does not import")
    (one,) = (one for one in installation.surroundings() if one.what == "TorchForce")
    assert one.state == installation.MISSING and "pip install 'openmm-cgaa[torchforce]'" in one.cure


@pytest.mark.parametrize("broken", [False, True])
def test_the_command_ends_by_what_it_found(tiny_conserving_path, tmp_path, liquid, monkeypatch, capsys, broken):
    path = tmp_path / "model.safetensors"
    path.write_bytes(tiny_conserving_path.read_bytes())
    reference.add_reference_frame(path, [liquid])
    if broken:
        monkeypatch.setattr(installation, "NEEDED", ("neither-this",))
    assert main(["doctor", "--model", str(path)]) == int(broken)
    said = capsys.readouterr().out
    assert ("wrong: neither-this" if broken else "what was looked at works") in said
    assert "PythonForce, platform CPU" in said and "agrees" in said


def test_a_model_without_a_reference_frame_is_told(tiny_conserving_path, capsys):
    assert main(["doctor", "--model", str(tiny_conserving_path)]) == 0
    assert "has no reference frame; no answer of a model was looked at" in capsys.readouterr().out
