"""One report over all members of an ensemble: tables, radial distributions with their bands, figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..analysis.drift import Estimate
from ..analysis.report import Report
from ..host.files import ENSEMBLE
from ..wording import counted
from .between import Band, band, between
from .ensembleplan import EnsemblePlan
from .measured import Measured
from .members import Member

COLUMNS = {  # numbers of the tables: heading, digits
    "temperature_K": ("K", 1),
    "density_g_per_ml": ("g/cm3", 4),
    "pressure_MPa": ("MPa", 0),
    "drift_meV_per_atom_per_ps": ("drift, meV/atom/ps", 4),
}
DRAWN = 12  # points in a figure of radial distributions: more cannot be told apart


def report_on(
    plan: EnsemblePlan, members: Sequence[Member], found: dict[str, Measured], tell: Callable[[str], object]
) -> Report:
    """Write ``summary.json``, ``summary.txt``, tables of curves and figures into the folder of an ensemble.

    Parameters
    ----------
    plan : EnsemblePlan
    members : list of Member
        That have come to their end.
    found : dict of Measured
        Of each, by its name.
    tell : callable
        Takes a line of text.
    """
    report = Report(Path(plan.output), lambda line: None, plan.files, ENSEMBLE)
    points: dict[str, list[Member]] = {}
    for member in members:
        points.setdefault(member.point, []).append(member)
    report.add(
        "ensemble",
        {"settings": plan.facts(), "members": len(members), "points": len(points)},
        f"{plan.output}: {counted(len(members), 'member')} of {counted(len(points), 'point')}",
    )
    means = {point: _means([found[one.name] for one in own]) for point, own in points.items()}
    _add_points(report, plan, points, means, found)
    _add_members(report, members, found)
    _add_curves(report, points, found)
    if len(points) > 1:
        shown = {
            COLUMNS.get(name, (name,))[0]: {point: own[name] for point, own in means.items() if name in own}
            for name in _names(means)
        }
        report.draw("points_figure", "points.png", shown)
    report.write()
    tell(f"report: {report.out / 'summary.json'}, summary.txt and {counted(len(report.figures), 'figure')}")
    return report


def _means(own: Sequence[Measured]) -> dict[str, Estimate]:
    """Of each number that all replicas have."""
    names = [name for name in own[0].numbers if all(name in one.numbers for one in own)]
    return {name: between([one.numbers[name] for one in own]) for name in names}


def _names(means: dict[str, dict[str, Estimate]]) -> list[str]:
    return list(dict.fromkeys(name for own in means.values() for name in own))


def _add_points(
    report: Report,
    plan: EnsemblePlan,
    points: dict[str, list[Member]],
    means: dict[str, dict[str, Estimate]],
    found: dict[str, Measured],
) -> None:
    numbers, rows = {}, [["point", "members", *(heading for heading, _ in COLUMNS.values()), "ns in all"]]
    for point, own in points.items():
        first, length = own[0], sum(found[one.name].picoseconds for one in own) / 1000.0
        numbers[point] = {
            "members": [one.name for one in own],
            "model": first.model,
            "temperature_K": first.settings.temperature,
            "pressure_bar": first.settings.pressure,
            "density_g_per_ml": first.density,
            "composition": first.composition,
            "nanoseconds": length,
            "error_from": "the spread between replicas" if len(own) > 1 else "one correlated series",
            "means": {name: {"value": one.value, "error": one.error} for name, one in means[point].items()},
        }
        cells = [_cell(means[point].get(name), digits) for name, (_, digits) in COLUMNS.items()]
        rows.append([point, str(len(own)), *cells, f"{length:.4g}"])
    single = all(len(own) == 1 for own in points.values())
    said = "errors: of each run by itself" if single else "errors: from the spread between replicas, where there are"
    report.add("points", numbers, *_aligned(rows), said)
    others = [name for name in _names(means) if name not in COLUMNS]
    if others:
        texts = {name: {point: own[name] for point, own in means.items() if name in own} for name in others}
        lines = [
            f"{name}: {', '.join(f'{point} {_cell(one, 3)}' for point, one in own.items())}"
            for name, own in texts.items()
        ]
        report.add("diffusion", {name: list(own) for name, own in texts.items()}, *lines)


def _add_members(report: Report, members: Sequence[Member], found: dict[str, Measured]) -> None:
    numbers, rows = {}, [["member", "seed", *(heading for heading, _ in COLUMNS.values()), "ns", "ns/day"]]
    for member in members:
        own = found[member.name]
        numbers[member.name] = {
            "run": str(member.run),
            "seed": member.settings.seed,
            "nanoseconds": own.picoseconds / 1000.0,
            "ns_per_day": own.ns_per_day,
            "changed_places": own.changed_places,
            "outside": own.outside,
            **{name: {"value": one.value, "error": one.error} for name, one in own.numbers.items()},
        }
        cells = [_cell(own.numbers.get(name), digits) for name, (_, digits) in COLUMNS.items()]
        speed = "-" if own.ns_per_day is None else f"{own.ns_per_day:.3g}"
        rows.append([member.name, str(member.settings.seed), *cells, f"{own.picoseconds / 1000.0:.4g}", speed])
    changes = {one.name: found[one.name].changed_places for one in members}
    told = [f"{name} {changed:.2f}" for name, changed in changes.items() if changed is not None]
    warned = _together({one.name: list(found[one.name].outside.values()) for one in members})
    for text in _together({one.name: found[one.name].left_out for one in members}):
        report.skip(text)
    report.add("members", numbers, *_aligned(rows))
    if told:
        report.add("exchange", {"changed_places": changes}, f"exchanges that brought another one: {', '.join(told)}")
    if warned:
        report.add("outside", {"of training": warned}, *warned)


def _together(said: Mapping[str, Sequence[str]]) -> list[str]:
    """What members say, each sentence once, with the names of all that say it."""
    by: dict[str, list[str]] = {}
    for name, texts in said.items():
        for text in texts:
            by.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}" for text, names in by.items()]


def _add_curves(report: Report, points: dict[str, list[Member]], found: dict[str, Measured]) -> None:
    """A table of each point, and a figure of all."""
    bands: dict[str, dict[str, dict[str, Band]]] = {}  # by kind, pair and point
    for point, own in points.items():
        for kind, curves in found[own[0].name].curves.items():
            for pair in curves:
                made = band([found[one.name].curves[kind][pair] for one in own])
                bands.setdefault(kind, {}).setdefault(pair, {})[point] = made
    if not bands:
        report.skip("radial distributions: the runs are not periodic")
    for kind, pairs in bands.items():
        for point in points:
            drawn = {pair: of_points[point] for pair, of_points in pairs.items() if point in of_points}
            shortest = min((one.r for one in drawn.values()), key=len)
            columns: dict[str, np.ndarray] = {}
            for pair, (_, g, error) in drawn.items():
                columns |= {pair: g[: len(shortest)], f"{pair} error": error[: len(shortest)]}
            report.curves(f"rdf_{kind}_{point}.csv", shortest, columns)
        shown = {pair: dict(list(of_points.items())[:DRAWN]) for pair, of_points in pairs.items()}
        report.draw("band_figure", f"rdf_{kind}.png", shown)
    if len(points) > DRAWN and bands:
        report.skip(f"points beyond the first {DRAWN} in figures of radial distributions")


def _cell(number: Estimate | None, digits: int) -> str:
    return "-" if number is None else f"{number.value:.{digits}f} ± {number.error:.{digits}f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: words to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths))
        )
        for row in rows
    ]
