"""``openmm-cgaa evaluate MODEL DATASET...``: error of a model on labelled frames."""

import json

from ..analysis.errors import PAPER_SLOTS
from ..reference import KINDS, SPLITS


def add_arguments(parser):
    parser.add_argument("model", help="a model file, or the name of a bundled model")
    parser.add_argument("dataset", nargs="+", help="labelled frames (.h5)")
    parser.add_argument("--split", default="all", choices=[*SPLITS, "all"], help="trajectories of this split alone")
    parser.add_argument("--kind", action="append", choices=KINDS, help="this kind of frames alone; may be repeated")
    parser.add_argument("--json", metavar="OUT", help="write the numbers to this file, too")


def run(args):
    from ..files import write_bytes
    from ..training.evaluation import evaluate

    errors = evaluate(args.model, args.dataset, args.split, args.kind)
    for table in tables(errors):
        _print(table)
    if errors["trained_on"] and args.split in ("test", "all"):
        print(
            f"note: the model was trained or selected on {len(errors['trained_on'])} of these trajectories "
            f"({errors['trained_on'][0]}...): no test of it"
        )
    if errors["other_teacher"]:
        print("note: these labels are of another teacher than the model's: its energies have another zero")
    if args.json:
        write_bytes(args.json, (json.dumps(errors, indent=1) + "\n").encode())


def tables(errors):
    """Rich tables of what `training.evaluation.evaluate` returns."""
    found = [_force_table(errors), _energy_table(errors)]
    if errors["stress"]:
        found.append(_stress_table(errors["stress"]))
    groups = [errors["groups"][name] for name in ("kind", "composition", "temperature")]
    if any(len(group) > 1 for group in groups):
        found.append(_group_table(groups))
    return found


def _force_table(errors):
    force, intervals = errors["force"], errors["intervals"]
    title = f"{errors['frames']} frames ({errors['split']}), {errors['atoms']} atoms, {errors['grains']} grains in all"
    title += "\n(in brackets: 95 % of resamples of the frames)"
    table = _table(title, "force", "error\neV/Å", "reference\neV/Å", "error / reference")
    rows = {
        "per component, rmse": "component",
        "· translation of grains": "translation",
        "· rotation of grains": "rotation",
        "· vibration": "vibration",
    }
    for label, name in rows.items():
        error, reference = force[name], force[f"reference_{name}"]
        interval = _interval(intervals.get(name))
        ratio = _number(error / reference if reference else None)
        table.add_row(label, f"{error:.4f}{interval}", f"{reference:.4f}", ratio)
    for label, name in {"net force on a grain": "net_force", "torque on a grain": "torque"}.items():
        table.add_row(label, "", "", _number(force[name]) + _interval(intervals[name]))
    table.add_row("vector norm, mean", f"{force['vector_mean']:.4f}", "", "")
    table.add_row("vector norm, rms", f"{force['vector_rms']:.4f}", "", "")
    table.add_row(f"vector norm, rms, padded to {PAPER_SLOTS} slots", f"{force['vector_padded']:.4f}", "", "")
    return table


def _energy_table(errors):
    energy, intervals = errors["energy"], errors["intervals"]
    table = _table(None, "energy", "frames", "rmse\nmeV/atom", "best constant\nmeV/atom", "R2")
    rmse = f"{energy['rmse']:.3f}{_interval(intervals['energy'])}"
    table.add_row("all", str(errors["frames"]), rmse, "", "")
    about_mean = f"{energy['rmse_about_mean']:.3f}{_interval(intervals['energy_about_mean'])}"
    table.add_row(f"about the mean, {energy['mean']:+.3f}", "", about_mean, "", "")
    for value, row in energy["temperatures"].items():
        r2 = _number(row["r2"]) + _interval(intervals["r2"][value])
        table.add_row(value, str(row["frames"]), f"{row['rmse']:.3f}", f"{row['spread']:.3f}", r2)
    return table


def _stress_table(stress):
    table = _table(None, "stress", "frames", "rmse\nGPa", "rmse\nmeV/Å^3", "reference\nGPa")
    component, reference = stress["component"], f"{stress['reference_component']:.4f}"
    table.add_row("per component", str(stress["frames"]), f"{component:.4f}", _mev(component), reference)
    table.add_row(
        f"pressure, {stress['pressure_mean']:+.4f} on average",
        "",
        f"{stress['pressure']:.4f}",
        _mev(stress["pressure"]),
        "",
    )
    return table


def _group_table(groups):
    headings = "frames", "force\neV/Å", "net force", "torque", "energy\nmeV/atom", "stress\nGPa"
    table = _table(None, "kind; composition and temperature of liquids", *headings)
    for group in groups:
        for name, row in group.items():
            numbers = f"{row['component']:.4f}", _number(row["net_force"]), _number(row["torque"])
            stress = f"{row['stress']['component']:.4f}" if row["stress"] else "-"
            table.add_row(name, str(row["frames"]), *numbers, f"{row['energy']:.3f}", stress)
        table.add_section()
    return table


def _mev(stress):
    from ..units import GPA_PER_EV_PER_ANGSTROM3

    return f"{1000 * stress / GPA_PER_EV_PER_ANGSTROM3:.3f}"


def _number(value):
    return "-" if value is None else f"{value:.3f}"


def _interval(ends):
    return "" if ends is None else f" ({ends[0]:.3f}–{ends[1]:.3f})"


def _table(title, first, *numbers):
    from rich.table import Table

    table = Table(title=title)
    table.add_column(first)
    for heading in numbers:
        table.add_column(heading, no_wrap=True)
    return table


def _print(table):
    from rich.console import Console

    Console().print(table)
