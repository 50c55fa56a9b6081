"""Dynamics in a folder: NVT or NPT, then NVE; it can be killed at any moment and goes on from its checkpoint."""

import json
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import openmm
from openmm import app
from tqdm import tqdm

from ..engines.respa_langevin import check_groups
from ..errors import CGAADomainWarning, CGAAError, ResumeWarning, SimulationError
from ..host import signals
from ..host.files import owned, write_bytes, writing
from ..inputs.arguments import FilePath, Numbers
from ..inputs.ranges import SEEDS, THREADS, bounded, one_of
from ..inputs.settings import Checked
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frame
from ..model import checks
from ..model.domain import SAME_TEMPERATURE, beyond
from ..model.loaded import LoadedModel
from ..neighbors.forgetting import forget_neighbors
from ..structures import geometry
from ..structures.structure import holds, write_structure
from .barostats import ISOTROPIC, SHAPES, add_barostat
from .folder import FILES, check_run, load_checkpoint, make_record, read_record, trim_csv, trim_dcd, write_checkpoint
from .integrators import INTRA_GROUP, chosen_platform, integrators, on_platform
from .reporters import GrainStateReporter, StabilityReporter
from .start import minimize_if_strained
from .stresses import GrainStress, StressReporter

CHUNK = 10  # steps between looks at the clock, the checkpoint and ctrl-C


@dataclass(frozen=True)
class SimulationSettings(Checked):
    """How to run.

    Attributes
    ----------
    temperature : float
        K, of the NVT part and the first velocities.
    friction : float
        1/ps.
    timestep : float
        fs.
    inner_steps : int
        Above 1: RESPA. Forces of group `INTRA_GROUP` (the intra-grain part, `intraForceGroup` of
        `CGAAPotential.createSystem`) act this many times in a time step, all others once; the integrators are
        `RespaLangevinIntegrator` (with constraints OpenMM's `MTSLangevinIntegrator`) and `openmm.MTSIntegrator`.
    picoseconds, nve_picoseconds : float
        Length of the NVT part (`LangevinMiddleIntegrator`) and of its NVE continuation (`VerletIntegrator`).
    pressure : float, optional
        bar; the NVT part becomes NPT.
    report_interval, checkpoint_interval : int
        Steps between frames, rows and checks; steps between checkpoints.
    seed : int
        0: another one in each run, as OpenMM has it.
    max_stretch : float
        Å that a bond may be off its starting length; one of beads may be off by half of it, if that is more.
    threads : int, optional
        Of OpenMM's CPU platform.
    platform : str, optional
        OpenMM platform; the fastest by default.
    stress_interval : int, optional
        Steps between rows of ``stress.csv``, from which a viscosity comes; at constant volume.
    barostat : str
        How the box changes at constant pressure: ``isotropic`` (`MonteCarloBarostat`), ``anisotropic`` (each edge by
        itself, `MonteCarloAnisotropicBarostat`) or ``flexible`` (angles, too, `MonteCarloFlexibleBarostat`).
    """

    temperature: float = bounded(300.0, 0.001, 1e5, "K", "of the NVT part and of the first velocities")
    friction: float = bounded(1.0, 0.0, 1e4, "1/ps", "of the Langevin thermostat")
    timestep: float = bounded(0.5, 1e-6, 100.0, "fs", "length of a step")
    inner_steps: int = bounded(1, 1, 1000, "", "RESPA: intra-grain forces so many times a step")
    picoseconds: float = bounded(5.0, 0.0, 1e9, "ps", "length of the NVT part")
    nve_picoseconds: float = bounded(0.0, 0.0, 1e9, "ps", "length of an NVE continuation")
    pressure: float | None = bounded(None, -1e4, 1e6, "bar", "constant pressure instead of volume before NVE")
    report_interval: int = bounded(100, 1, 10**9, "steps", "between frames")
    checkpoint_interval: int = bounded(1000, 1, 10**9, "steps", "between checkpoints")
    seed: int = bounded(1, *SEEDS, "", "of velocities and thermostat; 0: another one in each run")
    max_stretch: float = bounded(0.5, 0.001, 100.0, "Å", "a bond may be off its start")
    threads: int | None = bounded(None, *THREADS, "", "CPU threads of the model and of OpenMM")
    platform: str | None = field(default=None, metadata={"help": "OpenMM platform; the fastest one without it"})
    stress_interval: int | None = bounded(None, 1, 10**9, "steps", "between rows of the stress, for a viscosity")
    barostat: str = one_of(*SHAPES, help="how the box changes: all edges alike, each by itself, or angles, too")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.barostat != ISOTROPIC and self.pressure is None:
            raise CGAAError(f"barostat is {self.barostat}, but no pressure is given; give pressure (bar)")
        if self.stress_interval is not None and self.pressure is not None:
            raise CGAAError("stress_interval is for a run at constant volume, but a pressure is given; leave one out")

    def steps(self, picoseconds: float) -> int:
        """Time steps in a length of time."""
        return round(1000.0 * picoseconds / self.timestep)


def simulate(
    system: openmm.System,
    topology: app.Topology,
    positions: Numbers,
    out: FilePath,
    settings: SimulationSettings | None = None,
    resume: bool = False,
    provenance: dict | None = None,
    progress: bool = True,
    minimize: bool = False,
    model: LoadedModel | None = None,
) -> bool:
    """Run NVT dynamics and then, if asked for, NVE dynamics.

    The folder holds these files:

    - ``topology.cif``: the start, with bonds
    - ``trajectory.dcd``: both parts, whole grains, never wrapped
    - ``state.csv`` of NVT and ``nve.csv``: see `GrainStateReporter`
    - ``stress.csv`` of both, if asked for: see `StressReporter`
    - ``nvt.chk``, ``nve.chk``: OpenMM's checkpoints, a checksum at their end. The same machine, platform and version
      read them.
    - ``run.json``: settings, versions, provenance, and what lay outside of the training (``outside``)

    Ctrl-C, SIGTERM and SIGHUP end the run after the present steps, with a checkpoint.

    Parameters
    ----------
    system : openmm.System
        Of any force field. With `pressure` it is given a barostat, which is switched off for NVE. OpenMM's checkpoints
        do not hold how far it has adapted its step, so a resumed NPT run differs from the unbroken one.
    topology : openmm.app.Topology
        Residues are grains.
    positions : array [atoms, 3], nm, or Quantity
        Grains may be broken across the boundary.
    out : path
    settings : SimulationSettings, optional
    resume : bool
        Go on with the run in the folder; only its lengths and threads may have changed. Frames and rows after the
        checkpoint are dropped, so that none is there twice. A `ResumeWarning` says what is missing: all checkpoints
        (the run begins anew), topology.cif (it is written anew), or a checkpoint's checksum (of version 0.1.0). A run
        that goes on from a checkpoint that it wrote while it went is equal to the unbroken one, to the bit where the
        platform's forces are. One that was stopped between two checkpoints wrote one more, and differs by rounding
        from there.
    provenance : dict, optional
        What made the forces, for ``run.json``; must be the same when a run is resumed, but for names of files whose
        checksum (``NAME_sha256``) is in it, too. What it says of the training
        (`CGAAPotential.provenance`) lets the run warn where it leaves that, see `reporters.StabilityReporter`. Its
        ``outside`` ({what: sentence}) is what was warned of before; it goes to the record with what the run warns of.
    progress : bool
        Show a progress bar.
    minimize : bool
        Minimise the start of a new run if its forces are far beyond those of thermal motion (`start`). What was done
        stands in ``run.json`` (``minimised``). The forces must be the gradient of the energy.
    model : CGAAPotential, optional
        That made the forces; of which `stress_interval` writes the stress.

    Returns
    -------
    bool
        Whether the run came to its end; False if it was interrupted.

    Raises
    ------
    SimulationError
        The folder holds another run; energy or forces are not finite, or a grain fell apart (then the last good frame
        is in ``last_good.cif``).
    OutputError
        A file cannot be written, another process runs in the folder, or it holds files of others.
    EngineError
        The stress is asked for, and there is no box or no model that tells it.
    GeometryError, GrainError
        Positions, box or topology cannot be used.
    """
    settings, out = settings or SimulationSettings(), Path(out)
    # errors leave no folder behind
    platform = chosen_platform(settings)
    pressure, shape = settings.pressure, settings.barostat
    barostat = add_barostat(system, topology, shape, pressure, settings.temperature, settings.seed)
    if settings.inner_steps > 1:
        check_groups(system, INTRA_GROUP)
    grain_map = GrainMap.from_topology(topology)
    positions = geometry.check_positions(positions, grain_map.num_atoms)
    box = geometry.check_box(topology.getPeriodicBoxVectors())
    checks.check_extent(grain_map, positions, box)
    positions = whole_frame(grain_map, positions, box)
    record = make_record(settings, provenance or {}, topology)
    check_run(out, record, resume, SimulationSettings)
    stress = None if settings.stress_interval is None else GrainStress.of(model, system, grain_map, box)
    contact, density = ((provenance or {}).get(f"trained_{key}") for key in ("contact", "density"))

    def note(what: str, text: str) -> None:
        if what not in record["outside"]:  # of a run that goes on, the first one stands
            record["outside"][what] = text
            write_bytes(out / "run.json", json.dumps(record, indent=1).encode())

    given = topology, positions, settings.report_interval, settings.max_stretch, contact, density
    guard = StabilityReporter(*given, settings.temperature, note)
    if hot := _warn_temperature(settings.temperature, (provenance or {}).get("trained_temperature")):
        record["outside"]["temperature"] = hot
    with owned(out), writing(out, "resume the run"), signals.deferred() as stop:
        check_run(out, record, resume, SimulationSettings)  # again, now that no other process can change it
        if resume:
            old = read_record(out)
            record["outside"] |= old.get("outside", {})
            record |= {key: old[key] for key in ("minimised",) if key in old}
        last = None
        for part in _parts(system, settings, out, skip_nvt=resume and (out / "nve.chk").exists()):
            if barostat is not None and part.name == "NVE":
                barostat.setFrequency(0)
            simulation = on_platform(
                topology, system, part.integrator, platform
            )  # what OpenMM refuses leaves no run behind
            if last is None:
                if not resume:
                    write_bytes(out / "run.json", json.dumps(record, indent=1).encode())
                    for file in FILES:  # of a run that never came to a checkpoint
                        (out / file).unlink(missing_ok=True)
            if part.checkpoint.exists():
                load_checkpoint(part.checkpoint, simulation.context)
            elif last is None:
                if resume:
                    _say(f"{out}: holds no checkpoint; the run begins anew")
                simulation.context.setPositions(positions)
                done = minimize and minimize_if_strained(simulation.context, grain_map, settings.temperature)
                if done:
                    record["minimised"] = done
                    write_bytes(out / "run.json", json.dumps(record, indent=1).encode())
                    if progress:
                        print(_words(done), file=sys.stderr)
                simulation.context.setVelocitiesToTemperature(settings.temperature, settings.seed)
            else:
                # velocities are of half a step before the positions on either side; but those of the NVE part of RESPA
                # are of the positions, so that it begins at another energy, of the same distribution
                simulation.context.setState(last.context.getState(positions=True, velocities=True))
            _trim(out, simulation.currentStep, part, settings, grain_map.num_atoms)
            if last is None:  # not before all is found fit to go on
                if not holds(out / "topology.cif", topology):
                    if resume:
                        _say(
                            f"{out / 'topology.cif'}: is missing or damaged; it is written anew from the topology given"
                        )
                    write_structure(out / "topology.cif", topology, positions)
                if resume:
                    write_bytes(out / "run.json", json.dumps(record, indent=1).encode())
            _advance(simulation, part, settings, grain_map, guard, stop, progress, stress)
            if simulation.currentStep < part.end:
                return False
            last = simulation
    return True


def _words(minimised: dict) -> str:
    before, after = (minimised[when]["net_force"] for when in ("before", "after"))
    return (
        f"the start was minimised, for its molecules pushed each other apart: the largest net force on one was "
        f"{before:.1f} eV/Å, now it is {after:.1f}"
    )


class _Part(NamedTuple):
    """NVT or NVE: its first and last step, and its files."""

    name: str
    integrator: openmm.Integrator
    begin: int
    end: int
    table: Path
    checkpoint: Path


def _parts(system: openmm.System, settings: SimulationSettings, out: Path, skip_nvt: bool) -> list[_Part]:
    """NVT and NVE, as far as they are to be run."""
    nvt, nve = integrators(system, settings)
    middle = settings.steps(settings.picoseconds)
    parts = [] if skip_nvt else [_Part("NVT", nvt, 0, middle, out / "state.csv", out / "nvt.chk")]
    if settings.nve_picoseconds:
        end = middle + settings.steps(settings.nve_picoseconds)
        parts.append(_Part("NVE", nve, middle, end, out / "nve.csv", out / "nve.chk"))
    return parts


def _trim(out: Path, step: int, part: _Part, settings: SimulationSettings, num_atoms: int) -> None:
    """Cut the files back to a step of a part."""
    interval, begin = settings.report_interval, part.begin
    if step > part.end:
        raise SimulationError(
            f"the run in {out} is at step {step} already, beyond the {part.end} that are asked for; ask for as many at "
            f"least ({step * settings.timestep / 1000.0:g} ps in all)"
        )
    if part.name == "NVE":
        trim_csv(out / "state.csv", range(interval, begin + 1, interval))
    trim_csv(part.table, range(begin // interval * interval + interval, step + 1, interval))
    if part.name == "NVT":
        (out / "nve.csv").unlink(missing_ok=True)
    if settings.stress_interval is not None:
        trim_csv(out / "stress.csv", range(settings.stress_interval, step + 1, settings.stress_interval))
    trim_dcd(out / "trajectory.dcd", step // interval, num_atoms)


def _advance(
    simulation: app.Simulation,
    part: _Part,
    settings: SimulationSettings,
    grain_map: GrainMap,
    guard: StabilityReporter,
    stop: signals.Stop,
    progress: bool,
    stress: GrainStress | None,
) -> None:
    """Step to the end of a part, or until asked to stop; then write the checkpoint."""
    out, length, done = part.table.parent, part.end - part.begin, simulation.currentStep - part.begin
    pause = 0.2 if sys.stderr.isatty() else 10.0  # s; a log file needs fewer lines
    bar = tqdm(total=length, initial=done, desc=part.name, unit="step", disable=not progress, mininterval=pause)
    rows = stresses = None
    try:
        rows = GrainStateReporter(part.table, settings.report_interval, grain_map)
        trajectory = out / "trajectory.dcd"
        old = trajectory.exists() and trajectory.stat().st_size > 0
        frames = app.DCDReporter(str(trajectory), settings.report_interval, append=old, enforcePeriodicBox=False)
        simulation.reporters = [guard, rows, frames]  # the guard first: what it refuses is not written
        if settings.stress_interval is not None and stress is not None:
            stresses = StressReporter(out / "stress.csv", settings.stress_interval, stress)
            simulation.reporters.append(stresses)
        while simulation.currentStep < part.end and not stop:
            to_checkpoint = settings.checkpoint_interval - simulation.currentStep % settings.checkpoint_interval
            steps = min(CHUNK, part.end - simulation.currentStep, to_checkpoint)
            simulation.step(steps)
            bar.update(steps)
            speed = (bar.n - done) * settings.timestep * 1e-6 / max(bar.format_dict["elapsed"], 1e-9) * 86400
            told = filter(None, (rows.said(part.name == "NVE"), f"{speed:.3g} ns/day"))
            bar.set_postfix_str(", ".join(told), refresh=False)
            if simulation.currentStep % settings.checkpoint_interval == 0:
                _keep(part.checkpoint, simulation.context)
        _keep(part.checkpoint, simulation.context)
    except (SimulationError, openmm.OpenMMException) as error:
        if stop and isinstance(error, openmm.OpenMMException):
            signals.check()  # the second signal, in a callback
        good = out / "last_good.cif"
        guard.save_last_good(good)
        raise SimulationError(
            f"{part.name} stopped near step {simulation.currentStep}: {error}. The last good frame is {good}; take a "
            "shorter time step, or relax the start"
        ) from error
    finally:
        bar.close()
        simulation.reporters = []
        for table in (rows, stresses):
            if table is not None:
                table.close()


def _say(what: str) -> None:
    warnings.warn(what, ResumeWarning, stacklevel=3)


def _keep(checkpoint: Path, context: openmm.Context) -> None:
    """Write a checkpoint, and go on as the run that starts from it does: with new lists of neighbours."""
    write_checkpoint(checkpoint, context)
    forget_neighbors()


def _warn_temperature(kelvin: float, trained: tuple[float, float] | None) -> str:
    """Warn, and return the sentence, or nothing."""
    if not trained or not beyond(kelvin, trained, SAME_TEMPERATURE):
        return ""
    text = (
        f"the run is at {kelvin:g} K, but the model was trained at {trained[0]:g} to {trained[1]:g} K: check its "
        "errors there before you trust it"
    )
    warnings.warn(text, CGAADomainWarning, stacklevel=3)
    return text
