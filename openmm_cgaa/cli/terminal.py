"""Standard output and error as a command finds them: closed, a pipe that nobody reads any more, a terminal of ASCII."""

import argparse
import codecs
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout, suppress
from typing import Any, TextIO

from ..errors import OutputError
from ..host.files import is_standard_output, writing
from .options import Description

PLAIN = {"±": "+-", "·": "-", "–": "-", "×": "x", "°": " deg", "…": "...", "█": "#"}


class Stream:
    """A stream that takes all that is written, though nobody reads it: ``| head -1`` is no failure.

    What cannot be written for another reason (a full disk) is an `OutputError` where it is a command's result, which
    goes to the standard output; a run does not end for its progress bar.
    """

    def __init__(self, stream: TextIO, result: bool) -> None:
        self._stream, self._result = stream, result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if self._result and not isinstance(error, BrokenPipeError):
            with writing("the standard output"):
                raise error


@contextmanager
def usable() -> Iterator[None]:
    """`sys.stdout` and `sys.stderr` that can be written to, whatever they were."""
    codecs.register_error("plain", _plain)
    _fill_closed()
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115 - as long as the process
        if hasattr(stream, "reconfigure") and not (stream.encoding or "").lower().startswith("utf"):
            stream.reconfigure(errors="plain")
        setattr(sys, name, Stream(stream, name == "stdout"))
    try:
        yield
    finally:
        with suppress(OutputError):  # a command has told it already
            sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def tell(line: str) -> None:
    """Say how a command goes on; what it was asked for goes to the standard output."""
    print(line, file=sys.stderr, flush=True)


def words(args: argparse.Namespace) -> AbstractContextManager:
    """A context in which a command says what it says: to the standard error where its standard output takes data.

    Parameters
    ----------
    args : argparse.Namespace
        One of the words may name the standard output (``/dev/stdout``) as the place of a file, and so may one inside of
        a `Description`.
    """
    named = [word for word in vars(args).values() if isinstance(word, str)]
    named += [word for each in named if isinstance(each, Description) for word in each.words()]
    return redirect_stdout(sys.stderr) if any(map(is_standard_output, named)) else nullcontext()


def _fill_closed() -> None:
    """Open what is closed of the standard descriptors: the next file would take its number, and what is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What a terminal can show of characters that it does not have: A for Å, 3 for ³."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or _letters(c) or "?" for c in text), error.end


def _letters(character: str) -> str:
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
