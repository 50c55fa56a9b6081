"""``openmm-cgaa validate SYSTEM.yaml``: what a model's simulations do beside its teacher."""

import argparse

from ..inputs.ranges import THREADS, Range
from .options import add_description, add_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, "system", "the system, its simulations and rows")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="of the system (default: all of them)")
    parser.add_argument("--runs", nargs="+", default=[], metavar="RUN", help="simulations alone, to share the work")
    parser.add_argument("--short", action="store_true", help="a hundredth of the length; keeps no numbers and no page")
    parser.add_argument("--report", action="store_true", help="write the page and its figures from the numbers alone")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE", help="in place of the system's")
    parser.add_argument("--out", metavar="FOLDER", help="of the simulations (default: the system's)")
    add_number(parser, "--threads", Range(int, *THREADS), 1, "CPU threads of models and of OpenMM")


def run(args: argparse.Namespace) -> None:
    import sys

    from ..errors import CGAAError, MissingPackageError
    from ..host.torchstate import threads
    from ..validation.validate import rewrite_page, validate

    unlike = [word for word in args.model if "=" not in word]
    if unlike:
        raise CGAAError(f"--model {unlike[0]}: expected NAME=FILE, where NAME is a model of the system")
    if args.report:
        page, figures = rewrite_page(args.system)
        print(f"{page}; figures: {', '.join(figures) or MissingPackageError.needed('matplotlib') or 'none'}")
        return
    with threads(args.threads):
        failed = validate(
            args.system,
            rows=args.rows,
            runs=args.runs,
            short=args.short,
            models=dict(word.split("=", 1) for word in args.model),
            out=args.out,
            threads=args.threads,
            tell=lambda line: print(line, flush=True),
            warn=lambda line: print(line, file=sys.stderr, flush=True),
        )
    if failed:
        raise CGAAError(f"not measured: {', '.join(failed)}; see above")
