"""``openmm-cgaa analyze RUN``: radial distributions, drift, temperatures, bonds and errors of a run.

Of several runs, and of a reference: how far their numbers are from each other. Of a propagation: its chains.
"""

import argparse

from ..errors import CGAAError
from ..inputs.ranges import Range
from .options import add_number, add_teacher, given_charges, teacher_settings
from .terminal import tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    help = "output folders of openmm-cgaa simulate, or one of openmm-cgaa propagate; several are held side by side"
    parser.add_argument("run", nargs="+", help=help)
    help = "folder for figures and summary (default: RUN/analysis; of several runs each has a folder in it)"
    parser.add_argument("--out", help=help)
    help = "folder of another run, or a trajectory or a data set (.h5) of the same atoms, for comparison (default: of "
    help += "several runs the first one); of a propagation, a file of sequences"
    parser.add_argument("--reference", help=help)
    help = "one page with all numbers and figures (without FILE: report.html beside the summary)"
    parser.add_argument("--html", nargs="?", const=True, metavar="FILE", help=help)
    help = "analyse a run again and again while it is written, and end with it; the page of --html loads itself anew"
    parser.add_argument("--watch", action="store_true", help=help)
    add_number(parser, "--every", Range(float, 0.1, 86400.0, "s"), None, "between two looks of --watch (default: 10)")
    parser.add_argument("--model", help="model to hold against the teacher (default: the one that made the run)")
    add_teacher(parser, None, "the one that the model learned from")
    add_number(parser, "--teacher-frames", Range(int, 0, 10**6), 20, "frames to label, with 0 none")
    parser.add_argument(
        "--pairs",
        nargs=2,
        action="append",
        default=[],
        metavar=("FIRST", "SECOND"),
        help="radial distribution between two MDTraj selections of different grains, may be given several times "
        "(default: hydrogens and ions with the atoms that accept them)",
    )
    near = "angles between neighbours, of grains whose centers are nearer than this"
    add_number(parser, "--angles", Range(float, 0.1, 1000.0, "Å"), None, near)
    lag = Range(float, 0.0, 1e9, "ps")
    help = "diffusion of each type of grain (of a propagation, of molecules), from mean square displacements between "
    help += "these lags"
    parser.add_argument("--diffusion", nargs=2, type=lag, metavar=("PS", "PS"), help=help)
    help = "where the errors of diffusion come from: blocks in time, or the package kinisi, for molecules that move "
    help += "independently"
    parser.add_argument("--diffusion-by", choices=("blocks", "kinisi"), help=f"{help} (default: blocks)")
    help = "conductivity of a salt, from displacements between these lags"
    parser.add_argument("--conductivity", nargs=2, type=lag, metavar=("PS", "PS"), help=help)
    help = "shear viscosity, from the running integral between these lags, of a run with --stress-interval"
    parser.add_argument("--green-kubo", nargs=2, type=lag, metavar=("PS", "PS"), help=help)
    distance = Range(float, 0.1, 1000.0, "Å")
    help = (
        "which ions are free, share solvent, are in pairs, in aggregates; ions nearer than the first distance are in "
    )
    help += "contact, and nearer than the second share solvent"
    parser.add_argument("--speciation", nargs=2, type=distance, metavar=("Å", "Å"), help=help)
    help = "how long grains with atoms of the second selection stay within a distance of atoms of the first; may be "
    help += "given several times"
    names = ("FIRST", "SECOND", "Å")
    parser.add_argument("--shell", nargs=3, action="append", default=[], metavar=names, help=help)
    away = "who leaves a shell for as long, or less, has stayed"
    add_number(parser, "--away", Range(float, 0.0, 1e9, "ps"), 0.0, away)
    help = "histograms of bonds, angles and torsions between the atoms of a selection (default: all)"
    parser.add_argument("--histograms", nargs="?", const="all", metavar="SELECTION", help=help)
    help = "how fast molecules turn: an axis from the atoms of a selection to those of another, in each grain that has "
    help += "both; may be given several times"
    parser.add_argument("--axis", nargs=2, action="append", default=[], metavar=("FROM", "TO"), help=help)
    help = "density along an axis of the box"
    parser.add_argument("--profile", choices=("x", "y", "z"), help=help)
    help = "of the atoms of these selections (default: of each type of grain)"
    parser.add_argument("--profile-of", nargs="+", default=[], metavar="SELECTION", help=help)
    help = "charges of ions by residue name (default: formal charges, as far as elements and bonds tell them)"
    parser.add_argument("--charges", nargs="+", default=(), metavar="NAME=CHARGE", help=help)
    more = "viscosity of the liquid, by which diffusion is corrected for the size of a cubic box"
    add_number(parser, "--viscosity", Range(float, 1e-6, 1e12, "mPa s"), None, more)
    help = "leave out what comes before; auto: what comes before equilibrium, as far as energy and density tell it"
    add_number(parser, "--begin", Range(float, 0.0, 1e9, "ps", word="auto"), 0.0, help)


def run(args: argparse.Namespace) -> None:
    from ..analysis.chainreport import analyze_propagation, is_propagation_folder
    from ..analysis.observables import Observables, Shell
    from ..analysis.sidebyside import compare_runs, watch_run

    if len(args.run) > 1 and args.watch:
        raise CGAAError(f"--watch: is for one run, but {len(args.run)} are given; give one of them")
    if args.every and not args.watch:
        raise CGAAError("--every: is between two looks of --watch, which is not given; give that, too")
    for folder in filter(is_propagation_folder, args.run):
        if len(args.run) > 1:
            raise CGAAError(f"{folder}: holds a propagation, which is analysed by itself; give it alone")
        of_atoms = "model teacher setting pairs angles diffusion_by conductivity charges viscosity"
        of_atoms += " speciation shell away green_kubo histograms axis profile profile_of"
        given = {f"--{name.replace('_', '-')}": getattr(args, name) or None for name in of_atoms.split()}
        if other := [option for option, value in given.items() if value is not None]:
            raise CGAAError(
                f"{', '.join(other)}: not for a propagation, which has no atoms and no forces; leave it out"
            )
        if other := [f"--{name}" for name in ("html", "watch") if getattr(args, name)]:
            raise CGAAError(
                f"{', '.join(other)}: not for a propagation so far; leave it out, and look into summary.txt"
            )
        if args.begin == "auto":
            raise CGAAError("--begin auto: not for a propagation, which has no energy; give a number of ps")
        told = analyze_propagation(folder, args.out, args.reference, args.begin, tell, args.diffusion)
        print((told.out / "summary.txt").read_text(), end="")
        return
    if args.diffusion_by and not args.diffusion:
        raise CGAAError("--diffusion-by: diffusion is not asked for; give --diffusion with two lags, too")
    options = dict(
        out=args.out,
        reference=args.reference,
        page=args.html,
        tell=tell,
        model=args.model,
        teacher=args.teacher,
        settings=teacher_settings(args),
        teacher_frames=args.teacher_frames,
        pairs=args.pairs,
        begin=args.begin,
        angles=args.angles,
        lags=args.diffusion,
        observables=Observables(
            conductivity=args.conductivity,
            green_kubo=args.green_kubo,
            charges=given_charges(args.charges),
            speciation=args.speciation,
            shells=[Shell(first, second, _distance(word)) for first, second, word in args.shell],
            away=args.away,
            histograms=args.histograms,
            axes=args.axis,
            profile=args.profile,
            layers_of=args.profile_of,
            diffusion_by=args.diffusion_by or "blocks",
            viscosity=args.viscosity,
        ),
    )
    made = watch_run(args.run[0], args.every or 10.0, **options) if args.watch else compare_runs(args.run, **options)
    for report in made.reports.values():
        print((report.out / "summary.txt").read_text(), end="")
    for line in made.compared.lines():
        print(line)
    if made.page is not None:
        print(f"{'page':<13}{made.page}")


def _distance(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise CGAAError(f"--shell: {word!r} is no distance; give two selections, then a number of Å") from None
