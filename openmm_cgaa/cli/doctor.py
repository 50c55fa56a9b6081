"""``openmm-cgaa doctor``: what is installed, what works, what is missing, and the command that gets it."""

import argparse

from .tables import new_table, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="ec-emc-lipf6", help="whose reference frame is computed (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Prints; the exit status is 1 where something is wrong."""
    from ..engines import installation
    from ..engines.verification import verified
    from ..model.file import model_bytes
    from .model import agreements

    data = model_bytes(args.model)
    found = [*installation.surroundings(), *installation.packages()]
    table = new_table("this installation", "what", width=28)
    for heading in ("state", "told", "what to do"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(one.what, one.state, one.told, one.cure)
    show(table)
    ways = verified(data)
    if ways:
        show(agreements(args.model, ways))
    else:
        print(f"{args.model} is of an older version and has no reference frame; no answer of a model was looked at")
    wrong = [one.what for one in found if one.state == installation.WRONG]
    wrong += [way.way for way in ways if way.agrees is False]
    print(f"wrong: {', '.join(wrong)}" if wrong else "what was looked at works")
    return 1 if wrong else 0
