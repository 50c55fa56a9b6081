"""Sections of a run's report about molecules: their shapes, how they turn, and where they are."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import GeometryError, SimulationError
from ..simulation.read import RunOutput
from .chosen import chosen_atoms
from .internal import InternalCoordinates
from .lines import Line
from .observables import Observables
from .onepass import Look, Section, Tried
from .orientation import Axes
from .profile import Layers, Profile

if TYPE_CHECKING:
    from .reporting import Report

PANELS = 16  # of a figure at most


def add_histograms(run: RunOutput, report: "Report", asked: Observables) -> Section:
    """Histograms of bonds, angles and torsions of the chosen atoms."""
    if asked.histograms is None:
        return
    atoms = chosen_atoms(run.frames.topology, asked.histograms, "--histograms")
    try:
        coordinates = InternalCoordinates(run.grain_map, atoms)
        yield [Look(run.frames, [coordinates])]
        found = coordinates.histograms()
    except GeometryError as error:
        report.skip(f"histograms: {error}")
        return
    numbers, lines = {}, []
    for name, one in found.items():
        top = float(one.middles[one.density.value.argmax()])
        mean = {"mean_cosine" if one.kind == "torsion" else "mean": one.mean.value, "mean_error": one.mean.error}
        numbers[name] = {"kind": one.kind, "unit": one.unit, "highest_at": top, **mean, "spread": one.spread}
        if one.kind == "torsion":
            said = f"most often {top:g} degrees, mean cosine {one.mean.value:.3f} ± {one.mean.error:.3f}"
        else:
            said = f"{one.mean.value:.4g} ± {one.mean.error:.1g} {one.unit}, spread {one.spread:.2g}"
        lines.append(f"{name}: {said}")
    report.add("histograms", numbers, *lines)
    for kind, unit in dict.fromkeys((one.kind, one.unit) for one in found.values()):
        own = {name: one for name, one in found.items() if one.kind == kind}
        middles = next(iter(own.values())).middles
        columns = {f"{name}{end}": x for name, one in own.items() for end, x in zip(("", " error"), one.density)}
        report.curves(f"{kind}_histograms.csv", middles, columns, of=f"{kind}_{unit}")
        panels = {}
        for name, one in list(own.items())[:PANELS]:
            seen = np.arange(len(middles)) if kind == "torsion" else np.flatnonzero(one.density.value)
            some = slice(max(seen.min(initial=len(middles)) - 3, 0), seen.max(initial=0) + 4)
            panels[name] = [Line(middles[some], one.density.value[some], one.density.error[some])]
        short = "Å" if unit == "Å" else "degree"
        report.draw(
            "lines_figure", f"{kind}_histograms.png", panels, axes=(f"{kind} ({unit})", f"probability (1/{short})")
        )
        if len(own) > PANELS:
            report.skip(f"figure of {kind}s: the first {PANELS} of {len(own)} are drawn; choose atoms by --histograms")


def add_orientation(run: RunOutput, report: "Report", asked: Observables) -> Section:
    """Correlation of the axes of molecules with themselves."""
    numbers, lines, panels = {}, [], {}
    looking = []
    for first, second in asked.axes:
        ends = [chosen_atoms(run.frames.topology, selection, "--axis") for selection in (first, second)]
        try:
            looking.append((first, second, Tried(Axes(run.grain_map, ends[0], ends[1]))))
        except GeometryError as error:
            report.skip(f"axis from {first} to {second}: {error}")
    yield [Look(run.frames, [axes for *_, axes in looking])]
    for first, second, axes in looking:
        try:
            found = axes.seen().orientation()
        except (GeometryError, SimulationError) as error:
            report.skip(f"axis from {first} to {second}: {error}")
            continue
        for kind, one in found.items():
            name = f"{kind}: {first} to {second}"
            own: dict = {"longest_lag_ps": float(one.lags[-1])}
            told = []
            for order, (curve, time) in enumerate(zip((one.c1, one.c2), one.times), start=1):
                own |= {f"c{order}_time_ps": time and time.value, f"c{order}_error": time and time.error}
                own[f"c{order}_at_longest_lag"] = float(curve.value[-1])
                longer = f"longer than {one.lags[-1]:g} ps"
                told.append(f"C{order} {time.value:.3g} ± {time.error:.1g} ps" if time else f"C{order} {longer}")
            numbers[name] = own
            lines.append(f"{name}: {', '.join(told)}")
            panels[name] = [Line(one.lags, *one.c1, "C1"), Line(one.lags, *one.c2, "C2")]
            table = {"c1": one.c1.value, "c1_error": one.c1.error, "c2": one.c2.value, "c2_error": one.c2.error}
            report.curves(f"orientation_{len(numbers)}.csv", one.lags, table, of="lag_ps")
    if panels:
        report.add("orientation", numbers, *lines)
        report.draw("lines_figure", "orientation.png", panels, axes=("lag (ps)", "correlation of the axis"))


def add_profile(run: RunOutput, report: "Report", asked: Observables) -> Section:
    """Density along an axis of the box: of all, and of each type of grain or each selection."""
    if asked.profile is None:
        return
    topology, grain_map = run.frames.topology, run.grain_map
    wanted = {"all": np.arange(topology.n_atoms)}
    if asked.layers_of:
        wanted |= {selection: chosen_atoms(topology, selection, "--profile-of") for selection in asked.layers_of}
    else:
        wanted |= {kind.name: grain_map.members(t).ravel() for t, kind in enumerate(grain_map.types)}
    layers = {name: Layers(topology, atoms, asked.profile) for name, atoms in wanted.items()}
    try:
        yield [Look(run.frames, [*layers.values()])]
    except GeometryError as error:
        report.skip(f"profile: {error}")
        return
    found = {name: one.profile() for name, one in layers.items()}
    numbers = {name: _extremes(one) for name, one in found.items()}
    low, high = numbers["all"]["lowest_g_per_ml"], numbers["all"]["highest_g_per_ml"]
    report.add("profile", {"axis": asked.profile, **numbers}, f"along {asked.profile}: {low:.3f} to {high:.3f} g/cm3")
    middles = found["all"].middles
    columns = {f"{name}{end}": x for name, one in found.items() for end, x in zip((" g_per_ml", " error"), one.mass)}
    report.curves("profile.csv", middles, columns, of=f"{asked.profile}_nm")
    panels = {f"Density along {asked.profile}": [Line(middles, *one.mass, name) for name, one in found.items()]}
    report.draw("lines_figure", "profile.png", panels, axes=(f"{asked.profile} (nm)", "density (g/cm³)"))


def _extremes(one: Profile) -> dict[str, float]:
    ends = {"lowest": one.mass.value.min(), "highest": one.mass.value.max()}
    return {f"{name}_g_per_ml": float(value) for name, value in ends.items()}
