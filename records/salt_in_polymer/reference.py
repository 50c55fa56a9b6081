"""Runs of a salt in a polymer by OpenMM: systems/salt_in_polymer/salt.yaml, after paper 002 (docs/papers.md).

    python records/salt_in_polymer/reference.py train-40 train-20 train-10 validation-20
    python records/salt_in_polymer/reference.py test-20 test-14 test-8

Each writes topology.cif, system.xml, run.dcd, run.csv and a checkpoint into systems/salt_in_polymer/runs/RUN, and goes
on where it was stopped. No position is wrapped into the box.
"""

import argparse
import sys
from pathlib import Path

import openmm
import saltbeads
from openmm import app

from openmm_cgaa.structures.structure import write_structure

sys.path.insert(0, str(Path(__file__).parents[1]))
import reference_run  # noqa: E402 - of the folder above


def relaxed(topology: app.Topology, system: openmm.System, positions: list) -> list:
    """Positions (nm) without overlaps: minimised, then moved in short steps at high friction."""
    gentle = openmm.LangevinMiddleIntegrator(saltbeads.plan()["temperature"], 20.0, 0.001)
    simulation = app.Simulation(topology, system, gentle, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy()
    simulation.step(2000)
    return simulation.context.getState(positions=True).getPositions(asNumpy=True)._value


def make(run: str, picoseconds: float | None) -> None:
    values = saltbeads.plan()
    folder = saltbeads.SYSTEM / f"runs/{run}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "system.xml").is_file():
        topology, positions = saltbeads.box_of(run)
        system = saltbeads.system_of(topology)
        write_structure(folder / "topology.cif", topology, relaxed(topology, system, positions))
        (folder / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    every, warm_up = (round(length / values["step"]) for length in (values["every"], values["warm_up"]))
    seed = values["seed"] + list(values["runs"]).index(run)
    length = picoseconds or values["runs"][run]["picoseconds"]
    made = saltbeads.integrator(values)
    reference_run.go_on(folder, "topology.cif", made, length, every, warm_up, seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", choices=saltbeads.plan()["runs"])
    parser.add_argument("--picoseconds", type=float, help="as in the plan without it")
    args = parser.parse_args()
    for run in args.runs:
        make(run, args.picoseconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
