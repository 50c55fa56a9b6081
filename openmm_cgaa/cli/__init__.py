"""``openmm-cgaa COMMAND``: one module a command, imported when it is asked for. No work is done here."""

import argparse
import importlib
import sys
from collections.abc import Callable

from .. import __version__
from ..errors import CGAAError, MissingPackageError
from ..host import signals
from .completion import SHELLS, Completion
from .options import Parser
from .terminal import usable, words

COMMANDS = {
    "info": "what a topology's grains are, or what a model file holds",
    "model": "is a model whole, does it compute here what it did; what differs; a file for other engines",
    "doctor": "what is installed, what works, what is missing and the command that gets it",
    "build": "pack a box from SMILES or structure files",
    "sample": "configurations for a teacher to label",
    "label": "energies, forces and stresses of sampled frames, by a teacher; resumable",
    "map": "frames of beads, with mapped forces, from an atomistic trajectory",
    "prior": "OpenMM forces between beads that a model's come on top of, fitted to frames of beads",
    "data": "look at data sets; merge them; extended XYZ in and out",
    "group": "groups of beads at equal times, from a trajectory, for a propagator",
    "train": "distil a teacher's labels into a model, or long runs into a propagator",
    "distill": "from molecules to a tested model: sample, label, train, simulate, judge",
    "active": "one round of active learning: sample with a student, label where a committee disagrees, retrain",
    "evaluate": "error of a model on labelled frames",
    "simulate": "molecular dynamics with a model",
    "propagate": "time-integrated steps of groups of beads, by a propagator; resumable",
    "ensemble": "replicas and sweeps of a run, here or on a cluster, and one report on all",
    "lammps": "files that run a model in LAMMPS, on many processes",
    "analyze": "radial distributions, drift, temperatures and errors of a run; sizes of chains of a propagation",
    "validate": "hold a model's simulations of a system against its teacher, row by row",
    "benchmark": "time per step beside the teacher and a classical force field",
}


def parser_of(*commands: str | None) -> Parser:
    """The parser of all commands, with the arguments of some of them."""
    parser = Parser(prog="openmm-cgaa", description="Coarse-grained all-atom force fields in OpenMM.")
    help = "print the version of this package, and end"
    parser.add_argument("--version", action="version", version=__version__, help=help)
    help = "print the script by which this shell completes commands and options, and end"
    parser.add_argument("--completion", action=Completion, choices=SHELLS, help=help)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name in commands:
            importlib.import_module(f"{__name__}.{name}").add_arguments(subparser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status: 2 after an error, 128 + n after a signal of number n."""
    argv = sys.argv[1:] if argv is None else argv
    with usable(), signals.answered(signals.end_at_once) as stop:
        command = argv[0] if argv and argv[0] in COMMANDS else None
        try:
            args = parser_of(command).parse_args(argv)
            with words(args):
                status = _work(command, args)(args) or 0
            sys.stdout.flush()  # what cannot be written is told below
            return status
        except BaseException as error:
            if stop.number is not None and not isinstance(error, KeyboardInterrupt | CGAAError | OSError):
                error = signals.Interrupted(stop.number)  # what a package below has made of it
            text = _sentence(error)
            if text is None:
                raise
            print(f"openmm-cgaa{f' {command}' if command else ''}: {text}", file=sys.stderr)
            return getattr(error, "status", 130 if isinstance(error, KeyboardInterrupt) else 2)


def _work(command: str | None, args: argparse.Namespace) -> Callable:
    """What is asked of a command: what it is for, or files that help with its YAML file."""
    module = importlib.import_module(f"{__name__}.{command}")
    if getattr(args, "write_template", None) or getattr(args, "write_schema", None):
        from .yamlfiles import write_asked

        return lambda args: write_asked(module, args)
    return module.run


def _sentence(error: BaseException) -> str | None:
    """What to tell of an error; None if it is a fault of the program, whose traceback is wanted."""
    if isinstance(error, CGAAError | OSError | signals.Interrupted):  # an OSError (a full disk) names its file
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, UnicodeEncodeError):
        return (
            f"{error.object!r} cannot be written in the encoding {error.encoding} of this locale; set the variable "
            "PYTHONUTF8 to 1"
        )
    if isinstance(error, MemoryError) or "failed to map segment" in str(error):  # a library that found no room
        return f"out of memory ({error}); take fewer atoms or frames at a time, or another machine"
    if isinstance(error, RecursionError):
        return f"what was read is nested too deep ({error})"
    if isinstance(error, ImportError):
        return str(MissingPackageError.of(error))
    return None
