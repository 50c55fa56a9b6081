"""Which backend is taken, and what is said of one that is missing."""

import logging

import openmm
import pytest

from openmm_cgaa import CGAAPotential
from openmm_cgaa.errors import EngineError


def test_auto_says_what_it_took_and_vain_requests_what_is_missing(tiny_conserving_path, solvent, monkeypatch, caplog):
    potential = CGAAPotential(tiny_conserving_path)
    monkeypatch.setattr("openmm_cgaa.engines.backends.missing_torchforce", lambda: "openmmtorch does not import")
    with caplog.at_level(logging.INFO, "openmm_cgaa"):
        system = potential.createSystem(solvent[0])
    assert any(isinstance(force, openmm.PythonForce) for force in system.getForces())
    message = "backend 'auto': PythonForce (TorchForce: openmmtorch does not import)"
    assert [record.getMessage() for record in caplog.records] == [message]
    with pytest.raises(EngineError, match=r"does not import; install it with: pip install 'openmm-cgaa\[torchforce\]'"):
        potential.createSystem(solvent[0], backend="torch")
    with pytest.raises(EngineError, match="'cuda' is not known"):
        potential.createSystem(solvent[0], backend="cuda")
    with pytest.raises(EngineError, match="useCUDAGraphs is a property of the torch backend"):
        potential.createSystem(solvent[0], backend="python", useCUDAGraphs=True)
