"""``openmm-cgaa analyze RUN``: radial distributions, drift, temperatures, bonds and errors of a run."""


def add_arguments(parser):
    parser.add_argument("run", help="output folder of openmm-cgaa simulate")
    parser.add_argument("--out", help="folder for figures and summary (default: RUN/analysis)")
    parser.add_argument("--reference", help="trajectory or a data set (.h5) of the same atoms, for comparison")
    parser.add_argument("--model", help="model to hold against the teacher (default: the one that made the run)")
    parser.add_argument(
        "--teacher-frames", type=int, default=20, help="frames to label (default: %(default)s; 0: none)"
    )
    parser.add_argument(
        "--pairs",
        nargs=2,
        action="append",
        default=[],
        metavar=("FIRST", "SECOND"),
        help="radial distribution between two MDTraj selections of different grains, may be given several times "
        "(default: carbonyl O and H)",
    )
    parser.add_argument("--begin", type=float, default=0.0, metavar="PS", help="leave out what comes before")


def run(args):
    from ..analysis.report import analyze

    report = analyze(
        args.run,
        out=args.out,
        reference=args.reference,
        model=args.model,
        teacher_frames=args.teacher_frames,
        pairs=args.pairs,
        begin=args.begin,
        tell=lambda line: print(line, flush=True),
    )
    print()
    print((report.out / "summary.txt").read_text(), end="")
