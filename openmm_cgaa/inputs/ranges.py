"""Numbers and the limits between which they mean something."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

SEEDS = (0, 2**31 - 1)  # what OpenMM, packmol and RDKit hold
THREADS = (1, 512)
PROCESSES = (1, 512)
SLOTS = (1, 10**6)  # of a grain
T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included; as the ``type`` of an option it reads and checks a word.

    Attributes
    ----------
    kind : type
        int or float.
    low, high : int or float
    unit : str
        Of the limits, for messages.
    word : str
        Of an option: may stand in place of a number, and is read as it is.
    """

    kind: type
    low: float
    high: float
    unit: str = ""
    word: str = ""

    def __str__(self) -> str:
        low, high = (str(n) if self.kind is int else f"{n:g}" for n in (self.low, self.high))
        whole = "whole number" if self.kind is int else "number"
        more = f", or {self.word}" if self.word else ""
        return f"a {whole} from {low} to {high} {self.unit}".rstrip() + more

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high  # so nan is in none

    def __call__(self, text: str) -> float | str:
        if self.word and text == self.word:
            return text
        try:
            value = self.kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {self}") from None
        if value not in self:
            raise argparse.ArgumentTypeError(f"{text} is not {self}")
        return value


@overload
def bounded(default: Callable[[], T], low: float, high: float, unit: str = "", help: str = "") -> T: ...
@overload
def bounded(default: T, low: float, high: float, unit: str = "", help: str = "") -> T: ...
def bounded(default: T | Callable[[], T], low: float, high: float, unit: str = "", help: str = "") -> T:
    """A field of a dataclass of settings whose numbers, of a list each one, lie between two limits.

    Parameters
    ----------
    default
        Of the field; a function that makes it, where it can be changed.
    low, high : int or float
        Both are allowed.
    unit, help : str
        For messages, and for the option of the command line.
    """
    metadata = {"range": (low, high), "unit": unit, "help": help}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def required(low: float, high: float, unit: str = "", help: str = "") -> Any:
    """As `bounded`, of a field that has no default."""
    return field(metadata={"range": (low, high), "unit": unit, "help": help})


def one_of(*choices: T, help: str = "") -> T:
    """A field of a dataclass of settings that is one of a few words; the first is the default."""
    return field(default=choices[0], metadata={"choices": choices, "help": help})
