"""Runs and rows of a system, one after the other; numbers are kept as soon as a row is measured."""

import json
import tempfile
import time
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from ..errors import CGAAError, OutputError
from ..host.files import RESULTS, check_output, owned, write_bytes
from .page import check_page, draw_all, write_page
from .place import Workplace
from .system import read_system


def validate(path, rows=(), runs=(), short=False, models=None, out=None, threads=1, tell=print, warn=print) -> list:
    """Measure rows of a system's validation, and write its page.

    Runs that a row needs are made; what is there already is taken, and what was interrupted goes on.

    Parameters
    ----------
    path : path
        YAML file, see `system.ValidatedSystem`.
    rows : list of str
        By default all, unless `runs` are given.
    runs : list of str
        Simulations to make before, so that several processes can share them.
    short : bool
        A hundredth of the length, to show that everything works: nothing is kept, but what is in `out`.
    models : dict
        Bundled name or file in place of a model of the system.
    out : path, optional
        Folder of the simulations; by default the system's.
    threads : int
    tell, warn : callable
        Take a line of text: what was found, and what could not be measured.

    Returns
    -------
    list of str
        Rows that could not be measured; the others were.

    Raises
    ------
    CGAAError
        The description cannot be used, or a run of `runs` failed.
    """
    system = read_system(path)
    for what, names, known in (("row", rows, system.rows), ("run", runs, system.runs)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise CGAAError(f"there is no {what} {', '.join(unknown)} in {path}; there are {', '.join(known)}")
    unknown = [name for name in models or () if name not in (system.model, *system.models)]
    if unknown:
        raise CGAAError(
            f"{path} has no model {unknown[0]}; it has {', '.join(dict.fromkeys([system.model, *system.models]))}"
        )
    results = Path(system.path(system.results))
    if not short:
        check_writable(system, results, path)
    with ExitStack() as stack:
        if out is None:
            out = stack.enter_context(tempfile.TemporaryDirectory()) if short else system.path(system.output)
        place, failed = Workplace(system, out, models, short, threads, tell), []
        for name in dict.fromkeys([system.model, *system.models]):
            place.potential(name)  # what cannot be loaded is told before hours are spent
        if system.forcefield:
            _ = place.forcefield
        with owned(place.folder, wait=True):
            pass  # nor where nothing can be written
        for name in runs:
            place.run(name, progress=True)
        for name in [] if runs and not rows else rows or system.rows:
            start = time.monotonic()
            try:
                numbers = system.rows[name].measure(place)
            except (CGAAError, OSError) as error:
                failed.append(name)
                warn(f"{name}: {error}")
                continue
            tell(f"{name} ({time.monotonic() - start:.0f} s): {_brief(numbers)}")
            if not short:
                keep(name, numbers, place, results)
    return failed


def check_writable(system, results, path):
    """Refuse to begin where the end could not be written."""
    check_output(results, RESULTS, [path, *system.files])
    read_results(results)
    check_page(system)


def rewrite_page(path) -> tuple:
    """Page and figures of a system from its numbers alone; the files.

    Raises
    ------
    CGAAError
        Nothing was measured yet, or the description cannot be used.
    """
    system = read_system(path)
    results = system.path(system.results)
    if not results.is_file():
        raise CGAAError(f"{results}: no such file; measure a row first: openmm-cgaa validate {path}")
    check_writable(system, results, path)
    found = read_results(results)
    write_page(found, system)
    return system.path(system.page), draw_all(found, system)


def read_results(path) -> dict:
    """Numbers of rows by name, and under ``made`` by which model and when; nothing of a file that is not there.

    Raises
    ------
    OutputError
        The file holds something else.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text()) if path.is_file() and path.stat().st_size else {"made": {}}
    except ValueError as error:
        raise OutputError(f"{path}: is no JSON ({error}); bring it back from a copy, or move it away") from None
    if not isinstance(found, dict) or not isinstance(found.get("made"), dict):
        raise OutputError(f"{path}: exists and holds no results of a validation; move it away, or name another file")
    return found


def keep(name, numbers, place, path):
    """Add a row's numbers to the file; another process may be adding a row of its own."""
    with owned(place.folder, wait=True):
        found = read_results(path)
        made = {"model_sha256": place.potential().provenance()["model_sha256"], "date": str(date.today())}
        found = found | {name: _rounded(numbers), "made": found["made"] | {name: made}}
        lines = [f"{json.dumps(row)}: {json.dumps(kept)}" for row, kept in found.items()]
        write_bytes(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())  # a row a line
        write_page(found, place.system)  # the page shows what the numbers are


def _rounded(numbers):
    """To as many digits as a figure or a table shows, and some."""
    if isinstance(numbers, dict):
        return {key: _rounded(value) for key, value in numbers.items()}
    if isinstance(numbers, list):
        return [_rounded(value) for value in numbers]
    return float(f"{numbers:.5g}") if isinstance(numbers, float) else numbers


def _brief(numbers):
    """Numbers without their curves."""
    if isinstance(numbers, dict):
        inner = [f"{key}: {_brief(value)}" for key, value in numbers.items() if not _is_curve(value)]
        return "{" + ", ".join(inner) + "}"
    if isinstance(numbers, list):
        return "[" + ", ".join(_brief(value) for value in numbers) + "]"
    return f"{numbers:.4g}" if isinstance(numbers, float) else str(numbers)


def _is_curve(value):
    return isinstance(value, list) and len(value) > 4 and isinstance(value[0], (int, float, list))
