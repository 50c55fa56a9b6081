"""``openmm-cgaa sample SAMPLE.yaml``: configurations for a teacher to label."""

import argparse
import sys
from typing import TYPE_CHECKING

from ..host import signals
from ..inputs.ranges import PROCESSES, Range
from ..wording import counted
from .options import add_description, add_number

if TYPE_CHECKING:
    from ..data.dataset import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, "config", "plan of the trajectories")
    parser.add_argument("--output", help="data set (.h5), instead of the plan's (relative to where you are)")
    add_number(parser, "--workers", Range(int, *PROCESSES), help="processes, instead of the plan's")
    parser.add_argument("--model", help="CGAA model that samples, instead of the plan's (relative to where you are)")


def run(args: argparse.Namespace) -> None:
    import shlex
    from collections import Counter

    from tqdm import tqdm

    from ..data.dataset import Dataset
    from ..sampling.sample import sample

    bar = None  # what is wrong with the plan is said before there is one

    def progress(done: int, total: int, name: str) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(desc="sample", unit="trajectory", mininterval=0.2 if sys.stderr.isatty() else 10.0)
        bar.total, bar.n = total, done
        bar.set_postfix_str(name, refresh=False)
        bar.refresh()

    try:
        output = sample(args.config, args.output, args.workers, progress, args.model)
    except signals.Interrupted as error:
        text = "finished trajectories are kept, the same command goes on"
        raise signals.Interrupted(error.number, text) from None
    finally:
        if bar is not None:
            bar.close()
    dataset = Dataset.load(output)
    counts: Counter[str] = Counter()
    grains: Counter[str] = Counter()
    for frames in dataset.sets:
        for index in frames.trajectory:
            kind = dataset.trajectories[index].kind
            counts[kind] += 1
            grains[kind] += frames.num_grains
    for kind, count in counts.items():
        trajectories = sum(t.kind == kind for t in dataset.trajectories)
        held = f"{counted(count, 'frame')}, {counted(grains[kind], 'grain')}"
        print(f"{kind}: {counted(trajectories, 'trajectory')}, {held}")
    _print_densities(dataset)
    print(f"{output}: {counted(len(dataset), 'frame')}; next: openmm-cgaa label {shlex.quote(str(output))} LABELLED.h5")


def _print_densities(dataset: "Dataset") -> None:
    """Of each liquid: what was asked for, and what its frames have."""
    from ..data.densities import sampled
    from .tables import new_table, show

    table = new_table(None, "liquid", "ensemble", "K", "asked\ng/cm3", "mean\ng/cm3", "")
    for one in sampled(dataset):
        known = one.trajectory.details
        asked = "-" if one.asked is None else f"{one.asked:.3f}"
        kelvin = f"{known['temperature']:g}" if "temperature" in known else "-"
        strayed = "strayed" if one.strayed else ""
        table.add_row(one.trajectory.name, known.get("ensemble", "-"), kelvin, asked, f"{one.mean:.3f}", strayed)
    if table.row_count:
        show(table)
