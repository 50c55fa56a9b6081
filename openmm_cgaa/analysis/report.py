"""All of the analysis of a run: numbers, figures and one summary, as JSON and as text."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import CGAAError, EngineError
from ..host.files import owned
from ..inputs.arguments import FilePath
from ..labelling.label import Progress
from ..labelling.teachers import Teacher, as_teacher, known_teacher
from ..model.loaded import LoadedModel
from ..simulation.barostats import ISOTROPIC
from ..simulation.folder import FILES
from ..simulation.read import RunOutput, read_reference
from ..structures.topologies import symbol
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .bonds import StretchedBonds
from .cell import cell
from .closest import ClosestContact
from .drift import energy_drift, mean
from .equilibrium import AUTO, Equilibrium, read_begun
from .molecule_report import add_histograms, add_orientation, add_profile
from .motion_report import add_conductivity, add_diffusion, add_viscosity
from .observables import Observables, rising
from .onepass import Centers, Look, Section, go_by
from .pressures import mean_pressure
from .reporting import Report, Unwritten
from .salt_report import add_residence, add_speciation
from .structure_report import add_angles, add_distances
from .trust import density_of

MOTIONS = ("translation", "rotation", "vibration")


def analyze(
    folder: FilePath,
    out: FilePath | None = None,
    reference: FilePath | Unwritten | None = None,
    model: FilePath | None = None,
    teacher_frames: int = 20,
    pairs: Sequence[tuple[str, str]] = (),
    begin: float | str = 0.0,
    tell: Callable = print,
    teacher: str | Teacher | None = None,
    settings: dict | None = None,
    angles: float | None = None,
    lags: Sequence[float] | None = None,
    observables: Observables | None = None,
) -> Report:
    """Analyse a run; what is missing is told and left out.

    Parameters
    ----------
    folder : path
        Output of `simulate`.
    out : path, optional
        ``FOLDER/analysis`` by default.
    reference : path or Unwritten, optional
        Trajectory or data set (h5) of the same atoms, or folder of a run; or what `reference_report` gives of one. Its
        radial distributions are drawn as well.
    model : str, optional
        Bundled name or model file to hold against the teacher; by default the one that made the run.
    teacher_frames : int
        How many frames the teacher labels, evenly spaced; 0: none.
    pairs : list of (str, str)
        MDTraj selections of atoms for radial distributions besides those of grain centers; by default the hydrogens
        and ions of each grain type with the atoms that accept them (`rdf.contact_pairs`).
    angles : float, Å, optional
        Draw how often two neighbours of a grain stand at an angle, of grains nearer than this (`angular_distribution`).
    lags : (float, float), ps, optional
        Between these lags the mean square displacement gives the diffusion of each type of grain (`diffusion`).
    observables : Observables, optional
        What is measured besides: the conductivity of a salt, and more.
    begin : float or str
        ps; what comes before is left out, but for the NVE run. ``auto``: what comes before equilibrium (`equilibrium`).
    tell : callable
        Takes a line of progress.
    teacher : str or labelling.teachers.Teacher, optional
        A name as `label` takes it. By default the one that the model names in its provenance; where that cannot be made
        here, the section is left out, and the reason is told.
    settings : dict, optional
        Of the teacher that is named.

    Returns
    -------
    Report
        Written to `out`.

    Raises
    ------
    CGAAError
        The run cannot be read or lacks what is asked for, the named teacher cannot be made, or a file must not be
        replaced.
    """
    if settings and teacher is None:
        raise EngineError("settings are for a teacher; name it with teacher")
    teacher = None if teacher is None else as_teacher(teacher, settings)
    asked = observables or Observables()
    rising("diffusion", lags, "lags")
    run, settling = read_begun(folder, begin)
    asked.check(run)
    known, path = (reference, None) if isinstance(reference, Unwritten) else (None, reference)
    inputs = [path, model, *(Path(folder, name) for name in ("run.json", *FILES))]
    report = Report(out or Path(folder) / "analysis", tell, inputs)
    with owned(report.out):
        if path is not None:
            known = reference_report(path, run, pairs, begin, angles, lags, asked)
        _run(run, report, folder)
        _outside(run, report)
        _equilibrium(settling, report, begin)
        _sections(run, report, model, pairs, angles, lags, asked, known)
        _teacher(run, report, model, teacher, teacher_frames)
        report.write()
    return report


def reference_report(
    path: FilePath,
    run: RunOutput,
    pairs: Sequence[tuple[str, str]] = (),
    begin: float | str = 0.0,
    angles: float | None = None,
    lags: Sequence[float] | None = None,
    observables: Observables | None = None,
) -> Unwritten:
    """What a reference of a run tells: all that it has, of a trajectory structure alone. No file is made.

    Parameters
    ----------
    path : path
        Trajectory or data set (h5) of the run's atoms, or the folder of a run, whose box may be another one.
    run : RunOutput
        Other parameters are those of `analyze`.

    Raises
    ------
    CGAAError
        It cannot be read, or has other atoms.
    """
    asked, report = observables or Observables(), Unwritten("/".join(Path(path).parts[-2:]))
    if Path(path).is_dir():
        own, _ = read_begun(path, begin)
        _sections(own, report, None, pairs, angles, lags, asked, None)
    else:
        own = replace(
            run, frames=read_reference(path, run.frames.topology), settings={}, state=None, nve=None, stress=None
        )
        sections = [add_speciation(own, report, asked), add_histograms(own, report, asked)]
        go_by([*sections, *_structure(own, report, Centers(run.grain_map), pairs, angles, None)])
    return report


def _sections(
    run: RunOutput,
    report: Report,
    model: FilePath | None,
    pairs: Sequence[tuple[str, str]],
    angles: float | None,
    lags: Sequence[float] | None,
    asked: Observables,
    known: Unwritten | None,
) -> None:
    """All that a run tells by itself, beside a reference that is known."""
    _temperatures(run, report)
    _density(run, report)
    _cell(run, report)
    _pressure(run, report, model)
    _drift(run, report)
    centers = Centers(run.grain_map)
    sections = [_bonds(run, report), _contacts(run, report)]
    if lags is not None:
        sections.append(add_diffusion(run, report, lags, asked))
    add_viscosity(run, report, asked)
    for add in (add_conductivity, add_speciation, add_residence, add_histograms, add_orientation, add_profile):
        sections.append(add(run, report, asked))
    go_by([*sections, *_structure(run, report, centers, pairs, angles, known)])


def _structure(
    run: RunOutput,
    report: Report,
    centers: Centers,
    pairs: Sequence[tuple[str, str]],
    angles: float | None,
    known: Unwritten | None,
) -> list[Section]:
    sections = [add_distances(run, report, centers, known, pairs)]
    if angles is not None:
        sections.append(add_angles(run, report, centers, known, angles))
    return sections


def _run(run: RunOutput, report: Report, folder: FilePath) -> None:
    topology, time = run.frames.topology, run.frames.time
    counts = ", ".join(
        f"{count} {kind.name}" for kind, count in zip(run.grain_map.types, run.grain_map.network_order()[1])
    )
    report.add(
        "run",
        {"folder": str(folder), "frames": len(time), "picoseconds": [float(time[0]), float(time[-1])]}
        | {"atoms": topology.n_atoms, "provenance": run.provenance, "settings": run.settings},
        f"{folder}: {counted(len(time), 'frame')}, {time[0]:.2f} to {time[-1]:.2f} ps",
        f"{counted(topology.n_atoms, 'atom')}, {counted(run.grain_map.num_grains, 'grain')} ({counts})",
    )


def _outside(run: RunOutput, report: Report) -> None:
    """What the run warned of as it went."""
    if run.outside is not None:
        report.add("outside", run.outside, *run.outside.values())


def _equilibrium(found: Equilibrium | None, report: Report, begin: float | str) -> None:
    if found is not None:
        more = "" if begin == AUTO or not found.begin else "; --begin auto leaves out what comes before"
        report.add("equilibrium", found.numbers, found.numbers["text"] + more)


def _temperatures(run: RunOutput, report: Report) -> None:
    if run.state is None:
        report.skip("temperatures: the run has no state.csv, or no row after the beginning that was asked for")
        return
    series = {name: run.state[f"{name}_K"] for name in MOTIONS} | {"all": run.state["temperature_K"]}
    elements = dict.fromkeys(symbol(atom) for atom in run.frames.topology.atoms)
    columns = run.state.dtype.names or ()  # older runs have no temperatures of elements
    series |= {element: run.state[f"{element}_K"] for element in elements if f"{element}_K" in columns}
    series = {name: values for name, values in series.items() if np.isfinite(values).all()}
    means = {name: mean(values) for name, values in series.items()}
    motions = [name for name in means if name not in elements]
    lines = [
        ", ".join(f"{name} {means[name].value:.0f} ± {means[name].error:.0f}" for name in names) + " K"
        for names in (motions, [name for name in means if name in elements])
        if names
    ]
    numbers = {name: {"mean_K": value, "error_K": error} for name, (value, error) in means.items()}
    report.add("temperature", numbers, *lines)
    target, drawn = run.settings.get("temperature"), {name: series[name] for name in motions}
    report.draw("temperature_figure", "temperatures.png", run.state["time_ps"], drawn, means, target=target)


def _density(run: RunOutput, report: Report) -> None:
    if run.settings.get("pressure") is None:
        return
    if run.state is None:
        report.skip("density: no row of state.csv after the beginning that was asked for")
        return
    found = density_of(run, run.state)
    report.add("density", found.numbers, found.text)
    report.draw("density_figure", "density.png", run.state["time_ps"], run.state["density_gml"], found)


def _cell(run: RunOutput, report: Report) -> None:
    if run.settings.get("pressure") is None or run.settings["barostat"] == ISOTROPIC:
        return
    if run.state is None:
        report.skip("cell: no row of state.csv after the beginning that was asked for")
        return
    means = cell(run.state)
    numbers = {name: {"mean": value, "error": error} for name, (value, error) in means.items()}
    texts = [f"{name} {value:.3f} ± {error:.3f}" for name, (value, error) in means.items()]
    report.add("cell", numbers, f"{', '.join(texts[:3])} Å", f"{', '.join(texts[3:])} degrees")


def _pressure(run: RunOutput, report: Report, model: FilePath | None) -> None:
    if run.settings.get("pressure") is not None or run.box is None:
        return
    model = model or run.provenance.get("model")
    if model is None:
        report.skip("pressure: run.json names no model; give --model")
        return
    try:
        found = mean_pressure(run, LoadedModel(model))
    except CGAAError as error:
        report.skip(f"pressure: {error}")
        return
    numbers = {"mean_MPa": found.value, "error_MPa": found.error}
    report.add("pressure", numbers, f"{found.value:.0f} ± {found.error:.0f} MPa at constant volume")


def _drift(run: RunOutput, report: Report) -> None:
    if run.nve is None:
        report.skip("drift: the run has no NVE part (nve.csv); simulate with one")
        return
    if len(run.nve) < 10:
        report.skip(f"drift: nve.csv has {counted(len(run.nve), 'row')}, at least 10 are needed")
        return
    time, energy, atoms = run.nve["time_ps"], run.nve["total_kjmol"], run.frames.n_atoms
    estimate = energy_drift(time, energy, atoms)
    length = float(time[-1] - time[0])
    report.add(
        "drift",
        {"meV_per_atom_per_ps": estimate.value, "error": estimate.error, "picoseconds": length},
        f"{estimate.value:.2g} ± {estimate.error:.1g} meV/atom/ps of the total energy over {length:.1f} ps of NVE",
    )
    report.draw("drift_figure", "drift.png", time, energy, estimate, atoms)


def _bonds(run: RunOutput, report: Report) -> Section:
    bonds = StretchedBonds(run.frames.topology, run.grain_map)
    if not bonds.kinds:
        report.skip("bonds: the topology has none")
        return
    yield [Look(run.frames, [bonds])]
    kinds = bonds.stability()
    worst = kinds[0]
    report.add(
        "bonds",
        {"largest_deviation_A": worst.largest, "worst": worst.worst, "kinds": [kind._asdict() for kind in kinds]},
        f"largest deviation {worst.largest:.3f} Å: {worst.worst} at {run.frames.time[worst.frame]:.2f} ps",
    )
    report.draw("bond_figure", "bonds.png", kinds)


def _contacts(run: RunOutput, report: Report) -> Section:
    closest = ClosestContact(run.frames.topology)
    yield [Look(run.frames, [closest])]
    if not np.isfinite(closest.distance):
        report.skip("contacts between grains: there is one grain only")
        return
    shortest, (a, b) = ANGSTROM_PER_NM * closest.distance, map(run.frames.topology.atom, closest.atoms)
    trained = run.provenance.get("trained_contact")
    report.add(
        "contacts",
        {"shortest_A": shortest, "trained_A": trained, "atoms": [str(a), str(b)]},
        f"shortest between grains {shortest:.2f} Å ({a} to {b}) at {run.frames.time[closest.frame]:.2f} ps"
        + (f"; the model was trained down to {trained:.2f} Å" if trained else ""),
    )


def _teacher(run: RunOutput, report: Report, model: FilePath | None, teacher: Teacher | None, frames: int) -> None:
    if frames <= 0:
        report.skip("error against the teacher: no frames asked for")
        return
    model = model or run.provenance.get("model")
    if model is None:
        report.skip("error against the teacher: run.json names no model; give --model")
        return
    from ..potential import CGAAPotential
    from .teacher_error import teacher_error

    potential, trajectory = CGAAPotential(model), run.frames
    if teacher is None:
        try:
            teacher = known_teacher(potential.metadata["provenance"].get("teacher"))
        except EngineError as error:
            report.skip(f"error against the teacher: {error}")
            return

    def progress(status: Progress) -> None:
        report.tell(f"the teacher has labelled {status.frames} of {counted(status.all_frames, 'frame')}")

    folder = report.out / "teacher.parts"
    found = teacher_error(trajectory, run.grain_map, potential, teacher, folder, frames, progress)
    numbers = found.summary()
    force, energy = numbers["force_eV_per_A"], numbers["energy_meV_per_atom"]
    shares = {"net force": numbers["relative"]["net_force"], "torque": numbers["relative"]["torque"]}
    relative = ", ".join(f"{name} {100 * x:.0f} %" for name, x in shares.items() if x is not None) + " of the teacher's"
    report.add(
        "teacher",
        {"model": str(model), "teacher": teacher.identity, **numbers},
        f"force RMSE {force['component']:.3f} eV/Å per component over {counted(numbers['frames'], 'frame')} "
        f"(rms force {numbers['teacher_force_eV_per_A']['component']:.3f})",
        "of it " + ", ".join(f"{name} {force[name]:.3f}" for name in MOTIONS) + f"; {relative}",
        f"energy RMSE {energy['rmse']:.2f} meV/atom, about its mean of {energy['mean']:+.2f} ± {energy['error']:.2f}: "
        f"{energy['rmse_about_mean']:.2f}",
        *_pressure_lines(numbers),
    )
    report.draw("teacher_figure", "teacher.png", found, trajectory.time[found.frames])


def _pressure_lines(numbers: dict) -> list[str]:
    """Of a summary of `TeacherError`; none where one of the two models has no stress."""
    found = numbers["pressure_MPa"]
    if found is None:
        return []
    of_atoms, of_molecules = (f"{part['mean']:+.0f} ± {part['error']:.0f} MPa" for part in found.values())
    return [f"mean pressure off by {of_atoms}, that between molecules by {of_molecules}"]
