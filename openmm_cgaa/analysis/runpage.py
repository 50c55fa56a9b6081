"""The report of one or more runs as a page that needs nothing else, and the same numbers as data."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import MissingPackageError
from ..host.files import write_bytes
from ..inputs.arguments import FilePath
from ..pages.webpage import duration, rendered
from ..simulation.underway import FINISHED, RUNNING, Underway
from ..wording import measured_text
from .compared import AGREE, AGREES, DIFFERS, MISSING, UNDECIDED, Comparison
from .overlaid import overlaid
from .reporting import Report, for_json
from .values import Value

TEMPLATE = Path(__file__).with_name("runs.html.jinja")
MARKS = {AGREES: "✓", DIFFERS: "✕", UNDECIDED: "~", MISSING: "–"}  # with a word beside each
REFRESH = re.compile(r'\n<meta http-equiv="refresh"[^>]*>|; this page loads itself anew every [\d.]+ s')


def write_comparison(path: FilePath, compared: Comparison, reports: Mapping[str, Report]) -> None:
    """Write the numbers of some runs, their verdicts and their sentences (JSON)."""
    left_out = {run: report.skipped for run, report in reports.items()}
    data = for_json(compared.as_dict() | {"left_out": left_out})
    write_bytes(path, (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_runs_page(
    path: FilePath,
    compared: Comparison,
    reports: Mapping[str, Report],
    known: Report | None = None,
    underway: Underway | None = None,
    refresh: float | None = None,
) -> None:
    """Write the page of some runs.

    Parameters
    ----------
    path : path
    compared : Comparison
    reports : dict of Report
        By what their runs are called.
    known : Report, optional
        Of the reference.
    underway : Underway, optional
        How far the run is.
    refresh : float, optional
        s, after which the page loads itself anew.
    """
    names = compared.runs
    itself = compared.reference in names
    judged = [name for name in names if not (itself and name == compared.reference)] if compared.reference else []
    absent = MissingPackageError.needed("matplotlib")
    several = len(names) > 1
    groups = [(group, list(rows)) for group, rows in groupby(compared.rows, key=lambda row: row.group)]
    text = rendered(
        TEMPLATE,
        {
            "title": ", ".join(names),
            "created": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            "refresh": refresh and f"{refresh:g}",
            "underway": underway and _told(underway, reports),
            **{"compared": compared, "judged": judged, "single": not several, "itself": itself},
            **{"groups": groups, "marks": MARKS, "agree": f"{AGREE:g}"},
            "pictures": overlaid(reports, None if itself else known, compared.reference),
            "no_pictures": f"There are no pictures: {absent}" if absent else "",
            "left_out": [f"{name}: {why}" if several else why for name, one in reports.items() for why in one.skipped],
            "about": [(name, _about(report)) for name, report in reports.items()],
        },
        number=_number,
    )
    write_bytes(path, text.encode())


def hold_still(path: FilePath) -> None:
    """Let a page that loads itself anew do so no more."""
    path = Path(path)
    if path.is_file():
        text = path.read_text("utf-8")
        write_bytes(path, REFRESH.sub("", text).encode())


def _number(value: Value) -> str:
    return measured_text(value.value, value.error)


def _about(report: Report) -> list[tuple[str, str]]:
    """What a run is made with."""
    run = report.summary.get("run", {})
    settings, provenance = run.get("settings", {}), run.get("provenance", {})
    pressure = settings.get("pressure")
    told: list[tuple[str, Any]] = [("folder", run.get("folder")), ("atoms", run.get("atoms"))]
    if run:
        begin, end = run["picoseconds"]
        told.append(("frames", f"{run['frames']}, from {begin:g} to {end:g} ps"))
        told.append(("equilibrium", report.summary.get("equilibrium", {}).get("text")))
    if settings:
        told.append(("temperature that is set", f"{settings.get('temperature'):g} K"))
        told.append(("pressure that is set", "none" if pressure is None else f"{pressure:g} bar"))
        told.append(("time step", f"{settings.get('timestep'):g} fs"))
    told += [(name, provenance.get(name)) for name in ("model", "model_sha256", "backend", "precision")]
    told += [(f"outside of the training: {what}", said) for what, said in report.summary.get("outside", {}).items()]
    return [(name, str(value)) for name, value in told if value is not None]


def progress_line(seen: Underway, drift: dict[str, Any] | None = None) -> str:
    """How far a run is, for a terminal."""
    parts = [f"{seen.part or 'not begun'}: {seen.picoseconds:g} of {seen.all_picoseconds:g} ps"]
    return ", ".join([*parts, *(f"{one['value']} {one['name']}".removesuffix(" now") for one in _numbers(seen, drift))])


def _numbers(seen: Underway, drift: dict[str, Any] | None) -> Sequence[dict[str, str]]:
    told = []
    if seen.temperature is not None:
        told.append({"value": f"{seen.temperature:.0f} K", "name": "now"})
    if seen.density is not None:
        told.append({"value": f"{seen.density:.3f} g/cm³", "name": "now"})
    if drift:
        value = measured_text(drift["meV_per_atom_per_ps"], drift["error"], 1)
        told.append({"value": value, "name": "meV/atom/ps of drift"})
    if seen.ns_per_day is not None:
        told.append({"value": f"{seen.ns_per_day:.3g}", "name": "ns/day"})
    if seen.seconds_left is not None:
        told.append({"value": duration(seen.seconds_left), "name": "left"})
    return told


def _told(seen: Underway, reports: Mapping[str, Report]) -> dict[str, Any]:
    drift = next((report.summary["drift"] for report in reports.values() if "drift" in report.summary), None)
    done = seen.picoseconds / seen.all_picoseconds if seen.all_picoseconds else 0.0
    headline = {FINISHED: "Finished", RUNNING: f"Running, {100.0 * done:.0f} %"}.get(seen.status, "Stopped")
    sentence = f"{seen.picoseconds:g} of {seen.all_picoseconds:g} ps are made"
    sentence += f", the part is {seen.part}." if seen.part else "."
    if seen.status not in (FINISHED, RUNNING):
        sentence += " No process works in its folder: go on with it by openmm-cgaa simulate and --resume."
    return {"headline": headline, "sentence": sentence, "numbers": _numbers(seen, drift)}
