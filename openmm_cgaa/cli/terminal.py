"""Standard output and error as a command finds them: closed, a pipe that nobody reads any more, a terminal of ASCII."""

import codecs
import os
import sys
import unicodedata
from contextlib import contextmanager

PLAIN = {"±": "+-", "·": "-", "–": "-", "×": "x", "°": " deg", "…": "...", "█": "#"}


class Stream:
    """A stream that takes all that is written, though nobody reads it: ``| head -1`` is no failure."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self):
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def usable():
    """`sys.stdout` and `sys.stderr` that can be written to, whatever they were."""
    codecs.register_error("plain", _plain)
    _fill_closed()
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115 - as long as the process
        if hasattr(stream, "reconfigure") and not (stream.encoding or "").lower().startswith("utf"):
            stream.reconfigure(errors="plain")
        setattr(sys, name, Stream(stream))
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _fill_closed():
    """Open what is closed of the standard descriptors: the next file would take its number, and what is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _plain(error):
    """What a terminal can show of characters that it does not have: A for Å, 3 for ³."""
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or _letters(c) or "?" for c in text), error.end


def _letters(character):
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
