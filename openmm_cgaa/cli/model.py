"""``openmm-cgaa model verify|diff``: is a model file whole, does it compute here what it did there, what differs."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .tables import new_table, show

if TYPE_CHECKING:
    from rich.table import Table

    from ..engines.verification import Agreement


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    verify = actions.add_parser(
        "verify", help="checksum, and its reference frame computed anew in every way that is here"
    )
    verify.add_argument("models", nargs="+", metavar="MODEL", help="model files, or bundled names")
    diff = actions.add_parser(
        "diff", help="what differs between two models: form, grains, data, domain, errors, weights"
    )
    diff.add_argument("first", metavar="MODEL")
    diff.add_argument("second", metavar="MODEL")


def run(args: argparse.Namespace) -> int:
    """Prints; the exit status is 1 where a model does not compute what it did, or where two models differ."""
    return {"verify": _verify, "diff": _diff}[args.action](args)


def _verify(args: argparse.Namespace) -> int:
    from ..engines.verification import verified
    from ..model.file import model_bytes

    status = 0
    for name in args.models:
        ways = verified(model_bytes(name))
        if not ways:
            print(f"{name}: the checksum is right; it has no reference frame to compute, for it is of an older version")
            continue
        show(agreements(name, ways))
        wrong = [way.way for way in ways if way.agrees is False]
        print(
            f"{name}: the checksum is right, " + (f"wrong is {', '.join(wrong)}" if wrong else "and so is every answer")
        )
        status = max(status, bool(wrong))
    return int(status)


def _diff(args: argparse.Namespace) -> int:
    from ..model.comparison import differences
    from ..model.file import model_bytes

    names = args.first, args.second
    rows = differences(model_bytes(args.first), model_bytes(args.second), names)
    if not rows:
        print(f"{args.first} and {args.second} are the same model")
        return 0
    table = new_table(None, "what", width=40)
    for name in names:
        table.add_column(name, overflow="fold", max_width=60)
    for row in rows:
        table.add_row(*row)
    show(table)
    return 1


def agreements(name: str, ways: "Sequence[Agreement]") -> "Table":
    """A table of what each way to call a model gives, beside its reference frame."""
    table = new_table(
        f"{name}: its reference frame, computed here", "by", "forces off, eV/Å", "energy off, meV/atom", width=40
    )
    table.add_column("", overflow="fold")
    for way in ways:
        off = ["", ""] if way.forces is None or way.energy is None else [f"{way.forces:.1e}", f"{way.energy:.1e}"]
        said = {True: "agrees", False: "does not agree", None: "not here"}[way.agrees]
        table.add_row(way.way, *off, f"{said}: {way.reason}" if way.reason else said)
    return table
