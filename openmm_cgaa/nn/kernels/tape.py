"""What a fused network does, written down once as phases, and bound to the arrays of a span of grains."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .phases import ATOMS, GRAINS, phase_kernel
from .spans import Span

BLOCK = 96  # atoms, more or less, that are worked on at a time: their numbers fit into a core's cache


class Ref(NamedTuple):
    """An array on a tape, or what follows its first numbers.

    Attributes
    ----------
    source : int
        Its number.
    per : str or None
        `ATOMS` or `GRAINS`, if it has rows of these.
    offset : int
        Numbers of a row that come before.
    """

    source: int
    per: str | None = None
    offset: int = 0

    def after(self, numbers: int) -> "Ref":
        return self._replace(offset=self.offset + numbers)


class Local(NamedTuple):
    """An array that a span has for itself."""

    per: str
    width: int


class Tape:
    """Steps in their order, and the arrays that they work on.

    Parameters
    ----------
    start : int array, [grains + 1]
        Where each grain's atoms begin.
    dtype : numpy.dtype

    Attributes
    ----------
    phases : list of list
        Steps (name, whose rows, arrays, sizes) until the next meeting.
    deliveries : list of tuple
        Functions that one of all calls before each phase.
    of_shell : set of int
        Phases that are run on grains which other processes compute, too.
    """

    def __init__(self, start: np.ndarray, dtype: np.dtype):
        self.start, self.dtype = start, np.dtype(dtype)
        self.sources: list[Local | np.ndarray | str] = []  # what a span makes, what is there, what is named later
        self.known: dict[int, Ref] = {}
        self.phases: list[list] = [[]]
        self.deliveries: list[tuple] = [()]
        self.of_shell: set[int] = set()
        self.fixed(start)  # every phase takes it

    def _source(self, source: "Local | np.ndarray | str", per: str | None = None) -> Ref:
        self.sources.append(source)
        return Ref(len(self.sources) - 1, per)

    def local(self, per: str, width: int) -> Ref:
        """So many numbers a row, for a span alone."""
        return self._source(Local(per, width), per)

    def atoms(self, width: int) -> Ref:
        return self.local(ATOMS, width)

    def grains(self, width: int) -> Ref:
        return self.local(GRAINS, width)

    def fixed(self, array: np.ndarray, per: str | None = None) -> Ref:
        """An array that stays where it is, with rows of the whole system or of something else."""
        if id(array) not in self.known:
            self.known[id(array)] = self._source(array, per)
        return self.known[id(array)]

    def shared(self, per: str, width: int) -> Ref:
        """So many numbers a row, which other spans look at after the next meeting; zero where no span sets them."""
        rows = len(self.start) - 1 if per == GRAINS else int(self.start[-1])
        return self.fixed(np.zeros(rows * width, self.dtype), per)

    def given(self, name: str) -> Ref:
        """An array that is named when the tape is bound."""
        for number, source in enumerate(self.sources):
            if isinstance(source, str) and source == name:
                return Ref(number)
        return self._source(name)

    def add(self, step: Callable, per: str, refs: Sequence[Ref], *sizes: int) -> None:
        self.phases[-1].append((step.__name__, per, tuple(refs), sizes))

    def meet(self, *deliveries: Callable) -> None:
        """What follows looks at what other spans have done up to here, and what was delivered then."""
        self.phases.append([])
        self.deliveries.append(deliveries)

    def for_shell(self) -> None:
        """Run the phase that has begun on grains which other processes compute, too."""
        self.of_shell.add(len(self.phases) - 1)

    def passing(self) -> set[int]:
        """Numbers of the arrays of spans that one phase alone takes: a block needs no more of them than its rows."""
        taken: dict[int, set] = {}
        for k, steps in enumerate(self.phases):
            for ref in (ref for step in steps for ref in step[2]):
                taken.setdefault(ref.source, set()).add(k)
        return {n for n, phases in taken.items() if len(phases) == 1 and isinstance(self.sources[n], Local)}

    def array(self, ref: Ref) -> np.ndarray:
        """A fixed or shared one."""
        found = self.sources[ref.source]
        assert isinstance(found, np.ndarray)
        return found


class Bound:
    """A tape on the arrays of a span.

    Parameters
    ----------
    tape : Tape
    span : Span
    given : mapping of str to array
        Those that the tape names.
    """

    def __init__(self, tape: Tape, span: Span, given: Mapping[str, np.ndarray]):
        self.span = span
        mean = tape.start[-1] / (len(tape.start) - 1)
        block = 2 ** max(0, round(np.log2(BLOCK / mean)))
        ends = np.minimum(np.arange(len(tape.start) - 1) + block, len(tape.start) - 1)
        longest = {ATOMS: int((tape.start[ends] - tape.start[:-1]).max()), GRAINS: block}
        rows = {ATOMS: (span.first, span.num_atoms), GRAINS: (span.first_grain, span.num_grains)}
        passing = tape.passing()
        self.arrays, before = [], []
        for number, source in enumerate(tape.sources):
            first = 0
            if isinstance(source, Local):
                first, count = (0, longest[source.per]) if number in passing else rows[source.per]
                first *= source.width
                source = np.empty(count * source.width, tape.dtype)
            self.arrays.append(given[source] if isinstance(source, str) else source)
            before.append(first)
        self.phases = []
        for steps in tape.phases:
            refs = list(dict.fromkeys([tape.fixed(tape.start), *(ref for step in steps for ref in step[2])]))
            number = {ref: k for k, ref in enumerate(refs)}
            told = [[name, per, [number[ref] for ref in own], sizes] for name, per, own, sizes in steps]
            moving = [[number[ref], *tape.sources[ref.source]] for ref in refs if ref.source in passing]
            text = {"number": tape.dtype.name, "block": block, "arrays": len(refs), "moving": moving, "steps": told}
            addresses = [
                self.arrays[ref.source].ctypes.data
                + (ref.offset - before[ref.source]) * self.arrays[ref.source].itemsize
                for ref in refs
            ]
            self.phases.append((phase_kernel(json.dumps(text)), np.array(addresses, np.int64)))

    def run(self, phase: int) -> None:
        kernel, table = self.phases[phase]
        kernel(self.span.first_grain, self.span.last_grain, table)
