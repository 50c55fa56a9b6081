"""Kernels compiled for a GPU by NVRTC, the compiler that torch brings with it; no CUDA toolkit, no driver needed."""

import ctypes
import ctypes.util
import importlib.util
import logging
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ...errors import EngineError
from .compiled_files import compiled_file, image_in
from .sources import fingerprint

log = logging.getLogger("openmm_cgaa")
OPTIONS = ("-std=c++17", "-fmad=true")


def image_of(source: str, capability: tuple[int, int]) -> bytes:
    """What a driver loads for a GPU of this compute capability; kept on disk by source and architecture.

    It is machine code. For a GPU that is newer than the compiler it is PTX, which the driver compiles.

    Raises
    ------
    EngineError
        NVRTC is missing, or the GPU is too old for it.
    """
    architecture = architecture_of(capability)
    key = fingerprint(source, architecture, *OPTIONS, ".".join(map(str, version())))
    return image_in(compiled_file(f"{key}.{architecture}", lambda: compiled_by_nvrtc(source, architecture)))


def architecture_of(capability: tuple[int, int]) -> str:
    """``sm_90``, or ``compute_90`` where the compiler does not know the GPU yet."""
    wanted, known = 10 * capability[0] + capability[1], architectures()
    below = [each for each in known if each <= wanted]
    if not below:
        raise EngineError(
            f"this GPU has compute capability {capability[0]}.{capability[1]}, but the NVRTC of this torch compiles "
            f"for {min(known) // 10}.{min(known) % 10} and later: use an older build of torch, or device='cpu'"
        )
    return f"sm_{wanted}" if wanted in known else f"compute_{below[-1]}"


def compiled_by_nvrtc(
    source: str, architecture: str, more: tuple[str, ...] = (), told: Callable[[str], None] = log.debug
) -> bytes:
    """Machine code, or PTX of a ``compute_`` architecture; with `more` options, and what the compiler says `told`."""
    library, program, size = nvrtc(), ctypes.c_void_p(), ctypes.c_size_t()
    _checked(library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        options = [f"-arch={architecture}".encode(), *(each.encode() for each in (*OPTIONS, *more))]
        failed = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        _checked(library.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
        said = ctypes.create_string_buffer(size.value)
        _checked(library.nvrtcGetProgramLog(program, said))
        if failed:
            raise EngineError(f"NVRTC does not compile the kernels for {architecture}: {said.value.decode()[:2000]}")
        told(said.value.decode())
        ptx = architecture.startswith("compute")
        size_of, get = (library[f"nvrtcGet{'PTX' if ptx else 'CUBIN'}{end}"] for end in ("Size", ""))
        _checked(size_of(program, ctypes.byref(size)))
        image = ctypes.create_string_buffer(size.value)
        _checked(get(program, image))
        return image.raw
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def architectures() -> list[int]:
    """That the compiler knows, 10 x major + minor, the oldest first."""
    count = ctypes.c_int()
    _checked(nvrtc().nvrtcGetNumSupportedArchs(ctypes.byref(count)))
    known = (ctypes.c_int * count.value)()
    _checked(nvrtc().nvrtcGetSupportedArchs(known))
    return sorted(known)


def version() -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    _checked(nvrtc().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


@cache
def nvrtc() -> ctypes.CDLL:
    """The library: of torch's own wheels, or of the system; `EngineError` where there is none."""
    for path in [*_in_wheels(), ctypes.util.find_library("nvrtc")]:
        if path is not None:
            try:
                return ctypes.CDLL(str(path))
            except OSError:  # of another machine, or half removed: the next one
                continue
    raise EngineError(
        "kernels for a GPU are compiled by NVRTC, which is not here; a torch that is built for CUDA brings it "
        "(pip install nvidia-cuda-nvrtc-cu12 adds it alone)"
    )


def _in_wheels() -> list[Path]:
    spec = importlib.util.find_spec("nvidia")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    found = [path for folder in folders for path in Path(folder).glob("*/lib/libnvrtc.so.*")]
    return sorted(path for path in found if re.fullmatch(r"libnvrtc\.so\.\d+", path.name))


def _checked(code: int) -> None:
    if code:
        get = nvrtc().nvrtcGetErrorString
        get.restype = ctypes.c_char_p
        raise EngineError(f"NVRTC: {get(code).decode()}")
