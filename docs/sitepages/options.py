"""Every command with its arguments and options, from the parsers that read the command line."""

import argparse
from collections.abc import Iterator

from openmm_cgaa.cli import COMMANDS, parser_of
from openmm_cgaa.cli.examples import EXAMPLES

from .markdown import escaped

MANY = {"+": " ...", "*": " ...", "...": " ...", argparse.REMAINDER: " ..."}


def parsers(command: str) -> Iterator[argparse.ArgumentParser]:
    """The parser of a command; those of its subcommands, where it has some."""
    (inner,) = (action for action in parser_of(command)._actions if isinstance(action, argparse._SubParsersAction))
    parser = inner.choices[command]
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    yield parser
    for action in below:
        yield from action.choices.values()


def _value(action: argparse.Action) -> str:
    """What stands behind an option; empty for a switch."""
    if action.nargs == 0:
        return ""
    word = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    word = " ".join(word) if isinstance(word, tuple) else word
    many = f" {word}" * (action.nargs - 1) if isinstance(action.nargs, int) else MANY.get(action.nargs or "", "")
    return f"[{word}]" if action.nargs == "?" else f"{word}{many}"


def _entry(parser: argparse.ArgumentParser, action: argparse.Action) -> list[str]:
    """An argument or option: its names, and what its help says."""
    value = _value(action)
    names = [f"{name} {value}".strip() for name in action.option_strings] or [str(action.metavar or action.dest)]
    told = (action.help or "") % {**vars(action), "prog": parser.prog}
    needed = "required" if action.option_strings and action.required else ""
    told = "; ".join(part for part in (told, needed) if part)
    return ["```{option} " + ", ".join(names), escaped(told), "```", ""]


def markdown() -> str:
    """A heading for each command; below it what it does, how it is called, and each of its options."""
    lines = []
    for command in COMMANDS:
        for parser in parsers(command):
            name = parser.prog.removeprefix("openmm-cgaa ")
            usage = argparse.HelpFormatter(parser.prog, width=88)
            usage.add_usage(None, parser._actions, parser._mutually_exclusive_groups)
            lines += [f"##{'#' * name.count(' ')} {name}", "", escaped(parser.description or COMMANDS[command]), ""]
            lines += ["```text", usage.format_help().strip(), "```", "", "Example:", ""]
            lines += ["```text", *EXAMPLES[name], "```", "", "```{program} " + parser.prog, "```", ""]
            for action in parser._actions:
                if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
                    lines += _entry(parser, action)
    return "\n".join(lines)
