"""``openmm-cgaa lammps MODEL BOX --out FOLDER``: files that run a model in LAMMPS on many processes."""

import argparse

from .options import add_number, add_structure, given_smiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..inputs.settings import range_of
    from ..simulation.run import SimulationSettings

    parser.add_argument("model", help="name of a bundled model, or a model file")
    add_structure(parser, "topology")
    parser.add_argument("--out", required=True, help="folder of the files; none of them may be there")
    for name, default, help in (
        ("temperature", 300.0, "of the velocities and the thermostat"),
        ("timestep", 0.5, "time step"),
        ("picoseconds", 1.0, "length of the run"),
        ("seed", 1, "of the velocities and the thermostat"),
    ):
        add_number(parser, f"--{name}", range_of(SimulationSettings, name), default, help)
    parser.add_argument("--precision", choices=["single", "double"], default="single")


def run(args: argparse.Namespace) -> None:
    import shlex

    from ..engines.lammpsfiles import DRIVER, RUN, write_lammps
    from ..model.loaded import LoadedModel
    from ..structures.structure import read_structure

    topology, positions = read_structure(args.topology, args.templates, given_smiles(args))
    model = LoadedModel(args.model, args.precision, "cpu")
    settings = {name: getattr(args, name) for name in ("temperature", "timestep", "picoseconds", "seed")}
    write_lammps(args.out, model, topology, positions, **settings)
    script = shlex.quote(f"{args.out}/{DRIVER}")
    print(f"written: {args.out}; ensemble and length are in {RUN}. Run it with: mpiexec -n 2 python {script}")
