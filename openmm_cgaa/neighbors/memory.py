"""What a computation may take of the machine's memory, told before it is taken."""

import functools
import os
from pathlib import Path

import torch

from ..errors import GeometryError

BYTES = 100  # that a candidate for a pair takes on its way through `neighbors`


def check_memory(candidates: float, cutoff: float) -> None:
    """Refuse to look at more candidates for pairs of neighbours than fit into memory.

    Raises
    ------
    GeometryError
    """
    if candidates * BYTES > memory():
        raise GeometryError(
            f"neighbours within {cutoff:.4g} Å: {candidates:.3g} pairs have to be looked at, which takes some "
            f"{candidates * BYTES / 2**30:.3g} GiB, but this machine has {memory() / 2**30:.3g}; give a smaller "
            "system, or a model with a shorter cutoff"
        )


@functools.cache
def memory() -> float:
    """Bytes that this process can have: the machine's, or those of its control group."""
    limits = [float("inf")]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE"))
    for path in "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes":
        try:
            limits.append(float(Path(path).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            pass
    return min(limits)


def memory_of(device: torch.device) -> float:
    """Bytes of a device: a GPU's own, or those of `memory`."""
    return float(torch.cuda.mem_get_info(device)[1]) if device.type == "cuda" else memory()
