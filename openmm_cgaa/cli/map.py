"""``openmm-cgaa map TRAJECTORY TOPOLOGY --mapping MAP -o BEADS.h5``: frames of beads with mapped forces."""

import argparse

from ..errors import CGAAError
from ..inputs.ranges import Range
from ..wording import counted
from .options import add_number, add_structure, add_writes, given_smiles
from .terminal import tell

FORCES = "sum", "uniform", "optimised"  # the names of mapping.forcemaps.FORCE_MAPS, which takes long to import
SPLITS = "train", "validation", "test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "trajectory", help="atomistic frames: DCD, XTC and whatever MDTraj reads, or a folder of OpenMM States"
    )
    add_structure(parser, "topology", "; and the run's System (.xml, by openmm.XmlSerializer)")
    parser.add_argument(
        "--mapping", required=True, help="which atoms make which bead: a YAML file, or the name of a mapping"
    )
    add_writes(parser)
    parser.add_argument("-o", "--output", required=True, help="data set of beads (.h5)")
    parser.add_argument("--structure", metavar="OUT.cif", help="write the last frame's beads to this file, too")
    parser.add_argument(
        "--forces", default="sum", choices=FORCES, help="how forces on atoms make those on beads (default: %(default)s)"
    )
    add_number(parser, "--temperature", Range(float, 1.0, 1e5, "K"), None, "of the run")
    parser.add_argument("--split", default="", choices=SPLITS, help="of all frames")
    parser.add_argument("--name", help="of the frames in the data set (default: the trajectory's)")
    add_number(parser, "--first", Range(int, 0, 10**9), 0, "frames that are skipped")
    add_number(parser, "--stride", Range(int, 1, 10**9), 1, "from one frame to the next")
    help = "hold the beads of each frame, and average forces over so long a sampling of their atoms"
    add_number(parser, "--hold", Range(float, 1.0, 1e6, "ps"), None, help)
    add_number(parser, "--frames", Range(int, 1, 10**9), None, "at most; all without it")


def run(args: argparse.Namespace) -> None:
    from ..engines.saved import load_system
    from ..host.files import DATA_SET, STRUCTURE, check_outputs
    from ..labelling.mapped import map_trajectories
    from ..mapping.beadmapping import Mapping
    from ..structures.given import read_given
    from ..structures.structure import write_structure
    from ..units import ANGSTROM_PER_NM

    read = [args.trajectory, *args.topology]
    check_outputs([(args.output, DATA_SET), (args.structure, STRUCTURE)], read)
    mapping, given = Mapping.load(args.mapping), read_given(args.topology, args.templates, given_smiles(args))
    if given.system is None:
        raise CGAAError(
            f"{', '.join(args.topology)}: no System, whose forces are mapped; give that of the run as an .xml file, "
            "which openmm.XmlSerializer.serialize(system) makes"
        )
    dataset = map_trajectories(
        [args.trajectory],
        given.topology,
        load_system(given.system),
        mapping,
        forces=args.forces,
        temperature=args.temperature,
        split=args.split,
        name=args.name,
        first=args.first,
        stride=args.stride,
        frames=args.frames,
        hold=args.hold,
        parts=f"{args.output}.parts",
        tell=tell,
    )
    dataset.save(args.output)
    beads, error = dataset.sets[0], dataset.provenance.get("force_error_eV_per_A")
    if args.structure:
        last = len(beads) - 1
        write_structure(args.structure, beads.topology(last), beads.positions[last] / ANGSTROM_PER_NM)
    within = "" if error is None else f", mean forces within {error:.3f} eV/Å"
    print(f"{args.output}: {counted(len(beads), 'frame')} of {counted(beads.num_atoms, 'bead')}{within}")
