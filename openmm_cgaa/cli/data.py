"""``openmm-cgaa data info|export|import|merge``: look at data sets, and bring them in and out."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..wording import counted
from .tables import new_table, show

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from ..data.dataset import Dataset
    from ..data.summary import Duplicate

SHOWN = 10  # outliers and duplicates printed in full


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    info = actions.add_parser("info", help="counts, ranges, outliers, duplicates, forces")
    info.add_argument("files", nargs="+", metavar="FILE", help="data sets (.h5), looked at as one")
    info.add_argument("--figure", metavar="OUT.png", help="draw the histograms into this file")
    export = actions.add_parser("export", help="write extended XYZ, for other trainers")
    export.add_argument("file", help="data set (.h5)")
    export.add_argument("output", metavar="OUT.extxyz")
    importing = actions.add_parser("import", help="read extended XYZ")
    importing.add_argument("file", metavar="IN.extxyz")
    importing.add_argument("output", metavar="OUT.h5")
    importing.add_argument(
        "--topology", action="append", default=[], help="PDB or mmCIF with bonds; once for each composition"
    )
    importing.add_argument("--teacher", help="who made the labels, where the file does not say")
    importing.add_argument("--kind", help="kind of trajectories where the file does not say (liquid, molecule, ...)")
    importing.add_argument("--split", default="", help="split where the file does not say (train, validation, test)")
    for name in ("energy", "forces", "stress", "virial"):
        importing.add_argument(
            f"--{name}-key", metavar="KEY", help=f"where the file has its {name}, such as REF_{name} (default: by name)"
        )
    importing.add_argument("--stress-unit", default="eV/A^3", metavar="UNIT", help="eV/A^3 (default), GPa or kbar")
    importing.add_argument(
        "--stress-sign",
        default="tension",
        metavar="SIGN",
        help="what is positive: tension (default, as ASE) or pressure",
    )
    merge = actions.add_parser("merge", help="several data sets of one teacher into one file")
    merge.add_argument("files", nargs="+", metavar="FILE")
    merge.add_argument("-o", "--output", required=True, metavar="OUT.h5")
    merge.add_argument("--precision", default="double", choices=["double", "single"], help="single: half the size")


def run(args: argparse.Namespace) -> None:
    from ..host.files import DATA_SET, FIGURE, XYZ, check_outputs

    inputs = [*getattr(args, "files", []), getattr(args, "file", None), *getattr(args, "topology", [])]
    kind = XYZ if args.action == "export" else DATA_SET
    check_outputs([(getattr(args, "output", None), kind), (getattr(args, "figure", None), FIGURE)], inputs)
    {"info": _info, "export": _export, "import": _import, "merge": _merge}[args.action](args)


def _export(args: argparse.Namespace) -> None:
    from ..data.dataset import Dataset
    from ..data.extxyz import export_xyz

    dataset = Dataset.load(args.file)
    export_xyz(dataset, args.output)
    print(f"{args.output}: {counted(len(dataset), 'frame')}")


def _import(args: argparse.Namespace) -> None:
    from ..data.extxyz import import_xyz

    keys = {name: getattr(args, f"{name}_key") for name in ("energy", "forces", "stress", "virial")}
    options = {"stress_unit": args.stress_unit, "stress_sign": args.stress_sign}
    dataset = import_xyz(args.file, args.topology, args.teacher, kind=args.kind, split=args.split, **keys, **options)
    dataset.save(args.output)
    grains = sum(len(frames) * frames.num_grains for frames in dataset.sets)
    topologies = len({(*s.elements, *s.residue_names, s.bonds.tobytes()) for s in dataset.sets})
    frames = f"{counted(len(dataset), 'frame')} of {counted(topologies, 'topology')}"
    print(f"{args.output}: {frames}, {counted(grains, 'grain')}")
    labelled, stressed = (
        sum(len(s) for s in dataset.sets if getattr(s, name) is not None) for name in ("energy", "stress")
    )
    print(f"labels: {labelled} of {counted(len(dataset), 'frame')}, {stressed} with stress")
    said = dataset.provenance
    for key, what in said["read"].items():
        print(f"read: {key}: {what}")
    if said["not read"]:
        print(f"not read: {', '.join(said['not read'])}")
    for note in said["notes"]:
        print(f"note: {note}")


def _merge(args: argparse.Namespace) -> None:
    dataset = _load(args.files)
    dataset.save(args.output, args.precision)
    print(f"{args.output}: {counted(len(dataset), 'frame')}, {counted(len(dataset.trajectories), 'trajectory')}")


def _load(files: list[str]) -> "Dataset":
    """All files as one; an error of merging says which file is which."""
    from ..data.dataset import Dataset
    from ..errors import DatasetError

    datasets = [Dataset.load(file) for file in files]
    if len(datasets) == 1:
        return datasets[0]
    try:
        return Dataset.merge(datasets)
    except DatasetError as error:
        raise DatasetError(f"{error} (data sets: {', '.join(f'{i} {name}' for i, name in enumerate(files))})") from None


def _info(args: argparse.Namespace) -> None:
    from rich.console import Console

    from ..data import refusals, summary

    dataset, console = _load(args.files), Console(highlight=False, markup=False)
    show(_kind_table(dataset, ", ".join(Path(file).name for file in args.files)))
    show(_composition_table(dataset))
    _show_densities(dataset)
    for series, title in (
        (summary.forces_by_element(dataset), "force on an atom"),
        (summary.forces_by_grain(dataset), "net force on a grain"),
    ):
        if series:
            show(_force_table(series, title))
    periodic = [frames for frames in dataset.sets if frames.labelled and frames.periodic]
    if periodic:
        stressed = sum(len(frames) for frames in periodic if frames.stress is not None)
        console.print(f"with stress: {stressed} of {sum(map(len, periodic))} labelled periodic frames")
    if known := sum(len(frames) for frames in dataset.sets if frames.grain_energies is not None):
        console.print(f"with energies of grains: {known} of {counted(len(dataset), 'frame')}")
    refused, twins = refusals.check_labels(dataset), summary.duplicates(dataset)
    _print_list(console, "outliers, which the checks refuse", refused)
    _print_list(console, "frames that are there twice", [_twin_text(twin) for twin in twins])
    console.print(f"teacher: {json.dumps(dataset.teacher)}", soft_wrap=True)
    console.print(f"provenance: {json.dumps(dataset.provenance, indent=1, ensure_ascii=False)}", soft_wrap=True)
    if args.figure:
        summary.histogram_figure(dataset, args.figure)
        console.print(f"figure: {args.figure}", soft_wrap=True)


def _kind_table(dataset: "Dataset", title: str) -> "Table":
    from ..data import summary

    names = ("trajectories", "frames", "grains", "environments")
    columns = ("kind", "split", "trajectories", "frames", "grains", "grains with\n8 neighbours")
    table = new_table(f"{title}: {counted(len(dataset), 'frame')}", *columns)
    rows = summary.counts_by_kind(dataset)
    for (kind, split), row in sorted(rows.items()):
        table.add_row(kind, split or "none", *(str(row[name]) for name in names))
    if len(rows) > 1:
        table.add_section()
        table.add_row("all", "", *(str(sum(row[name] for row in rows.values())) for name in names))
    return table


def _composition_table(dataset: "Dataset") -> "Table":
    from ..data import summary

    heads = ("composition", "atoms", "frames", "K", "g/cm3", "eV/atom", "force rms\neV/Å", "virial pressure\nGPa")
    table = new_table("composition, and what is spanned", *heads)
    for (name, periodic), row in summary.counts_by_composition(dataset).items():
        table.add_row(
            name if periodic else f"{name} (isolated)",
            str(row["atoms"]),
            str(row["frames"]),
            _span(row["temperature"], ".0f"),
            _span(row["density"], ".3f"),
            _span(row["energy"], ".4f"),
            "-" if row["force"] is None else f"{row['force']:.3f}",
            _span(row["pressure"], ".2f"),
        )
    return table


def _show_densities(dataset: "Dataset") -> None:
    from ..data.densities import by_temperature

    table = new_table("densities", "composition", "kind", "ensemble", "K", "frames", "g/cm3\nmean", "\nleast", "\nmost")
    for (name, *key), found in by_temperature(dataset).items():
        numbers = (f"{value:.3f}" for value in (found.mean(), found.min(), found.max()))
        table.add_row(name, *key, str(len(found)), *numbers)
    if table.row_count:
        show(table)


def _span(ends: tuple[float, float] | None, spec: str) -> str:
    if ends is None:
        return "-"
    low, high = (format(end, spec) for end in ends)
    return low if low == high else f"{low} to {high}"


def _force_table(series: "dict[str, np.ndarray]", title: str) -> "Table":
    import numpy as np

    quantiles = (0.5, 0.9, 0.99, 0.999)
    table = new_table(f"{title}, eV/Å", "", "count", "rms", *(f"{100 * q:g} %" for q in quantiles), "largest")
    for name, values in series.items():
        good = values[np.isfinite(values)]
        numbers = (np.sqrt(np.square(good).mean()), *np.quantile(good, quantiles), good.max()) if len(good) else ()
        table.add_row(name, str(len(values)), *(f"{number:.3f}" for number in numbers))
    return table


def _print_list(console: "Console", title: str, items: Sequence[object]) -> None:
    console.print(f"{title}: {len(items) or 'none'}")
    for item in items[:SHOWN]:
        console.print(f"  {item}", soft_wrap=True)
    if len(items) > SHOWN:
        console.print(f"  and {len(items) - SHOWN} more")


def _twin_text(twin: "Duplicate") -> str:
    places = ", ".join(f"set {s} frame {f} ({t})" for (s, f), t in zip(twin.frames, twin.trajectories))
    return places + (": IN SEVERAL SPLITS" if twin.leaks else "")
