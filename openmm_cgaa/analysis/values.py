"""The numbers of an analysis one by one, each with its error, its unit and what it is called in a sentence."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

CELL = {"a": "Å", "b": "Å", "c": "Å", "alpha": "degrees", "beta": "degrees", "gamma": "degrees"}
# of a pair, in the summary: key, its error, what it is called, unit, factor of the unit
OF_PAIRS = (
    ("first_peak_nm", "first_peak_error_nm", "first peak of {}", "Å", 10.0),
    ("first_peak", "first_peak_error", "height of the first peak of {}", "", 1.0),
    ("first_minimum_nm", "first_minimum_error_nm", "first minimum of {}", "Å", 10.0),
)


class Value(NamedTuple):
    """A number of an analysis.

    Attributes
    ----------
    key : str
        The same in all analyses: ``density``, ``rdf/EC-EMC/first_peak_nm``.
    group : str
        What it is printed under.
    subject : str
        What a sentence calls it, behind *the*.
    unit : str
        Nothing for numbers without one.
    value : float
    error : float or None
        Standard error, where it is known.
    """

    key: str
    group: str
    subject: str
    unit: str
    value: float
    error: float | None


def values_of(summary: dict[str, Any]) -> dict[str, Value]:
    """All numbers of ``summary.json`` that two analyses may be compared by, by their keys.

    Parameters
    ----------
    summary : dict
        Of `Report.summary`, or as the file has it.
    """
    found = [
        Value(one[0], one[1], one[2], one[3], float(one[4]), _known(one[5]))
        for one in _listed(summary)
        if _known(one[4]) is not None
    ]
    return {one.key: one for one in found}


def _known(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None


def _listed(summary: dict[str, Any]) -> Iterator[tuple]:
    for name, one in summary.get("temperature", {}).items():
        subject = "temperature" if name == "all" else f"temperature of {name}"
        yield f"temperature/{name}", "Temperature", subject, "K", one["mean_K"], one["error_K"]
    if one := summary.get("density"):
        yield "density", "Density and pressure", "density", "g/cm³", one["mean_g_per_ml"], one["error_g_per_ml"]
    if one := summary.get("pressure"):
        yield "pressure", "Density and pressure", "pressure", "MPa", one["mean_MPa"], one["error_MPa"]
    for name, one in summary.get("cell", {}).items():
        kind = "edge" if CELL.get(name) == "Å" else "angle"
        yield f"cell/{name}", "Cell", f"cell {kind} {name}", CELL.get(name, ""), one["mean"], one["error"]
    if one := summary.get("drift"):
        yield "drift", "Energy", "drift of the energy", "meV/atom/ps", one["meV_per_atom_per_ps"], one["error"]
    if one := summary.get("bonds"):
        yield "bonds", "Stability", "largest deviation of a bond", "Å", one["largest_deviation_A"], None
    if one := summary.get("contacts"):
        yield "contacts", "Stability", "shortest contact between grains", "Å", one["shortest_A"], None
    yield from _structure(summary)
    yield from _motion(summary)
    yield from _salt(summary)
    yield from _molecules(summary)
    if one := summary.get("teacher"):
        group, energy = "Error against the teacher", one["energy_meV_per_atom"]
        force = one["force_eV_per_A"]["component"]
        yield "teacher/force", group, "rms error of the forces against the teacher", "eV/Å", force, None
        subject = "mean error of the energy against the teacher"
        yield "teacher/energy", group, subject, "meV/atom", energy["mean"], energy["error"]


def _structure(summary: dict[str, Any]) -> Iterator[tuple]:
    for name, one in summary.get("rdf", {}).items():
        called = f"{name} centers" if one["pairs"] == "centers" else name
        for key, error, subject, unit, factor in OF_PAIRS:
            if key in one:
                off = one.get(error)
                group, number = "Structure", factor * one[key]
                yield f"rdf/{name}/{key}", group, subject.format(called), unit, number, off and factor * off
        if "coordination" in one:
            subject = f"number of neighbours in the first shell of {called}"
            key = f"rdf/{name}/coordination"
            yield key, "Structure", subject, "", one["coordination"], one["coordination_error"]


def _motion(summary: dict[str, Any]) -> Iterator[tuple]:
    unit = "1e-9 m²/s"
    for name, one in summary.get("diffusion", {}).items():
        if isinstance(one, dict):  # the others are settings
            yield f"diffusion/{name}", "Motion", f"diffusion of {name}", unit, one["1e-9_m2_per_s"], one["error"]
    if one := summary.get("conductivity"):
        for key, by in (("einstein", "Einstein"), ("nernst_einstein", "Nernst-Einstein")):
            subject, number = f"conductivity by {by}", one[f"{key}_S_per_m"]
            yield f"conductivity/{key}", "Motion", subject, "S/m", number, one[f"{key}_error"]
    if one := summary.get("viscosity"):
        yield "viscosity", "Motion", "shear viscosity", "mPa s", one["mPa_s"], one["error"]
    for name, one in summary.get("orientation", {}).items():
        for order in ("c1", "c2"):
            subject = f"time in which {name} turns ({order.upper()})"
            yield f"orientation/{name}/{order}", "Motion", subject, "ps", one[f"{order}_time_ps"], one[f"{order}_error"]


def _salt(summary: dict[str, Any]) -> Iterator[tuple]:
    for ions in ("cations", "anions"):
        for kind, one in summary.get("speciation", {}).get(ions, {}).items():
            subject = (
                f"part of the {ions} that is {kind}" if kind in ("free", "shared") else f"part of {ions} in {kind}s"
            )
            yield f"speciation/{ions}/{kind}", "Ions", subject, "", one["part"], one["error"]
    for name, one in summary.get("residence", {}).items():
        key, near = f"residence/{name}", f"number of neighbours, {name}"
        yield f"{key}/neighbors", "Shells", near, "", one["neighbors"], one["neighbors_error"]
        yield f"{key}/time", "Shells", f"residence time of {name}", "ps", one["time_ps"], one["time_error"]


def _molecules(summary: dict[str, Any]) -> Iterator[tuple]:
    for name, one in summary.get("histograms", {}).items():
        key = f"histograms/{name}"
        if one["kind"] == "torsion":
            yield key, "Molecules", f"mean cosine of {name}", "", one["mean_cosine"], one["mean_error"]
        else:
            yield key, "Molecules", f"mean of {name}", one["unit"], one["mean"], one["mean_error"]
