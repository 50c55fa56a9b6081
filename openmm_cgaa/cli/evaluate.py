"""``openmm-cgaa evaluate MODEL DATASET...``: error of a model on labelled frames."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..data import KINDS, SPLITS
from ..inputs.ranges import SLOTS, Range
from ..wording import counted
from .options import add_number
from .tables import new_table, show

if TYPE_CHECKING:
    from rich.table import Table

GRAINS = {"species": "species of grain", "contact": "nearest other grain"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a model file, or the name of a bundled model")
    parser.add_argument("dataset", nargs="+", help="labelled frames (.h5)")
    parser.add_argument("--split", default="all", choices=[*SPLITS, "all"], help="trajectories of this split alone")
    parser.add_argument("--kind", action="append", choices=KINDS, help="this kind of frames alone; may be repeated")
    parser.add_argument("--figure", metavar="OUT.png", help="draw the parity of forces and energies to this file")
    add_number(parser, "--padded-slots", Range(int, *SLOTS), help="rms force error over so many slots a grain, too")
    parser.add_argument("--json", metavar="OUT", help="write the numbers to this file, too")


def run(args: argparse.Namespace) -> None:
    from ..host.files import EVALUATION, FIGURE, check_outputs, write_bytes
    from ..training.evaluation import evaluate

    check_outputs([(args.json, EVALUATION), (args.figure, FIGURE)], [args.model, *args.dataset])
    errors = evaluate(args.model, args.dataset, args.split, args.kind, args.figure, args.padded_slots)
    for table in tables(errors, args.padded_slots):
        show(table, markup=True)
    print(
        "in brackets or below an error: 95 % of resamples, of trajectories within each composition and\n"
        "temperature (of frames where there is but one trajectory: rather too narrow)"
    )
    if errors["trained_on"] and args.split in ("test", "all"):
        print(
            f"note: the model was trained or selected on {len(errors['trained_on'])} of these trajectories "
            f"({errors['trained_on'][0]}...): no test of it"
        )
    if errors["other_teacher"]:
        print("note: these labels are of another teacher than the model's: its energies have another zero")
    if args.json:
        write_bytes(args.json, (json.dumps(errors, indent=1) + "\n").encode())


def tables(errors: dict, padded_slots: int | None = None) -> "list[Table]":
    """Rich tables of what `training.evaluation.evaluate` returns."""
    found = [_force_table(errors, padded_slots), *([_energy_table(errors)] if errors["energy"] else [])]
    if errors["stress"]:
        found.append(_stress_table(errors["stress"]))
    groups = [errors["groups"][name] for name in ("kind", "domain", "composition", "temperature", "density")]
    if any(len(group) > 1 for group in groups):
        found.append(_group_table([group for group in groups if len(group)]))
    return [*found, *(_grain_table(errors["by_grain"][name], title) for name, title in GRAINS.items())]


def _force_table(errors: dict, padded_slots: int | None) -> "Table":
    force, intervals = errors["force"], errors["intervals"]
    title = f"{counted(errors['frames'], 'frame')} ({errors['split']}), {counted(errors['atoms'], 'atom')}, "
    title += f"{counted(errors['grains'], 'grain')} in all"
    title += f"\n({counted(errors['trajectories'], 'trajectory')}; in brackets: 95 % of resamples)"
    table = new_table(title, "force", "error\neV/Å", "reference\neV/Å", "error / reference")
    rows = {
        "per component, rmse": "component",
        "· translation of grains": "translation",
        "· rotation of grains": "rotation",
        "· vibration": "vibration",
    }
    for label, name in rows.items():
        error, reference = force[name], force[f"reference_{name}"]
        interval = _interval(intervals[name], 4)
        ratio = _number(error / reference if reference else None)
        table.add_row(label, f"{error:.4f}{interval}", f"{reference:.4f}", ratio)
    for label, name in {"net force on a grain": "net_force", "torque on a grain": "torque"}.items():
        table.add_row(label, "", "", _number(force[name]) + _interval(intervals[name]))
    norms = {"mean": "vector_mean", "rms": "vector_rms"}
    if padded_slots is not None:
        norms[f"rms, padded to {counted(padded_slots, 'slot')}"] = "vector_padded"
    for label, name in norms.items():
        table.add_row(f"vector norm, {label}", f"{force[name]:.4f}{_interval(intervals[name], 4)}", "", "")
    return table


def _energy_table(errors: dict) -> "Table":
    energy, intervals = errors["energy"], errors["intervals"]
    table = new_table(None, "energy", "frames", "rmse\nmeV/atom", "best\nconstant", "R2", width=31)
    rmse = f"{energy['rmse']:.3f}{_interval(intervals['energy'])}"
    table.add_row("all", str(errors["frames"]), rmse, "", "")
    about_mean = f"{energy['rmse_about_mean']:.3f}{_interval(intervals['energy_about_mean'])}"
    table.add_row(f"about the mean, {energy['mean']:+.3f}", "", about_mean, "", "")
    if energy["rmse_within"] is not None:
        within = f"{energy['rmse_within']:.3f}{_interval(intervals['energy_within'])}"
        label = "about the mean of each temperature and composition"
        table.add_row(label, str(energy["frames_within"]), within, "", "")
    for value, row in energy["temperatures"].items():
        # no interval: whole boxes are drawn, and a few of them spread less than all, so it would not hold the value
        table.add_row(value, str(row["frames"]), f"{row['rmse']:.3f}", f"{row['spread']:.3f}", _number(row["r2"]))
    return table


def _stress_table(stress: dict) -> "Table":
    table = new_table(None, "stress", "frames", "rmse\nGPa", "rmse\nmeV/Å^3", "reference\nGPa")
    component, pressure = (
        f"{stress[name]:.4f}{_interval(stress['intervals'][name])}" for name in ("component", "pressure")
    )
    reference = f"{stress['reference_component']:.4f}"
    table.add_row("per component", str(stress["frames"]), component, _mev(stress["component"]), reference)
    mean = f"pressure, {stress['pressure_mean']:+.4f} on average"
    table.add_row(mean, "", pressure, _mev(stress["pressure"]), "")
    return table


def _group_table(groups: list[dict]) -> "Table":
    from rich.markup import escape

    headings = ("frames", "force\neV/Å", "net force\nrelative", "torque\nrelative", "energy\nmeV/atom", "about\nmeans")
    title = "by kind; of the liquids by domain, composition, temperature and density"
    title += "\n(seen in training, inside its range, outside of it)"
    table = new_table(title, "", *headings, "stress\nGPa", width=22, pad_edge=False, collapse_padding=True)
    for group in groups:
        for name, row in group.items():
            label = escape(name) + (f"\n  {row['training']}" if row.get("training") else "")
            stress = f"{row['stress']['component']:.3f}" if row["stress"] else "-"
            table.add_row(label, str(row["frames"]), *_forces(row), *_energies(row), stress)
        table.add_section()
    return table


def _grain_table(rows: dict, title: str) -> "Table":
    from rich.markup import escape

    headings = "grains", "frames", "force\neV/Å", "of", "net force\nrelative", "of\neV/Å", "torque\nrelative"
    table = new_table(None, title, *headings)
    for name, row in rows.items():
        force, net_force, torque = _forces(row)
        numbers = force, f"{row['reference_component']:.3f}", net_force, f"{row['reference_net_force']:.3f}", torque
        table.add_row(escape(name), str(row["grains"]), str(row["frames"]), *numbers)
    return table


def _forces(row: dict) -> list[str]:
    return [_below(row[name], row["intervals"][name]) for name in ("component", "net_force", "torque")]


def _energies(row: dict) -> list[str]:
    return [_below(row[name], row["intervals"][name], 2) for name in ("energy", "energy_within")]


def _below(value: float | None, ends: Sequence[float] | None, digits: int = 3) -> str:
    """A number and, in a line below it, its interval."""
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + (f"\n[dim]{ends[0]:.{digits}f}–{ends[1]:.{digits}f}[/dim]" if ends else "")


def _mev(stress: float) -> str:
    from ..units import GPA_PER_EV_PER_ANGSTROM3

    return f"{1000 * stress / GPA_PER_EV_PER_ANGSTROM3:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(ends: Sequence[float] | None, digits: int = 3) -> str:
    return "" if ends is None else f" ({ends[0]:.{digits}f}–{ends[1]:.{digits}f})"
