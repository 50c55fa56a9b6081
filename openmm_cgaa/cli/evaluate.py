"""``openmm-cgaa evaluate MODEL DATASET``: error of a model on labelled frames."""

import json

from ..analysis.errors import PAPER_SLOTS


def add_arguments(parser):
    parser.add_argument("model", help="a model file, or the name of a bundled model")
    parser.add_argument("dataset", help="labelled frames (.npz)")
    parser.add_argument("--block", default="all", choices=["train", "validation", "test", "all"])
    parser.add_argument("--json", metavar="OUT", help="write the numbers to this file, too")


def run(args):
    from ..modelfile import write_atomically
    from ..training.evaluation import evaluate

    errors = evaluate(args.model, args.dataset, args.block)
    for table in tables(errors):
        _print(table)
    if errors["trained_on"] and args.block in ("validation", "test"):
        print(f"note: all of {args.dataset} was used to train this model; its {args.block} block is no test of it")
    if args.json:
        write_atomically(args.json, json.dumps(errors, indent=1).encode())


def tables(errors):
    """Rich tables of what `training.evaluation.evaluate` returns."""
    from rich.table import Table

    force, energy = errors["force"], errors["energy"]
    title = f"{errors['frames']} frames ({errors['block']}), {errors['atoms']} atoms, {errors['grains']} grains"
    first = Table("force", "error, eV/Å", "reference, eV/Å", "error / reference", title=title)
    rows = {
        "per component, rmse": "component",
        "· translation of grains": "translation",
        "· rotation of grains": "rotation",
        "· vibration": "vibration",
    }
    for label, name in rows.items():
        error, reference = force[name], force[f"reference_{name}"]
        first.add_row(label, f"{error:.4f}", f"{reference:.4f}", _number(error / reference if reference else None))
    first.add_row("net force on a grain", "", "", _number(force["net_force"]))
    first.add_row("torque on a grain", "", "", _number(force["torque"]))
    first.add_row("vector norm, mean", f"{force['vector_mean']:.4f}", "", "")
    first.add_row("vector norm, rms", f"{force['vector_rms']:.4f}", "", "")
    first.add_row(f"vector norm, rms, padded to {PAPER_SLOTS} slots", f"{force['vector_padded']:.4f}", "", "")

    second = Table("energy", "frames", "rmse, meV/atom", "best constant, meV/atom", "R2")
    second.add_row("all", str(errors["frames"]), f"{energy['rmse']:.3f}", "", "")
    second.add_row(f"all, about the mean error {energy['mean']:+.3f}", "", f"{energy['rmse_about_mean']:.3f}", "", "")
    for value, row in energy["temperatures"].items():
        second.add_row(
            f"{value} K", str(row["frames"]), f"{row['rmse']:.3f}", f"{row['spread']:.3f}", _number(row["r2"])
        )
    return first, second


def _number(value):
    return "-" if value is None else f"{value:.3f}"


def _print(table):
    from rich.console import Console

    Console().print(table)
