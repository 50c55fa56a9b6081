"""Sections of a run's report about what stands beside what: species of a salt, and how long neighbours stay."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import GeometryError, SimulationError
from ..mapping.grains import GrainMap
from ..simulation.read import RunOutput
from ..units import ANGSTROM_PER_NM
from .chosen import chosen_atoms
from .drift import Estimate
from .lines import Line
from .observables import Observables, ions_of
from .onepass import Look, Section, Tried
from .residence import Stays
from .speciation import KINDS, IonClusters

if TYPE_CHECKING:
    from .reporting import Report


def add_speciation(run: RunOutput, report: "Report", asked: Observables) -> Section:
    """Which part of the ions is free, behind shared solvent, in pairs and in aggregates."""
    if asked.speciation is None:
        return
    contact, shared = asked.speciation
    charges = ions_of(run, asked.charges)
    cations, anions = (
        _heavy_atoms(run.grain_map, {name for name, q in charges.items() if q * sign > 0}) for sign in (1, -1)
    )
    grain, near, far = run.grain_map.atom_grain, contact / ANGSTROM_PER_NM, shared / ANGSTROM_PER_NM
    try:
        clusters = IonClusters(cations, anions, grain, near, far)
        yield [Look(run.frames, [clusters])]
        found = clusters.speciation()
    except GeometryError as error:
        report.skip(f"speciation: {error}")
        return
    both = {"cations": found.cations, "anions": found.anions}
    numbers: dict = {"contact_A": contact, "shared_A": shared, "charges": charges}
    for name, kinds in both.items():
        numbers[name] = {kind: {"part": one.value, "error": one.error} for kind, one in kinds.items()}
    last = int(np.flatnonzero(found.clusters.value).max(initial=0)) + 1
    sizes, parts, errors = found.sizes[:last], found.clusters.value[:last], found.clusters.error[:last]
    numbers["clusters"] = {str(size): part for size, part in zip(sizes.tolist(), parts.tolist())}
    report.add(
        "speciation",
        numbers,
        *(f"{name}: " + ", ".join(f"{kind} {percent(kinds[kind])}" for kind in KINDS) for name, kinds in both.items()),
        f"contact within {contact:g} Å, shared solvent within {shared:g} Å; the largest cluster has {last} ions",
    )
    report.curves("clusters.csv", sizes, {"part_of_ions": parts, "error": errors}, of="ions_of_cluster")
    report.draw("speciation_figure", "speciation.png", both, sizes, parts, errors)


def add_residence(run: RunOutput, report: "Report", asked: Observables) -> Section:
    """Survival functions and residence times of the neighbours in shells."""
    topology, grain = run.frames.topology, run.grain_map.atom_grain
    numbers, lines, panels = {}, [], {}
    looking = []
    for shell in asked.shells:
        first, second = (chosen_atoms(topology, selection, "--shell") for selection in (shell.first, shell.second))
        cutoff, frames = shell.cutoff / ANGSTROM_PER_NM, run.frames.n_frames
        try:
            looking.append((shell, Tried(Stays(first, second, grain, cutoff, frames, asked.away))))
        except GeometryError as error:
            report.skip(f"{shell.name}: {error}")
    yield [Look(run.frames, [stays for _, stays in looking])]
    for shell, stays in looking:
        try:
            found = stays.seen().residence()
        except (GeometryError, SimulationError) as error:
            report.skip(f"{shell.name}: {error}")
            continue
        longest, left = float(found.lags[-1]), float(found.survival.value[-1])
        numbers[shell.name] = {
            **{"cutoff_A": shell.cutoff, "away_ps": asked.away, "stays": found.stays},
            **{"neighbors": found.neighbors.value, "neighbors_error": found.neighbors.error},
            **{"time_ps": found.time and found.time.value, "time_error": found.time and found.time.error},
            **{"longest_lag_ps": longest, "left_at_longest_lag": left},
        }
        near = f"{found.neighbors.value:.2f} ± {found.neighbors.error:.2f} within {shell.cutoff:g} Å"
        time = (
            f"for {found.time.value:.3g} ± {found.time.error:.1g} ps" if found.time else f"longer than {longest:g} ps"
        )
        lines.append(f"{shell.name}: {near}, {time} ({100 * left:.0f} % are left after {longest:g} ps)")
        panels[shell.name] = [Line(found.lags, *found.survival)]
    if not panels:
        return
    lines.append(f"who is away for {asked.away:g} ps, or less, has stayed" if asked.away else "who leaves has left")
    report.add("residence", numbers, *lines)
    for number, (_, (line,)) in enumerate(panels.items(), start=1):
        columns = {"survival": line.y, "error": line.error}
        report.curves(f"residence_{number}.csv", line.x, columns, of="lag_ps")
    report.draw("lines_figure", "residence.png", panels, axes=("lag (ps)", "part that stayed"))


def percent(one: Estimate) -> str:
    """A part of a whole, with its error."""
    return f"{100 * one.value:.1f} ± {100 * one.error:.1f} %"


def _heavy_atoms(grain_map: GrainMap, names: set[str]) -> np.ndarray:
    """Atoms of the grains of some types, without hydrogens, which do not tell how near an ion is."""
    found = [np.empty(0, int)]
    for t, kind in enumerate(grain_map.types):
        if kind.name in names:
            slots = [slot for slot, element in enumerate(kind.elements) if element != "H"] or range(kind.num_slots)
            found.append(grain_map.members(t)[:, slots].ravel())
    return np.concatenate(found)
