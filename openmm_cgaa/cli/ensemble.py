"""``openmm-cgaa ensemble PLAN.yaml``: replicas and sweeps of a run, and one report on all."""

import argparse
import sys
from typing import TYPE_CHECKING, Self

from ..host import signals
from ..inputs.ranges import PROCESSES, Range
from .options import add_description, add_number
from .terminal import tell

if TYPE_CHECKING:
    from tqdm import tqdm

    from ..ensemble.watched import Watched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, "config", "plan of the runs", ". Run again to go on")
    parser.add_argument("--output", help="folder, instead of the plan's (relative to where you are)")
    add_number(parser, "--workers", Range(int, *PROCESSES), help="members at the same time, instead of the plan's")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="running Dask scheduler, tcp://HOST:PORT")


def run(args: argparse.Namespace) -> None:
    from ..ensemble.ensembles import run_ensemble

    try:
        with _Bar() as bar:
            report = run_ensemble(args.config, args.output, args.workers, args.scheduler, tell=bar.tell, watch=bar)
    except signals.Interrupted as error:
        text = "runs are kept as far as they came, the same command goes on"
        raise signals.Interrupted(error.number, text) from None
    print((report.out / "summary.txt").read_text(), end="")


class _Bar:
    """A tqdm bar over the picoseconds of all members; lines go above it."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def tell(self, line: str) -> None:
        if self.bar is None:
            tell(line)
        else:
            self.bar.write(line, file=sys.stderr)

    def __call__(self, seen: "Watched") -> None:
        from tqdm import tqdm

        if self.bar is None:
            form = "{desc} {percentage:3.0f} %|{bar}| {elapsed} so far, {remaining} left{postfix}"
            every = 0.5 if sys.stderr.isatty() else 60
            begun = {"total": seen.all_picoseconds, "initial": seen.picoseconds}
            self.bar = tqdm(bar_format=form, mininterval=every, smoothing=0, **begun)
        self.bar.set_description_str(f"{seen.finished}/{seen.members} finished", refresh=False)
        self.bar.set_postfix_str(f"{seen.ns_per_day:.3g} ns/day in all", refresh=False)
        self.bar.update(seen.picoseconds - self.bar.n)
        self.bar.refresh()
