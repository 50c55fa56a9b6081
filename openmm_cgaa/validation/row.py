"""What every row has: settings from the YAML file, numbers, tables, a figure, a line of the summary."""

import re
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..inputs.settings import Checked
from ..wording import measured_text

TRACE = 300  # points of a curve that is kept for a figure
WIDEST, SHORT = 200, 40  # characters of a table's row, and of a cell that stays in it


@dataclass(frozen=True, kw_only=True)
class Row(Checked):
    """A row: its fields are keys of the YAML file, its numbers go into the file of results under its name.

    Methods below `measure` take the numbers of all rows, and see none of the runs: the page can be written anew from
    the file of results alone.

    Attributes
    ----------
    title : str, optional
        What the summary calls it; a name of the kind's without it. An empty one leaves it out.
    name : str
        Key of the YAML file's ``rows``; not a key of the row.
    """

    title: str | None = None
    name: str = field(default="", metadata={"internal": True})

    what: ClassVar[str] = ""  # the title where none is given
    of_bursts: ClassVar[bool] = False  # whether it needs bursts of the teacher's dynamics

    def needs(self) -> dict:
        """Names that it uses of what the system has: runs, boxes, models and molecules, by ``"run"`` and so on."""
        return {"run": getattr(self, "runs", [])}

    def measure(self, place) -> dict:
        """Its numbers, as JSON; the runs that it needs are made where they are not there."""
        raise NotImplementedError

    def must(self) -> str:
        """The bar, in words."""
        return ""

    def verdict(self, results, system) -> tuple:
        """What was found, in words, and whether that meets the bar."""
        return "measured", ""

    def tables(self, results, system) -> dict:
        """Markdown, by the name that stands in the page's template."""
        return {}

    def table_names(self) -> list:
        """Of the tables that it makes, where there are numbers."""
        return [] if type(self).tables is Row.tables else [self.name]

    def draw(self, results, system):
        """A matplotlib figure, or None."""


def estimate(found) -> dict:
    """A value and its standard error, as JSON."""
    return {"value": found.value, "error": found.error}


def over_parts(values) -> dict:
    """Mean, and its standard error from the spread over independent parts."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return {"value": float(np.mean(values)), "error": float(error)}


def thinned(length) -> slice:
    """Every so many points of a series, for a figure."""
    return slice(None, None, max(1, length // TRACE))


def plus_minus(found, digits=2, scale=1.0) -> str:
    """Value ± error, to so many digits of the error."""
    return measured_text(scale * found["value"], scale * found["error"], digits)


def markdown_table(head, lines) -> str:
    """Markdown, in which no row is longer than a line may be: what makes it longer stands in notes below."""
    notes, rows = [], [head, ["---"] * len(head)]
    for line in lines:
        cells = [str(cell) for cell in line]
        while len(_row(cells)) > WIDEST and len(longest := max(cells, key=len)) > SHORT:
            notes.append(longest)
            cells[cells.index(longest)] = f"note {len(notes)}"
        rows.append(cells)
    below = [f"{count}. " + "\n   ".join(_sentences(note)) for count, note in enumerate(notes, 1)]
    return "\n".join([*map(_row, rows), *([""] if below else []), *below])


def _row(cells) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _sentences(text) -> list:
    """One a line, as all Markdown has them."""
    return [piece.strip() for piece in re.split(r"(?<=<br>)|(?<=; )|(?<=[.:] )(?=[A-Z])", text)]


def yes(met) -> str:
    """A verdict."""
    return "yes" if met else "**no**"


def within(found, bar) -> str:
    """Whether a difference is below a bar, where its error allows to say."""
    if abs(found["value"]) <= bar:
        return "yes"
    return "**no**" if abs(found["value"]) - 2.0 * found["error"] > bar else "undecided"


def panels(count, columns=3, width=3.9, height=2.9):
    """A figure and its panels."""
    from matplotlib.figure import Figure

    rows = -(-count // columns)
    figure = Figure(figsize=(width * min(count, columns), height * rows), layout="constrained")
    axes = figure.subplots(rows, min(count, columns), squeeze=False).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, axes[:count]
