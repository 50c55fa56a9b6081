"""``openmm-cgaa simulate TOPOLOGY --model NAME --out RUN``: NVT or NPT, then NVE dynamics with a model."""

import argparse
from typing import TYPE_CHECKING

from ..host import signals
from .options import add_settings, add_structure, given_smiles

if TYPE_CHECKING:
    from openmm import app, unit

    from ..potential import CGAAPotential


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

    import torch

    from ..engines.guard import NOT_CONSERVING
    from ..errors import EngineError
    from ..host.files import check_spared
    from ..host.torchstate import threads
    from ..potential import CGAAPotential
    from ..simulation.folder import FILES
    from ..simulation.integrators import INTRA_GROUP
    from ..simulation.run import SimulationSettings, simulate
    from ..structures.given import content_digest
    from ..structures.structure import read_structure

    for name in () if args.resume else FILES:
        check_spared(Path(args.out, name), [*args.topology, *args.templates, args.model])
    settings = SimulationSettings(**{field.name: getattr(args, field.name) for field in fields(SimulationSettings)})
    topology, positions = read_structure(args.topology, args.templates, given_smiles(args))
    potential = CGAAPotential(args.model, precision=args.precision)
    if args.pressure is not None and not potential.conserving:
        raise EngineError("--pressure: " + NOT_CONSERVING.format(what="a barostat"))
    intra = INTRA_GROUP if args.inner_steps > 1 else None
    system = potential.createSystem(topology, backend=args.backend, positions=positions, intraForceGroup=intra)
    provenance = {
        "topology": " ".join(args.topology),
        "topology_sha256": content_digest(args.topology),
        **potential.provenance(),
        "precision": args.precision,
        "backend": args.backend,
        "outside": _outside(potential, topology, positions),
    }
    with threads(args.threads or torch.get_num_threads()), signals.deferred() as stop:
        minimize = potential.conserving and not args.no_minimize
        done = simulate(system, topology, positions, args.out, settings, args.resume, provenance, minimize=minimize)
    if not done and stop.number is not None:
        text = f"{args.out} holds a checkpoint; go on with the same command and --resume"
        raise signals.Interrupted(stop.number, text)
    print(f"done: {args.out}; look at it with: openmm-cgaa analyze {shlex.quote(args.out)}")


def _outside(potential: "CGAAPotential", topology: "app.Topology", positions: "unit.Quantity") -> dict[str, str]:
    """What createSystem has warned of, for the record of the run."""
    from ..structures import geometry

    grain_map, box = potential.grain_map(topology), geometry.check_box(topology.getPeriodicBoxVectors())
    found = potential.outside(grain_map, box, geometry.check_positions(positions, grain_map.num_atoms))
    return {f"{what} of the start": text for what, text in found.items()}
