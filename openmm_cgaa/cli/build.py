"""``openmm-cgaa build SYSTEM.yaml``: a box of molecules."""


def add_arguments(parser):
    parser.add_argument("config", help="description of the box (YAML); paths in it are relative to it")
    parser.add_argument("--output", help="PDBx/mmCIF file, instead of the description's (relative to where you are)")


def run(args):
    from ..building.boxes import build

    build(args.config, args.output, progress=print)
