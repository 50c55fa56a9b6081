"""Time of one call of an ASE calculator; as a program, in an environment that need not have this package.

`python ase_timer.py` reads a JSON object from its standard input: ``calculator`` (``FILE.py:NAME`` or
``package.module:NAME``, a function or class that makes one), ``settings`` (its keywords), ``numbers``, ``positions``
and ``cell`` (Å), ``calls``. It prints one: ``ms`` (of each call), ``kb`` (what the process had more at most).
"""

from __future__ import annotations  # other environments may have an older Python

import importlib
import json
import os
import runpy
import sys
import time
import warnings
from typing import Any

MARK = "openmm-cgaa benchmark: "  # before the result: libraries print, too


def resident(field: str = "VmRSS") -> int | None:
    """What this process has (``VmRSS``), or had at most (``VmHWM``), kB; None where the system does not tell."""
    try:
        with open("/proc/self/status") as file:
            return int(next(line.split()[1] for line in file if line.startswith(field)))
    except (OSError, StopIteration):
        return None


def forget_peak() -> bool:
    """Let what the process had at most begin anew; False where the system cannot."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return True
    except OSError:
        return False


def time_calls(atoms: Any, calls: int) -> list[float]:
    """Milliseconds of each call for energy and forces, at new positions each, after one to warm up.

    Parameters
    ----------
    atoms : ase.Atoms
        With a calculator; positions are moved by some 0.001 Å.
    calls : int
    """
    import numpy as np

    random, start, times = np.random.default_rng(0), atoms.positions.copy(), []
    for _ in range(calls + 1):
        atoms.positions = start + random.normal(scale=1e-3, size=start.shape)
        begin = time.perf_counter()
        atoms.get_potential_energy()
        atoms.get_forces()
        times.append(1e3 * (time.perf_counter() - begin))
    return times[1:]


def made(name: str, settings: dict) -> Any:
    """The calculator that a function or class of a file or module makes."""
    place, _, attribute = name.rpartition(":")
    if place.endswith(".py"):
        sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
        found = runpy.run_path(place)[attribute]
    else:
        found = getattr(importlib.import_module(place), attribute)
    return found(**settings)


def timed_here() -> None:
    from ase import Atoms

    given = json.load(sys.stdin)
    atoms = Atoms(given["numbers"], given["positions"], cell=given["cell"], pbc=True)
    forget_peak()
    before = resident()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        atoms.calc = made(given["calculator"], given["settings"])
        times = time_calls(atoms, given["calls"])
    peak = resident("VmHWM")
    kb = None if before is None or peak is None else peak - before
    print(MARK + json.dumps({"ms": times, "kb": kb}), flush=True)


if __name__ == "__main__":
    timed_here()
