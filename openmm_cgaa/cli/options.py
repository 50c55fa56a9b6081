"""Options of the command line: numbers with their ranges, settings from the fields of their dataclass."""

import argparse
import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NoReturn

from ..errors import CGAAError
from ..inputs.ranges import Range
from ..inputs.settings import Dataclass, range_of
from ..labelling.named import NAMED
from .examples import EXAMPLES


class Parser(argparse.ArgumentParser):
    """Takes files before and after options, and says in one line what is wrong with a command line."""

    _sorting = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.added: list[argparse.Action] = []
        self.below: dict[str, Parser] = {}  # by subcommand
        super().__init__(*args, **kwargs)

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        """As of all parsers."""
        self.added.append(super().add_argument(*args, **kwargs))
        return self.added[-1]

    def add_subparsers(self, **kwargs: Any) -> Any:
        """As of all parsers."""
        action = super().add_subparsers(**kwargs)
        self.below = action.choices
        return action

    def format_help(self) -> str:
        """As of all parsers, and examples at the end."""
        lines = EXAMPLES[self.prog.removeprefix("openmm-cgaa").strip()]
        told = "example, in the folder of the repository" if any("/" in line for line in lines) else "example"
        return "\n".join([super().format_help(), f"{told}:", *(f"  {line}" for line in lines), ""])

    def parse_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def, override]  # argparse overloads it
        """No word may be empty: a variable of the shell that is not set would drop an output without a word."""
        for word in args or ():
            if re.fullmatch(r"(--[\w-]+=)?", word):
                self.error(f"{word or 'an argument'} is empty; give it a value, or leave it out")
        return super().parse_args(args, namespace)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def, override]  # the same
        """What stands among options and is none of them is a file: ``validate SYSTEM.yaml --short ROW``."""
        if any(word.partition("=")[0] in WRITES for word in args or ()):  # nothing else is done, so nothing is needed
            for action in self.added:
                action.required = False
        if self._sorting or self._subparsers or "--" in (args or ()):  # who writes -- has sorted them
            return super().parse_known_args(args, namespace)
        self._sorting = True  # the next line calls this method for the options, and for what is left
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._sorting = False

    def error(self, message: str) -> NoReturn:
        raise CGAAError(f"{message}; see {self.prog} --help")


WRITES = ("--write-template", "--write-schema")
FILES = (
    "PDBx/mmCIF or PDB; prmtop and inpcrd (Amber); top, gro and a folder of includes (GROMACS); psf and pdb or crd "
    "(CHARMM)"
)


def add_structure(parser: argparse.ArgumentParser, name: str, also: str = "") -> None:
    """The files of a topology, and where molecules without bonds take theirs from."""
    parser.add_argument(name, nargs="+", help=f"topology and coordinates, bonds included: {FILES}{also}")
    help = "structure files with bonds, of molecules that have none (a PDB file without CONECT records)"
    parser.add_argument("--templates", nargs="+", default=(), metavar="FILE", help=help)
    help = "in place of templates: SMILES of molecules that have no bonds, by residue name"
    parser.add_argument("--smiles", nargs="+", default=(), metavar="NAME=SMILES", help=help)


def given_smiles(args: argparse.Namespace) -> dict[str, str]:
    """SMILES by residue name, of the option that `add_structure` adds.

    Raises
    ------
    CGAAError
        A value without a name, or a name that stands twice.
    """
    found: dict[str, str] = {}
    for text in args.smiles:
        name, _, smiles = text.partition("=")
        if not re.fullmatch(r"[A-Za-z0-9_+-]+", name) or not smiles:
            raise CGAAError(f"--smiles {text!r}; give RESIDUE=SMILES, such as DME=COCCOC")
        if name in found:
            raise CGAAError(f"--smiles names {name} twice; give each residue name once")
        found[name] = smiles
    return found


def given_charges(words: Sequence[str]) -> dict[str, float] | None:
    """Charges by residue name, of ``NAME=CHARGE``; None of no words.

    Raises
    ------
    CGAAError
        A word is none of these, or a name stands twice.
    """
    found: dict[str, float] = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            charge = float(text)
        except ValueError:
            charge = math.nan
        if not name or not math.isfinite(charge):
            raise CGAAError(f"--charges {word!r}; give RESIDUE=CHARGE, such as LI=1")
        if name in found:
            raise CGAAError(f"--charges names {name} twice; give each residue name once")
        found[name] = charge
    return found or None


class Description(str):
    """A word that names a YAML file; paths in it are relative to it."""

    def words(self) -> list[str]:
        """All that may be a path in it, as seen from here; none where it cannot be read, which the command tells."""
        if not os.path.isfile(self):  # what a pipe holds can be read but once
            return []
        from ..inputs.yamlfile import read_yaml

        try:
            left = [read_yaml(self, "a description")]
        except CGAAError:
            return []
        found: list[str] = []
        seen: set[int] = set()
        while left:
            value = left.pop()
            if isinstance(value, str):
                found.append(os.path.join(os.path.dirname(self), value))
            elif isinstance(value, dict | list) and id(value) not in seen:  # an alias is the value that it stands for
                seen.add(id(value))
                left += value.values() if isinstance(value, dict) else value
        return found


def add_description(parser: argparse.ArgumentParser, name: str, what: str, more: str = "") -> None:
    """The argument that is a `Description` of something."""
    text = f"{what} (YAML); paths in it are relative to it{more}"
    parser.add_argument(name, type=Description, help=text)
    add_writes(parser)


def add_writes(parser: argparse.ArgumentParser) -> None:
    """Options that write what helps with the YAML file of a command, in place of its work (see `yamlfiles`)."""
    template, schema = WRITES
    help = "write a YAML file to begin with, every key explained, and end; FILE must not be there"
    parser.add_argument(template, metavar="FILE", help=help)
    help = "write the JSON schema of the YAML file, by which editors complete and check it, and end"
    parser.add_argument(schema, metavar="FILE.json", help=help)


def add_number(parser: argparse.ArgumentParser, flag: str, allowed: Range, default: Any = None, help: str = "") -> None:
    """An option that is a number of a `Range`; its help says from where to where, and the default."""
    ends = str(allowed).split(" from ", 1)[1].replace("%", "%%")
    text = f"{help} ({ends}" + ("" if default is None else f"; default: {default}") + ")"
    parser.add_argument(flag, type=allowed, default=default, metavar=allowed.unit or "N", help=text)


def add_settings(parser: argparse.ArgumentParser, kind: type[Dataclass]) -> None:
    """An option for each field of a dataclass of settings: its name, type, range, default and help are the field's."""
    for f in fields(kind):
        flag = f"--{f.name.replace('_', '-')}"
        if "range" in f.metadata:
            add_number(parser, flag, range_of(kind, f.name), f.default, f.metadata["help"])
        else:
            parser.add_argument(flag, default=f.default, help=f.metadata["help"])


def add_teacher(
    parser: argparse.ArgumentParser, default: str | None, default_in_words: str = "%(default)s", **options: Any
) -> None:
    """Options ``--teacher`` and ``--setting``, which `teacher_settings` reads; further options are of the former."""
    kinds = f"{', '.join(NAMED)}, openmm:SYSTEM.xml, or an ASE calculator as package.module:Class"
    parser.add_argument("--teacher", default=default, help=f"{kinds} (default: {default_in_words})", **options)
    parser.add_argument(
        "--setting", action="append", default=[], metavar="KEY=VALUE", help="for the teacher; VALUE may be JSON"
    )


def teacher_settings(args: argparse.Namespace) -> dict:
    """What ``--setting`` gives to `labelling.teachers.load_teacher`."""
    if args.setting and not isinstance(args.teacher, str):
        raise CGAAError("--setting is for a teacher; name it with --teacher NAME")
    return dict(_setting(text) for text in args.setting)


def _setting(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise CGAAError(f"--setting {text}: expected KEY=VALUE, such as --setting dispersion=false")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
