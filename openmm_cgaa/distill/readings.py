"""Numbers that a verdict is judged by, out of all that was measured: how far each is off, with its error."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import CGAAError
from ..units import BAR_PER_MPA

Measured = dict[str, Any]
FLOWS = 0.3  # of their distance, that molecules of a liquid come at least


@dataclass(frozen=True)
class Reading:
    """A number as it is told, and how far off that is, which the bars limit.

    Attributes
    ----------
    value, error : float
        As they are told; None where there is none.
    size, size_error : float
        In the unit of the bars, and compared with them.
    of : str
        Which of several (a motion, a pair).
    says : str, optional
        In place of the criterion's sentence.
    """

    value: float | None
    error: float | None
    size: float
    size_error: float | None
    of: str = ""
    says: str | None = None


def measured_number(measured: Measured, key: str) -> float | None:
    """A number that was measured, or None; what is not a number (nan) was not measured.

    Raises
    ------
    CGAAError
        It is of another kind.
    """
    return _as_number(measured.get(key), key)


def _as_number(value: Any, key: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CGAAError(f"{key}: is {value!r}; expected what was measured, as a number")
    return None if math.isnan(value) else float(value)


def error_of(measured: Measured, key: str) -> float | None:
    """A standard error; one that could not be known (nan) leaves the value undecided."""
    value = measured.get(f"{key}_error")
    return math.inf if isinstance(value, float) and math.isnan(value) else _as_number(value, f"{key}_error")


def one_number(measured: Measured, key: str, target: float = 0.0) -> list[Reading]:
    """A number and how far it is from its target."""
    value, error = measured_number(measured, key), error_of(measured, key)
    return [] if value is None else [Reading(value, error, abs(value - target), error)]


def own_liquid(measured: Measured) -> list[Reading]:
    """Whether runs of it gave any frames."""
    if said := measured.get("own_blown_up"):
        return [
            Reading(
                None, None, math.inf, None, says=f"The model's own {measured.get('own', 'liquid')} did not hold: {said}"
            )
        ]
    ran = any(key.startswith(("own_nvt_", "own_npt_")) for key in measured)
    return [Reading(None, None, 0.0, None)] if ran else []


def own_over_test(measured: Measured) -> list[Reading]:
    """The worst of both ensembles, where it is not given."""
    test, found = measured_number(measured, "test_force"), one_number(measured, "own_over_test")
    own = [force for key in ("own_nvt_force", "own_npt_force") if (force := measured_number(measured, key)) is not None]
    if found or not own or not test:
        return found
    return [Reading(max(own) / test, None, max(own) / test, None)]


def share_of_test_force(measured: Measured, key: str, share: Callable[[float], float]) -> list[Reading]:
    """What a function makes of another force by the one on the test."""
    test, other = measured_number(measured, "test_force"), measured_number(measured, key)
    if not test or other is None:
        return []
    return [Reading(share(other / test), None, max(share(other / test), 0.0), None)]


def _several(measured: Measured, key: str) -> dict[str, tuple[float, float | None]]:
    """Value and error of each of a kind."""
    found, given = {}, measured.get(key) or {}
    if not isinstance(given, dict) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in given.values()
    ):
        raise CGAAError(f"{key}: is {given!r}; expected a value and its error by name, such as {{name: [1.0, 0.1]}}")
    for name, (value, error) in given.items():
        both = {name: value, f"{name}_error": error}
        if (value := measured_number(both, name)) is not None:
            found[name] = (value, error_of(both, name))
    return found


def temperatures(measured: Measured) -> list[Reading]:
    """Of each motion, and how far from the thermostat's, as a part of that."""
    target = measured_number(measured, "temperature")
    if not target:
        return []
    return [
        Reading(value, error, abs(value / target - 1.0), None if error is None else error / target, of=motion)
        for motion, (value, error) in _several(measured, "temperatures").items()
    ]


def structures(measured: Measured) -> list[Reading]:
    """Of each pair of atoms, and how much of it is not chance."""
    return [
        Reading(value, None, max(value - (chance or 0.0), 0.0), None if chance is None else chance / 2.0, of=pair)
        for pair, (value, chance) in _several(measured, "rdf_difference").items()
    ]


def wandered(measured: Measured) -> list[Reading]:
    """How far molecules came, and which part of a liquid's least is lacking."""
    value = measured_number(measured, "wandered")
    return [] if value is None else [Reading(value, None, max(1.0 - value / FLOWS, 0.0), None)]


def cell_edges(measured: Measured) -> list[Reading]:
    """Of a, b and c, in per cent."""
    return [
        Reading(value, error, abs(value), error, of=edge)
        for edge, (value, error) in _several(measured, "crystal_cell").items()
    ]


def stability(measured: Measured) -> list[Reading]:
    """How long the hottest run held, and which part of it is left out."""
    stable, wanted = measured_number(measured, "stable_ps"), measured_number(measured, "wanted_ps")
    if stable is None or not wanted:
        return []
    return [Reading(stable, None, max(1.0 - stable / wanted, 0.0), None)]


def other_runs(measured: Measured) -> list[Reading]:
    """Runs beside the hottest one that did not come to their end."""
    ended = measured.get("blown_up")
    if ended is None:
        return []
    broken = [
        Reading(None, None, math.inf, None, of=name, says=f"The run {name} did not hold: {said}")
        for name, said in ended.items()
        if name != "hot"
    ]
    return broken or [Reading(None, None, 0.0, None)]


def labelled_density(measured: Measured) -> list[Reading]:
    """How far outside of the labelled densities; that one frame has left them decides."""
    value, error = measured_number(measured, "density"), error_of(measured, "density")
    low, high = measured_number(measured, "density_low"), measured_number(measured, "density_high")
    inside = measured.get("npt_inside")
    if value is not None and low is not None and high is not None:
        outside = max(low - value, value - high)
        return [Reading(value, error, math.inf if inside is False else outside, error)]
    if inside is None:
        return []
    return [Reading(value, error, 0.0 if inside else math.inf, None)]


def teacher_pressure(measured: Measured) -> list[Reading]:
    """MPa, and how far from the pressure that was asked for (bar)."""
    target = measured_number(measured, "pressure")
    return [] if target is None else one_number(measured, "density_teacher_pressure", target / BAR_PER_MPA)
