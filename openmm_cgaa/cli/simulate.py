"""``openmm-cgaa simulate TOPOLOGY --model NAME --out RUN``: NVT or NPT, then NVE dynamics with a model."""

TEMPLATES = "structure files with bonds, of molecules that have none in TOPOLOGY (a PDB file without CONECT records)"


def add_arguments(parser):
    parser.add_argument("topology", help="topology and coordinates, PDBx/mmCIF or PDB, bonds included")
    parser.add_argument("--templates", nargs="+", default=(), metavar="FILE", help=TEMPLATES)
    parser.add_argument("--model", required=True, help="name of a bundled model, or a model file")
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument("--picoseconds", type=float, default=5.0, help="length of the NVT part (default: 5)")
    parser.add_argument("--nve-picoseconds", type=float, default=0.0, help="length of an NVE continuation (default: 0)")
    parser.add_argument("--pressure", type=float, help="bar; constant pressure instead of volume before NVE")
    parser.add_argument("--temperature", type=float, default=300.0, help="K (default: 300)")
    parser.add_argument("--friction", type=float, default=1.0, help="1/ps (default: 1)")
    parser.add_argument("--timestep", type=float, default=0.5, help="fs (default: 0.5)")
    parser.add_argument(
        "--inner-steps", type=int, default=1, help="RESPA: intra-grain forces so many times a step (default: 1)"
    )
    parser.add_argument("--report-interval", type=int, default=100, help="steps between frames (default: 100)")
    parser.add_argument("--checkpoint-interval", type=int, default=1000, help="steps (default: 1000)")
    parser.add_argument("--max-stretch", type=float, default=0.5, help="Å a bond may be off its start (default: 0.5)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, help="CPU threads of the model and of OpenMM")
    parser.add_argument("--backend", choices=["auto", "torch", "python"], default="auto")
    parser.add_argument("--precision", choices=["single", "double"], default="single")
    parser.add_argument("--platform", help="OpenMM platform (default: the fastest one)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")


def run(args):
    import hashlib
    from dataclasses import fields
    from pathlib import Path

    import torch

    from ..engines import NOT_CONSERVING
    from ..errors import EngineError
    from ..potential import CGAAPotential
    from ..simulation import INTRA_GROUP, Settings
    from ..simulation import run as simulate
    from ..structures import read_structure

    settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
    if args.threads:
        torch.set_num_threads(args.threads)
    topology, positions = read_structure(args.topology, args.templates)
    potential = CGAAPotential(args.model, precision=args.precision)
    if args.pressure is not None and not potential.conserving:
        raise EngineError("--pressure: " + NOT_CONSERVING.format(what="a barostat"))
    intra = INTRA_GROUP if args.inner_steps > 1 else None
    system = potential.createSystem(topology, backend=args.backend, positions=positions, intraForceGroup=intra)
    provenance = {
        "topology": str(args.topology),
        "topology_sha256": hashlib.sha256(Path(args.topology).read_bytes()).hexdigest(),
        **potential.provenance(),
        "precision": args.precision,
        "backend": args.backend,
    }
    if simulate(system, topology, positions, args.out, settings, args.resume, provenance):
        print(f"done: {args.out}; look at it with: openmm-cgaa analyze {args.out}")
        return 0
    print(f"interrupted: {args.out} holds a checkpoint; go on with the same command and --resume")
    return 130
