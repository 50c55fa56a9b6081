"""What a propagation does: sizes, shapes and relaxation of chains, the liquid that they make, beside a reference."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import wasserstein_distance

from ..errors import SimulationError
from ..host.files import owned
from ..inputs.arguments import FilePath
from ..propagate.beadgroups import GroupedGraph
from ..propagate.propagation import FRAMES, RECORD, RUN, STATE
from ..propagate.sequences import GroupSequence, Sequences
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .chains import autocorrelation, contact_map, distribution_of, internal_distances, relaxation_time
from .drift import mean
from .groupliquid import NEAR, between_molecules, motion, nearness
from .lines import Line
from .motion_report import with_error
from .observables import rising
from .reporting import Report

LEAST = 10  # frames
SAME = 1e-3  # relative, of edges of two boxes
PANELS = 12  # radial distributions in one figure
EXPECTED = 5.0  # pairs that an ideal gas would have in a bin, of which it takes so many to tell something
DRAWN = {  # figures, and what their axes are
    "sizes.png": ("squared radius of gyration (Å$^2$)", "density"),
    "memory.png": ("time (ps)", "autocorrelation of the size"),
    "distances.png": ("groups apart", "mean distance (Å)"),
    "rdf.png": ("r (Å)", "g(r)"),
}
Curves = dict[str, dict[str, list[Line]]]  # by figure and panel


def is_propagation_folder(folder: FilePath) -> bool:
    """Whether a folder holds what ``openmm-cgaa propagate`` makes."""
    return Path(folder, RUN).is_file() or Path(folder, STATE).is_file()


def analyze_propagation(
    folder: FilePath,
    out: FilePath | None = None,
    reference: FilePath | None = None,
    begin: float = 0.0,
    tell: Callable = print,
    lags: Sequence[float] | None = None,
) -> Report:
    """Analyse a propagation: its chains, how near groups come to each other, and in a box what stands around them.

    Parameters
    ----------
    folder : path
        Output of `propagate`.
    out : path, optional
        ``FOLDER/analysis`` by default.
    reference : path, optional
        File of sequences that have the same names, by molecular dynamics.
    begin : float, ps
        What comes before is left out, of the propagation alone.
    tell : callable
        Takes a line of progress.
    lags : (float, float), ps, optional
        Between these lags the mean square displacement gives the diffusion of molecules of each kind.

    Raises
    ------
    CGAAError
        A file cannot be read or must not be replaced, or there are too few frames.
    """
    path = Path(folder, RUN)
    if not path.is_file():
        raise SimulationError(
            f"{path} is not there, as where a propagation was killed; go on with it by --resume first"
        )
    run = Sequences.load(path)
    others = {} if reference is None else {one.name: one for one in Sequences.load(reference).members}
    missing = [one.name for one in run.members if others and one.name not in others]
    if missing:
        raise SimulationError(
            f"{reference}: no sequence {missing[0]}, there are {', '.join(others)}; give those of {path}"
        )
    rising("diffusion", lags, "lags")
    for one in run.members:  # whatever cannot be compared is told before anything is computed
        first = int(np.ceil(begin / one.spacing))
        if len(one) - first < LEAST:
            raise SimulationError(
                f"{one.name}: {counted(max(len(one) - first, 0), 'frame')} from {begin:g} ps on, and {LEAST} are "
                "needed; propagate longer, or begin earlier (--begin)"
            )
        if others:
            _check_reference(one, others[one.name], reference)
    inputs = [reference, *(Path(folder, name) for name in (RECORD, FRAMES, STATE, RUN))]
    report = Report(out or Path(folder) / "analysis", tell, inputs)
    with owned(report.out):
        _overview(report, run, folder)
        curves: Curves = {file: {} for file in DRAWN}
        for one in run.members:
            _sequence(report, _Both(one, int(np.ceil(begin / one.spacing)), others.get(one.name)), lags, curves)
        for file, axes in DRAWN.items():
            if curves[file]:
                report.draw("lines_figure", file, curves[file], axes=axes)
        report.write()
    return report


def _overview(report: Report, run: Sequences, folder: FilePath) -> None:
    first = run.members[0]
    report.add(
        "run",
        {"folder": str(folder), "frames": len(first), "picoseconds": first.spacing * len(first)}
        | {"sequences": [one.name for one in run.members], "provenance": run.provenance},
        f"{folder}: {counted(len(run.members), 'sequence')}, {counted(len(first), 'frame')} {first.spacing:g} ps apart",
    )


def _chains(graph: GroupedGraph) -> np.ndarray:
    """Numbers of molecules of more than one group."""
    return np.flatnonzero(np.bincount(graph.molecules) > 1)


def _check_reference(one: GroupSequence, other: GroupSequence, path: FilePath | None) -> None:
    """`SimulationError` where the reference is of another system, or tells too little."""
    reason = ""
    if not one.graph.same_as(other.graph):
        reason = f"has {counted(other.graph.num_groups, 'group')}, {one.graph.num_groups} are propagated"
        if one.graph.num_groups == other.graph.num_groups:
            reason = "has other beads, bonds or groups than what is propagated"
    elif (one.box is None) != (other.box is None):
        reason = f"has {'no box' if other.box is None else 'a box'}, unlike what is propagated"
    elif one.box is not None and other.box is not None and not np.allclose(one.box, other.box, rtol=SAME):
        reason = f"has a box of {_edges(other)} Å, {_edges(one)} Å are propagated"
    elif len(other) < LEAST:
        reason = f"has {counted(len(other), 'frame')}, and {LEAST} are needed"
    if reason:
        raise SimulationError(f"{path}: sequence {other.name} {reason}; give a longer run of the same system")


def _edges(one: GroupSequence) -> str:
    return " x ".join(f"{edge:g}" for edge in np.asarray(one.box))


class _Both:
    """A sequence from a frame on, and beside it that of the reference, where there is one."""

    def __init__(self, one: GroupSequence, first: int, other: GroupSequence | None) -> None:
        self.name, self.graph, self.box = one.name, one.graph, one.box
        self.of_runs = {"propagated": (one, first)} | ({} if other is None else {"reference": (other, 0)})

    def lines(self, values: dict[str, tuple]) -> list[Line]:
        """Curves by their runs; those without an error have none to be drawn."""
        return [Line(x, y, np.zeros_like(y) if not error else error[0], run) for run, (x, y, *error) in values.items()]


def _sequence(report: Report, both: _Both, lags: Sequence[float] | None, curves: Curves) -> None:
    """All numbers of a sequence, and its curves for the figures."""
    numbers: dict[str, dict] = {run: {} for run in both.of_runs}
    lines: list[str] = []
    chains = _chains(both.graph)
    if len(chains):
        _add_chains(numbers, lines, both, chains, curves)
    else:
        report.skip(f"{both.name}: sizes: no molecule of several groups")
    _add_nearness(report, numbers, lines, both)
    if both.box is not None:
        _add_distributions(report, numbers, lines, both, curves)
    if lags:
        for run, (each, begin) in both.of_runs.items():
            try:
                found = motion(each, lags[0], lags[1], begin)
            except SimulationError as error:
                report.skip(f"{both.name}, {run}: {error}")
                continue
            own = {kind: {"1e-9_m2_per_s": one.value, "error": one.error} for kind, one in found.items()}
            numbers[run]["diffusion"] = {"lags_ps": list(lags)} | own
            told = ", ".join(f"{kind} {with_error(one)}" for kind, one in found.items())
            lines.append(f"{run}: diffusion {told}, 1e-9 m²/s (lags of {lags[0]:g} to {lags[1]:g} ps)")
    report.add(both.name, numbers, *lines)


def _add_chains(numbers: dict, lines: list, both: _Both, chains: np.ndarray, curves: Curves) -> None:
    """Sizes and shapes of the molecules of several groups."""
    values = {run: each.gyration()[begin:, chains] for run, (each, begin) in both.of_runs.items()}
    ends = min(map(np.min, values.values())), max(map(np.max, values.values()))
    sizes: dict[str, tuple] = {}
    decays: dict[str, tuple] = {}
    shapes: dict[str, tuple] = {}
    longest = np.flatnonzero(both.graph.molecules == np.bincount(both.graph.molecules).argmax())
    for run, (each, begin) in both.of_runs.items():
        estimate = mean(values[run].mean(1))
        correlation = autocorrelation(values[run])
        time = relaxation_time(correlation, each.spacing)
        positions = each.positions[begin:, longest].astype(float)
        distances = internal_distances(positions)
        known = time if np.isfinite(time) else None
        numbers[run] |= {
            **{"mean_A2": estimate.value, "error_A2": estimate.error, "deviation_A2": float(values[run].std())},
            **{"relaxation_ps": known, "distances_A": distances.tolist()},
            "contact_map_A": contact_map(positions).tolist(),
        }
        edges, density = distribution_of(values[run], between=ends)
        sizes[run] = (edges[1:] + edges[:-1]) / 2.0, density
        decays[run] = each.spacing * np.arange(len(correlation)), correlation
        shapes[run] = np.arange(1, len(distances) + 1), distances
        remembered = "longer than the run shows" if known is None else f"{time:.4g} ps"
        lines.append(f"{run}: Rg^2 {estimate.value:.4g} ± {estimate.error:.2g} Å^2, relaxation {remembered}")
    if "reference" in values:
        apart = float(wasserstein_distance(values["propagated"].ravel(), values["reference"].ravel()))
        numbers["earth_movers_distance_A2"] = {"value": apart}
        lines.append(f"earth mover's distance of Rg^2 to the reference: {apart:.4g} Å^2")
    for file, own in zip(DRAWN, (sizes, decays, shapes)):
        curves[file][both.name] = both.lines(own)


def _add_nearness(report: Report, numbers: dict, lines: list, both: _Both) -> None:
    """How many groups are on top of each other."""
    if both.graph.num_groups < 2:
        report.skip(f"{both.name}: pairs of groups: there is one group alone")
        return
    for run, (each, begin) in both.of_runs.items():
        found = nearness(each, begin)
        means = found.pairs.mean(0)
        numbers[run] |= {
            "closest_A": float(found.closest.min()),
            "pairs_nearer_than_A": {f"{distance:g}": float(value) for distance, value in zip(NEAR, means)},
        }
        told = ", ".join(f"{value:.3g} within {distance:g} Å" for distance, value in zip(NEAR, means))
        lines.append(f"{run}: pairs of groups a frame: {told}; the nearest {found.closest.min():.3g} Å apart")


def _add_distributions(report: Report, numbers: dict, lines: list, both: _Both, curves: Curves) -> None:
    """Radial distributions between molecules, and how far they are from the reference's."""
    found = {run: between_molecules(each, begin) for run, (each, begin) in both.of_runs.items()}
    if not found["propagated"]:
        report.skip(f"{both.name}: radial distributions: there is one molecule alone")
        return
    columns: dict[str, np.ndarray] = {}
    drawn = curves["rdf.png"]
    for kind in found["propagated"]:
        # two boxes that are the same but for rounding may have one bin more or less
        bins = min(len(rdfs[kind].expected) for rdfs in found.values())
        own = {run: rdfs[kind].up_to(bins) for run, rdfs in found.items()}
        told = np.all([each.expected >= EXPECTED for each in own.values()], axis=0)
        panel = {
            run: (ANGSTROM_PER_NM * each.rdf.r, each.rdf.g, np.nan_to_num(each.rdf.error)) for run, each in own.items()
        }
        if len(drawn) < PANELS:
            drawn[f"{both.name}: {kind}"] = both.lines(panel)
        for run, each in own.items():
            columns |= {f"{kind} {run}": each.rdf.g, f"{kind} {run} error": each.rdf.error}
            if told.any():
                top = int(np.argmax(np.where(told, each.rdf.g, -1.0)))
                peak = {"r_A": float(ANGSTROM_PER_NM * each.rdf.r[top]), "g": float(each.rdf.g[top])}
                numbers[run].setdefault("largest_g", {})[kind] = peak
        if "reference" in own and told.any():
            ours, theirs = (own[run].rdf for run in ("propagated", "reference"))
            apart = float(np.abs(ours.g - theirs.g)[told].mean())
            # the mean of a Gaussian's absolute value
            chance = float(np.sqrt(2.0 / np.pi) * np.hypot(ours.error, theirs.error)[told].mean())
            numbers.setdefault("difference_of_g", {})[kind] = {"value": apart, "by_chance": chance}
            known = f" ({chance:.2g} by chance)" if np.isfinite(chance) else ""
            lines.append(f"{kind}: g(r) is {apart:.3g} off the reference's in the mean{known}")
    if len(found["propagated"]) > PANELS:
        lines.append(f"{counted(len(found['propagated']), 'radial distribution')}; the figure has {PANELS} of them")
    places = next(iter(found["propagated"].values())).rdf.r[: len(next(iter(columns.values())))]
    report.curves(f"rdf_{re.sub(r'[^A-Za-z0-9_.-]', '_', both.name)}.csv", places, columns)
