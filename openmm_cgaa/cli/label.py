"""``openmm-cgaa label FRAMES.h5 OUTPUT.h5``: energies, forces and stresses of a teacher."""

import argparse
from typing import TYPE_CHECKING

from ..host import signals
from ..inputs.ranges import PROCESSES, THREADS, Range
from ..labelling import SEVENNET
from ..wording import counted
from .bars import Bar
from .options import add_number, add_teacher, teacher_settings

if TYPE_CHECKING:
    from ..labelling.label import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("frames", help="configurations (.h5), as openmm-cgaa sample writes them")
    parser.add_argument("output", help="labelled data set (.h5); run again after an interruption to go on")
    add_teacher(parser, SEVENNET)
    add_number(parser, "--workers", Range(int, *PROCESSES), 1, "processes on this machine")
    add_number(parser, "--threads", Range(int, *THREADS), 1, "of each worker")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="running Dask scheduler, tcp://HOST:PORT")
    parser.add_argument(
        "--partial", action="store_true", help="compute nothing, write what is labelled by now; --teacher is not used"
    )


def run(args: argparse.Namespace) -> None:
    from pathlib import Path

    from ..labelling.label import assemble, label

    if args.partial:
        dataset = assemble(args.frames, args.output)
    else:
        settings = teacher_settings(args)
        try:
            with _Atoms() as bar:
                dataset = label(
                    args.frames,
                    args.output,
                    args.teacher,
                    workers=args.workers,
                    threads=args.threads,
                    scheduler=args.scheduler,
                    settings=settings,
                    progress=bar,
                )
        except signals.Interrupted as error:
            kept = (
                f"{args.output} holds what is labelled by now" if Path(args.output).is_file() else "nothing is labelled"
            )
            text = f"{kept}, the same command goes on"
            raise signals.Interrupted(error.number, text) from None
    facts = dataset.provenance["labelling"]
    print(f"{args.output}: {counted(len(dataset), 'labelled frame')}, {counted(dataset.num_grains, 'grain')}")
    if facts["refused"]:
        print(f"refused, with the reasons: {counted(facts['refused'], 'frame')} in {Path(args.output).stem}.refused.h5")
    if facts["without_stress"]:
        print(f"without stress, which the teacher does not give: {counted(facts['without_stress'], 'periodic frame')}")
    if facts["with_grain_energies"]:
        print(f"with energies of grains: {counted(facts['with_grain_energies'], 'frame')}")
    if facts["unfinished"]:
        print(f"not labelled yet: {counted(facts['unfinished'], 'frame')}")
    else:
        print(f"the labels of single frames stay in {Path(args.output).name}.parts until you remove it")


class _Atoms(Bar):
    """Over atoms, for time goes by atoms: the time left is that of all atoms left at the mean speed."""

    def __call__(self, status: "Progress") -> None:
        failed = f", {status.failed} failed" if status.failed else ""
        text = f"{status.frames}/{counted(status.all_frames, 'frame')}{failed}"
        form = "{desc} {percentage:3.0f} %|{bar}| {elapsed} so far, {remaining} left"
        bar = self.shown(form, status.all_atoms, status.atoms, desc=text)
        bar.set_description_str(text, refresh=False)
        bar.update(status.atoms - bar.n)
