"""Temperatures that change places: OpenMM's `ReplicaExchangeSampler`, with the folder of an ordinary run for each.

The sampler moves all replicas one after the other and then lets them swap their temperatures. Here each temperature is
a member: what it writes down is whichever replica is there. At each checkpoint all is kept in one file, and a new
sampler goes on from what is kept, so that a run that was killed is the unbroken one.
"""

import base64
import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

from ..errors import SimulationError
from ..host import signals
from ..host.files import owned, seal, unseal, write_bytes, writing
from ..host.torchstate import threads
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frame
from ..neighbors.forgetting import forget_neighbors
from ..potential import CGAAPotential
from ..simulation.folder import FILES, LENGTHS, check_same, make_record, read_record, trim_csv, trim_dcd
from ..simulation.integrators import chosen_platform, integrators, on_platform
from ..simulation.modelled import ModelledRun
from ..simulation.run import SimulationSettings
from ..simulation.start import minimize_if_strained
from ..structures import geometry
from ..structures.structure import write_structure
from .books import VISITS, Book
from .ensembleplan import EnsemblePlan
from .memberboxes import pack_box, start_of
from .members import Member

KEPT = "exchange.chk"  # in the folder of the first temperature: the state of all of them


@dataclass
class Kept:
    """All replicas after an exchange.

    Attributes
    ----------
    iteration : int
        Exchanges that were made.
    names : list of int
        Of the replica at each temperature.
    states : list of openmm.State
        Of it: positions, velocities, box.
    noise : bytes
        Checkpoint of the Context, which holds the state of its random numbers.
    """

    iteration: int
    names: list[int]
    states: list[openmm.State]
    noise: bytes

    def save(self, path: Path) -> None:
        values = {
            "iteration": self.iteration,
            "names": self.names,
            "states": [openmm.XmlSerializer.serialize(state) for state in self.states],
            "noise": base64.b64encode(self.noise).decode(),
        }
        write_bytes(path, seal(json.dumps(values).encode()))

    @classmethod
    def load(cls, path: Path) -> "Kept":
        data = unseal(path.read_bytes())
        if data is None:
            raise SimulationError(f"{path}: is damaged; bring the file back from a copy, or name another output")
        values = json.loads(data)
        states = [openmm.XmlSerializer.deserialize(text) for text in values["states"]]
        return cls(values["iteration"], values["names"], states, base64.b64decode(values["noise"]))


def exchange_temperatures(plan: EnsemblePlan, members: Sequence[Member]) -> None:
    """Run a ladder of temperatures to its end, from wherever it is.

    Parameters
    ----------
    plan : EnsemblePlan
    members : list of Member
        One for each temperature.

    Raises
    ------
    SimulationError
        As of `simulation.run.simulate`.
    signals.Interrupted
        A signal came; the state of all is saved.
    """
    with ExitStack() as stack:
        for member in members:
            stack.enter_context(owned(member.home, wait=True))
        if all(member.mark.is_file() for member in members):
            return
        if plan.described:
            pack_box(plan, members[0])
        for member in members:
            stack.enter_context(owned(member.run))
        stack.enter_context(threads(plan.threads))
        stack.enter_context(writing(members[0].home, "run it again"))
        stop = stack.enter_context(signals.deferred())
        ladder = Ladder(plan, members, start_of(plan, members[0]))
        kept = ladder.begin()
        while kept.iteration < ladder.last and not stop:
            kept = ladder.go_on(kept, stop)
        if kept.iteration < ladder.last:
            raise signals.Interrupted(stop.number or 2)
        for member in members:
            write_bytes(member.mark, b"")


def check_exchanged(plan: EnsemblePlan, member: Member, start: ModelledRun | None, potential: CGAAPotential) -> None:
    """Raises `SimulationError` where a member has a run of other settings, or that is no part of this exchange."""
    if start is None and not member.start.is_file():
        return  # packed for the first temperature alone
    own = start or start_of(plan, member, potential)
    check_same(member.run, read_record(member.run), _record(plan, member, own), LENGTHS, SimulationSettings)


class Ladder:
    """A Simulation that serves all temperatures, and what each of them writes down."""

    def __init__(self, plan: EnsemblePlan, members: Sequence[Member], start: ModelledRun) -> None:
        self.plan, self.members, self.start = plan, list(members), start
        settings = members[0].settings
        assert plan.exchange is not None
        self.every = plan.exchange
        self.last = settings.steps(settings.picoseconds) // self.every
        self.kelvin = [member.settings.temperature for member in members]
        self.grain_map = GrainMap.from_topology(start.topology)
        positions = geometry.check_positions(start.positions, self.grain_map.num_atoms)
        self.positions = whole_frame(
            self.grain_map, positions, geometry.check_box(start.topology.getPeriodicBoxVectors())
        )
        self.records = [_record(plan, member, start) for member in members]
        platform = chosen_platform(settings)
        self.simulation = on_platform(start.topology, start.system, integrators(start.system, settings)[0], platform)

    def begin(self) -> Kept:
        """What is kept, with all files cut back to it; or the start, in folders that hold nothing else."""
        path = self.members[0].home / KEPT
        kept = Kept.load(path) if path.is_file() else self._start()
        step, interval = kept.iteration * self.every, self.plan.report_interval
        for member, record in zip(self.members, self.records):
            run = member.run
            if path.is_file():
                old = read_record(run)
                check_same(run, old, record, LENGTHS, SimulationSettings)
                record["outside"] |= old.get("outside", {})
                record |= {key: old[key] for key in ("minimised",) if key in old}
                trim_csv(run / "state.csv", range(interval, step + 1, interval))
                trim_dcd(run / "trajectory.dcd", step // interval, self.grain_map.num_atoms)
                trim_csv(member.home / VISITS, range(self.every, step + 1, self.every))
            else:
                for file in [*(run / name for name in FILES), member.home / VISITS]:
                    file.unlink(missing_ok=True)
                write_structure(run / "topology.cif", self.start.topology, self.positions)
            write_bytes(run / "run.json", json.dumps(record, indent=1).encode())
        return kept

    def go_on(self, kept: Kept, stop: signals.Stop) -> Kept:
        """To the next checkpoint, or until asked to stop; what is kept then."""
        context = self.simulation.context
        context.loadCheckpoint(kept.noise)
        forget_neighbors()
        states = [{"temperature": kelvin * unit.kelvin} for kelvin in self.kelvin]
        sampler = app.ReplicaExchangeSampler(states, self.simulation, self.every)
        sampler.replicaConformation = list(kept.states)
        sampler.currentIteration = kept.iteration
        each = self.plan.checkpoint_interval // self.every
        end = min(self.last, (kept.iteration // each + 1) * each)
        before: list[int] = []
        outer = random.getstate()
        random.seed(f"{self.members[0].settings.seed} {kept.iteration}")  # OpenMM's sampler draws from this one
        try:
            with ExitStack() as stack:
                given = self.start, self.positions, self.grain_map, self.simulation, stack
                books = [Book(member, record, *given) for member, record in zip(self.members, self.records)]

                def report(sampler: app.ReplicaExchangeSampler) -> None:
                    before[:] = sampler.replicaStateIndex
                    self._report(sampler, books, kept.names)

                sampler.reporters.append(report)
                while sampler.currentIteration < end and not stop:
                    sampler.simulate(1)
        finally:
            random.setstate(outer)
        if not before:  # a signal came first
            return kept
        made = self._kept(sampler, before, kept.names)
        made.save(self.members[0].home / KEPT)
        return made

    def _start(self) -> Kept:
        context = self.simulation.context
        context.setPositions(self.positions)
        if self.start.minimize:
            done = minimize_if_strained(context, self.grain_map, self.kelvin[0])
            for record in self.records if done else ():
                record["minimised"] = done
        states = []
        for member in self.members:
            context.setVelocitiesToTemperature(member.settings.temperature, member.settings.seed)
            states.append(_state(context))
        return Kept(0, list(range(len(states))), states, context.createCheckpoint())

    def _report(self, sampler: app.ReplicaExchangeSampler, books: list["Book"], names: Sequence[int]) -> None:
        """Of each replica, in the book of the temperature where it is."""
        step = sampler.currentIteration * self.every
        for replica, place in enumerate(sampler.replicaStateIndex):
            books[place].visited(step, names[replica])
            if step % self.plan.report_interval == 0:
                self.simulation.context.setState(sampler.replicaConformation[replica])
                books[place].report(self.simulation)

    def _kept(self, sampler: app.ReplicaExchangeSampler, before: Sequence[int], names: Sequence[int]) -> Kept:
        """By temperature, with velocities that fit the temperature after the exchange."""
        context = self.simulation.context
        order = np.argsort(sampler.replicaStateIndex)
        states = []
        for place, replica in enumerate(order):
            context.setState(sampler.replicaConformation[replica])
            scale = (self.kelvin[place] / self.kelvin[before[replica]]) ** 0.5
            if scale != 1.0:
                context.setVelocities(scale * context.getState(velocities=True).getVelocities(asNumpy=True))
            states.append(_state(context))
        own = [names[replica] for replica in order]
        return Kept(sampler.currentIteration, own, states, context.createCheckpoint())


def _record(plan: EnsemblePlan, member: Member, start: ModelledRun) -> dict:
    temperatures = {"every": plan.exchange, "temperatures": plan.sweep.temperatures}
    return make_record(member.settings, {**start.provenance, "exchange": temperatures}, start.topology)


def _state(context: openmm.Context) -> openmm.State:
    return context.getState(positions=True, velocities=True, parameters=True, integratorParameters=True)
