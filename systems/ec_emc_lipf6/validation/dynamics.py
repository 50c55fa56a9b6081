"""Rows about motion: is energy conserved and shared out evenly, does the liquid hold, does the model know it?"""

from contextlib import suppress

import numpy as np
from ase import units
from runs import COMMITTEE, MODEL, PUBLISHED, RUNS
from scipy.interpolate import CubicSpline

from openmm_cgaa.analysis.bonds import bond_stability
from openmm_cgaa.analysis.drift import energy_drift, mean, slope
from openmm_cgaa.analysis.jacobian import asymmetry, force_jacobian
from openmm_cgaa.analysis.rdf import center_pairs, grain_centers, radial_distribution
from openmm_cgaa.analysis.teacher_error import teacher_error
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.labelling.teachers import SEVENNET, load_teacher
from openmm_cgaa.neighbors.contacts import pairs_between, shortest_contact
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

MOTIONS = ("translation", "rotation", "vibration")
SMALL = [f"small-{kelvin}" for kelvin in (300, 350, 400, 500)]
LARGE = ["large-300", "large-500"]
STEPS = (0.25, 0.5, 1.0, 2.0)  # fs
RESPA = (0.5, 1.0, 2.0, 3.0, 4.0)  # fs
TRACE = 300  # points of a curve that is kept for a figure


def estimate(found) -> dict:
    return {"value": found.value, "error": found.error}


def drift(place, names=None) -> dict:
    """Slope of the total energy in NVE, its spread about the line, and how that grows with the step.

    Of a run that blew up, which is a result, too: of the first half of its NVE, with how it ended.
    """
    found = {}
    for name in names or [f"nve-{step:g}" for step in STEPS]:
        row = found[name] = {"step": RUNS[name].settings.timestep}
        try:
            run = place.finished(name)
            row |= _about_a_line(run.nve, run.trajectory.n_atoms)
        except SimulationError as error:
            row["end"] = how_it_ended(place, name, error)
            with suppress(SimulationError):  # it may have ended before there was a slope
                run = read_run(place.folder / name)
                if run.nve is not None:
                    row |= _about_a_line(run.nve[: len(run.nve) // 2], run.trajectory.n_atoms)
    rows = [row for row in found.values() if "end" not in row]
    if len(rows) > 1:
        steps, spreads = (np.log([row[key] for row in rows]) for key in ("step", "spread_meV_per_atom"))
        found["order"] = float(np.polyfit(steps, spreads, 1)[0])
    return found


def _about_a_line(nve, atoms) -> dict:
    """Of rows of ``nve.csv``."""
    time, total = nve["time_ps"], nve["total_kjmol"]
    drifts = energy_drift(time, total, atoms)  # refuses what is too short, or not finite
    off = 1000.0 * (total - np.polyval(np.polyfit(time, total, 1), time)) / KJMOL_PER_EV / atoms
    every = max(1, len(time) // TRACE)
    return {
        "slope_meV_per_atom_per_ps": estimate(drifts),
        "spread_meV_per_atom": float(off.std()),
        "temperature_K": float(nve["temperature_K"].mean()),
        "kelvin_per_ps": estimate(slope(time, nve["temperature_K"])),
        "picoseconds": float(time[-1] - time[0]),
        "time_ps": (time - time[0])[::every].tolist(),
        "total_meV_per_atom": (1000.0 * (total - total[0]) / KJMOL_PER_EV / atoms)[::every].tolist(),
    }


def largest_swing(x, energy, mass, step) -> float:
    """How far (Å) an atom may be pulled along a curve and let go, for Verlet of this step to keep it; or inf.

    Parameters
    ----------
    x, energy : array [points], Å and eV
        Energy about the minimum; goes on as a parabola beyond its ends.
    mass : float, Da
    step : float, fs
    """
    slope = CubicSpline(x, energy).derivative()

    def acceleration(at):
        inside = np.clip(at, x[0], x[-1])
        return -(slope(inside) + slope(inside, 1) * (at - inside)) * step**2 / mass_in_eV

    mass_in_eV = mass * units._amu / units._e * 1e10  # eV fs^2/Å^2
    swings = np.arange(0.02, x[-1], 0.01)
    here, before = swings.copy(), swings + 0.5 * acceleration(swings)  # at rest
    largest = np.abs(swings)
    for _ in range(5000):
        here, before = np.clip(2.0 * here - before + acceleration(here), -9.0, 9.0), here
        largest = np.maximum(largest, np.abs(here))
    lost = swings[largest > 2.0 * x[-1]]
    return float(lost[0]) if len(lost) else np.inf


def how_it_ended(place, name, error) -> str:
    """When and why a run stopped, and at what temperature, without the place of its files."""
    tables = (place.folder / name / table for table in ("nve.csv", "state.csv"))
    rows = [np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True)) for path in tables if path.is_file()]
    last = next((table[-1] for table in rows if len(table)), None)
    why = str(error).split(" The last good frame")[0]
    return why if last is None else f"{last['time_ps']:.2f} ps, {last['temperature_K']:.0f} K: {why}"


def published(place) -> dict:
    """The same of the network of paper 001 (docs/papers.md), whose forces are not a gradient."""
    return drift(place, ["nve-published"])


def jacobian(place) -> dict:
    """Asymmetry of the force Jacobian, double precision, in the relaxed box: all atoms of three grains."""
    topology, positions = place.start("small")
    box = np.array(topology.getPeriodicBoxVectors()._value)

    def of(potential):
        grain_map = potential.aligned(potential.grain_map(topology), positions, box)
        atoms = np.concatenate([grain_map.slots[g] for g in (0, grain_map.num_grains // 2, grain_map.num_grains - 1)])

        def forces_at(moved):
            shifted = positions.copy()
            shifted[atoms] = moved / ANGSTROM_PER_NM
            return potential.evaluate(grain_map, shifted, box)[1][atoms] / KJMOL_PER_NM_PER_EV_PER_ANGSTROM

        matrix = force_jacobian(forces_at, ANGSTROM_PER_NM * positions[atoms])
        return {"asymmetry": asymmetry(matrix), "atoms": len(atoms)}

    return {name: of(place.potential(name, "double")) for name in (MODEL, PUBLISHED)}


def temperatures(place) -> dict:
    """Of each motion and element, half-step velocities: each run, and all runs by their distance from the set one.

    Runs count by atoms times time.
    """
    found, off, weights = {}, {}, []
    for name in [*SMALL, *LARGE]:
        run = place.finished(name)
        columns = [c for c in run.state.dtype.names if c.endswith("_K") and np.isfinite(run.state[c]).all()]
        means = {column[:-2]: mean(run.state[column]) for column in columns}
        found[name] = {motion: estimate(value) for motion, value in means.items()}
        weights.append(run.trajectory.n_atoms * len(run.state) * run.settings["report_interval"])
        for motion, value in means.items():
            scale = 300.0 / run.settings["temperature"]
            off.setdefault(motion, []).append((scale * value.value, scale * value.error))
    share = np.array(weights) / sum(weights)
    found["all, as at 300 K"] = {
        motion: {"value": float(share @ kelvin), "error": float(np.sqrt(share**2 @ error**2))}
        for motion, (kelvin, error) in ((motion, np.array(values).T) for motion, values in off.items())
    }
    return found


def stability(place) -> dict:
    """Bonds, contacts, slopes of energy and density of the long runs; of replicas on a GPU where they were made."""
    found = {}
    replicas = [name for name in RUNS if name.startswith("replica") and (place.folder / name / "run.json").is_file()]
    for name in [*SMALL, *LARGE, *replicas]:
        run = place.finished(name)
        trajectory, atoms = run.trajectory, run.trajectory.n_atoms
        worst = bond_stability(trajectory, run.grain_map)[0]
        pairs = pairs_between([atom.residue.index for atom in trajectory.topology.atoms])
        some = trajectory[:: max(1, trajectory.n_frames // 200)]
        contacts = [shortest_contact(x, box, pairs)[0] for x, box in zip(some.xyz, some.unitcell_vectors)]
        potential = 1000.0 / KJMOL_PER_EV / atoms * run.state["potential_kjmol"]
        every = max(1, len(potential) // TRACE)
        found[name] = {
            "picoseconds": float(trajectory.time[-1]),
            "largest_bond_deviation_A": worst.largest,
            "worst_bond": worst.worst,
            "shortest_contact_A": float(ANGSTROM_PER_NM * min(contacts)),
            "potential_slope_meV_per_atom_per_ps": estimate(slope(run.state["time_ps"], potential)),
            "potential_meV_per_atom": estimate(mean(potential)),
            "temperature_K": estimate(mean(run.state["temperature_K"])),
            "temperature_slope_K_per_ps": estimate(slope(run.state["time_ps"], run.state["temperature_K"])),
            "warnings": place.warnings(name),
            "time_ps": run.state["time_ps"][::every].tolist(),
            "potential_about_mean_meV_per_atom": (potential - potential.mean())[::every].tolist(),
        }
    return found


def along(place, frames=20) -> dict:
    """Error against the teacher from the first to the last part of the runs."""
    teacher, found = load_teacher(SEVENNET), {}
    for name in [*SMALL, *LARGE]:
        run = place.finished(name)
        error = _error(place, name, run, teacher, 2 if place.short else frames)
        time = run.trajectory.time[error.frames]
        found[name] = error.summary() | {
            "force_rmse_halves": [float(np.sqrt(np.mean(half**2))) for half in np.array_split(error.force_rmse, 2)],
            "time_ps": time.tolist(),
            "force_rmse_eV_per_A": error.force_rmse.tolist(),
            "energy_error_meV_per_atom": error.energy.tolist(),
        }
        if len(time) >= 10:
            found[name]["slope_meV_per_A_per_ps"] = estimate(slope(time, 1000.0 * error.force_rmse))
    return found


def _error(place, name, run, teacher, count):
    folder = place.folder / name / "teacher.parts"
    return teacher_error(run.trajectory, run.grain_map, place.potential(), teacher, folder, count)


def spread(place, frames=100) -> dict:
    """How much three networks of other seeds disagree about net forces on grains, along the runs that the model made.

    Root mean square over members, grains and components of the distance from the members' mean, in eV/Å.
    """
    members, found = [place.potential(str(path)) for path in sorted(COMMITTEE.glob("*.safetensors"))], {}
    for name in [*SMALL, *LARGE]:
        run = place.finished(name)
        chosen = np.unique(np.linspace(0, run.trajectory.n_frames - 1, frames).round().astype(int))
        values = []
        for index in chosen:
            positions, box = run.trajectory.xyz[index].astype(float), run.trajectory.unitcell_vectors[index]
            forces = [member.evaluate(run.grain_map, positions, box.astype(float))[1] for member in members]
            nets = np.array([[force[s].sum(axis=0) for s in run.grain_map.slots] for force in forces])
            values.append(nets.std(axis=0).ravel() / KJMOL_PER_NM_PER_EV_PER_ANGSTROM)
        values = np.sqrt(np.square(values).mean(axis=1))
        time, half = run.trajectory.time[chosen], len(chosen) // 2
        found[name] = {
            "halves_eV_per_A": [float(part.mean()) for part in (values[:half], values[half:])],
            "largest_eV_per_A": float(values.max()),
            "slope_per_ps_relative": estimate(slope(time, values / values.mean())),
            "time_ps": time.tolist(),
            "spread_eV_per_A": values.tolist(),
        }
    return found


def respa(place) -> dict:
    """The intra-grain part inside: slope and spread in NVE, temperatures and radial distributions in the NVT before it.

    All with the same integrators (`MTSLangevinIntegrator`, `MTSIntegrator`) and their velocities of the full step.
    How much two radial distributions of this length differ by chance is estimated from the halves of the first.
    """
    names = [f"respa-{outer:g}" for outer in RESPA]
    found, curves = drift(place, names), {}
    for name in names:
        if "end" in found[name]:
            continue
        run = place.finished(name)
        nvt = run.trajectory[run.trajectory.time <= run.settings["picoseconds"] + 1e-6]
        curves[name] = _center_curves(run, nvt)
        if name == names[0]:
            halves = [_center_curves(run, nvt[part]) for part in np.array_split(np.arange(len(nvt)), 2)]
            chance = {pair: np.abs(halves[0][pair] - halves[1][pair]).mean() / np.sqrt(2.0) for pair in halves[0]}
            found["rdf_difference_by_chance"] = {pair: float(value) for pair, value in chance.items()}
        found[name]["temperatures_K"] = _temperatures_of_a_short_run(run)
        found[name]["rdf_difference"] = {
            pair: float(np.abs(g - curves[names[0]][pair]).mean()) for pair, g in curves[name].items()
        }
    return found


def _temperatures_of_a_short_run(run) -> dict:
    """Of the motions, with the error of a motion that trades energy with the thermostat alone, if that is larger.

    The kinetic energy of f degrees of freedom then forgets itself at twice the friction, and the mean over a time t
    errs by T sqrt(2 / (f friction t)); the series alone is too short to tell.
    """
    sizes = np.array([len(slots) for slots in run.grain_map.slots])
    moving, turning = 3 * len(sizes), 3 * np.count_nonzero(sizes > 2)
    freedom = {"translation": moving, "rotation": turning, "vibration": 3 * sizes.sum() - moving - turning}
    time, kelvin = run.state["time_ps"][-1] - run.state["time_ps"][0], run.settings["temperature"]
    found = {motion: estimate(mean(run.state[f"{motion}_K"])) for motion in MOTIONS}
    for motion, own in found.items():
        alone = kelvin * np.sqrt(2.0 / (freedom[motion] * run.settings["friction"] * time))
        own["error"] = float(max(own["error"], alone))
    return found


def _center_curves(run, trajectory) -> dict:
    """g(r) of the most frequent pairs of centers."""
    pairs, centers = center_pairs(run.grain_map), grain_centers(trajectory, run.grain_map)
    return {pair: radial_distribution(centers, pairs[pair], 0.02).g for pair in ("EC-EMC", "EMC-EMC")}


def mistakes(place) -> dict:
    """What a run says, and what happens, where a user leaves what the model was trained on."""
    teacher, found = load_teacher(SEVENNET), {}
    for name in ("compressed", "strange", "hot"):
        try:
            run, end = place.finished(name), "ran to its end"
        except SimulationError as error:
            run, end = None, how_it_ended(place, name, error)
        found[name] = {"end": end, "warnings": place.warnings(name)}
        if run is not None:
            error = _error(place, name, run, teacher, 2 if place.short else 10)
            found[name] |= error.summary() | {
                "temperature_K": estimate(mean(run.state["temperature_K"])),
                "largest_bond_deviation_A": bond_stability(run.trajectory, run.grain_map)[0].largest,
            }
    return found
