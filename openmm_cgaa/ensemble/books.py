"""What is written down of a temperature whose replicas change: the files of an ordinary run, and who was there."""

import csv
import json
import os
from contextlib import ExitStack

import numpy as np
from openmm import app

from ..errors import SimulationError
from ..host.files import write_bytes
from ..mapping.grains import GrainMap
from ..simulation.modelled import ModelledRun
from ..simulation.reporters import GrainStateReporter, StabilityReporter
from .members import Member

VISITS = "visits.csv"  # in the folder of each member: which replica was there


class Book:
    """What one temperature writes down, as an ordinary run does, and which replica was there.

    Parameters
    ----------
    member : Member
    record : dict
        Content of its ``run.json``.
    start : ModelledRun
    positions : array [atoms, 3], nm
        Whole grains.
    grain_map : GrainMap
    simulation : openmm.app.Simulation
    stack : ExitStack
        Closes all files.
    """

    def __init__(
        self,
        member: Member,
        record: dict,
        start: ModelledRun,
        positions: np.ndarray,
        grain_map: GrainMap,
        simulation: app.Simulation,
        stack: ExitStack,
    ) -> None:
        self.member, self.run, settings = member, member.run, member.settings

        def note(what: str, text: str) -> None:
            if what not in record["outside"]:
                record["outside"][what] = text
                write_bytes(self.run / "run.json", json.dumps(record, indent=1).encode())

        contact, density = (start.provenance.get(f"trained_{key}") for key in ("contact", "density"))
        given = start.topology, positions, settings.report_interval, settings.max_stretch, contact, density
        self.guard = StabilityReporter(*given, settings.temperature, note)
        self.rows = GrainStateReporter(self.run / "state.csv", settings.report_interval, grain_map)
        stack.callback(self.rows.close)
        path = self.run / "trajectory.dcd"
        old = path.exists() and path.stat().st_size > 0
        self.frames = app.DCDReporter(str(path), settings.report_interval, append=old, enforcePeriodicBox=False)
        self.rows.describeNextReport(simulation)
        visits = member.home / VISITS
        new = not visits.exists() or not os.path.getsize(visits)
        self.visits = stack.enter_context(open(visits, "a", newline=""))
        if new:
            self.visits.write("step,replica\n")

    def visited(self, step: int, replica: int) -> None:
        self.visits.write(f"{step},{replica}\n")
        self.visits.flush()

    def report(self, simulation: app.Simulation) -> None:
        """Of the replica that the Context holds."""
        state = simulation.context.getState(positions=True, velocities=True, forces=True, energy=True)
        try:
            self.guard.report(simulation, state)  # first: what it refuses is not written
        except SimulationError as error:
            good = self.run / "last_good.cif"
            self.guard.save_last_good(good)
            raise SimulationError(
                f"the replica at {self.member.settings.temperature:g} K stopped near step {simulation.currentStep}: "
                f"{error}. The last good frame is {good}; take a shorter time step, or relax the start"
            ) from error
        self.rows.report(simulation, state)
        self.frames.report(simulation, state)


def changed_places(member: Member) -> float | None:
    """The part of all exchanges after which another replica was at a temperature; None where there were none."""
    path = member.home / VISITS
    if not path.is_file():
        return None
    with open(path, newline="") as file:
        there = [int(row["replica"]) for row in csv.DictReader(file)]
    return float(np.mean(np.diff(there) != 0)) if len(there) > 1 else None
