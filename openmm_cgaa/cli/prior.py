"""``openmm-cgaa prior BEADS.h5 -o prior.xml``: a prior fitted to frames of beads."""

import argparse

from ..inputs.ranges import Range
from .options import add_number

TERMS = "bonds", "angles", "torsions", "repulsion"  # those of training.fittedprior, which takes long to import


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="+", help="frames of beads (.h5), as openmm-cgaa map writes them")
    parser.add_argument("-o", "--output", required=True, help="OpenMM ForceField (.xml)")
    parser.add_argument("--terms", nargs="+", choices=TERMS, default=list(TERMS), help="default: all")
    parser.add_argument("--split", default="train", choices=("train", "all"), help="default: %(default)s")
    add_number(parser, "--temperature", Range(float, 1.0, 1e5, "K"), None, "of the frames, if they do not tell it")
    help = "where the repulsion ends; by default where it has faded"
    add_number(parser, "--cutoff", Range(float, 1.0, 100.0, "Å"), None, help)


def run(args: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..data.dataset import Dataset
    from ..errors import DatasetError
    from ..host.files import FORCEFIELD, check_output, write_bytes
    from ..training.fittedprior import fit_prior

    check_output(args.output, FORCEFIELD, args.dataset)
    dataset = Dataset.merge([Dataset.load(path) for path in args.dataset])
    chosen = dataset if args.split == "all" else dataset.select(splits=[args.split])
    if not len(chosen):
        raise DatasetError(f"{', '.join(args.dataset)}: no frame of split {args.split}; try --split all")
    fitted = fit_prior(chosen, args.temperature, args.terms, args.cutoff)
    write_bytes(args.output, fitted.prior.forcefield.encode())
    table = Table("term", "beads", "fitted")
    for row in fitted.terms:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)
    print(f"in the training's file: prior: {{file: {args.output}, cutoff: {fitted.prior.cutoff:g}}}")
