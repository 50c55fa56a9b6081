"""What was compiled is kept on disk for the next process, sealed: what is damaged is compiled anew."""

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ...errors import OutputError
from ...host.files import seal, unseal, write_bytes


def compiled_file(name: str, make: Callable[[], bytes]) -> Path:
    """The file of this name, which is made where it is missing or damaged; its seal is behind the contents."""
    path = cache_folder() / name
    try:
        if unseal(path.read_bytes()) is not None:
            return path
    except OSError:
        pass  # not there yet, or not to be read: it is made
    data = seal(make())
    try:
        write_bytes(path, data)
    except OutputError:  # no place for it: only this process has it
        path = Path(_own_folder(), name)
        write_bytes(path, data)
    return path


def image_in(path: Path) -> bytes:
    """Without the seal."""
    return unseal(path.read_bytes()) or b""


def cache_folder() -> Path:
    """In the user's cache (``XDG_CACHE_HOME``)."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home, "openmm_cgaa", "kernels")


@cache
def _own_folder() -> str:
    return tempfile.mkdtemp(prefix="openmm_cgaa_kernels_")
