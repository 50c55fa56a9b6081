"""The benchmark's figures taken in the process of the test: another one needs seconds to begin."""

import pytest

from openmm_cgaa.errors import CGAAError


@pytest.fixture
def one_process(monkeypatch):
    def called(calls, _, ended):
        for number, call in enumerate(calls):
            try:
                result, error = call(), None
            except CGAAError as refused:
                result, error = None, refused
            ended(number, result, error)

    monkeypatch.setattr("openmm_cgaa.benchmark.cases.side_by_side", called)
