"""Several runs analysed side by side, beside a reference; and one that is still written, again and again."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import CGAAError
from ..host import signals
from ..host.files import COMPARISON, RUNS_PAGE, check_outputs
from ..inputs.arguments import FilePath
from ..simulation.folder import FILES
from ..simulation.underway import RUNNING, Underway, has_frames, look_at
from .compared import Comparison, compared_reports, names_of
from .equilibrium import read_begun
from .report import analyze, reference_report
from .reporting import Report, Unwritten
from .runpage import hold_still, progress_line, write_comparison, write_runs_page

OF_REFERENCE = ("pairs", "begin", "angles", "lags", "observables")  # options that hold for the reference, too
SLICE = 0.2  # s between looks at Ctrl-C


class Analyzed(NamedTuple):
    """What `compare_runs` has made.

    Attributes
    ----------
    reports : dict of Report
        By what the runs are called.
    compared : Comparison
    known : Unwritten or None
        Of the reference.
    page : Path or None
        That was written.
    """

    reports: dict[str, Report]
    compared: Comparison
    known: Unwritten | None
    page: Path | None


def compare_runs(
    folders: Sequence[FilePath],
    out: FilePath | None = None,
    reference: FilePath | None = None,
    page: FilePath | bool | None = None,
    tell: Callable = print,
    **options: Any,
) -> Analyzed:
    """Analyse runs, and hold their numbers against those of a reference.

    Parameters
    ----------
    folders : list of path
        Of runs. Without a reference the first one is that of the others.
    out : path, optional
        Folder of the analysis, by default that of `analyze`; of several runs each has a folder of its own in it.
    reference : path, optional
        As of `analyze`.
    page : path or bool, optional
        Where a page is written (HTML); True: ``report.html`` in the folder of the analysis.
    tell : callable
        Takes a line of progress.
    **options
        Of `analyze`.

    Returns
    -------
    Analyzed
        Where there is something to compare, ``comparison.json`` is written beside the summary of the first run, or
        into `out`.

    Raises
    ------
    CGAAError
        As of `analyze`.
    """
    return _compared(_Places(folders, out, reference, page), tell, options)


def watch_run(
    folder: FilePath,
    every: float = 10.0,
    out: FilePath | None = None,
    reference: FilePath | None = None,
    page: FilePath | bool | None = None,
    tell: Callable = print,
    **options: Any,
) -> Analyzed:
    """Analyse a run while it is written, until it has come to its end; then once more, with its teacher.

    Parameters
    ----------
    folder : path
    every : float
        s between two analyses, and no less than one takes.
    out, reference, page, tell, **options
        As of `compare_runs`. The page loads itself anew for as long as the run is watched.

    Raises
    ------
    CGAAError
        As of `analyze`.
    Interrupted
        A signal has ended the watching; the page stays as it was made last.
    """
    places = _Places([folder], out, reference, page)
    name = places.names[0]
    live = options | {"teacher_frames": 0}
    known: Unwritten | None = None
    with signals.deferred() as stop:
        while (seen := look_at(folder)).status == RUNNING and not stop:
            begun, drift = time.monotonic(), None
            if has_frames(folder):
                try:
                    made = _compared(places, _silent, live, known, seen, every)
                    known, drift = made.known, made.reports[name].summary.get("drift")
                except CGAAError as error:
                    tell(f"not read this time: {error}")
            elif places.page is not None:
                write_runs_page(places.page, Comparison([name], None, []), {}, None, seen, every)
            tell(progress_line(seen, drift))
            until = time.monotonic() + max(every, time.monotonic() - begun)
            while time.monotonic() < until and not stop and look_at(folder).status == RUNNING:
                time.sleep(SLICE)
        if stop.number is not None:
            if places.page is not None:
                hold_still(places.page)
            raise signals.Interrupted(stop.number, f"the run goes on; {places.page or places.out} is as of now")
    tell(f"the run is {seen.status}")
    return _compared(places, tell, options, known, seen)


class _Places:
    """What is read, and where all is written; refuses what must not be."""

    def __init__(
        self,
        folders: Sequence[FilePath],
        out: FilePath | None,
        reference: FilePath | None,
        page: FilePath | bool | None,
    ) -> None:
        self.folders, self.reference = [Path(folder) for folder in folders], reference
        if not self.folders:
            raise CGAAError("there is no run; give the folder of one")
        if len({folder.resolve() for folder in self.folders}) < len(self.folders):
            raise CGAAError(f"a run is named twice among {', '.join(map(str, folders))}; name each once")
        self.names = names_of(self.folders)
        several = len(self.folders) > 1
        self.out = Path(out) if out is not None else self.folders[0] / "analysis"
        self.outs: list[Path | None] = [None] * len(self.folders)
        if out is not None:
            self.outs = [self.out / name.replace("/", "-") if several else self.out for name in self.names]
        self.page = self.out / "report.html" if page is True else Path(page) if page else None
        self.data = self.out / "comparison.json" if several or reference is not None else None
        inputs: list[FilePath | None] = [reference]
        inputs += [folder / file for folder in self.folders for file in ("run.json", *FILES)]
        check_outputs([(self.page, RUNS_PAGE), (self.data, COMPARISON)], inputs)


def _compared(
    places: _Places,
    tell: Callable,
    options: dict[str, Any],
    known: Unwritten | None = None,
    underway: Underway | None = None,
    refresh: float | None = None,
) -> Analyzed:
    if known is None and places.reference is not None:
        own = {name: options[name] for name in OF_REFERENCE if name in options}
        first, _ = read_begun(places.folders[0], options.get("begin", 0.0))
        known = reference_report(places.reference, first, **own)
        tell("reference: done")
    reports = {
        name: analyze(folder, out=out, reference=known, tell=tell, **options)
        for name, folder, out in zip(places.names, places.folders, places.outs)
    }
    label, alone = None if known is None else known.label, []
    beside: Report | None = known
    if known is None and len(reports) > 1:
        label, alone = places.names[0], places.names[:1]
        beside = reports[label]
    compared = compared_reports(reports, beside, label, alone)
    if places.data is not None:
        write_comparison(places.data, compared, reports)
    if places.page is not None:
        write_runs_page(places.page, compared, reports, known, underway, refresh)
    return Analyzed(reports, compared, known, places.page)


def _silent(line: str) -> None:
    """A watched run tells how far it is, and not what has been analysed."""
