"""Whether a model is ready: what was measured, held against each criterion, in words and as an exit status."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from ..validation.row import plus_minus
from .criteria import CRITERIA, FORM, Criterion
from .readings import Measured, Reading, measured_number

READY, WITHIN_LIMITS, NOT_READY = "ready", "ready within limits", "not ready"
EXIT_STATUS = {READY: 0, WITHIN_LIMITS: 3, NOT_READY: 4}  # 1 is a fault of the program, 2 an error
MET, WEAK, FAILED, UNDECIDED, NOT_MEASURED = "met", "weak", "failed", "undecided", "not measured"
ERRORS = 2.0  # standard errors within which the true value is taken to lie
SAID = 3  # failures that the sentence names
DIFFUSION = "Diffusion was not measured."
NOTHING_HELPS = (
    "neither more labels nor another seed would lower the error of forces: look at the labels, which may be spoiled or "
    "of a teacher that jumps"
)


@dataclass(frozen=True)
class Check:
    """A criterion and what was found.

    Attributes
    ----------
    name : str
        Of the criterion, with a motion or a pair behind a colon.
    title : str
        What it is about.
    value, error : float or None
        As measured.
    bar, weak, unit
        Of the criterion.
    status : str
        ``met``, ``weak`` (between the bars), ``failed``, ``undecided`` (its error reaches over a bar) or
        ``not measured``.
    sentence : str
        What was found, in words.
    reason, advice : str
        Why it is asked, and what helps.
    essential : bool
        Whether a model is not ready where it was not measured.
    """

    name: str
    value: float | None
    error: float | None
    bar: float
    weak: float
    status: str
    reason: str
    advice: str
    title: str = ""
    unit: str = ""
    sentence: str = ""
    essential: bool = False
    stops: bool = field(default=False, repr=False)  # the model is not ready because of it
    size: float = field(default=0.0, repr=False)


@dataclass(frozen=True)
class Verdict:
    """What a model is worth.

    Attributes
    ----------
    status : str
        ``ready``, ``ready within limits`` or ``not ready``.
    sentence : str
        The same with what is behind it.
    checks : list of Check
        All of them, as `criteria` lists them.
    limits : list of str
        What the model is not shown to be good for.
    advice : list of str
        What would help, the most urgent first.
    """

    status: str
    sentence: str
    checks: list[Check]
    limits: list[str]
    advice: list[str]

    @property
    def exit_status(self) -> int:
        """0 where it is ready, 3 within limits, 4 where it is not."""
        return EXIT_STATUS[self.status]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, which JSON takes; what is not finite is None."""
        found = asdict(self)
        for check in found["checks"]:
            del check["stops"], check["size"]
            check |= {key: None for key in ("value", "error") if not _finite(check[key])}
        return found


def judge(measured: Measured) -> Verdict:
    """Hold what was measured against the criteria.

    A number counts with two of its standard errors on either side. Where these reach over a bar, the check is
    undecided, and the model ready within limits at best.

    Parameters
    ----------
    measured : dict
        Flat, by the names of `criteria`, as JSON keeps it. A key that is missing, None or nan was not measured.
        Where ``form`` is "good", no larger form is advised.

    Raises
    ------
    CGAAError
        What should be a number is none.
    """
    checks = [check for criterion in CRITERIA for check in _checks(criterion, measured)]
    stopping = sorted((check for check in checks if check.stops), key=_badness, reverse=True)
    limiting = [check for check in checks if not check.stops and check.status in (WEAK, UNDECIDED)]
    limiting.sort(key=_badness, reverse=True)
    missed = (c for c in CRITERIA if c.asked(measured) and not c.readings(measured))
    untried = dict.fromkeys(c.without for c in missed if c.without)
    limits = [*(check.sentence for check in limiting), *untried]
    status = NOT_READY if stopping else WITHIN_LIMITS if limits else READY
    advice = _advice([*stopping, *limiting], measured)
    return Verdict(status, _sentence(status, stopping, limits, measured), checks, limits, advice)


def right_on_own(measured: Measured) -> bool:
    """Whether a model's best guesses meet the bars in its own liquid, at constant volume and at constant pressure.

    Pressures count where they were measured: not every teacher has a stress. So do frames that were lost.
    """
    own = [c for c in CRITERIA if c.name.startswith(("own_nvt_", "own_npt_", "own_lost"))]
    found = {
        c: c.readings(measured) for c in own if not c.name.endswith(("_pressure", "_lost")) or c.readings(measured)
    }
    return all(readings and readings[0].size <= criterion.bar for criterion, readings in found.items())


def _checks(criterion: Criterion, measured: Measured) -> list[Check]:
    readings: list[Reading | None] = [*criterion.readings(measured)]
    missing: list[Reading | None] = [None] if criterion.asked(measured) else []
    return [_check(criterion, reading, measured) for reading in readings or missing]


def _check(criterion: Criterion, reading: Reading | None, measured: Measured) -> Check:
    status, stops = _status(criterion, reading)
    of = reading.of if reading else ""
    return Check(
        name=f"{criterion.name}:{of}" if of else criterion.name,
        value=reading.value if reading else None,
        error=reading.error if reading else None,
        bar=criterion.bar,
        weak=criterion.weak,
        status=status,
        reason=criterion.reason,
        advice="; or ".join(_helping(criterion.advice, measured)),
        title=f"{criterion.title}: {of}" if of else criterion.title,
        unit=criterion.unit,
        sentence=_found(criterion, reading, status, measured) if reading else "It was not measured.",
        essential=criterion.essential,
        stops=stops,
        size=reading.size if reading else 0.0,
    )


def _found(criterion: Criterion, reading: Reading, status: str, measured: Measured) -> str:
    """What a reading says, in words."""
    words = {key: f"{value:.4g}" for key, value in measured.items() if isinstance(value, int | float)}
    told = {"value": value_text(reading.value, reading.error), "of": reading.of, "own": measured.get("own", "liquid")}
    sentence = reading.says or criterion.says.format_map(_Known(words | told))
    if status == UNDECIDED:
        over = f"the bar of {criterion.bar:g}" if criterion.bar else "it"
        return f"{sentence[:-1]}: its error leaves {over} undecided."
    if status in (WEAK, FAILED) and criterion.bar and reading.says is None:
        return f"{sentence[:-1]}; the bar is {criterion.bar:g}."
    return sentence


def _status(criterion: Criterion, reading: Reading | None) -> tuple[str, bool]:
    """A status, and whether it makes a model not ready.

    What is undecided does so where its best guess fails.
    """
    if reading is None:
        return NOT_MEASURED, criterion.essential
    spread = ERRORS * (reading.size_error or 0.0)
    low, best, high = (
        MET if size <= criterion.bar else WEAK if size <= criterion.weak else FAILED
        for size in (reading.size - spread, reading.size, reading.size + spread)
    )
    if low == high:
        return low, low == FAILED
    return UNDECIDED, best == FAILED


def _badness(check: Check) -> tuple[bool, float]:
    """What comes first: failures before what is not measured; of them the furthest beyond its bar."""
    return check.status != NOT_MEASURED, check.size / check.weak if check.weak else math.inf


def _sentence(status: str, stopping: list[Check], limits: list[str], measured: Measured) -> str:
    told = {"temperature": "K", "pressure": "bar"}
    where = " and ".join(
        f"{value:.4g} {unit}" for key, unit in told.items() if (value := measured_number(measured, key))
    )
    head = f"The model is {status}{f' for {where}' if where and status != NOT_READY else ''}."
    failed = [check.sentence for check in stopping if check.status != NOT_MEASURED]
    missing = [check.title for check in stopping if check.status == NOT_MEASURED]
    said = [head]
    if status == NOT_READY:
        said += failed[:SAID]
        if len(failed) > SAID:
            said.append(f"Checks that fail besides: {len(failed) - SAID}.")
        if missing:
            said.append(f"No model is ready without these, which were not measured: {', '.join(missing)}.")
    else:
        said += [*limits, DIFFUSION]
    return " ".join(said)


def _advice(checks: list[Check], measured: Measured) -> list[str]:
    """Each step once, the most urgent first."""
    steps = {criterion.name: criterion.advice for criterion in CRITERIA}
    found: list[str] = []
    for check in checks:
        if check.status == NOT_MEASURED:
            found.append("go on with the distillation until its last stage")
        elif check.name == "test_force_relative" and _labels_are_to_blame(measured):
            found += [NOTHING_HELPS, *(step for step in _helping(steps[check.name], measured) if step == FORM)]
        else:
            found += _helping(steps[check.name.partition(":")[0]], measured)
    return [text[0].upper() + text[1:] for text in dict.fromkeys(found)]


def _helping(steps: tuple[str, ...], measured: Measured) -> list[str]:
    """Steps that can still be taken."""
    return [step for step in steps if step != FORM or measured.get("form") != "good"]


def _labels_are_to_blame(measured: Measured) -> bool:
    """Whether models of other seeds share most of the error, and more labels would lower little of it."""
    keys = "test_force", "test_force_curve", "committee_force"
    numbers = [found for key in keys if (found := measured_number(measured, key)) is not None]
    if len(numbers) < len(keys):
        return False
    test, curve, committee = numbers
    return curve > 0.9 * test and committee < 0.5 * test


def value_text(value: float | None, error: float | None) -> str:
    """A number with its standard error where that is known."""
    if value is None:
        return "?"
    return plus_minus({"value": value, "error": error if _finite(error) else math.nan})


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


class _Known(dict):
    """What was measured, as a sentence writes it."""

    def __missing__(self, key: str) -> str:
        return "?"
