"""The curves of several analyses on common axes, as SVG for a page: one panel a curve."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..pages.svgpanels import GREY, ORANGE, STYLES, Picture, drawing, new_panel, svg_of
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV
from .lines import Line
from .reporting import Drawing, Report

POINTS = 600  # of a line that are drawn
LEGEND = 3  # lines of it beside each other at most


class Panel(NamedTuple):
    """Lines of one report on axes of their own.

    Attributes
    ----------
    title : str
    group : str
        Key of `GROUPS`.
    axes : (str, str)
    lines : list of Line
    level : float or None
        Where a thin line lies.
    """

    title: str
    group: str
    axes: tuple[str, str]
    lines: list[Line]
    level: float | None = None


GROUPS = {  # what is to be seen in them
    "Radial distributions": "How often two are so far apart, relative to a gas.",
    "Neighbours": "How many are nearer than a distance.",
    "Angles between neighbours": "How often two neighbours of a grain stand at an angle.",
    "Over time": "A run that is at rest goes neither up nor down.",
    "Energy without a thermostat": "It should neither rise nor fall.",
    "More": "Bands are two standard errors to either side.",
}


def overlaid(reports: Mapping[str, Report], known: Report | None, reference: str | None) -> list[Picture]:
    """The figures of a page; none without matplotlib.

    Parameters
    ----------
    reports : dict of Report
        By what their runs are called.
    known : Report, optional
        Of the reference, which is called `reference`.
    """
    from ..errors import MissingPackageError

    if MissingPackageError.needed("matplotlib"):
        return []
    panels: dict[str, dict[str, dict[str, Panel]]] = {group: {} for group in GROUPS}  # by title and run
    for run, report in reports.items():
        for panel in panels_of(report):
            panels[panel.group].setdefault(panel.title, {})[run] = panel
    if known is not None and reference is not None:
        for panel in panels_of(known):
            if panel.title in panels[panel.group]:
                panels[panel.group][panel.title]["\0"] = panel
    styles = {run: STYLES[number % len(STYLES)] for number, run in enumerate(reports)}
    pictures = []
    for group, caption in GROUPS.items():
        drawn = []
        for title, own in panels[group].items():
            with drawing(f"{group} {title}"):
                drawn.append(_drawn(title, own, styles, reference or ""))
        if drawn:
            pictures.append(Picture(group, caption, drawn))
    return pictures


def panels_of(report: Report) -> Iterator[Panel]:
    """What a report has drawn, as far as curves of several runs can share their axes."""
    for one in report.drawn:
        if one.function in _KINDS:
            yield from _KINDS[one.function](one)


def _drawn(title: str, own: dict[str, Panel], styles: dict[str, tuple[str, Any]], reference: str) -> bytes:
    """A panel: the reference is a broken line, bands are two standard errors to either side."""
    first = next(iter(own.values()))
    wide = first.group in ("Over time", "Energy without a thermostat")
    figure, ax = new_panel(width=5.2 if wide else 4.2)
    if first.level is not None:
        ax.axhline(first.level, color=GREY, linewidth=0.6)
    count = 0
    for run, panel in own.items():
        for number, line in enumerate(panel.lines):
            color, dashes = styles.get(run, (ORANGE, (0, (4, 2))))
            if number:  # a second line of a run
                color = STYLES[(number + len(own)) % len(STYLES)][0]
            name = reference if run == "\0" else run
            label = f"{name}, {line.label}" if line.label and len(panel.lines) > 1 else name
            some = slice(None, None, -(-len(line.x) // POINTS))
            x, y, error = (np.asarray(values, dtype=float)[some] for values in line[:3])
            if np.isfinite(error).any():
                ax.fill_between(x, y - 2.0 * error, y + 2.0 * error, color=color, alpha=0.15, linewidth=0)
            ax.plot(x, y, color=color, linestyle=dashes, linewidth=1.3, label=label)
            count += 1
    ax.set(title=title, xlabel=first.axes[0], ylabel=first.axes[1])
    if first.group in ("Radial distributions", "Neighbours"):
        ax.set_ylim(bottom=0.0)
    if count > 1:
        low, high = ax.get_ylim()
        rows = -(-count // LEGEND)
        ax.set_ylim(low, high + (0.1 + 0.1 * rows) * (high - low))  # room for the legend
        ax.legend(frameon=False, fontsize="x-small", ncols=min(count, LEGEND), loc="upper right")
    return svg_of(figure)


def _radial(one: Drawing) -> Iterator[Panel]:
    axes = "r (Å)", "g(r)"
    for name, (r, g, error) in one.arguments[0].items():
        yield Panel(name, "Radial distributions", axes, [Line(ANGSTROM_PER_NM * r, g, error)], level=1.0)


def _lines(one: Drawing) -> Iterator[Panel]:
    axes = one.options["axes"]
    near = axes[1] == "neighbours within r"
    group = "Neighbours" if near else "More"
    for name, lines in one.arguments[0].items():
        if near:
            lines = [Line(ANGSTROM_PER_NM * line.x, *line[1:]) for line in lines]
        yield Panel(name, group, ("r (Å)", axes[1]) if near else axes, list(lines))


def _angles(one: Drawing) -> Iterator[Panel]:
    axes = "angle (degrees)", "P, 1 at its largest"
    yield Panel("Angles", "Angles between neighbours", axes, [Line(*one.arguments[0])])


def _temperatures(one: Drawing) -> Iterator[Panel]:
    time, series = one.arguments[:2]
    yield Panel("Temperature", "Over time", ("time (ps)", "temperature (K)"), [_series(time, series["all"])])


def _density(one: Drawing) -> Iterator[Panel]:
    time, series = one.arguments[:2]
    yield Panel("Density", "Over time", ("time (ps)", "density (g/cm³)"), [_series(time, series)])


def _energy(one: Drawing) -> Iterator[Panel]:
    time, energy, _, atoms = one.arguments
    change = 1000.0 / KJMOL_PER_EV / atoms * (np.asarray(energy) - energy[0])
    axes = "time (ps)", "energy − start (meV/atom)"
    yield Panel("Total energy", "Energy without a thermostat", axes, [_series(time, change)], level=0.0)


def _series(time: np.ndarray, values: np.ndarray) -> Line:
    return Line(np.asarray(time), np.asarray(values), np.full(len(time), np.nan))


_KINDS = {
    "rdf_figure": _radial,
    "lines_figure": _lines,
    "angle_figure": _angles,
    "temperature_figure": _temperatures,
    "density_figure": _density,
    "drift_figure": _energy,
}
