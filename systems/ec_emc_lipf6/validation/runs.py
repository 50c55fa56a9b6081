"""The simulations behind records/validation.md: what they are, and how one is made or gone on with."""

import json
import re
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from openmm import app, unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.building.boxes import build, classical_system, relax
from openmm_cgaa.errors import CGAADomainWarning, CGAAError
from openmm_cgaa.host.files import owned, write_bytes
from openmm_cgaa.simulation.folder import read_dcd
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.simulation.run import INTRA_GROUP, simulate
from openmm_cgaa.simulation.run import SimulationSettings as Settings
from openmm_cgaa.structures.structure import read_structure, write_structure

SYSTEM = Path(__file__).parents[1]
HERE = Path(__file__).parent
# 983 atoms, the paper's cell; 248 with four times its salt, packed in two ways; 192 with too much salt
BOXES = {"large": SYSTEM / "build.yaml"} | {name: HERE / f"{name}.yaml" for name in ("small", "second", "strange")}
COMMITTEE = HERE / "committee"  # three seeds of train_fast.yaml, 10,000 steps
MODEL, PUBLISHED, CLASSICAL = "ec-emc-lipf6", "ec-emc-lipf6-published", "classical"
NOT_BUNDLED = {PUBLISHED: SYSTEM / "models" / f"{PUBLISHED}.safetensors"}
SETTLING = 0.1  # of a run's length
SHORT = 0.01  # of the length of a run, for make validate


class Interrupted(Exception):
    """Somebody has stopped the run; the same command goes on with it."""


class Simulated(NamedTuple):
    """A run: in which box, on which forces, with which settings.

    `scale` is the box's length over its usual one; `after` names the run whose last frame this one begins with.
    """

    box: str
    settings: Settings
    model: str = MODEL
    scale: float = 1.0
    after: str | None = None


def _nve(step, inner=1, box="large", nvt=1.0, nve=20.0, every=10.0):
    """A row and a frame every so many fs."""
    every = max(1, round(every / step))
    settings = Settings(timestep=step, inner_steps=inner, picoseconds=nvt, nve_picoseconds=nve, report_interval=every)
    return Simulated(box, settings, after=f"{box}-300")


def _nvt(box, temperature, picoseconds, model=MODEL, scale=1.0, step=1.0, every=50, **more):
    """1 fs, twice the default: what is stable there is stable at 0.5 fs, and sees twice the time."""
    settings = Settings(temperature=temperature, timestep=step, picoseconds=picoseconds, report_interval=every, **more)
    return Simulated(box, settings, model, scale)


RUNS = {
    **{f"nve-{step:g}": _nve(step) for step in (0.5, 1.0, 2.0)},
    "nve-0.25": _nve(0.25, nve=10.0),
    # at once: it lasts 0.2 ps
    "nve-published": _nve(0.5, nvt=0.0, nve=2.0, every=1.0)._replace(model=PUBLISHED),
    **{f"small-{kelvin}": _nvt("small", float(kelvin), 200.0) for kelvin in (300, 350, 400, 500)},
    "second-300": _nvt("second", 300.0, 200.0),
    **{f"large-{kelvin}": _nvt("large", float(kelvin), 50.0) for kelvin in (300, 500)},
    "npt": _nvt("small", 300.0, 300.0, pressure=1.0),
    "spectrum": _nvt("small", 300.0, 5.0, step=0.5, every=4),
    **{f"friction-{friction:g}": _nvt("small", 400.0, 100.0, friction=friction) for friction in (0.1, 10.0)},
    **{f"classical-{kelvin}": _nvt("small", float(kelvin), 200.0, CLASSICAL) for kelvin in (300, 350, 400, 500)},
    **{f"respa-{outer:g}": _nve(outer, round(outer / 0.5), "small", 20.0, 10.0) for outer in (1.0, 2.0, 3.0, 4.0)},
    # at least two inner steps, so that the integrators, and the times of their velocities, are the same
    "respa-0.5": _nve(0.5, 2, "small", 20.0, 10.0),
    "compressed": _nvt("small", 300.0, 20.0, scale=0.9 ** (1 / 3)),
    "strange": _nvt("strange", 300.0, 20.0),
    "hot": _nvt("small", 600.0, 20.0),
    # for a GPU: 2 ns in all
    **{f"replica-{seed}": _nvt("large", 300.0, 200.0, seed=seed) for seed in range(1, 11)},
}


class Workplace:
    """Where runs live, on which model, and how long they are.

    Parameters
    ----------
    folder : path
    models : dict
        Bundled name or file for each name in `RUNS`.
    short : bool
        A hundredth of the length.
    threads : int
    """

    def __init__(self, folder, models, short=False, threads=1):
        self.folder, self.models, self.short, self.threads = Path(folder), NOT_BUNDLED | models, short, threads
        self.folder.mkdir(parents=True, exist_ok=True)
        self.forcefield = app.ForceField(str(SYSTEM.parent / "ec_emc" / "forcefield.xml"), str(SYSTEM / "ions.xml"))
        self._potentials = {}

    def potential(self, name=MODEL, precision="single") -> CGAAPotential:
        key = name, precision
        if key not in self._potentials:
            self._potentials[key] = CGAAPotential(self.models.get(name, name), precision)
        return self._potentials[key]

    def start(self, box, scale=1.0):
        """Topology and positions [atoms, 3], nm, of a box that the classical force field relaxed; packed once."""
        path = self.folder / f"{box}-{scale:.4f}.cif"
        with owned(self.folder, wait=True):  # another process may be packing it
            if not path.is_file():
                topology, packed = read_structure(build(BOXES[box], self.folder / f"{box}-packed.cif"))
                if scale != 1.0:
                    topology.setPeriodicBoxVectors(scale * topology.getPeriodicBoxVectors())
                picoseconds = 1.0 if self.short else 10.0
                positions = relax(topology, packed, self.forcefield, picoseconds=picoseconds, threads=1)
                write_structure(path, topology, positions.value_in_unit(unit.nanometer))
        topology, positions = read_structure(path)
        return topology, positions.value_in_unit(unit.nanometer)

    def settings(self, name) -> Settings:
        settings = replace(RUNS[name].settings, threads=self.threads)
        if not self.short:
            return settings
        nvt, nve = (
            max(least, SHORT * length) if length else 0.0
            for least, length in ((0.1, settings.picoseconds), (0.3, settings.nve_picoseconds))
        )
        every = min(settings.report_interval, 20)
        return replace(settings, picoseconds=nvt, nve_picoseconds=nve, report_interval=every)

    def run(self, name, progress=False):
        """Make a run, or go on with it, or leave it where it is finished; the folder.

        What it warned of stands in its ``warnings.txt``.

        Raises
        ------
        CGAAError
            The run that is there was made by another model or with other settings.
        SimulationError
            It blew up.
        Interrupted
            It was stopped.
        """
        what, settings, folder = RUNS[name], self.settings(name), self.folder / name
        # another process may be making it: then wait for that; the run owns its folder itself, and waits for nobody
        with owned(folder / "making", wait=True):
            self._check(name, folder / "run.json")
            if self._frames(folder) * settings.report_interval >= _steps(settings):
                return folder
            topology, positions = self.start(what.box, what.scale)
            if what.after:
                positions = self.finished(what.after).trajectory.xyz[-1].astype(float)
            resume = (folder / "run.json").is_file()
            with _warnings_to(folder / "warnings.txt"):
                system, provenance = self._forces(what, topology, positions)
                done = simulate(system, topology, positions, folder, settings, resume, provenance, progress)
        if not done:
            raise Interrupted(f"{folder}: interrupted; the same command goes on with it")
        return folder

    def finished(self, name, settling=SETTLING):
        """The run as `analysis.runs.read_run` gives it, without its settling; made now where it is not there yet."""
        return read_run(self.run(name), 0.0 if self.short else settling * RUNS[name].settings.picoseconds)

    def warnings(self, name) -> list:
        """What a run has said so far of leaving its domain."""
        path = self.folder / name / "warnings.txt"
        return path.read_text().splitlines() if path.is_file() else []

    def _check(self, name, record):
        """The run that is there must be the one that is asked for."""
        if not record.is_file():
            return
        model, held = RUNS[name].model, json.loads(record.read_text())
        asked = {} if model == CLASSICAL else {"model_sha256": self.potential(model).provenance()["model_sha256"]}
        free = "threads", "picoseconds", "nve_picoseconds"
        asked |= {key: value for key, value in asdict(self.settings(name)).items() if key not in free}
        held = held["settings"] | held["provenance"]
        other = [f"{key} {held.get(key)}, not {value}" for key, value in asked.items() if held.get(key) != value]
        if other:
            raise CGAAError(f"{record.parent} holds a run with {', '.join(other)}: remove it, or give another --out")

    def _forces(self, what, topology, positions) -> tuple:
        """System and provenance."""
        if what.model == CLASSICAL:
            return classical_system(topology, self.forcefield), {"model": CLASSICAL}
        potential = self.potential(what.model)
        intra = INTRA_GROUP if what.settings.inner_steps > 1 else None
        return potential.createSystem(topology, positions=positions, intraForceGroup=intra), potential.provenance()

    def _frames(self, folder) -> int:
        path = folder / "trajectory.dcd"
        return read_dcd(path).frames if path.is_file() and path.stat().st_size else 0


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
