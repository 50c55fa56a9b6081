"""Sections of a run's report about structure: radial distributions, coordination, and angles between neighbours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mdtraj
import numpy as np

from ..errors import GeometryError
from ..mapping.grains import GrainMap
from ..simulation.read import RunOutput
from ..units import ANGSTROM_PER_NM
from ..wording import measured_text
from .angles import Triplets
from .chosen import chosen_atoms
from .coordination import NeighborCounts
from .firstshell import first_shell
from .lines import Line
from .onepass import AtCenters, Centers, Look, Section
from .rdf import Ends, center_ends, contact_ends, has_pairs
from .streaming import Observable

if TYPE_CHECKING:
    from .reporting import Report, Unwritten


def add_distances(
    run: RunOutput,
    report: "Report",
    centers: Centers,
    known: "Unwritten | None",
    pairs: Sequence[tuple[str, str]],
) -> Section:
    """Radial distributions and coordination numbers of centers and of atoms, beside those of another trajectory.

    Parameters
    ----------
    run : RunOutput
    report : Report
    centers : Centers
        Of the run's grains.
    known : Unwritten, optional
        Of the reference.
    pairs : list of (str, str)
        Selections of atoms, as of `report.analyze`.
    """
    if run.box is None:
        report.skip("radial distributions: the run is not periodic")
        return
    chosen = _chosen_ends(run.frames.topology, pairs) if pairs else contact_ends(run.grain_map)
    wanted = {"centers": center_ends(run.grain_map), "atoms": chosen}
    counting = {kind: _counts(run.grain_map, kind, ends) for kind, ends in wanted.items()}
    yield [Look(run.frames, _looking(counting, centers))]
    numbers, lines = {}, []
    for kind, counts in counting.items():
        if not counts:
            report.skip(f"radial distributions of {kind}: there are no such pairs")
            continue
        blocks = {name: own.parts() for name, own in counts.items()}
        report.shells |= {name: (kind, own) for name, own in blocks.items()}
        others = {name: known.shells[name][1] for name in blocks if known is not None and name in known.shells}
        curves = {name: own.rdf() for name, own in blocks.items()}
        context = {name: own.rdf() for name, own in others.items()}
        near = {name: own.coordination() for name, own in blocks.items()}
        shells = {name: first_shell(own) for name, own in blocks.items()}
        label = known and known.label
        for name, (r, g, error) in curves.items():
            top = int(np.argmax(g))
            numbers[name] = {"pairs": kind, "highest_at_nm": float(r[top]), "highest": float(g[top])}
            line = f"{name}: highest at {r[top]:.3f} nm, g = {g[top]:.2f}"
            if name in context:
                shared = min(len(g), len(context[name].g))
                other_g, other_error = context[name].g[:shared], context[name].error[:shared]
                compared, said = _compared(g[:shared], error[:shared], other_g, other_error)
                numbers[name] |= compared
                line += said
            lines.append(line)
            shell = shells[name]
            if shell.peak and shell.height:
                numbers[name] |= {"first_peak_nm": shell.peak.value, "first_peak_error_nm": shell.peak.error}
                numbers[name] |= {"first_peak": shell.height.value, "first_peak_error": shell.height.error}
                at, high = measured_text(*shell.peak), measured_text(*shell.height)
                lines.append(f"  first peak at {at} nm, g = {high} there")
            if shell.minimum and shell.neighbors:
                minimum, found = shell.minimum, shell.neighbors
                numbers[name] |= {"first_minimum_nm": minimum.value, "first_minimum_error_nm": minimum.error}
                numbers[name] |= {"coordination": found.value, "coordination_error": found.error}
                line = f"  {found.value:.2f} ± {found.error:.2f} within {minimum.value:.3f} nm, the first minimum"
                if name in others:
                    its = others[name].coordination().at(minimum.value)
                    numbers[name] |= {"coordination_of_reference": its.value, "error_of_reference": its.error}
                    line += f"; {its.value:.2f} ± {its.error:.2f} of the reference"
                lines.append(line)
        report.draw("rdf_figure", f"rdf_{kind}.png", curves, reference=context or None, reference_name=label)
        first = next(iter(curves.values()))
        report.curves(f"rdf_{kind}.csv", first.r, {name: curve.g for name, curve in curves.items()})
        table = {
            f"{name}{end}": x for name, one in near.items() for end, x in (("", one.number), (" error", one.error))
        }
        report.curves(f"coordination_{kind}.csv", next(iter(near.values())).r, table)
        panels = {name: [Line(one.r, one.number, one.error)] for name, one in near.items()}
        axes = ("r (nm)", "neighbours within r")
        minima = {name: one.minimum and one.minimum.value for name, one in shells.items()}
        report.draw("lines_figure", f"coordination_{kind}.png", panels, axes=axes, marks=minima)
    if numbers:
        report.add("rdf", numbers, *lines)


def add_angles(run: RunOutput, report: "Report", centers: Centers, known: "Unwritten | None", cutoff: float) -> Section:
    """P(theta) of grain centers nearer than `cutoff` (Å); other parameters as of `add_distances`."""
    triplets = Triplets(cutoff / ANGSTROM_PER_NM)
    try:
        yield [Look(run.frames, [AtCenters(centers, triplets)])]
        found = triplets.distribution()
    except GeometryError as error:
        report.skip(f"angles between neighbours: {error}")
        return
    report.angles, context = found, known and known.angles
    top = float(found.theta[found.p.argmax()])
    numbers: dict = {"cutoff_A": cutoff, "highest_at_degrees": top}
    line = f"centers within {cutoff:g} Å: most often {top:g} degrees"
    if context:
        compared, said = _compared(found.p, found.error, context.p, context.error)
        numbers |= compared
        line += said
    report.draw("angle_figure", "angles.png", found, reference=context, reference_name=known and known.label)
    report.curves("angles.csv", found.theta, {"p": found.p, "error": found.error}, of="theta_degrees")
    report.add("angles", numbers, line)


def _compared(curve: np.ndarray, error: np.ndarray, other: np.ndarray, other_error: np.ndarray) -> tuple[dict, str]:
    """How much a curve differs from a reference, and how much it would by the errors of both alone."""
    difference = float(np.abs(curve - other).mean())
    # the mean of a Gaussian's absolute value
    chance = float(np.sqrt(2.0 / np.pi) * np.hypot(error, other_error).mean())
    known = np.isfinite(chance)
    said = f", mean difference from the reference {difference:.3f}" + (f" ({chance:.3f} by chance)" if known else "")
    by_chance = {"difference_by_chance": chance} if known else {}
    return {"mean_difference_from_reference": difference, **by_chance}, said


def _counts(grain_map: GrainMap, kind: str, ends: dict[str, Ends]) -> dict[str, NeighborCounts]:
    """Of pairs of centers or of atoms; those without pairs are left out."""
    grain = np.arange(grain_map.num_grains) if kind == "centers" else grain_map.atom_grain
    return {name: NeighborCounts(*both, grain) for name, both in ends.items() if has_pairs(*both, grain)}


def _looking(counts: dict[str, dict[str, NeighborCounts]], centers: Centers) -> list[Observable]:
    at_centers = [AtCenters(centers, one) for one in counts["centers"].values()]
    return [*at_centers, *counts["atoms"].values()]


def _chosen_ends(topology: mdtraj.Topology, selections: Sequence[tuple[str, str]]) -> dict[str, Ends]:
    def select(selection: str) -> np.ndarray:
        return chosen_atoms(topology, selection, "--pairs")

    return {f"{first} - {second}": (select(first), select(second)) for first, second in selections}
