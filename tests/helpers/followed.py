"""A call or a command is refused with some advice, and another one is done."""

import re
from contextlib import contextmanager

import pytest

from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError


def refused(advice, error=CGAAError):
    return pytest.raises(error, match=re.escape(advice))


@pytest.fixture
def told(capsys):
    """A command that is refused with some advice."""

    @contextmanager
    def refuse(*words, advice):
        assert main([str(word) for word in words]) == 2
        error = capsys.readouterr().err
        assert advice in error, error
        yield

    return refuse


def done(*words):
    assert main([str(word) for word in words]) == 0
