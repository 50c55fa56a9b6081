"""What a distillation has led to: one page that needs nothing else, and the same as data."""

import json
import math
from pathlib import Path
from typing import Any

import jinja2

from ..errors import CGAAError, MissingPackageError
from ..host.files import DISTILL_PAGE, DISTILL_REPORT, check_outputs, write_bytes
from ..inputs.arguments import FilePath
from ..pages.webpage import rendered
from .pictures import pictures_of
from .verdict import FAILED, MET, NOT_MEASURED, NOT_READY, READY, UNDECIDED, WEAK, WITHIN_LIMITS, value_text

TEMPLATE = Path(__file__).with_name("report.html.jinja")
KEYS = "name created teacher verdict numbers stages checks files versions plan script".split()
MARKS = {  # with a word beside each
    **{READY: "✓", WITHIN_LIMITS: "!", NOT_READY: "✕"},
    **{MET: "✓", WEAK: "!", FAILED: "✕", UNDECIDED: "~", NOT_MEASURED: "–"},
}


def write_report(folder: FilePath, report: dict[str, Any]) -> Path:
    """Write a report as a page and as data; the page's path.

    Parameters
    ----------
    folder : path
    report : dict
        - ``name``, ``created`` (a date), ``plan`` (YAML) and ``script`` (Python) are texts.
        - ``verdict`` is of `Verdict.as_dict`, and ``checks`` are those of it.
        - ``numbers`` stand at the top: each has ``name``, ``value`` (as text) and, optionally, ``note``.
        - ``stages`` each have ``name``, ``title``, ``seconds`` and, where frames were labelled, ``labels``.
        - ``files`` each have ``name`` and ``what``.
        - ``teacher`` has ``name`` and whatever is to be known of it, ``versions`` those of packages.
        - ``warnings``, optional, are sentences: what a run, or the look before all of it, has warned of.
        - ``command``, optional, goes on after a change of the plan.
        - ``figures``, optional, are arrays as `pictures.pictures_of` takes them.

    Raises
    ------
    CGAAError
        A part of the report is missing.
    OutputError
        One of the files cannot be written, or is there and no such report.
    """
    missing = [key for key in KEYS if key not in report]
    if missing:
        raise CGAAError(f"the report has no {', '.join(missing)}; give {', '.join(KEYS)}")
    page, data = Path(folder) / "report.html", Path(folder) / "report.json"
    check_outputs([(page, DISTILL_PAGE), (data, DISTILL_REPORT)])
    plain = _plain({"report": report["name"], **report})
    try:
        shown = _page(plain)
    except jinja2.UndefinedError as error:
        raise CGAAError(f"the report lacks a part that the page shows: {error}") from None
    text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(data, text.encode())
    write_bytes(page, shown.encode())
    return page


def _page(report: dict[str, Any]) -> str:
    figures = report.get("figures") or {}
    absent = MissingPackageError.needed("matplotlib") if figures else None
    values = {
        **{"command": None, "warnings": [], **report},
        "marks": MARKS,
        "facts": [*report["teacher"].items(), *report["versions"].items()],
        "labels": sum(one.get("labels") or 0 for one in report["stages"]),
        "pictures": [*pictures_of(figures).values()],
        "no_pictures": f"There are no pictures: {absent}" if absent else "",
    }
    return rendered(TEMPLATE, values, value=_value)


def _value(check: dict[str, Any]) -> str:
    return "" if check["value"] is None else value_text(check["value"], check["error"])


def _plain(value: Any) -> Any:
    """What JSON takes: arrays as lists, what is not finite as None."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)
