"""``openmm-cgaa build SYSTEM.yaml``: a box of molecules."""

import argparse

from .options import add_description


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, "config", "description of the box")
    parser.add_argument("--output", help="PDBx/mmCIF file, instead of the description's (relative to where you are)")


def run(args: argparse.Namespace) -> None:
    from ..building.boxes import build

    build(args.config, args.output, progress=print)
