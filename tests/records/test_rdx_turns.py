"""Turns of molecules in a short run of a cell, `records/rdx/turns.py`: what goes on is what was not stopped."""

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from crystal_files import RDX, RDX_SMILES, description

from openmm_cgaa.building.boxes import build

sys.path.insert(0, str(Path(__file__).parents[2] / "records" / "rdx"))


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    pytest.importorskip("ase")
    from turns import turns

    molecule = {"name": "RDX", "smiles": RDX_SMILES}
    cell = build(description(tmp_path, {"cif": str(RDX)}, [molecule]))
    model = RDX.with_name("model.safetensors")
    settings = {"cell": cell, "potential": str(model), "edges": [13.6, 12.1, 11.1], "kelvin": 300.0, "seed": 1}
    turns(Namespace(**settings, out=str(tmp_path / "whole.npz"), picoseconds=1.0))
    for ps in (0.5, 1.0):
        turns(Namespace(**settings, out=str(tmp_path / "stopped.npz"), picoseconds=ps))
    whole, stopped = (np.load(tmp_path / f"{name}.npz") for name in ("whole", "stopped"))
    assert whole["turns"].shape == (21, 8) and whole["ps"][-1] == 1.0
    np.testing.assert_allclose(whole["turns"], stopped["turns"], atol=1e-3)
    assert 5.0 < np.sqrt((whole["turns"][-1] ** 2).mean()) < 30.0
