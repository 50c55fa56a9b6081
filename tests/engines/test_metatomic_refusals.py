"""Models that engines cannot run without a topology are refused, whether metatomic is there or not."""

import sys
from pathlib import Path

import pytest
from bead_boxes import PRIOR, save_bead_model
from linked import cuts_of_emc

from openmm_cgaa import CGAAPotential, export_metatomic
from openmm_cgaa.engines.metatomic import bonds_of
from openmm_cgaa.errors import EngineError, MissingPackageError
from openmm_cgaa.mapping.prior import Prior
from openmm_cgaa.model.file import changed_metadata


def test_models_that_need_a_topology_are_refused(tmp_path, tiny_published_path, tiny_conserving_path, liquid):
    output = tmp_path / "none.pt"
    with pytest.raises(EngineError, match="forces from the gradient of the energy, .*; take a conserving model"):
        export_metatomic(tiny_published_path, output)
    for prior in (None, Prior(PRIOR, 9.0)):
        beads = save_bead_model(tmp_path / "beads.safetensors", prior=prior)
        with pytest.raises(EngineError, match="has beads, .* take a model of atoms, or run it in OpenMM"):
            export_metatomic(beads, output)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(Path(tiny_conserving_path).read_bytes())
    changed_metadata(cut, {"cuts": [each.to_dict() for each in cuts_of_emc(liquid)]})
    with pytest.raises(EngineError, match="parts of molecules, .* or take a model of whole molecules"):
        export_metatomic(cut, output)
    assert not output.exists()


def test_a_missing_package_is_told_with_its_extra(tmp_path, tiny_conserving_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "metatensor", None)
    monkeypatch.delitem(sys.modules, "openmm_cgaa.engines.metatomicmodule", raising=False)
    with pytest.raises(MissingPackageError, match=r"pip install 'openmm-cgaa\[metatomic\]'"):
        export_metatomic(tiny_conserving_path, tmp_path / "model.pt")
    assert not list(tmp_path.iterdir())


def test_bonds_are_as_long_as_radii_or_walls_allow(tiny_conserving_path):
    pytest.importorskip("ase")
    by_radii = bonds_of(CGAAPotential(tiny_conserving_path, device="cpu"))
    assert by_radii == pytest.approx({("C", "C"): 1.9, ("C", "O"): 1.775, ("C", "H"): 1.3375})
    by_walls = bonds_of(CGAAPotential("ec-emc-lipf6", device="cpu"))
    assert set(by_walls) == {("C", "C"), ("C", "O"), ("C", "H"), ("F", "P")}
    assert 1.35 < by_walls["C", "H"] < 1.4 and by_walls["C", "C"] == by_radii["C", "C"]
