"""Scripts by which shells complete commands, options and files, by shtab."""

import argparse
from collections.abc import Iterator
from typing import Any, NoReturn

from ..errors import MissingPackageError
from ..inputs.ranges import Range
from .options import Parser

SHELLS = ("bash", "zsh", "fish")


class Completion(argparse.Action):
    """An option that prints the script of a shell, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *words: Any) -> NoReturn:
        from . import COMMANDS, parser_of

        print(completion(parser_of(*COMMANDS), words[1]))
        parser.exit()


def completion(parser: Parser, shell: str) -> str:
    """The script of a shell for a parser with all its subcommands.

    Raises
    ------
    MissingPackageError
        Shtab is not installed.
    """
    if missing := MissingPackageError.needed("shtab"):
        raise missing
    import shtab

    for action in _words(parser):
        action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
    return shtab.complete(parser, shell)


def _words(parser: Parser) -> Iterator[argparse.Action]:
    """What takes a word that may be a file: neither a number nor one of a few words."""
    for below in parser.below.values():
        yield from _words(below)
    for action in parser.added:
        if action.nargs != 0 and not action.choices and not isinstance(action.type, Range):
            yield action
