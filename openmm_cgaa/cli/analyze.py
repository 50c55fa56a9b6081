"""``openmm-cgaa analyze RUN``: radial distributions, drift, temperatures, bonds and errors of a run.

Of a propagation: sizes and shapes of its chains.
"""

import argparse

from ..errors import CGAAError
from ..inputs.ranges import Range
from .options import add_number, add_teacher, given_charges, teacher_settings
from .terminal import tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="output folder of openmm-cgaa simulate or openmm-cgaa propagate")
    parser.add_argument("--out", help="folder for figures and summary (default: RUN/analysis)")
    parser.add_argument(
        "--reference",
        help="trajectory or a data set (.h5) of the same atoms, for comparison; of a propagation, a file of sequences",
    )
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
    help = "diffusion of each type of grain, from mean square displacements between these lags"
    parser.add_argument("--diffusion", nargs=2, type=lag, metavar=("PS", "PS"), help=help)
    help = "conductivity of a salt, from displacements between these lags"
    parser.add_argument("--conductivity", nargs=2, type=lag, metavar=("PS", "PS"), help=help)
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
    add_number(parser, "--begin", Range(float, 0.0, 1e9, "ps"), 0.0, "leave out what comes before")


def run(args: argparse.Namespace) -> None:
    from ..analysis.chainreport import analyze_propagation, is_propagation_folder
    from ..analysis.observables import Observables, Shell
    from ..analysis.report import analyze

    if is_propagation_folder(args.run):
        of_atoms = "model teacher setting pairs angles diffusion conductivity charges viscosity speciation shell away"
        of_atoms += " histograms axis profile profile_of"
        given = {f"--{name.replace('_', '-')}": getattr(args, name) or None for name in of_atoms.split()}
        if other := [option for option, value in given.items() if value is not None]:
            raise CGAAError(
                f"{', '.join(other)}: not for a propagation, which has no atoms and no forces; leave it out"
            )
        told = analyze_propagation(args.run, args.out, args.reference, args.begin, tell)
        print((told.out / "summary.txt").read_text(), end="")
        return
    report = analyze(
        args.run,
        out=args.out,
        reference=args.reference,
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
            charges=given_charges(args.charges),
            speciation=args.speciation,
            shells=[Shell(first, second, _distance(word)) for first, second, word in args.shell],
            away=args.away,
            histograms=args.histograms,
            axes=args.axis,
            profile=args.profile,
            layers_of=args.profile_of,
            viscosity=args.viscosity,
        ),
        tell=tell,
    )
    print((report.out / "summary.txt").read_text(), end="")


def _distance(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise CGAAError(f"--shell: {word!r} is no distance; give two selections, then a number of Å") from None
