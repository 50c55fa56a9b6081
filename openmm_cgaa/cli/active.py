"""``openmm-cgaa active ROUND.yaml``: one round of active learning."""


def add_arguments(parser):
    parser.add_argument("config", help="the round (YAML); paths in it are relative to it. Run again to go on")


def run(args):
    from ..pipeline.active import improve

    report = improve(args.config)
    table(report)
    print(f"chosen: {report['chosen']['frames']} frames, {report['chosen']['grains']} grains of {report['budget']}")
    print(
        f"largest disagreement about a net force, mean over frames: {report['deviation']['candidates']:.3f} eV/Å, "
        f"{report['deviation']['chosen']:.3f} of those chosen; over grains it goes with the error of the student by a "
        f"correlation of {report['correlation']:.2f}"
    )


def table(report):
    from rich.console import Console
    from rich.table import Table

    rows = {
        "before: student on its own trajectory": report["before"],
        "after: new student on its own trajectory": report["after"],
        "new student on the old trajectory": report["same"],
        **{f"student {n} of the committee on it": errors for n, errors in enumerate(report["others"], 2)},
    }
    out = Table(title="Error against the teacher, on trajectories that nothing was learned from")
    for heading in ("", "frames", "force\neV/Å", "net force", "torque", "energy\nmeV/atom"):
        out.add_column(heading)
    for name, errors in rows.items():
        force, energy = errors["force"], errors["energy"]["rmse"]
        out.add_row(
            name,
            str(errors["frames"]),
            *(f"{force[key]:.3f}" for key in ("component", "net_force", "torque")),
            f"{energy:.3f}",
        )
    Console().print(out)
