"""The source of all kernels for one network, and what their parameters are."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import torch

FOLDER = Path(__file__).parent
FILES = (  # each knows those before it
    *("thread.cuh", "lists.cu", "geometry.cu", "fours.cuh", "gather.cu", "linear.cu"),
    *("atoms.cu", "grains.cu", "exchange.cu", "collect.cu"),
)
NUMBERS = {torch.float32: "float", torch.float64: "double"}


class Sizes(NamedTuple):
    """Channels of a network, by the names that they have in the source.

    Attributes
    ----------
    NS, NV, NT : int
        Of densities: scalars, vectors, tensors.
    NB, NG : int
        Radial functions between grains, and inside them.
    PS, PV : int
        Of the second gathering: scalars, vectors.
    GS, GV : int
        Of grains: scalars, vectors.
    """

    NS: int
    NV: int
    NT: int
    NB: int
    NG: int
    PS: int
    PV: int
    GS: int
    GV: int


def source_of(sizes: Sizes, dtype: torch.dtype) -> str:
    """All files in one, with the sizes at the top; line numbers are told by the file."""
    defined = [f"#define {name} {size}" for name, size in zip(sizes._fields, sizes)]
    parts = [f'#line 1 "{name}"\n{(FOLDER / name).read_text("utf-8")}' for name in FILES]
    return "\n".join([*defined, f"#define REAL {NUMBERS[dtype]}", *parts])


class Parameter(NamedTuple):
    """One of a kernel: its name, its C++ type, and whether it is an array."""

    name: str
    kind: str
    array: bool


def parameters_of(source: str) -> dict[str, list[Parameter]]:
    """Those of each kernel after the number of its threads, as the source has them."""
    found = {}
    for name, given in re.findall(r"^KERNEL\((\w+),\s*([^)]*)\)", source, flags=re.MULTILINE):
        found[name] = []
        for parameter in given.split(","):
            words = parameter.replace("RESTRICT", " ").replace("const", " ").replace("*", " * ").split()
            found[name].append(Parameter(words[-1], words[0], "*" in words))
    return found


def fingerprint(*parts: str) -> str:
    """By which something compiled is kept."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
