"""Sections of a run's report about structure: radial distributions, and angles between neighbours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mdtraj
import numpy as np

from ..errors import CGAAError, GeometryError
from ..simulation.read import RunOutput
from ..units import ANGSTROM_PER_NM
from .angles import AngularDistribution, angular_distribution
from .rdf import RDF, atom_pairs, center_pairs, center_trajectory, contact_pairs, radial_distribution

if TYPE_CHECKING:
    from .report import Report


def add_distances(
    run: RunOutput,
    report: "Report",
    other: mdtraj.Trajectory | None,
    label: str | None,
    pairs: Sequence[tuple[str, str]],
) -> None:
    """Radial distributions of grain centers and of atoms, beside those of another trajectory.

    Parameters
    ----------
    run : RunOutput
    report : Report
    other : mdtraj.Trajectory, optional
        The reference, of the same atoms; `label` names it.
    pairs : list of (str, str)
        Selections of atoms, as of `report.analyze`.
    """
    if run.trajectory.unitcell_vectors is None:
        report.skip("radial distributions: the run is not periodic")
        return
    wanted = {"centers": (center_pairs(run.grain_map), lambda whole: center_trajectory(whole, run.grain_map))}
    chosen = _chosen_pairs(run.trajectory.topology, pairs) if pairs else contact_pairs(run.grain_map)
    wanted["atoms"] = (chosen, lambda trajectory: trajectory)
    numbers, lines = {}, []
    for kind, (chosen, points) in wanted.items():
        curves = _curves(points(run.trajectory), chosen)
        if not curves:
            report.skip(f"radial distributions of {kind}: there are no such pairs")
            continue
        context = None if other is None else _curves(points(other), chosen)
        for name, (r, g, error) in curves.items():
            top = int(np.argmax(g))
            numbers[name] = {"pairs": kind, "highest_at_nm": float(r[top]), "highest": float(g[top])}
            lines.append(f"{name}: highest at {r[top]:.3f} nm, g = {g[top]:.2f}")
            if context:
                shared = min(len(g), len(context[name].g))
                other_g, other_error = context[name].g[:shared], context[name].error[:shared]
                compared, said = _compared(g[:shared], error[:shared], other_g, other_error)
                numbers[name] |= compared
                lines[-1] += said
        report.draw("rdf_figure", f"rdf_{kind}.png", curves, reference=context, reference_name=label)
        report.curves(
            f"rdf_{kind}.csv", next(iter(curves.values())).r, {name: curve.g for name, curve in curves.items()}
        )
    if numbers:
        report.add("rdf", numbers, *lines)


def add_angles(
    run: RunOutput, report: "Report", other: mdtraj.Trajectory | None, label: str | None, cutoff: float
) -> None:
    """P(theta) of grain centers nearer than `cutoff` (Å); other parameters as of `add_distances`."""
    try:
        found = _angles(run, run.trajectory, cutoff)
        context = None if other is None else _angles(run, other, cutoff)
    except GeometryError as error:
        report.skip(f"angles between neighbours: {error}")
        return
    top = float(found.theta[found.p.argmax()])
    numbers: dict = {"cutoff_A": cutoff, "highest_at_degrees": top}
    line = f"centers within {cutoff:g} Å: most often {top:g} degrees"
    if context:
        compared, said = _compared(found.p, found.error, context.p, context.error)
        numbers |= compared
        line += said
    report.draw("angle_figure", "angles.png", found, reference=context, reference_name=label)
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


def _angles(run: RunOutput, trajectory: mdtraj.Trajectory, cutoff: float) -> AngularDistribution:
    return angular_distribution(center_trajectory(trajectory, run.grain_map), cutoff / ANGSTROM_PER_NM)


def _curves(trajectory: mdtraj.Trajectory, chosen: dict[str, np.ndarray]) -> dict[str, RDF]:
    return {name: radial_distribution(trajectory, pairs) for name, pairs in chosen.items()}


def _chosen_pairs(topology: mdtraj.Topology, selections: Sequence[tuple[str, str]]) -> dict[str, np.ndarray]:
    chosen = {
        f"{first} - {second}": atom_pairs(topology, _select(topology, first), _select(topology, second))
        for first, second in selections
    }
    return {name: pairs for name, pairs in chosen.items() if len(pairs)}


def _select(topology: mdtraj.Topology, selection: str) -> np.ndarray:
    names = list(dict.fromkeys(atom.name for atom in topology.atoms))
    try:
        atoms = topology.select(selection)
    except Exception as error:
        raise CGAAError(
            f"--pairs {selection!r}: not a selection of MDTraj ({error}); for example 'name {names[0]}'"
        ) from None
    if len(atoms) == 0:
        some = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise CGAAError(f"--pairs {selection!r}: selects no atom of this run, whose atoms are called {some}")
    return atoms
