"""The kernels compiled by g++: a loop over the threads. It is for tests and for looking closely, not for speed."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...errors import EngineError
from .compiled_files import compiled_file
from .sources import fingerprint

# sums are done as they are written, so that a GPU's differences are those of its own rounding
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden")


class Twin:
    """Kernels that run on the CPU, one thread after the other.

    Parameters
    ----------
    source : str
    flags : tuple of str
        For the compiler, besides its own.

    Raises
    ------
    EngineError
        There is no g++, or it does not take the source.
    """

    def __init__(self, source: str, flags: tuple[str, ...] = ()):
        flags = (*FLAGS, *flags)
        path = compiled_file(f"{fingerprint(source, *flags)}.so", lambda: compiled_by_host(source, flags))
        self.library = ctypes.CDLL(str(path))

    def prepared(self, name: str, threads: int, values: list) -> Callable[[], None]:
        """A call of a kernel, to be made as often as wanted."""
        function, given = self.library[name], [ctypes.c_int(threads), *values]
        function.restype = None
        return lambda: function(*given)


def compiled_by_host(source: str, flags: tuple[str, ...]) -> bytes:
    compiler = shutil.which("g++")
    if compiler is None:
        raise EngineError("the kernels' twin on a CPU needs g++, which is not here: install it, or use a CUDA device")
    with tempfile.TemporaryDirectory() as folder:
        code, target = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        code.write_text(source, "utf-8")
        done = subprocess.run([compiler, *flags, str(code), "-o", str(target)], capture_output=True, text=True)
        if done.returncode:
            raise EngineError(f"{compiler} does not compile the kernels: {done.stderr.strip()[:2000]}")
        return target.read_bytes()
