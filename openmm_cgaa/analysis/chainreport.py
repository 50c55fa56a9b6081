"""What chains of a propagation do: sizes, shapes, relaxation, and how far they are from a reference run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import wasserstein_distance

from ..errors import SimulationError
from ..host.files import owned
from ..inputs.arguments import FilePath
from ..propagate.propagation import FRAMES, RECORD, RUN, STATE
from ..propagate.sequences import GroupSequence, Sequences
from ..wording import counted
from .chains import autocorrelation, contact_map, distribution_of, internal_distances, relaxation_time
from .drift import mean
from .lines import Line
from .report import Report

LEAST = 10  # frames


def is_propagation_folder(folder: FilePath) -> bool:
    """Whether a folder holds what ``openmm-cgaa propagate`` makes."""
    return Path(folder, RUN).is_file() or Path(folder, STATE).is_file()


def analyze_propagation(
    folder: FilePath,
    out: FilePath | None = None,
    reference: FilePath | None = None,
    begin: float = 0.0,
    tell: Callable = print,
) -> Report:
    """Analyse the chains of a propagation.

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
    inputs = [reference, *(Path(folder, name) for name in (RECORD, FRAMES, STATE, RUN))]
    report = Report(out or Path(folder) / "analysis", tell, inputs)
    with owned(report.out):
        _overview(report, run, folder)
        sizes, decays, shapes = {}, {}, {}
        for one in run.members:
            chains = _chains(one)
            if not len(chains):
                report.skip(f"{one.name}: no molecule of several groups")
                continue
            first = int(np.ceil(begin / one.spacing))
            if len(one) - first < LEAST:
                raise SimulationError(
                    f"{one.name}: {counted(max(len(one) - first, 0), 'frame')} from {begin:g} ps on, and {LEAST} are "
                    "needed; propagate longer, or begin earlier (--begin)"
                )
            sizes[one.name], decays[one.name], shapes[one.name] = _chain(
                report, one, chains, first, others.get(one.name)
            )
        if sizes:
            size, apart = "squared radius of gyration (Å$^2$)", "mean distance (Å)"
            report.draw("lines_figure", "sizes.png", _lines(sizes), axes=(size, "density"))
            report.draw("lines_figure", "memory.png", _lines(decays), axes=("time (ps)", "autocorrelation of the size"))
            report.draw("lines_figure", "distances.png", _lines(shapes), axes=("groups apart", apart))
        report.write()
    return report


def _lines(panels: dict[str, dict]) -> dict[str, list[Line]]:
    """Curves by their runs, as lines without errors."""
    return {name: [Line(x, y, np.zeros_like(y), run) for run, (x, y) in own.items()] for name, own in panels.items()}


def _overview(report: Report, run: Sequences, folder: FilePath) -> None:
    first = run.members[0]
    report.add(
        "run",
        {"folder": str(folder), "frames": len(first), "picoseconds": first.spacing * len(first)}
        | {"sequences": [one.name for one in run.members], "provenance": run.provenance},
        f"{folder}: {counted(len(run.members), 'sequence')}, {counted(len(first), 'frame')} {first.spacing:g} ps apart",
    )


def _chains(one: GroupSequence) -> np.ndarray:
    """Numbers of molecules of more than one group."""
    return np.flatnonzero(np.bincount(one.graph.molecules) > 1)


def _chain(
    report: Report, one: GroupSequence, chains: np.ndarray, first: int, other: GroupSequence | None
) -> tuple[dict, dict, dict]:
    """Numbers of a sequence in the report; its curves of sizes, of memory and of distances, with the reference's."""
    both = {"propagated": (one, first)} | ({} if other is None else {"reference": (other, 0)})
    values = {name: each.gyration()[begin:, chains] for name, (each, begin) in both.items()}
    ends = min(map(np.min, values.values())), max(map(np.max, values.values()))
    numbers: dict[str, dict] = {}
    sizes, decays, shapes, lines = {}, {}, {}, []
    for name, (each, begin) in both.items():
        estimate = mean(values[name].mean(1))
        correlation = autocorrelation(values[name])
        time = relaxation_time(correlation, each.spacing)
        longest = np.flatnonzero(each.graph.molecules == np.bincount(each.graph.molecules).argmax())
        positions = each.positions[begin:, longest].astype(float)
        distances = internal_distances(positions)
        known = time if np.isfinite(time) else None
        numbers[name] = {
            **{"mean_A2": estimate.value, "error_A2": estimate.error, "deviation_A2": float(values[name].std())},
            **{"relaxation_ps": known, "distances_A": distances.tolist()},
            "contact_map_A": contact_map(positions).tolist(),
        }
        edges, density = distribution_of(values[name], between=ends)
        sizes[name] = (edges[1:] + edges[:-1]) / 2.0, density
        decays[name] = each.spacing * np.arange(len(correlation)), correlation
        shapes[name] = np.arange(1, len(distances) + 1), distances
        remembered = "longer than the run shows" if known is None else f"{time:.4g} ps"
        lines.append(f"{name}: Rg^2 {estimate.value:.4g} ± {estimate.error:.2g} Å^2, relaxation {remembered}")
    if other is not None:
        apart = float(wasserstein_distance(values["propagated"].ravel(), values["reference"].ravel()))
        numbers["earth_movers_distance_A2"] = {"value": apart}
        lines.append(f"earth mover's distance of Rg^2 to the reference: {apart:.4g} Å^2")
    report.add(one.name, numbers, *lines)
    return sizes, decays, shapes
