"""``openmm-cgaa COMMAND``: one module a command, imported only when it is asked for."""

import argparse
import importlib
import sys

from ..errors import CGAAError

COMMANDS = {
    "info": "what a topology's grains are, or what a model file holds",
    "build": "pack a box from SMILES or structure files",
    "sample": "configurations for a teacher to label",
    "label": "energies, forces and stresses of sampled frames, by a teacher; resumable",
    "data": "look at data sets; merge them; extended XYZ in and out",
    "train": "distil a teacher's labels into a model",
    "active": "one round of active learning: sample with a student, label where a committee disagrees, retrain",
    "evaluate": "error of a model on labelled frames",
    "simulate": "molecular dynamics with a model",
    "analyze": "radial distributions, drift, temperatures and errors of a run",
    "benchmark": "time per step beside the teacher and a classical force field",
}


def main(argv=None) -> int:
    """Run one command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="openmm-cgaa", description="Coarse-grained all-atom force fields in OpenMM.")
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if argv[:1] == [name]:
            command = importlib.import_module(f"{__name__}.{name}")
            command.add_arguments(subparser)
    args = parser.parse_args(argv)
    try:
        return command.run(args) or 0
    except (CGAAError, OSError) as error:  # an OSError (a full disk, no permission) names its file
        print(f"openmm-cgaa {args.command}: {error}", file=sys.stderr)
        return 2
