"""The environment's variables are the caller's again, whatever happened meanwhile."""

import os

import pytest

from openmm_cgaa.host.environment import environment


def test_all_variables_are_as_before(monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.delenv("NEW", raising=False)
    before = dict(os.environ)
    with pytest.raises(RuntimeError), environment(KEPT="2", NEW="3"):
        assert os.environ["KEPT"] == "2" and os.environ["NEW"] == "3"
        os.environ["BY_OTHERS"] = "4"
        del os.environ["KEPT"]
        raise RuntimeError
    assert dict(os.environ) == before
