"""``openmm-cgaa benchmark [BOX]``: time of a step of models, their teacher, peers and a classical force field."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CGAAError, GrainError
from ..host.files import FIGURE, TIMINGS, check_outputs, write_bytes
from ..inputs.arguments import FilePath
from ..inputs.ranges import THREADS, Range
from ..structures.beads import atomic_number
from ..structures.structure import read_structure
from ..wording import counted
from .options import add_number, add_teacher, add_writes, teacher_settings
from .tables import new_table, show

if TYPE_CHECKING:
    from openmm import app, unit

    from ..benchmark.cases import Cost
    from ..benchmark.stepprofile import PartOfStep
    from ..benchmark.subjects import Subject
    from ..potential import CGAAPotential

# the test box of paper 001 (docs/papers.md) without its one LiPF6, relaxed for 1 ps as by systems/ec_emc/box.yaml
SOLVENT = Path(__file__).parents[1] / "models/ec-emc.cif"
ENGINES = ("pythonforce", "torchforce", "ase", "call")
IDLE = 0.5  # processes that want a core, on the average of a minute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "topology", nargs="?", help="PDB or mmCIF with a box; by default 24 EC + 49 EMC (975 atoms), which come along"
    )
    help = "bundled name or model file (default: ec-emc); may be repeated"
    parser.add_argument("--model", action="append", metavar="NAME", help=help)
    help = "how models are called, call being without an engine (default: PythonForce, and TorchForce if installed)"
    parser.add_argument("--engines", nargs="+", choices=ENGINES, help=help)
    help = "OpenMM force field (XML) of a classical peer to time as well; may be repeated"
    parser.add_argument("--forcefield", action="append", metavar="FILE", help=help)
    words = "not timed; without a name: the one that the first model learned from"
    add_teacher(parser, None, words, nargs="?", const=True)
    parser.add_argument("--peers", metavar="FILE", help="ASE calculators of other packages (YAML, docs/benchmark.md)")
    add_writes(parser)
    help = "threads of all, one number after the other (default: 2)"
    parser.add_argument("--threads", type=Range(int, *THREADS), nargs="+", default=[2], metavar="N", help=help)
    help = "copies of the box along each of its vectors, one number after the other (default: 1)"
    parser.add_argument("--repeat", type=Range(int, 1, 64), nargs="+", default=[1], metavar="N", help=help)
    add_number(parser, "--steps", Range(int, 1, 10**7), 150, "steps of each model to time")
    add_number(parser, "--teacher-calls", Range(int, 1, 10**5), 3, "calls of teacher and peers to time")
    add_number(parser, "--teacher-atoms", Range(int, 1, 10**9), 2000, "of boxes for teacher and peers, at most")
    parser.add_argument("--profile", action="store_true", help="say where a step of the first model goes, too")
    parser.add_argument("--json", metavar="OUT", help="also write the numbers to this file")
    parser.add_argument("--figure", metavar="OUT.png", help="also draw milliseconds over atoms to this file")


def run(args: argparse.Namespace) -> None:
    models = args.model or ["ec-emc"]
    inputs = [args.topology, args.peers, *models, *(args.forcefield or [])]
    check_outputs([(args.json, TIMINGS), (args.figure, FIGURE)], inputs)
    from ..benchmark import cases
    from ..potential import CGAAPotential

    potentials = [CGAAPotential(model) for model in models]
    topology, positions = [read_box(args.topology, potential) for potential in potentials][0]
    wanted = cases.cases(
        subjects_of(args, models, topology),
        str(args.topology or SOLVENT),
        topology.getNumAtoms(),
        sorted(set(args.repeat)),
        sorted(set(args.threads)),
        args.steps,
        args.teacher_calls,
        args.teacher_atoms,
    )
    rows: list[Cost] = []
    result = {"atoms": topology.getNumAtoms(), "models": models, **cases.machine()}
    if (result["load"] or 0.0) > IDLE:
        print(f"the machine has other work (load {result['load']} before the first row): times are longer than idle")

    def ended(row: "Cost") -> None:
        rows.append(row)
        result["timings"] = [row.as_json() for row in rows]
        if args.json:  # what has been taken is kept, whatever comes
            write_bytes(args.json, (json.dumps(result, indent=1) + "\n").encode())
        told = f"failed: {row.failed}" if row.failed else f"{row.ms:.4g} ms a step"
        done = f"{len(rows)} of {len(wanted)}"
        print(f"{done}: {row.what}, {counted(row.atoms, 'atom')}, {counted(row.threads, 'thread')}: {told}", flush=True)

    cases.take(wanted, topology.getNumAtoms(), ended)
    show_rows(rows, result)
    for (what, threads), power in cases.growth(rows).items():
        print(f"{what}, {counted(threads, 'thread')}: from {cases.LARGE:,} atoms on a step grows as atoms^{power:.3f}")
    if args.profile:
        from ..benchmark.stepprofile import profile

        parts = profile(potentials[0], topology, positions, args.steps)
        show_parts(parts, Path(models[0]).stem)
        result["profile"] = [part._asdict() for part in parts]
        if args.json:
            write_bytes(args.json, (json.dumps(result, indent=1) + "\n").encode())
    if args.figure:
        from ..benchmark.scaling import draw

        draw(rows, args.figure)
    if failed := [row for row in rows if row.failed]:
        raise CGAAError("; ".join(f"{row.what} of {counted(row.atoms, 'atom')}: {row.failed}" for row in failed))


def subjects_of(args: argparse.Namespace, models: list[str], topology: "app.Topology") -> "list[Subject]":
    """What is to be timed; whatever cannot be is told before the first figure is taken."""
    from ..benchmark import subjects
    from ..engines.backends import missing_torchforce

    engines = args.engines or ["pythonforce", *([] if missing_torchforce() else ["torchforce"])]
    if "torchforce" in engines and (missing := missing_torchforce()):
        raise CGAAError(missing)
    found: list[Subject] = []
    settings = teacher_settings(args)
    if args.forcefield:
        classical = subjects.Classical(tuple(args.forcefield))
        classical.system(topology)
        found.append(classical)
    found += [subjects.ModelInEngine(model, engine) for model in models for engine in engines]
    if args.teacher is not None:
        teacher = subjects.Taught(None if args.teacher is True else args.teacher, tuple(settings.items()), models[0])
        numbers = [atomic_number(atom) for atom in topology.atoms()]
        teacher.teacher().check(numbers, True, "the box")
        found.append(teacher)
    return [*found, *(subjects.read_peers(args.peers) if args.peers else [])]


def read_box(path: FilePath | None, potential: "CGAAPotential") -> "tuple[app.Topology, unit.Quantity]":
    """Topology and positions of a periodic system; without a path those of the solvent box that comes along."""
    topology, positions = read_structure(path or SOLVENT)
    if topology.getPeriodicBoxVectors() is None:
        raise CGAAError(f"{path}: has no periodic box; the benchmark compares periodic systems")
    try:
        potential.grain_map(topology)
    except GrainError as error:
        if path is not None:
            raise
        raise CGAAError(
            f"the box that comes along, of EC and EMC, does not fit the model ({error}); name a topology with a "
            "box of its molecules, such as openmm-cgaa build writes"
        ) from None
    return topology, positions


def show_rows(rows: "list[Cost]", result: dict) -> None:
    """The table of all figures."""
    from ..benchmark.cases import classical_steps

    title = f"{result['gpu'] or result['processor']}; steps of 0.5 fs, median (in brackets: the middle four fifths)"
    numbers = ["atoms", "threads", "ms/step", "", "µs/atom", "ns/day", "classical\nsteps", "kB/atom"]
    on_gpu = any(row.peak_mib is not None for row in rows)
    table = new_table(title, "", *numbers, *(["peak MiB\n(torch)"] if on_gpu else []))
    for row in rows:
        if row.failed:
            table.add_row(row.what, str(row.atoms), str(row.threads), "failed")
            continue
        ratio = classical_steps(row, rows)
        cells = [
            f"{row.ms:.4g}",
            f"({row.low:.4g} to {row.high:.4g})",
            f"{row.us_per_atom:.3g}",
            f"{row.ns_per_day:.3g}",
            "" if ratio is None else f"{ratio:.3g}",
            "" if row.kb_per_atom is None else f"{row.kb_per_atom:.0f}",
            *([f"{row.peak_mib:.0f}"] if row.peak_mib is not None else []),
        ]
        table.add_row(row.what, str(row.atoms), str(row.threads), *cells)
    show(table)


def show_parts(parts: "list[PartOfStep]", name: str) -> None:
    """The table of where a step goes."""
    whole = sum(part.ms for part in parts)
    table = new_table(f"A step of {name} by PythonForce on one thread: {whole:.3g} ms", "", "ms", "%", width=60)
    for part in parts:
        table.add_row(part.part, f"{part.ms:.2f}", f"{100 * part.ms / whole:.0f}")
    show(table)
