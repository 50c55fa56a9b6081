"""Where the sections of an analysis are put together: numbers, lines of text, figures, and what could not be done."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import MissingPackageError
from ..host.files import CURVES, FIGURE, SUMMARY, check_folder, check_output, check_spared, write_bytes
from ..inputs.arguments import FilePath
from .angles import AngularDistribution
from .coordination import PairBlocks


class Drawing(NamedTuple):
    """A function of `figures` by its name, and what it was called with, but for the file."""

    function: str
    arguments: tuple
    options: dict[str, Any]


class Report:
    """Collects the sections of a summary, the figures, and what could not be done.

    Parameters
    ----------
    out : path
        Folder of all files.
    tell : callable
        Takes a line of progress.
    inputs : iterable of path or None
        What no file may replace.
    kind : str
        Of ``summary.json``, as `files.HEADS` has it: what its first section is called.

    Attributes
    ----------
    shells : dict of (str, PairBlocks)
        Of pairs by their names: ``centers`` or ``atoms``, and what was counted.
    angles : AngularDistribution, optional
    drawn : list of Drawing
        All figures, for whoever draws the same numbers in another way.
    """

    def __init__(
        self,
        out: FilePath,
        tell: Callable[[str], object] = print,
        inputs: Iterable[FilePath | None] = (),
        kind: str = SUMMARY,
    ) -> None:
        self.out, self.tell, self.inputs = Path(out), tell, [*inputs]
        check_folder(self.out, "summary.json", ["summary.txt"])
        check_output(self.out / "summary.json", kind, self.inputs)
        check_spared(self.out / "summary.txt", self.inputs)
        self.out.mkdir(parents=True, exist_ok=True)
        self.summary: dict[str, dict] = {}
        self.lines: list[str] = []
        self.figures: list[str] = []
        self.skipped: list[str] = []
        self._measured()
        missing = MissingPackageError.needed("matplotlib")
        self.draws = missing is None
        if missing:
            self.skip(f"figures: {missing}")

    def _measured(self) -> None:
        self.shells: dict[str, tuple[str, PairBlocks]] = {}
        self.angles: AngularDistribution | None = None
        self.drawn: list[Drawing] = []

    def keep(self, function: str, arguments: tuple, options: dict[str, Any]) -> None:
        """What a figure shows."""
        self.drawn.append(Drawing(function, arguments, options))

    def add(self, name: str, numbers: dict, *lines: str) -> None:
        """One section: numbers for the JSON, lines for the text."""
        self.summary[name] = numbers
        self.lines += [f"{name if i == 0 else '':<13}{line}" for i, line in enumerate(lines)]
        self.tell(f"{name}: done")

    def skip(self, why: str) -> None:
        """Something that is not there."""
        self.skipped.append(why)
        self.tell(f"left out: {why}")

    def draw(self, function: str, file: str, *arguments: object, **options: object) -> None:
        """Call a function of `figures` by name, where matplotlib is installed."""
        self.keep(function, arguments, options)
        if self.draws:
            from . import figures

            check_output(self.out / file, FIGURE, self.inputs)
            self.figures.append(str(getattr(figures, function)(*arguments, self.out / file, **options)))

    def curves(self, file: str, r: np.ndarray, columns: dict[str, np.ndarray], of: str = "r_nm") -> None:
        """Write a table (CSV) of functions of the distance r [bins], nm, or of `of`; each column [bins] has a name."""
        check_output(self.out / file, CURVES, self.inputs)
        rows = [",".join([of, *columns])]
        rows += [",".join(f"{x:.5f}" for x in row) for row in np.column_stack([r, *columns.values()])]
        write_bytes(self.out / file, ("\n".join(rows) + "\n").encode())

    def write(self) -> dict:
        """Write ``summary.json`` and ``summary.txt``; returns the former's content."""
        data = for_json({**self.summary, "figures": self.figures, "left_out": self.skipped})
        lines = [*self.lines, *(f"{'left out':<13}{why}" for why in self.skipped)]
        lines += [f"{'figure':<13}{path}" for path in self.figures]
        write_bytes(self.out / "summary.json", (json.dumps(data, indent=2) + "\n").encode())
        write_bytes(self.out / "summary.txt", ("\n".join(lines) + "\n").encode())
        return data


class Unwritten(Report):
    """Numbers of a reference, of which no file is made; `label` is what figures call it."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.summary, self.lines, self.figures, self.skipped = {}, [], [], []
        self._measured()

    def add(self, name: str, numbers: dict, *lines: str) -> None:
        self.summary[name] = numbers

    def skip(self, why: str) -> None:
        self.skipped.append(why)

    def draw(self, function: str, file: str, *arguments: object, **options: object) -> None:
        self.keep(function, arguments, options)

    def curves(self, file: str, r: np.ndarray, columns: dict[str, np.ndarray], of: str = "r_nm") -> None:
        """Nothing."""


def for_json(value: Any) -> Any:
    """The same for JSON, which has no NaN: an error that is not known becomes null."""
    if isinstance(value, dict):
        return {name: for_json(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(own) for own in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
