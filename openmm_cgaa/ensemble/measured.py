"""What one member tells when its run has ended: means, drift, speed, radial distributions, diffusion."""

from dataclasses import dataclass, field

import numpy as np

from ..analysis.diffusion import GrainWalks
from ..analysis.drift import Estimate, energy_drift, mean
from ..analysis.onepass import AtCenters, Centers
from ..analysis.pressures import mean_pressure
from ..analysis.rdf import RDF, PairCounts, center_pairs, contact_pairs
from ..analysis.streaming import feed
from ..errors import CGAAError, SimulationError
from ..model.loaded import LoadedModel
from ..simulation.read import RunOutput, read_run
from .books import changed_places
from .ensembleplan import EnsemblePlan
from .members import Member


@dataclass(frozen=True)
class Measured:
    """Of one member.

    Attributes
    ----------
    numbers : dict of Estimate
        ``temperature_K``, ``density_g_per_ml``, ``pressure_MPa`` at constant volume, ``drift_meV_per_atom_per_ps``, and
        ``diffusion NAME 1e-9 m2/s``, as far as they are known; errors are those of one correlated series.
    picoseconds, ns_per_day : float
        Length of the run, with what is left out; speed of its last part.
    curves : dict of str to dict of RDF
        Radial distributions of ``centers`` and ``atoms``, by pair.
    outside : dict
        What lay outside of the training, {what: sentence}.
    changed_places : float or None
        Part of the exchanges of temperatures after which another replica was here.
    left_out : list of str
        What could not be measured, and why.
    """

    numbers: dict[str, Estimate] = field(default_factory=dict)
    picoseconds: float = 0.0
    ns_per_day: float | None = None
    curves: dict[str, dict[str, RDF]] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    changed_places: float | None = None
    left_out: list[str] = field(default_factory=list)


def measured_run(plan: EnsemblePlan, member: Member) -> Measured:
    """Read the run of a member.

    Raises
    ------
    SimulationError
        It cannot be read.
    """
    run = read_run(member.run, plan.begin)
    numbers, left_out = {}, []
    tables = [table for table in (run.state, run.nve) if table is not None]
    if run.state is not None:
        numbers["temperature_K"] = mean(run.state["temperature_K"])
    for table in tables[:1]:
        if np.isfinite(table["density_gml"]).all():
            numbers["density_g_per_ml"] = mean(table["density_gml"])
    if run.settings.get("pressure") is None and run.box is not None:
        try:
            numbers["pressure_MPa"] = mean_pressure(run, LoadedModel(member.model))
        except CGAAError as error:
            left_out.append(f"pressure: {error}")
    if run.nve is not None and len(run.nve) >= 10:
        drift = energy_drift(run.nve["time_ps"], run.nve["total_kjmol"], run.frames.n_atoms)
        numbers["drift_meV_per_atom_per_ps"] = drift
    if plan.lags is not None:
        try:
            numbers |= _diffusion(run, *plan.lags)
        except SimulationError as error:
            left_out.append(str(error))
    speeds = [table["ns_per_day"][-1] for table in tables]
    return Measured(
        numbers=numbers,
        picoseconds=float(run.frames.time[-1]),
        ns_per_day=float(speeds[-1]) if speeds and np.isfinite(speeds[-1]) else None,
        curves=_curves(run),
        outside=run.outside or {},
        changed_places=changed_places(member),
        left_out=left_out,
    )


def _curves(run: RunOutput) -> dict[str, dict[str, RDF]]:
    if run.box is None:
        return {}
    wanted = {"centers": center_pairs(run.grain_map), "atoms": contact_pairs(run.grain_map)}
    counts = {kind: {name: PairCounts(pairs) for name, pairs in own.items()} for kind, own in wanted.items()}
    centers = Centers(run.grain_map)
    feed(run.frames, *(AtCenters(centers, one) for one in counts["centers"].values()), *counts["atoms"].values())
    return {kind: {name: one.rdf() for name, one in own.items()} for kind, own in counts.items()}


def _diffusion(run: RunOutput, begin: float, end: float) -> dict[str, Estimate]:
    walks = GrainWalks(run.grain_map, run.frames.time, begin, end)
    feed(run.frames, walks)
    return {f"diffusion {kind} 1e-9 m2/s": own for kind, own in walks.diffusion().items()}
