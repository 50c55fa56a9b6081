"""The rows of docs/validation.md: each takes a `runs.Workplace` and gives its numbers as JSON."""

import io
import warnings

import mdtraj
import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from runs import MODEL, PUBLISHED, RUNS, SETTLED

from openmm_cgaa.analysis.bonds import bond_stability
from openmm_cgaa.analysis.diffusion import diffusion
from openmm_cgaa.analysis.drift import energy_drift, mean, slope
from openmm_cgaa.analysis.jacobian import asymmetry, force_jacobian
from openmm_cgaa.analysis.rdf import (
    atom_pairs,
    carbonyl_oxygens,
    center_pairs,
    grain_centers,
    radial_distribution,
    whole_grains,
)
from openmm_cgaa.analysis.spectrum import density_of_states
from openmm_cgaa.analysis.teacher_error import teacher_error
from openmm_cgaa.contacts import pairs_between, shortest_contact
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.errors import CGAADomainWarning, CGAAError
from openmm_cgaa.files import write_bytes
from openmm_cgaa.grains import GrainMap
from openmm_cgaa.reference.labelling import label_frames
from openmm_cgaa.reference.teachers import SEVENNET, load_teacher
from openmm_cgaa.units import (
    ANGSTROM_PER_NM,
    BAR_PER_EV_PER_ANGSTROM3,
    KJMOL_PER_EV,
    KJMOL_PER_NM_PER_EV_PER_ANGSTROM,
)
from openmm_cgaa.validation import take_grains

BURSTS, BURST_STEPS, BURST_EVERY = 8, 700, 4  # steps of 0.5 fs
MOTIONS = ("translation", "rotation", "vibration")
SMALL = [f"small-{kelvin}" for kelvin in (300, 350, 400, 500)]
LARGE = ["large-300", "large-500"]
STEPS = (0.25, 0.5, 1.0, 2.0)
RESPA = (1.0, 2.0, 3.0, 4.0)


def estimate(found) -> dict:
    return {"value": found.value, "error": found.error}


def drift(place, names=None) -> dict:
    """Slope of the total energy in NVE, its spread about the line, and how that grows with the step."""
    found = {}
    for name in names or [f"nve-{step:g}" for step in STEPS]:
        run = place.finished(name)
        time, total, atoms = run.nve["time_ps"], run.nve["total_kjmol"], run.trajectory.n_atoms
        line = energy_drift(time, total, atoms)
        off = total - np.polyval(np.polyfit(time, total, 1), time)
        found[name] = {
            "slope_meV_per_atom_per_ps": estimate(line),
            "spread_meV_per_atom": float(1000.0 * off.std() / KJMOL_PER_EV / atoms),
            "temperature_K": float(run.nve["temperature_K"].mean()),
            "kelvin_per_ps": estimate(slope(time, run.nve["temperature_K"])),
            "picoseconds": float(time[-1] - time[0]),
        }
    if names is None:
        steps, spreads = np.log(STEPS), np.log([found[f"nve-{step:g}"]["spread_meV_per_atom"] for step in STEPS])
        found["order"] = float(np.polyfit(steps[1:], spreads[1:], 1)[0])  # the shortest is left to rounding
    return found


def published(place) -> dict:
    """The same of the network of paper 001, whose forces are not a gradient."""
    return drift(place, ["nve-published"])


def jacobian(place) -> dict:
    """Asymmetry of the force Jacobian, double precision, first frame of a run: all atoms of three grains."""
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
    """Of each motion and element, half-step velocities, and the largest difference from 300 K."""
    found = {}
    for name in ("small-300", "large-300"):
        rows = place.finished(name, begin=SETTLED if not place.short else 0.0).state
        columns = [c for c in rows.dtype.names if c.endswith("_K") and np.isfinite(rows[c]).all()]
        found[name] = {column[:-2]: estimate(mean(rows[column])) for column in columns}
    return found


def stability(place) -> dict:
    """Bonds, contacts, slopes of energy and density of the long runs."""
    found = {}
    for name in [*SMALL, *LARGE]:
        run = place.finished(name, begin=SETTLED if not place.short else 0.0)
        trajectory, atoms = run.trajectory, run.trajectory.n_atoms
        worst = bond_stability(trajectory, run.grain_map)[0]
        pairs = pairs_between([atom.residue.index for atom in trajectory.topology.atoms])
        every = trajectory[:: max(1, trajectory.n_frames // 200)]
        contacts = [shortest_contact(x, every.unitcell_vectors[i], pairs)[0] for i, x in enumerate(every.xyz)]
        per_atom = 1000.0 / KJMOL_PER_EV / atoms
        potential = slope(run.state["time_ps"], per_atom * run.state["potential_kjmol"])
        found[name] = {
            "picoseconds": float(trajectory.time[-1]),
            "largest_bond_deviation_A": worst.largest,
            "worst_bond": worst.worst,
            "shortest_contact_A": float(ANGSTROM_PER_NM * min(contacts)),
            "potential_slope_meV_per_atom_per_ps": estimate(potential),
            "potential_meV_per_atom": estimate(mean(per_atom * run.state["potential_kjmol"])),
            "temperature_K": estimate(mean(run.state["temperature_K"])),
        }
    return found


def along(place, frames=20) -> dict:
    """Error against the teacher from the first to the last part of the runs."""
    teacher, found = load_teacher(SEVENNET), {}
    for name in [*SMALL, *LARGE]:
        run = place.finished(name, begin=SETTLED if not place.short else 0.0)
        count = 2 if place.short else frames
        folder = place.folder / name / "teacher.parts"
        error = teacher_error(run.trajectory, run.grain_map, place.potential(), teacher, folder, count)
        halves = np.array_split(error.force_rmse, 2)
        found[name] = error.summary() | {
            "force_rmse_halves": [float(np.sqrt(np.mean(half**2))) for half in halves],
            "first_last_ps": [float(run.trajectory.time[error.frames[i]]) for i in (0, -1)],
        }
    return found


def pressure(place, frames=40) -> dict:
    """Mean density at 1 bar, and the student's pressure less the teacher's on frames of that run."""
    begin = 0.2 * RUNS["npt"].settings.picoseconds if not place.short else 0.0
    run = place.finished("npt", begin=begin)
    difference = _pressure_difference(run, place, 2 if place.short else frames)
    return {
        "density_g_per_ml": estimate(mean(run.state["density_gml"])),
        "picoseconds": float(run.trajectory.time[-1] - begin),
        "student_minus_teacher_bar": estimate(mean(difference)),
        "frames": len(difference),
    }


def _pressure_difference(run, place, count):
    """Student less teacher in bar, frame by frame; the kinetic part is the same in both and falls out."""
    chosen = np.unique(np.linspace(0, run.trajectory.n_frames - 1, count).round().astype(int))
    frames = [_atoms(run.trajectory, index) for index in chosen]
    labels = label_frames(frames, load_teacher(SEVENNET), place.folder / "npt" / "teacher.parts")
    calculator = CGAACalculator(place.potential(), topology=run.grain_map)
    found = []
    for atoms, label in zip(frames, labels):
        atoms.calc = calculator
        traces = [np.trace(stress) for stress in (atoms.get_stress(voigt=False), np.asarray(label.stress))]
        found.append(BAR_PER_EV_PER_ANGSTROM3 * (traces[1] - traces[0]) / 3.0)
    return np.array(found)


def _atoms(trajectory, index):
    numbers = [atom.element.atomic_number for atom in trajectory.topology.atoms]
    cell = ANGSTROM_PER_NM * trajectory.unitcell_vectors[index]
    return Atoms(numbers, ANGSTROM_PER_NM * trajectory.xyz[index], cell=cell, pbc=True)


def bursts(place, who) -> list:
    """Trajectories of 0.35 ps, NVT at 300 K, from independent frames of a long run: of the teacher or of the student.

    Both begin with the same positions and velocities and see the same random forces, so that what they share falls out
    of their differences. Each is kept as soon as it is done.
    """
    run = place.finished("small-300", begin=SETTLED if not place.short else 0.0)
    count, steps = (2, 40) if place.short else (BURSTS, BURST_STEPS)
    topology, calculator, found = run.trajectory.topology, None, []
    for number, index in enumerate(np.linspace(0, run.trajectory.n_frames - 1, count).round().astype(int)):
        path = place.folder / "bursts" / f"{who}-{number}.npy"
        if not path.is_file():
            if calculator is None:
                student = CGAACalculator(place.potential(), topology=run.grain_map)
                calculator = load_teacher(SEVENNET).calculator if who == "teacher" else student
            atoms, rng = _atoms(run.trajectory, index), np.random.default_rng(number)
            atoms.calc = calculator
            MaxwellBoltzmannDistribution(atoms, temperature_K=300.0, rng=rng)
            Stationary(atoms)
            friction = 1.0 / (1000.0 * units.fs)
            motion = Langevin(atoms, 0.5 * units.fs, temperature_K=300.0, friction=friction, fixcm=False, rng=rng)
            frames = []
            motion.attach(lambda atoms=atoms, frames=frames: frames.append(atoms.positions.copy()), BURST_EVERY)
            motion.run(steps)
            buffer = io.BytesIO()
            np.save(buffer, np.array(frames, dtype=np.float32))
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, buffer.getvalue())
        trajectory = mdtraj.Trajectory(np.load(path) / ANGSTROM_PER_NM, topology)
        trajectory.unitcell_vectors = np.repeat(run.trajectory.unitcell_vectors[index][None], len(trajectory), axis=0)
        found.append(trajectory)
    return found


def _pairs(run) -> dict:
    """Name -> (points of a trajectory, pairs): centers of all pairs of species, hydrogen bonds, what lithium sees."""
    topology = run.trajectory.topology
    chosen = {
        name: (lambda trajectory: grain_centers(trajectory, run.grain_map), pairs)
        for name, pairs in center_pairs(run.grain_map).items()
    }
    oxygens, lithium = carbonyl_oxygens(topology), topology.select("element Li")
    atoms = {
        "C=O...H": (oxygens, topology.select("element H")),
        "Li...O": (lithium, topology.select("element O")),
        "Li...P": (lithium, topology.select("element P")),
    }
    for name, (first, second) in atoms.items():
        chosen[name] = (lambda trajectory: trajectory, atom_pairs(topology, first, second))
    return {name: (points, pairs) for name, (points, pairs) in chosen.items() if len(pairs)}


def _first_peak(r, g) -> tuple:
    """Position (Å) and height of the highest point, of a curve smoothed over three bins."""
    smooth = np.convolve(g, [0.25, 0.5, 0.25], mode="same")
    top = int(np.argmax(smooth))
    return float(ANGSTROM_PER_NM * r[top]), float(smooth[top])


def rdf(place) -> dict:
    """Radial distributions of the student and of the teacher's own dynamics, which start from its frames."""
    run = place.finished("small-300", begin=SETTLED if not place.short else 0.0)
    dropped = round(0.1 / (0.0005 * BURST_EVERY)) if not place.short else 1
    trajectories = {who: [t[dropped:] for t in bursts(place, who)] for who in ("student", "teacher")}
    found = {}
    for name, (points, pairs) in _pairs(run).items():
        curves, peaks = {}, {}
        for who, parts in trajectories.items():
            each = [radial_distribution(points(part), pairs, 0.01) for part in parts]
            heights = [curve.g for curve in each]
            curves[who] = each[0].r, np.mean(heights, axis=0), np.std(heights, axis=0, ddof=1) / np.sqrt(len(each))
            peaks[who] = _first_peak(*curves[who][:2])
        curves["student, whole run"] = (*radial_distribution(points(run.trajectory), pairs, 0.01), None)
        at = int(np.argmin(np.abs(ANGSTROM_PER_NM * curves["teacher"][0] - peaks["teacher"][0])))
        found[name] = {
            "r_A": (ANGSTROM_PER_NM * curves["teacher"][0]).tolist(),
            "curves": {
                who: [values.tolist() for values in curve[1:] if values is not None] for who, curve in curves.items()
            },
            "peak_at_A": {who: peak[0] for who, peak in peaks.items()},
            "peak_height": {who: peak[1] for who, peak in peaks.items()},
            "peak_height_error": float(curves["teacher"][2][at]),
            "height_ratio": peaks["student"][1] / peaks["teacher"][1],
        }
    return found


def spectrum(place) -> dict:
    """Vibrational density of states: student and teacher over the bursts, and the student over 5 ps."""
    run, found = place.finished("spectrum"), {}
    masses = [atom.element.mass for atom in run.trajectory.topology.atoms]
    for who in ("student", "teacher"):
        each = [
            density_of_states(whole_grains(t, run.grain_map), masses, 0.5 * BURST_EVERY, 20.0)
            for t in bursts(place, who)
        ]
        found[who] = {"per_cm": each[0][0].tolist(), "density": np.mean([d for _, d in each], axis=0).tolist()}
    interval = run.settings["timestep"] * run.settings["report_interval"]
    axis, density = density_of_states(whole_grains(run.trajectory, run.grain_map), masses, interval)
    found["student, 5 ps"] = {"per_cm": axis.tolist(), "density": density.tolist()}
    return found


def transport(place) -> dict:
    """Self-diffusion of the species: model and classical force field, and what the friction does to it."""
    found = {}
    for name in [*SMALL, *(f"classical-{kelvin}" for kelvin in (300, 350, 400, 500)), "friction-0.1", "friction-10"]:
        run = place.finished(name, begin=SETTLED if not place.short else 0.0)
        centers, masses = _unwrapped_centers(run)
        centers = centers - (masses[:, None] * centers).sum(axis=1, keepdims=True) / masses.sum()
        time, names = run.trajectory.time, np.array([run.grain_map.types[t].name for t in run.grain_map.type_index])
        longest = (time[-1] - time[0]) / 10.0
        found[name] = {
            "friction_per_ps": run.settings["friction"],
            "temperature_K": run.settings["temperature"],
            **{
                species: estimate(diffusion(time, centers[:, names == species], 0.2 * longest, longest))
                for species in dict.fromkeys(names)
            },
        }
    return found


def _unwrapped_centers(run) -> tuple:
    """Centers of mass [frames, grains, 3] in nm of a trajectory that was never wrapped, and masses of the grains."""
    masses = np.array([atom.element.mass for atom in run.trajectory.topology.atoms])
    sums = [
        (masses[s, None] * run.trajectory.xyz[:, s].astype(float)).sum(axis=1) / masses[s].sum()
        for s in run.grain_map.slots
    ]
    return np.stack(sums, axis=1), np.array([masses[s].sum() for s in run.grain_map.slots])


def respa(place) -> dict:
    """NVE with the intra-grain part inside: slope, spread, temperatures and radial distributions by the outer step."""
    names = [f"respa-{outer:g}" for outer in (0.5, *RESPA)]
    found, curves = drift(place, names), {}
    for name in names:
        run = place.finished(name)
        pairs = center_pairs(run.grain_map)
        centers = grain_centers(run.trajectory, run.grain_map)
        curves[name] = {pair: radial_distribution(centers, pairs[pair], 0.02).g for pair in ("EC-EMC", "EMC-EMC")}
        found[name]["temperatures_K"] = {m: float(run.state[f"{m}_K"].mean()) for m in MOTIONS}
        found[name]["rdf_difference"] = {
            pair: float(np.abs(g - curves["respa-0.5"][pair]).mean()) for pair, g in curves[name].items()
        }
    return found


def mistakes(place) -> dict:
    """What a run says, and what happens, where a user leaves what the model was trained on."""
    found = {}
    for name in ("compressed", "hot"):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", CGAADomainWarning)
            try:
                run, says = place.finished(name), "ran to its end"
            except CGAAError as error:
                run, says = None, str(error)
        record = place.folder / name / "warnings.txt"
        texts = [str(w.message) for w in told if issubclass(w.category, CGAADomainWarning)]
        if texts:
            write_bytes(record, "\n".join(texts).encode())
        found[name] = {"end": says, "warnings": record.read_text().splitlines() if record.is_file() else []}
        if run is not None:
            error = teacher_error(
                run.trajectory,
                run.grain_map,
                place.potential(),
                load_teacher(SEVENNET),
                place.folder / name / "parts",
                2 if place.short else 10,
            )
            found[name] |= error.summary() | {"temperature_K": float(run.state["temperature_K"].mean())}
    topology, positions = place.start("small")
    strange = GrainMap.from_topology(topology)
    keep = [g for g in range(strange.num_grains) if strange.labels[g].split()[0] in ("LI", "PF6")] + list(range(3))
    atoms = np.sort(np.concatenate([strange.slots[g] for g in keep]))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", CGAADomainWarning)
        place.potential().warn_domain(place.potential().grain_map(take_grains(strange, atoms)), None)
    found["strange concentration"] = {"warnings": [str(w.message) for w in told]}
    return found


def molecules(place) -> dict:
    """Scans, torsions and normal modes, see molecules.py."""
    from molecules import molecules as scan

    return scan(place.potential(MODEL, "double"), load_teacher(SEVENNET).calculator, short=place.short)


ROWS = {
    "drift": drift,
    "published": published,
    "jacobian": jacobian,
    "temperatures": temperatures,
    "stability": stability,
    "along": along,
    "rdf": rdf,
    "pressure": pressure,
    "molecules": molecules,
    "spectrum": spectrum,
    "transport": transport,
    "respa": respa,
    "mistakes": mistakes,
}
