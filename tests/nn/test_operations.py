"""The backends of the operations have the same methods, and the network that stands on them is one."""

import inspect

from openmm_cgaa.nn import ConservingNetwork
from openmm_cgaa.nn.algebra import Algebra
from openmm_cgaa.nn.fused import FusedConserving
from openmm_cgaa.nn.ops import by_numba, by_torch

OPERATIONS = ("gather_by_class", "gather", "invariants", "exchange", "wall")


def test_backends_have_the_same_operations():
    for name in OPERATIONS:
        signatures = [inspect.signature(getattr(backend.Operations, name)) for backend in (by_torch, by_numba)]
        assert list(signatures[0].parameters) == list(signatures[1].parameters), name


def test_the_network_is_written_once():
    """Neither way to run it has formulas of its own for what stands between two operations."""
    for way in (ConservingNetwork, FusedConserving):
        assert not {"environment", "environment_energies", "intra_energies", "by_class", "by_slot"} & vars(way).keys()
        assert "environment(" in inspect.getsource(way) and "environment_energies(" in inspect.getsource(way)
    assert issubclass(ConservingNetwork, Algebra)
