"""Rows about the liquid: structure and spectrum beside the teacher's own dynamics, pressure, transport, molecules."""

import io

import mdtraj
import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from dynamics import SMALL, estimate
from runs import MODEL

from openmm_cgaa.analysis.diffusion import diffusion
from openmm_cgaa.analysis.drift import mean
from openmm_cgaa.analysis.rdf import (
    atom_pairs,
    carbonyl_oxygens,
    center_pairs,
    grain_centers,
    radial_distribution,
    whole_grains,
)
from openmm_cgaa.analysis.spectrum import density_of_states
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.files import write_bytes
from openmm_cgaa.reference.labelling import label_frames
from openmm_cgaa.reference.teachers import SEVENNET, load_teacher
from openmm_cgaa.units import ANGSTROM_PER_NM, BAR_PER_EV_PER_ANGSTROM3, KJMOL_PER_EV

BIN = 0.01  # nm
BLOCKS = 10  # of a long run, for the jackknife
BURSTS, BURST_STEPS, BURST_EVERY = 8, 700, 4  # steps of 0.5 fs
CLASSICAL_RUNS = [name.replace("small", "classical") for name in SMALL]
FRICTIONS = ["friction-0.1", "friction-10"]


def pressure(place, frames=40) -> dict:
    """Mean density at 1 bar, and the student's pressure less the teacher's on frames of that run."""
    run = place.finished("npt", settling=0.2)
    difference = _pressure_difference(run, place, 2 if place.short else frames)
    return {
        "density_g_per_ml": estimate(mean(run.state["density_gml"])),
        "picoseconds": float(run.trajectory.time[-1] - run.trajectory.time[0]),
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
    run = place.finished("small-300")
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


def rdf(place, frames=800) -> dict:
    """Radial distributions of student and teacher at 300 K, in two ways.

    ``bursts``: of the student's and the teacher's dynamics from the same frames and velocities; the teacher has had
    0.1 ps to move away from what the student made. ``reweighted``: the student's long run, its frames weighed by
    exp(-(E_teacher - E_student) / kT), which gives the teacher's own ensemble without any dynamics of it (Zwanzig, J.
    Chem. Phys. 22, 1420 (1954)); how many frames share the weight is told.
    """
    run = place.finished("small-300")
    dropped = round(0.1 / (0.0005 * BURST_EVERY)) if not place.short else 1
    trajectories = {who: [t[dropped:] for t in bursts(place, who)] for who in ("student", "teacher")}
    some = run.trajectory[:: max(1, run.trajectory.n_frames // (4 if place.short else frames))]
    weights, numbers = _weights(place, run, some)
    found = {"reweighting": numbers, "pairs": {}}
    blocks = np.array_split(np.arange(len(some)), min(BLOCKS, len(some)))
    for name, (points, pairs) in _pairs(run).items():

        def of(trajectory, points=points, pairs=pairs):
            return radial_distribution(points(trajectory), pairs, BIN)

        r, curves = ANGSTROM_PER_NM * of(some[:1]).r, {who: [of(t).g for t in own] for who, own in trajectories.items()}
        one_by_one, even = np.array([of(some[i]).g for i in range(len(some))]), np.ones(len(some))
        weighed = {
            who: ([w[block] @ one_by_one[block] for block in blocks], [w[block].sum() for block in blocks])
            for who, w in (("student", even), ("teacher", weights))
        }
        found["pairs"][name] = {
            "bursts": _beside(r, {who: (own, np.ones(len(own))) for who, own in curves.items()}),
            "reweighted": _beside(r, weighed),
            "r_A": r.tolist(),
            "student, whole run": of(run.trajectory).g.tolist(),
        }
    return found


def _weights(place, run, some) -> tuple:
    """Of the frames in the teacher's ensemble [frames], and what is to be known about them."""
    atoms, folder = [_atoms(some, index) for index in range(len(some))], place.folder / "small-300" / "weights.parts"
    labels = label_frames(atoms, load_teacher(SEVENNET), folder)
    own = [
        place.potential().evaluate(run.grain_map, xyz.astype(float), box.astype(float))[0] / KJMOL_PER_EV
        for xyz, box in zip(some.xyz, some.unitcell_vectors)
    ]
    off = np.array([label.energy for label in labels]) - own
    weights = np.exp(-(off - off.min()) / (units.kB * run.settings["temperature"]))
    return weights, {
        "frames": len(some),
        "effective_frames": float(weights.sum() ** 2 / (weights**2).sum()),
        "spread_of_energy_difference_kT": float(off.std() / (units.kB * run.settings["temperature"])),
    }


def _beside(r, parts) -> dict:
    """First peaks of two curves and how they differ, with errors by the jackknife over parts.

    Parameters
    ----------
    r : array [bins], Å
    parts : dict
        "student" and "teacher": sums of weighed curves [parts, bins] and of weights [parts].
    """
    parts = {who: (np.array(curves), np.array(weights)) for who, (curves, weights) in parts.items()}
    count = len(parts["student"][1])

    def curves(keep):
        return {who: sums[keep].sum(axis=0) / weights[keep].sum() for who, (sums, weights) in parts.items()}

    def differences(keep):
        (at, height), (true_at, true_height) = (_first_peak(r, curves(keep)[who]) for who in ("student", "teacher"))
        return np.array([at - true_at, height / true_height - 1.0])

    everything = np.ones(count, dtype=bool)
    without = np.array([differences(np.arange(count) != part) for part in range(count)])
    errors = np.sqrt((count - 1) * without.var(axis=0))
    shift, higher = ({"value": float(v), "error": float(e)} for v, e in zip(differences(everything), errors))
    peaks = {who: _first_peak(r, g) for who, g in curves(everything).items()}
    return {
        "peak_at_A": {who: peak[0] for who, peak in peaks.items()},
        "peak_height": {who: peak[1] for who, peak in peaks.items()},
        "shift_A": shift,
        "relative_height": higher,
        "curves": {who: g.tolist() for who, g in curves(everything).items()},
    }


def _first_peak(r, g) -> tuple:
    """Position (Å) and height of the highest point: the top of a parabola through what lies above nine tenths of it."""
    smooth = np.convolve(g, [0.25, 0.5, 0.25], mode="same")
    top = int(np.argmax(smooth))
    low = high = top
    while low > 0 and smooth[low - 1] > 0.9 * smooth[top]:
        low -= 1
    while high + 1 < len(g) and smooth[high + 1] > 0.9 * smooth[top]:
        high += 1
    low, high = min(low, top - 1), max(high, top + 1)
    if low < 0 or high >= len(g):
        return float(r[top]), float(smooth[top])
    square, line, constant = np.polyfit(r[low : high + 1] - r[top], smooth[low : high + 1], 2)
    shift = float(np.clip(-0.5 * line / square, r[low] - r[top], r[high] - r[top])) if square < 0.0 else 0.0
    return float(r[top] + shift), float(constant + line * shift + square * shift**2)


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
    for name in [*SMALL, *CLASSICAL_RUNS, *FRICTIONS]:
        run = place.finished(name)
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


def molecules(place) -> dict:
    """Scans, torsions and normal modes, see molecules.py."""
    from molecules import molecules as scan

    return scan(place.potential(MODEL, "double"), load_teacher(SEVENNET).calculator, short=place.short)
