"""Variables of the process's environment, for as long as they are needed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def environment(**changes: str) -> Iterator[None]:
    """Set variables; when the context ends all of them are as before, also those that were set by others meanwhile."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
