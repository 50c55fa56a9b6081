"""``openmm-cgaa active ROUND.yaml``: one round of active learning."""

import argparse
from typing import TYPE_CHECKING

from ..wording import counted
from .options import add_description
from .tables import new_table, show
from .terminal import tell

if TYPE_CHECKING:
    from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, "config", "the round", ". Run again to go on")


def run(args: argparse.Namespace) -> None:
    from ..pipeline.active import improve

    report = improve(args.config, progress=tell)
    show(table(report))
    chosen = report["chosen"]
    print(f"chosen: {counted(chosen['frames'], 'frame')}, {counted(chosen['grains'], 'grain')} of {report['budget']}")
    print(
        f"largest disagreement about a net force, mean over frames: {report['deviation']['candidates']:.3f} eV/Å, "
        f"{report['deviation']['chosen']:.3f} of those chosen; over grains it goes with the error of the student by a "
        f"correlation of {report['correlation']:.2f}"
    )


def table(report: dict) -> "Table":
    """Errors of the round's students."""
    rows = {
        "before: student on its own trajectory": report["before"],
        "after: new student on its own trajectory": report["after"],
        "new student on the old trajectory": report["same"],
        **{f"student {n} of the committee on it": errors for n, errors in enumerate(report["others"], 2)},
    }
    title = "Error against the teacher, on trajectories that nothing was learned from"
    out = new_table(title, "", "frames", "force\neV/Å", "net force", "torque", "energy\nmeV/atom", width=45)
    for name, errors in rows.items():
        force, energy = errors["force"], errors["energy"]["rmse"]
        out.add_row(
            name,
            str(errors["frames"]),
            *(f"{force[key]:.3f}" for key in ("component", "net_force", "torque")),
            f"{energy:.3f}",
        )
    return out
