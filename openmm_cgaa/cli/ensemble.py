"""``openmm-cgaa ensemble PLAN.yaml``: replicas and sweeps of a run, and one report on all."""

import argparse
from typing import TYPE_CHECKING

from ..host import signals
from ..inputs.ranges import PROCESSES, Range
from .bars import Bar
from .options import add_description, add_number

if TYPE_CHECKING:
    from ..ensemble.watched import Watched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, "config", "plan of the runs", ". Run again to go on")
    parser.add_argument("--output", help="folder, instead of the plan's (relative to where you are)")
    add_number(parser, "--workers", Range(int, *PROCESSES), help="members at the same time, instead of the plan's")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="running Dask scheduler, tcp://HOST:PORT")


def run(args: argparse.Namespace) -> None:
    from ..ensemble.ensembles import run_ensemble

    try:
        with _Members() as bar:
            report = run_ensemble(args.config, args.output, args.workers, args.scheduler, tell=bar.tell, watch=bar)
    except signals.Interrupted as error:
        text = "runs are kept as far as they came, the same command goes on"
        raise signals.Interrupted(error.number, text) from None
    print((report.out / "summary.txt").read_text(), end="")


class _Members(Bar):
    """Over the picoseconds of all members; lines go above it."""

    def __call__(self, seen: "Watched") -> None:
        form = "{desc} {percentage:3.0f} %|{bar}| {elapsed} so far, {remaining} left{postfix}"
        text = f"{seen.finished}/{seen.members} finished"
        bar = self.shown(form, seen.all_picoseconds, seen.picoseconds, desc=text)
        bar.set_description_str(text, refresh=False)
        bar.set_postfix_str(f"{seen.ns_per_day:.3g} ns/day in all", refresh=False)
        bar.update(seen.picoseconds - bar.n)
        bar.refresh()
