"""`openmm-cgaa model export` where its package is missing, and where it would replace another file."""

import sys

from openmm_cgaa.cli import main


def test_a_missing_package_is_told_with_its_extra(tmp_path, tiny_conserving_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "metatensor", None)
    monkeypatch.delitem(sys.modules, "openmm_cgaa.engines.metatomicmodule", raising=False)
    output = tmp_path / "model.pt"
    assert main(["model", "export", str(tiny_conserving_path), "--metatomic", str(output)]) == 2
    assert "pip install 'openmm-cgaa[metatomic]'" in capsys.readouterr().err and not output.exists()


def test_nothing_else_is_replaced(tmp_path, tiny_conserving_path, capsys):
    diary = tmp_path / "diary.txt"
    diary.write_text("dear diary")
    for output, told in ((diary, "is no model of metatomic"), (tiny_conserving_path, "is an input of this command")):
        before = output.read_bytes()
        assert main(["model", "export", str(tiny_conserving_path), "--metatomic", str(output)]) == 2
        assert told in capsys.readouterr().err and output.read_bytes() == before
    assert main(["model", "export", "no-such-model", "--metatomic", str(tmp_path / "new.pt")]) == 2
    assert "neither a file nor a bundled model" in capsys.readouterr().err
