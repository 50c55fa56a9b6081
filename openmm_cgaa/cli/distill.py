"""``openmm-cgaa distill``: from molecules to a tested model."""

import argparse
from typing import TYPE_CHECKING

from ..inputs.ranges import Range
from ..wording import counted
from .bars import Bar
from .options import add_number, add_teacher, add_writes, given_smiles, teacher_settings
from .tables import new_table, show
from .terminal import tell

if TYPE_CHECKING:
    from rich.table import Table

    from ..distill.distillplan import DistillPlan
    from ..distill.timing import Rates

HOURS = Range(float, 0.01, 1e5, "h")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        help="a plan (.yaml), as --write-template writes one; or the files of a topology: mmCIF, PDB, prmtop and "
        "inpcrd, top and gro, psf and its parameters, a System in XML with any",
    )
    parser.add_argument(
        "--smiles",
        nargs="+",
        default=(),
        help='molecules, with ratios: "O=C1OCCO1:1 CCOC(=O)OC:2"; beside files RESIDUE=SMILES where bonds are missing',
    )
    parser.add_argument("--names", nargs="+", metavar="NAME", help="residue names of these molecules")
    parser.add_argument("--out", help="folder of everything")
    parser.add_argument("--quick", action="store_true", help="a first model, in about an hour on two cores")
    parser.add_argument("--form", choices=["good", "fast"], help="of the network; fast is no choice for polar liquids")
    parser.add_argument("--from", dest="warm_start", metavar="MODEL", help="a known model, whose weights are a start")
    add_teacher(parser, None, "that of the plan, or else SevenNet-0 with D3")
    add_number(parser, "--temperature", Range(float, 1.0, 1e4, "K"), help="that the model is for")
    add_number(parser, "--density", Range(float, 1e-4, 50.0, "g/cm3"), help="about that of the liquid")
    add_number(parser, "--workers", Range(int, 1, 512), help="processes that sample, label and make runs")
    add_number(parser, "--budget", HOURS, help="hours by the clock that all may take")
    parser.add_argument("--dry-run", action="store_true", help="times this machine and prints the stages, and ends")
    add_writes(parser)


def template_values(args: argparse.Namespace) -> dict | None:
    """The whole plan of what is given, for ``--write-template``; None where nothing is."""
    from ..inputs.yamlfile import parse_yaml

    if not args.files and not args.smiles:
        return None
    values = parse_yaml(_plan(args).text())
    assert isinstance(values, dict)
    return values


def _plan(args: argparse.Namespace) -> "DistillPlan":
    """What the command line asks for."""
    from dataclasses import replace
    from pathlib import Path

    from ..distill.distillplan import QUICK, plan_of_files, plan_of_smiles, read_distill_plan
    from ..errors import CGAAError
    from ..inputs.yamlfile import is_yaml

    keys = "form", "warm_start", "temperature", "density", "workers", "teacher"
    changes = {key: value for key in keys if (value := getattr(args, key)) is not None}
    settings = teacher_settings(args)
    if args.teacher is not None:  # settings of a plan are for the plan's own
        changes["teacher_settings"] = settings
    changes |= QUICK if args.quick else {}
    planned = [file for file in args.files if is_yaml(file)]
    if planned and (len(args.files) > 1 or args.smiles):
        raise CGAAError(f"{planned[0]} is a plan, which says all; give it alone, or files and SMILES without it")
    if args.names and args.files:
        raise CGAAError(
            "--names are of molecules by --smiles; residues of files have names, and --smiles RESIDUE=SMILES"
        )
    if planned:
        plan = read_distill_plan(planned[0], changes)
    elif args.files:
        plan = plan_of_files(args.files, given_smiles(args), changes)
    elif args.smiles:
        plan = plan_of_smiles(" ".join(args.smiles), args.names, changes)
    else:
        raise CGAAError("give a plan (.yaml), the files of a topology, or molecules by --smiles")
    if plan.warm_start is not None and Path(plan.warm_start).is_file():
        plan = replace(plan, warm_start=str(Path(plan.warm_start).resolve()))
    return plan


def run(args: argparse.Namespace) -> int | None:
    from pathlib import Path

    from ..errors import CGAAError

    plan = _plan(args)
    if args.out is None and not args.dry_run:
        raise CGAAError("say with --out which folder everything goes into")
    if args.dry_run or args.budget is not None:
        from ..distill.diagnosis import check_files, diagnose
        from ..distill.timing import fitted, measure

        check_files(plan)
        if args.dry_run:  # else it is told at the beginning of the work
            for line in diagnose(plan):
                tell(f"mind: {line}")
        tell("this machine is timed")
        rates = measure(plan)
        if args.budget is not None:
            plan = fitted(plan, rates, 60.0 * args.budget)
        if args.dry_run:
            show(_expected(plan, rates))
            return None
    from ..distill.distilling import distill

    with _Stages() as bar:
        found = distill(plan, Path(args.out), bar.begin, bar.share, lambda rates: show(_expected(plan, rates)))
    print(f"model: {args.out}/model.safetensors")
    print(f"report: {found['report']}")
    verdict = found["verdict"]
    print(verdict.sentence)
    for heading, lines in (("limits", verdict.limits), ("what helps", verdict.advice)):
        for line in lines:
            print(f"{heading}: {line}")
    return verdict.exit_status


class _Stages(Bar):
    """A line for each stage, and how much of it is done where it can tell."""

    def begin(self, line: str) -> None:
        self.close()
        tell(line)

    def share(self, done: float) -> None:
        bar = self.shown("{percentage:3.0f}%|{bar}| {elapsed}<{remaining}", 1.0, leave=False)
        bar.n = min(1.0, done)
        bar.refresh()


def _expected(plan: "DistillPlan", rates: "Rates") -> "Table":
    """Table of the stages."""
    from ..distill.timing import expected

    rows = expected(plan, rates)
    table = new_table("Stages, if every round is needed", "", "minutes", "labels", "MB", width=50)
    for row in rows:
        table.add_row(f"{row.stage}: {row.what}", f"{row.minutes:.1f}", str(row.labels or ""), f"{row.megabytes:.0f}")
    hours, labels = sum(row.minutes for row in rows) / 60.0, sum(row.labels for row in rows)
    table.caption = f"{hours:.1f} h in all, {counted(labels, 'label')}"
    return table
