"""``openmm-cgaa simulate TOPOLOGY --model NAME --out RUN``: NVT or NPT, then NVE dynamics with a model."""

import argparse

from ..host import signals
from .options import add_settings, add_structure, given_smiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..simulation.run import SimulationSettings

    add_structure(parser, "topology")
    parser.add_argument("--model", required=True, help="name of a bundled model, or a model file")
    parser.add_argument("--out", required=True, help="folder of the run")
    add_settings(parser, SimulationSettings)
    parser.add_argument("--backend", choices=["auto", "torch", "python"], default="auto")
    parser.add_argument("--precision", choices=["single", "double"], default="single")
    words = "a raw packing is minimised at its start; this leaves it as it is (as do models without an energy)"
    parser.add_argument("--no-minimize", action="store_true", help=words)
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")


def run(args: argparse.Namespace) -> None:
    import shlex
    from dataclasses import fields
    from pathlib import Path

    from ..host.files import check_spared
    from ..potential import CGAAPotential
    from ..simulation.folder import FILES
    from ..simulation.modelled import modelled_run
    from ..simulation.run import SimulationSettings

    for name in () if args.resume else FILES:
        check_spared(Path(args.out, name), [*args.topology, *args.templates, args.model])
    settings = SimulationSettings(**{field.name: getattr(args, field.name) for field in fields(SimulationSettings)})
    potential = CGAAPotential(args.model, precision=args.precision)
    given = args.topology, potential, settings, args.templates, given_smiles(args), args.backend, args.precision
    made = modelled_run(*given, minimize=not args.no_minimize)
    with signals.deferred() as stop:
        done = made.simulate(args.out, args.resume)
    if not done and stop.number is not None:
        text = f"{args.out} holds a checkpoint; go on with the same command and --resume"
        raise signals.Interrupted(stop.number, text)
    print(f"done: {args.out}; look at it with: openmm-cgaa analyze {shlex.quote(args.out)}")
