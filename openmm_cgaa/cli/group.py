"""``openmm-cgaa group TRAJECTORY TOPOLOGY --size N -o SEQUENCES.h5``: groups of beads at equal times."""

import argparse

from ..inputs.ranges import Range
from ..wording import counted
from .options import add_number, add_structure, given_smiles

SPLITS = "train", "validation", "test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trajectory", help="frames of beads or atoms, not wrapped: DCD, XTC and whatever MDTraj reads")
    add_structure(parser, "topology", "; and the run's System (.xml), which has the masses of beads")
    size = Range(int, 1, 10**6, "beads")
    parser.add_argument(
        "--size", type=size, required=True, metavar="N", help=f"beads or atoms of a group, about: {size}"
    )
    parser.add_argument("-o", "--output", required=True, help="file of sequences (.h5)")
    parser.add_argument("--split", required=True, choices=SPLITS, help="what the sequences are for")
    parser.add_argument("--name", help="of the sequence (default: the trajectory's)")
    parser.add_argument("--separate", action="store_true", help="molecules do not see each other: a sequence of each")
    add_number(parser, "--first", Range(int, 0, 10**9), 0, "frames that are skipped")
    add_number(parser, "--stride", Range(int, 1, 10**9), 1, "from one frame to the next")
    times = "between two frames of the trajectory, where it does not tell"
    add_number(parser, "--spacing", Range(float, 1e-6, 1e9, "ps"), None, times)


def run(args: argparse.Namespace) -> None:
    from openmm import unit

    from ..engines.saved import load_system
    from ..host.files import DATA_SET, check_output
    from ..propagate.grouping import group_trajectory
    from ..structures.bondgraph import bond_graph
    from ..structures.given import read_given

    check_output(args.output, DATA_SET, [args.trajectory, *args.topology, *args.templates])
    given, masses = read_given(args.topology, args.templates, given_smiles(args)), None
    if given.system is not None:
        system = load_system(given.system)
        masses = [system.getParticleMass(index).value_in_unit(unit.dalton) for index in range(system.getNumParticles())]
    made = group_trajectory(
        args.trajectory,
        bond_graph(given.topology, masses),
        args.size,
        args.split,
        name=args.name,
        separate=args.separate,
        first=args.first,
        stride=args.stride,
        spacing=args.spacing,
    )
    made.save(args.output)
    first = made.members[0]
    frames, groups = counted(len(first), "frame"), counted(first.graph.num_groups, "group")
    apart = f"{frames}, {first.spacing:g} ps apart"
    print(f"{args.output}: {counted(len(made.members), 'sequence')}; {first.name}: {groups}, {apart}")
