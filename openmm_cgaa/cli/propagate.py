"""``openmm-cgaa propagate MODEL START --steps N --out FOLDER``: steps of a propagator, from the end of sequences."""

import argparse

from ..inputs.ranges import SEEDS, Range
from ..wording import counted
from .options import add_number

SPLITS = "train", "validation", "test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a propagator, which openmm-cgaa train makes")
    parser.add_argument("start", help="file of sequences (.h5), whose frames are the history; all go side by side")
    steps = Range(int, 1, 10**12, "steps")
    parser.add_argument("--steps", type=steps, required=True, metavar="N", help=f"of the propagator: {steps}")
    parser.add_argument("--out", required=True, help="folder of the propagation; run.h5 in it are its sequences")
    parser.add_argument("--split", choices=SPLITS, help="only sequences of this split")
    add_number(parser, "--frame", Range(int, 0, 10**12), None, "of the sequences to begin with; the last without it")
    add_number(parser, "--every", Range(int, 1, 10**12, "steps"), 1, "from one frame that is kept to the next")
    add_number(parser, "--seed", Range(int, *SEEDS), 1, "of what is sampled")
    parser.add_argument("--no-refine", action="store_true", help="leave steps as they are predicted, without the score")
    parser.add_argument("--resume", action="store_true", help="go on with the propagation in the folder")


def run(args: argparse.Namespace) -> None:
    import shlex
    from pathlib import Path

    from ..analysis.chainreport import LEAST
    from ..host import signals
    from ..propagate.propagation import RUN, propagate

    with signals.deferred() as stop:
        made = propagate(
            args.model,
            args.start,
            args.steps,
            args.out,
            split=args.split,
            frame=args.frame,
            every=args.every,
            seed=args.seed,
            refine=not args.no_refine,
            resume=args.resume,
        )
    if not made.ended and stop.number is not None:
        text = f"{args.out} holds step {made.step} of {args.steps}; go on with the same command and --resume"
        raise signals.Interrupted(stop.number, text)
    print(f"{Path(args.out, RUN)}: {counted(made.step, 'step')}, {made.ns_per_day:.3g} ns/day for each system")
    if made.step // args.every >= LEAST:
        print(f"look at it with: openmm-cgaa analyze {shlex.quote(args.out)}")
