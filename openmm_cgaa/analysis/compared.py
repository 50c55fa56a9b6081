"""Runs beside a reference: how far each number is from the reference's in standard errors, and that as a sentence."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..inputs.arguments import FilePath
from ..wording import counted, measured_text
from .drift import Estimate
from .firstshell import Largest, largest_difference
from .reporting import Report
from .values import Value, values_of

AGREE = 2.0  # standard errors: nearer than this two numbers agree
ANOTHER_PEAK = 1.0  # Å: first peaks further apart are not the same peak
AGREES, DIFFERS, UNDECIDED, MISSING, ALONE = VERDICTS = ("agrees", "differs", "undecided", "missing", "no reference")


class Compared(NamedTuple):
    """A number of one run beside that of the reference.

    Attributes
    ----------
    verdict : str
        One of `VERDICTS`: *missing* is what the run does not have, *no reference* what the reference does not have.
    value, reference : Value or None
    difference : Estimate or None
        The run's less the reference's.
    distance : float or None
        In standard errors of the difference.
    sentence : str
    """

    verdict: str
    value: Value | None
    reference: Value | None
    difference: Estimate | None
    distance: float | None
    sentence: str


class ComparedRow(NamedTuple):
    """A number of all runs, and that of the reference."""

    key: str
    group: str
    subject: str
    unit: str
    reference: Value | None
    runs: dict[str, Compared]


class Comparison(NamedTuple):
    """All numbers of some runs.

    Attributes
    ----------
    runs : list of str
        What they are called.
    reference : str or None
        None: there is none, and nothing is judged.
    rows : list of ComparedRow
    """

    runs: list[str]
    reference: str | None
    rows: list[ComparedRow]

    def verdicts(self, run: str) -> dict[str, list[Compared]]:
        """Of a run, by verdict."""
        own = [row.runs[run] for row in self.rows if run in row.runs]
        return {verdict: [one for one in own if one.verdict == verdict] for verdict in VERDICTS}

    def sentence(self, run: str) -> str:
        """One sentence or two on a run."""
        found = self.verdicts(run)
        agreed, differing, undecided = (len(found[verdict]) for verdict in (AGREES, DIFFERS, UNDECIDED))
        judged = agreed + differing
        if not judged:
            return f"No number of {run} can be judged by {self.reference}."
        agree = "agrees" if judged == 1 else "agree"
        text = f"{run}: {agreed} of {counted(judged, 'number')} {agree} with {self.reference}"
        text += f", {differing} {'differs' if differing == 1 else 'differ'}." if differing else "."
        return text + (f" {counted(undecided, 'number')} cannot be judged." if undecided else "")

    def lines(self) -> list[str]:
        """For the terminal, the runs one after the other: what differs comes first."""
        out = []
        for run in self.runs if self.reference is not None else ():
            found = self.verdicts(run)
            out.append(f"{'reference':<13}{self.sentence(run)}")
            for verdict in (DIFFERS, UNDECIDED, AGREES, MISSING):
                out += [f"{verdict if i == 0 else '':<13}{one.sentence}" for i, one in enumerate(found[verdict])]
        return out

    def as_dict(self) -> dict[str, Any]:
        """For ``comparison.json``."""
        return {
            "comparison": self.runs,
            "reference": self.reference,
            "agree_below_standard_errors": AGREE,
            "sentences": {run: self.sentence(run) for run in self.runs} if self.reference is not None else {},
            "rows": [
                {
                    **{"key": row.key, "group": row.group, "subject": row.subject, "unit": row.unit},
                    "reference": row.reference and {"value": row.reference.value, "error": row.reference.error},
                    "runs": {run: _as_dict(one) for run, one in row.runs.items()},
                }
                for row in self.rows
            ],
        }


def _as_dict(one: Compared) -> dict[str, Any]:
    return {
        "value": one.value and one.value.value,
        "error": one.value and one.value.error,
        "reference": one.reference and one.reference.value,
        "reference_error": one.reference and one.reference.error,
        "difference": one.difference and one.difference.value,
        "difference_error": one.difference and one.difference.error,
        "distance": one.distance,
        "verdict": one.verdict,
        "sentence": one.sentence,
    }


def compared_reports(
    reports: Mapping[str, Report], known: Report | None, reference: str | None, alone: Sequence[str] = ()
) -> Comparison:
    """The numbers of reports, beside those of a reference.

    Parameters
    ----------
    reports : dict of Report
        By what their runs are called.
    known : Report, optional
        Of the reference.
    reference : str, optional
        What that is called.
    alone : list of str
        Runs that are not judged, such as the one that is the reference of the others.
    """
    found = {run: _numbers(report, known) for run, report in reports.items()}
    its = {} if known is None else values_of(known.summary)
    rows = []
    for key in dict.fromkeys(key for own in found.values() for key in own):
        first = next(own[key][0] for own in found.values() if key in own)
        runs = {}
        for run, own in found.items():
            value, beside = own.get(key, (None, None))
            if run in alone:
                runs[run] = Compared(ALONE, value, None, None, None, "")
            elif isinstance(beside, Largest):
                runs[run] = _of_curves(first, value, beside)
            elif value and (places := _peaks_apart(key, own, its)):
                runs[run] = _of_another_peak(first, value, its[key], *places)
            else:
                runs[run] = judged(first, value, beside or its.get(key), run, reference)
        rows.append(ComparedRow(key, first.group, first.subject, first.unit, its.get(key), runs))
    return Comparison(list(reports), reference, _in_groups(rows))


def _numbers(report: Report, known: Report | None) -> dict[str, tuple[Value, Value | Largest | None]]:
    """Of a run, each with what it is judged by, where that is not simply the reference's."""
    found: dict[str, tuple[Value, Value | Largest | None]] = {
        key: (value, None) for key, value in values_of(report.summary).items()
    }
    if known is None:
        return found
    for name, (_, blocks) in report.shells.items():
        if name not in known.shells:
            continue
        its, key = known.shells[name][1], f"rdf/{name}/coordination"
        if key in found:  # at the same distance, whatever the reference's own minimum is
            value = found[key][0]
            at = report.summary["rdf"][name]["first_minimum_nm"]
            found[key] = value, value._replace(**its.coordination().at(at)._asdict())
        largest = largest_difference(blocks, its)
        if largest is not None:
            called = f"{name} centers" if report.shells[name][0] == "centers" else name
            subject = f"largest difference of the radial distributions of {called}"
            value = Value(f"rdf/{name}/largest", "Structure", subject, "", *largest.difference)
            found[value.key] = value, largest
    return found


def judged(named: Value, value: Value | None, known: Value | None, run: str, reference: str | None) -> Compared:
    """A number beside the reference's: it agrees if they are less than `AGREE` standard errors apart.

    Parameters
    ----------
    named : Value
        What it is called.
    value, known : Value or None
        Of the run, of the reference.
    run, reference : str
        What these are called.
    """
    if value is None:
        return Compared(MISSING, None, known, None, None, f"The {named.subject} is not known of {run}.")
    if reference is None or known is None:
        said = f"The {named.subject} is not known of {reference}." if reference else ""
        return Compared(ALONE, value, None, None, None, said)
    off, unit = value.value - known.value, f" {named.unit}" if named.unit else ""
    if value.error is None or known.error is None:
        who = [name for name, one in ((run, value), (reference, known)) if one.error is None]
        said = f"The {named.subject} is {abs(off):.3g}{unit} from the reference, "
        said += f"which cannot be judged: it has no error in {' and '.join(who)}."
        return Compared(UNDECIDED, value, known, Estimate(off, math.nan), None, said)
    error = math.hypot(value.error, known.error)
    if error == 0.0 and off:
        said = f"The {named.subject} is {abs(off):.3g}{unit} from the reference, and neither has moved."
        return Compared(UNDECIDED, value, known, Estimate(off, 0.0), None, said)
    distance = abs(off) / error if off else 0.0
    apart = f"{measured_text(abs(off), error)}{unit}"
    if distance < AGREE:
        said = f"The {named.subject} is {apart} from the reference."
        return Compared(AGREES, value, known, Estimate(off, error), distance, said)
    way = "above" if off > 0.0 else "below"
    said = f"The {named.subject} is {apart} {way} the reference, {distance:.1f} standard errors."
    return Compared(DIFFERS, value, known, Estimate(off, error), distance, said)


def _peaks_apart(
    key: str, own: Mapping[str, tuple[Value, Any]], known: Mapping[str, Value]
) -> tuple[float, float] | None:
    """Where first peaks are, Å, if a number is of one and the reference's is another, which noise may have hidden."""
    pair, _, what = key.rpartition("/")
    place = f"{pair}/first_peak_nm"
    if (
        what not in ("first_peak_nm", "first_peak", "first_minimum_nm")
        or place not in own
        or place not in known
        or key not in known
    ):
        return None
    ours, theirs = own[place][0].value, known[place].value
    return (ours, theirs) if abs(ours - theirs) > ANOTHER_PEAK else None


def _of_another_peak(named: Value, value: Value, known: Value, ours: float, theirs: float) -> Compared:
    said = f"The {named.subject} belongs to another peak: the first clear one is at {ours:.2f} Å, and that of the "
    said += f"reference at {theirs:.2f} Å. Judge by the largest difference of both curves."
    return Compared(UNDECIDED, value, known, None, None, said)


def _of_curves(named: Value, value: Value | None, found: Largest) -> Compared:
    """The largest of many differences."""
    agree = found.distance < AGREE
    said = f"The {named.subject} is {measured_text(abs(found.difference.value), found.difference.error)}, "
    said += f"at {10.0 * found.at:.2f} Å, "
    said += "no more than chance." if agree else f"{found.distance:.1f} standard errors of all places together."
    return Compared(AGREES if agree else DIFFERS, value, None, found.difference, found.distance, said)


def _in_groups(rows: Sequence[ComparedRow]) -> list[ComparedRow]:
    """In the order in which they came, but all of a group together, and in it all of a pair."""
    groups, parts = (list(dict.fromkeys(map(of, rows))) for of in (_group, _part))
    return sorted(rows, key=lambda row: (groups.index(_group(row)), parts.index(_part(row))))


def _group(row: ComparedRow) -> str:
    return row.group


def _part(row: ComparedRow) -> str:
    return row.key.rpartition("/")[0]


def names_of(folders: Sequence[FilePath]) -> list[str]:
    """What runs are called: the end of their paths, as much of it as tells them apart."""
    parts = [Path(folder).resolve().parts for folder in folders]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-count:]) for one in parts]
        if len(set(names)) == len(names):
            break
    return names
