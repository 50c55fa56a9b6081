"""The backends of the operations have the methods of `interface`, and the network that stands on them is one."""

import inspect
import re

from openmm_cgaa.nn import ConservingNetwork, algebra, messages
from openmm_cgaa.nn.algebra import Algebra
from openmm_cgaa.nn.fused import FusedConserving
from openmm_cgaa.nn.ops import by_numba, by_torch
from openmm_cgaa.nn.ops.interface import Backend

BACKENDS = (by_torch, by_numba)
METHODS = [name for name, what in vars(Backend).items() if inspect.isfunction(what) and not name.startswith("_")]


def test_backends_have_the_operations_of_the_interface():
    assert METHODS == ["gather_by_class", "gather", "invariants", "exchange", "wall"]
    for name in METHODS:
        wanted = inspect.signature(getattr(Backend, name))
        for backend in BACKENDS:
            found = inspect.signature(getattr(backend.Operations, name))
            assert list(found.parameters) == list(wanted.parameters), (backend, name)
            assert found.return_annotation == wanted.return_annotation, (backend, name)


def test_backends_have_nothing_else_that_the_network_calls():
    """What `algebra` asks of its operations is in the interface."""
    asked = set(re.findall(r"\bops\.(\w+)\(", inspect.getsource(algebra) + inspect.getsource(messages)))
    assert asked == set(METHODS)


def test_the_network_is_written_once():
    """Neither way to run it has formulas of its own for what stands between two operations."""
    for way in (ConservingNetwork, FusedConserving):
        assert not {"environment", "environment_energies", "intra_energies", "by_class", "by_slot"} & vars(way).keys()
        assert "environment(" in inspect.getsource(way) and "environment_energies(" in inspect.getsource(way)
    assert issubclass(ConservingNetwork, Algebra)
