"""Where the simulations of a validation are made, kept, gone on with and read."""

import re
import warnings
from dataclasses import asdict, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from openmm import unit

from ..building.boxes import build, classical_system, read_forcefield, relax
from ..errors import CGAADomainWarning
from ..host import signals
from ..host.files import owned, write_bytes
from ..inputs.yamlfile import is_yaml
from ..labelling.teachers import known_teacher, load_teacher
from ..pipeline.stages import Pipeline, Stage
from ..potential import CGAAPotential
from ..simulation.integrators import INTRA_GROUP
from ..simulation.read import read_run
from ..simulation.run import SimulationSettings, simulate
from ..structures.structure import read_structure, write_structure
from .system import CLASSICAL

FREE = "threads", "picoseconds", "nve_picoseconds"  # settings of a run that do not make it another one
SETTLING = 0.1  # of a run's length
SHORT = 0.01  # of the length of a run, to show that everything works


class Workplace:
    """A folder of simulations, the models that make them, and how long they are.

    Parameters
    ----------
    system : ValidatedSystem
    folder : path
    models : dict
        Bundled name or file, in place of the system's, for each name of a model.
    short : bool
        A hundredth of the length.
    threads : int
    tell : callable
        Takes a line of text: which run is made or set aside.
    """

    def __init__(self, system, folder, models=None, short=False, threads=1, tell=print):
        self.system, self.models, self.short, self.threads = system, models or {}, short, threads
        self.tell = tell
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._potentials = {}

    @cached_property
    def forcefield(self):
        return read_forcefield([self.system.path(name) for name in self.system.forcefield])

    @cached_property
    def teacher(self):
        if self.system.teacher is None:
            return known_teacher(self.potential().metadata["provenance"].get("teacher"))
        return load_teacher(self.system.teacher, **self.system.teacher_settings)

    def potential(self, name=None, precision="single") -> CGAAPotential:
        """A model by the name that runs have for it; by default the one that is validated."""
        source = self.models.get(name or self.system.model) or self.system.source(name or self.system.model)
        key = source, precision
        if key not in self._potentials:
            self._potentials[key] = CGAAPotential(source, precision)
        return self._potentials[key]

    def committee(self) -> list:
        """Its potentials."""
        return [CGAAPotential(str(self.system.path(name))) for name in self.system.committee]

    def count(self, usual, short):
        """How many of something: less of it in short runs."""
        return short if self.short else usual

    def start(self, box, scale=1.0):
        """Topology and positions [atoms, 3], nm, of a box that the classical force field relaxed; packed once."""
        path = self._packed(box, scale)
        with owned(self.folder, wait=True):  # another process may be packing it
            if not path.is_file():
                source = self.system.path(self.system.boxes[box])
                packed = build(source, self.folder / f"{box}-packed.cif") if is_yaml(source) else source
                topology, positions = read_structure(packed)
                if scale != 1.0:
                    topology.setPeriodicBoxVectors(scale * topology.getPeriodicBoxVectors())
                if self.system.forcefield:
                    picoseconds = self.count(10.0, 1.0)
                    positions = relax(topology, positions, self.forcefield, picoseconds=picoseconds, threads=1)
                write_structure(path, topology, positions.value_in_unit(unit.nanometer))
        topology, positions = read_structure(path)
        return topology, positions.value_in_unit(unit.nanometer)

    def _packed(self, box, scale) -> Path:
        return self.folder / f"{box}-{scale:.4f}.cif"

    def settings(self, name) -> SimulationSettings:
        """Of a run, as it is made here."""
        run = self.system.runs[name]
        settings = SimulationSettings(**{f.name: getattr(run, f.name) for f in fields(SimulationSettings)})
        settings = replace(settings, threads=self.threads)
        if not self.short:
            return settings
        nvt, nve = (
            min(length, max(least, SHORT * length))
            for least, length in ((0.1, settings.picoseconds), (0.3, settings.nve_picoseconds))
        )
        every = min(settings.report_interval, 20)
        return replace(settings, picoseconds=nvt, nve_picoseconds=nve, report_interval=every)

    def run(self, name, progress=False):
        """Make a run, or go on with it, or leave it where it is finished; the folder.

        Each run is a pipeline of one stage. One that was made by another model, with other settings or from another
        start is set aside. What a run warned of stands in its ``warnings.txt``.

        Raises
        ------
        SimulationError
            It blew up.
        signals.Interrupted
            It was stopped; the same command goes on with it.
        """
        what, settings, folder = self.system.runs[name], self.settings(name), self.folder_of(name)
        topology, positions = self.start(what.box, what.scale)
        inputs = [self._packed(what.box, what.scale)]
        if what.after:
            positions = self.finished(what.after).frames[-1].xyz[0].astype(float)
            inputs.append(self.folder_of(what.after) / "trajectory.dcd")
        asked = {key: value for key, value in asdict(settings).items() if key not in FREE}
        if what.model == CLASSICAL:
            inputs += [Path(self.system.path(forcefield)) for forcefield in self.system.forcefield]
        else:
            asked["model_sha256"] = self.potential(what.model).provenance()["model_sha256"]
        # a longer run is the same one, gone on with: the mark of its length is all that it lacks
        reached = self.folder / name / f"{_steps(settings)}.steps"

        def make():
            resume = (folder / "run.json").is_file()
            with _warnings_to(folder.parent / "warnings.txt"), signals.deferred() as stop:
                system, provenance = self._forces(what, topology, positions)
                done = simulate(system, topology, positions, folder, settings, resume, provenance, progress)
            if not done:
                raise signals.Interrupted(stop.number or 2, f"{folder}: the same command goes on with it")
            write_bytes(reached, b"")

        # another process may be making it: then wait for that
        with Pipeline.owning(self.folder / name, self.tell, wait=True) as pipeline:
            pipeline.do(Stage("run", make, [folder, reached], asked, inputs, title=f"run {name}"))
        return folder

    def finished(self, name, settling=SETTLING):
        """The run as `simulation.read.read_run` gives it, without its settling; made now where it is not there yet."""
        return read_run(self.run(name), 0.0 if self.short else settling * self.system.runs[name].picoseconds)

    def made(self, name) -> bool:
        """Whether a run has been begun here."""
        return (self.folder_of(name) / "run.json").is_file()

    def folder_of(self, name) -> Path:
        """Of a run, as `simulation.run.simulate` writes it."""
        return self.folder / name / "run"

    def warnings(self, name) -> list:
        """What a run has said so far of leaving its domain."""
        path = self.folder / name / "warnings.txt"
        return path.read_text().splitlines() if path.is_file() else []

    def how_it_ended(self, name, error) -> str:
        """When and why a run stopped, and at what temperature, without the place of its files."""
        tables = (self.folder_of(name) / table for table in ("nve.csv", "state.csv"))
        rows = [np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True)) for path in tables if path.is_file()]
        last = next((table[-1] for table in rows if len(table)), None)
        why = str(error).split(" The last good frame")[0]
        return why if last is None else f"{last['time_ps']:.2f} ps, {last['temperature_K']:.0f} K: {why}"

    def _forces(self, what, topology, positions) -> tuple:
        """System and provenance."""
        if what.model == CLASSICAL:
            return classical_system(topology, self.forcefield), {"model": CLASSICAL}
        potential = self.potential(what.model)
        intra = INTRA_GROUP if what.inner_steps > 1 else None
        return potential.createSystem(topology, positions=positions, intraForceGroup=intra), potential.provenance()


class _warnings_to(warnings.catch_warnings):
    """Domain warnings go to a file at once, each once; all others go where they went."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("always", CGAADomainWarning)
        usual = warnings.showwarning

        def show(message, category, *place, **more):
            if not issubclass(category, CGAADomainWarning):
                return usual(message, category, *place, **more)
            lines = self.path.read_text().splitlines() if self.path.is_file() else []
            known = {_without_step(line) for line in lines}
            if _without_step(str(message)) not in known:
                write_bytes(self.path, "".join(f"{line}\n" for line in [*lines, message]).encode())

        warnings.showwarning = show


def _without_step(line) -> str:
    """A warning without what differs from one resumed run to the next."""
    return re.sub(r"^step \d+: ", "", line).split(" are ")[0]


def _steps(settings) -> int:
    """As far as frames are written."""
    steps = settings.steps(settings.picoseconds) + settings.steps(settings.nve_picoseconds)
    return steps - steps % settings.report_interval
