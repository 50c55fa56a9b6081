"""``openmm-cgaa model verify|diff|export``: does it compute what it did, what differs, a file for other engines."""

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
    export = actions.add_parser("export", help="a file for engines that read metatomic models: ASE, LAMMPS, i-PI ...")
    export.add_argument("model", metavar="MODEL", help="a model file, or a bundled name")
    export.add_argument("--metatomic", required=True, metavar="OUT", help="the file (.pt)")
    export.add_argument(
        "--precision", choices=["double", "single"], default="double", help="of the network (default: %(default)s)"
    )
    help = "structure files of a system to prove it with: nothing is written if it computes anything else there"
    export.add_argument("--box", nargs="+", metavar="FILE", help=help)


def run(args: argparse.Namespace) -> int:
    """Prints; the exit status is 1 where a model does not compute what it did, or where two models differ."""
    return {"verify": _verify, "diff": _diff, "export": _export}[args.action](args)


def _export(args: argparse.Namespace) -> int:
    from ..host.files import METATOMIC, check_output
    from ..model.file import model_bytes
    from ..structures.structure import read_structure

    check_output(args.metatomic, METATOMIC, [args.model, *(args.box or [])])
    model_bytes(args.model)  # a wrong name is told before a package that is missing
    system = () if args.box is None else read_structure(args.box)
    from ..engines.metatomic import export_metatomic

    export_metatomic(args.model, args.metatomic, args.precision, *system)
    proof = f"; it gives the model's energy and forces of {', '.join(args.box)}" if args.box else ""
    print(f"written: {args.metatomic}{proof}")
    return 0


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
