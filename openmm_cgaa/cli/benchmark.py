"""``openmm-cgaa benchmark [TOPOLOGY] --model NAME``: time per step beside the teacher and a classical force field."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import CGAAError, GrainError
from ..host.environment import environment
from ..host.files import TIMINGS, check_outputs, write_bytes
from ..inputs.arguments import FilePath
from ..inputs.ranges import THREADS, Range
from ..structures.structure import read_structure
from ..wording import counted
from .options import add_number, add_teacher, teacher_settings

if TYPE_CHECKING:
    from openmm import app, unit
    from rich.console import Console

    from ..labelling.teachers import Teacher
    from ..potential import CGAAPotential
    from ..simulation.benchmark import Timing

# the test box of paper 001 (docs/papers.md) without its one LiPF6, relaxed for 1 ps as by systems/ec_emc/box.yaml
SOLVENT = Path(__file__).parents[1] / "models/ec-emc.cif"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "topology", nargs="?", help="PDB or mmCIF with a box; by default 24 EC + 49 EMC (975 atoms), which come along"
    )
    parser.add_argument("--model", default="ec-emc", help="bundled name or model file (default: %(default)s)")
    parser.add_argument("--forcefield", help="OpenMM force field (XML) of a classical peer to time as well")
    words = "not timed; without a name: the one that the model learned from"
    add_teacher(parser, None, words, nargs="?", const=True)
    add_number(parser, "--threads", Range(int, *THREADS), 2, "for all of them")
    add_number(parser, "--steps", Range(int, 1, 10**7), 150, "steps of the model to time")
    add_number(parser, "--teacher-calls", Range(int, 1, 10**5), 3, "teacher calls to time")
    parser.add_argument("--json", help="also write the numbers to this file")


def run(args: argparse.Namespace) -> None:
    check_outputs([(args.json, TIMINGS)], [args.topology, args.model, args.forcefield])
    # OpenMP reads these when the libraries that use it are loaded, below
    with environment(OMP_NUM_THREADS=str(args.threads), MKL_NUM_THREADS=str(args.threads)):
        _run(args)


def _run(args: argparse.Namespace) -> None:
    from openmm import OpenMMException
    from rich.console import Console

    from ..building.boxes import read_forcefield
    from ..host.torchstate import threads
    from ..potential import CGAAPotential
    from ..simulation import benchmark

    console = Console()
    settings = teacher_settings(args)
    potential = CGAAPotential(args.model)
    peer = read_forcefield([args.forcefield]) if args.forcefield else None
    topology, positions = read_box(args.topology, potential)
    teacher = None if args.teacher is None else find_teacher(args.teacher, settings, potential, topology)
    with threads(args.threads):
        with console.status(f"timing {args.model}"):
            name = Path(args.model).stem
            rows = benchmark.time_model(potential, name, topology, positions, args.threads, args.steps)
        if peer is not None:
            with console.status("timing the classical force field"):
                try:
                    rows.append(benchmark.time_classical(peer, topology, positions, args.threads, 4 * args.steps))
                except (ValueError, OpenMMException) as error:
                    raise CGAAError(f"{args.forcefield}: does not fit the topology ({error})") from None
        if teacher is not None:
            with console.status("timing the teacher; a call may take half a minute"):
                rows.append(
                    benchmark.time_teacher(teacher, _words(teacher, settings), topology, positions, args.teacher_calls)
                )
    result = {"atoms": topology.getNumAtoms(), "model": args.model, **benchmark.machine(args.threads)}
    result["timings"] = [row._asdict() for row in rows]
    _print(console, result, rows)
    if args.json:
        write_bytes(args.json, (json.dumps(result, indent=2) + "\n").encode())


def read_box(path: FilePath | None, potential: "CGAAPotential") -> "tuple[app.Topology, unit.Quantity]":
    """Topology and positions of a periodic system; without a path those of the solvent box that comes along."""
    topology, positions = read_structure(path or SOLVENT)
    if topology.getPeriodicBoxVectors() is None:
        raise CGAAError(f"{path}: has no periodic box; the benchmark compares periodic systems")
    if path is None:
        try:
            potential.grain_map(topology)
        except GrainError as error:
            raise CGAAError(
                f"the box that comes along, of EC and EMC, does not fit the model ({error}); name a topology with a "
                "box of its molecules, such as openmm-cgaa build writes"
            ) from None
    return topology, positions


def find_teacher(
    name: str | Literal[True], settings: dict, potential: "CGAAPotential", topology: "app.Topology"
) -> "Teacher":
    """The named teacher, or the one that the model learned from where the name is True; it can label the topology."""
    from ..labelling.teachers import known_teacher, load_teacher

    if name is True:
        teacher = known_teacher(potential.metadata["provenance"].get("teacher"))
    else:
        teacher = load_teacher(name, **settings)
    numbers = [atom.element.atomic_number for atom in topology.atoms()]
    teacher.check(numbers, topology.getPeriodicBoxVectors() is not None, "the box")
    return teacher


def _words(teacher: "Teacher", settings: dict) -> str:
    """What a table calls a teacher; settings that change its speed alone are not in its identity."""
    shown = {**(teacher.identity.get("settings") or {}), **settings}
    return ", ".join([f"teacher {teacher.identity['name']}", *(f"{key}={value}" for key, value in shown.items())])


def _print(console: "Console", result: dict, rows: "list[Timing]") -> None:
    from rich.table import Table

    machine = result["gpu"] or result["processor"]
    title = f"{counted(result['atoms'], 'atom')}, {counted(result['threads'], 'thread')}, {machine}; steps of 0.5 fs"
    table = Table(title=title)
    table.add_column("", overflow="fold", min_width=24)
    table.add_column("on", min_width=4)
    on_gpu = any(row.peak_mib is not None for row in rows)
    memory = ["peak MiB\n(torch)"] if on_gpu else []
    for heading in ("ms/step", "ns/day", "times\nthe first", "steps\ntimed", *memory):
        table.add_column(heading, justify="right", min_width=7)  # a narrow terminal must not cut digits off
    for row in rows:
        speed, ratio = 86400 * 0.5e-6 / (row.ms * 1e-3), row.ms / rows[0].ms
        cells = [row.what, row.where, f"{row.ms:.2f}", f"{speed:.3g}", f"{ratio:.3g}", str(row.steps)]
        table.add_row(*cells, *([f"{row.peak_mib:.0f}"] if row.peak_mib is not None else []))
    console.print(table)
