"""Rows about the liquid: structure and spectrum beside the teacher's own dynamics, pressure, transport, molecules."""

import hashlib
import io
from typing import NamedTuple

import mdtraj
import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from dynamics import SMALL, TRACE, estimate
from runs import MODEL
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from openmm_cgaa.analysis.diffusion import diffusion, mean_square_displacement
from openmm_cgaa.analysis.drift import mean, slope
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
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.labelling.label import label_frames
from openmm_cgaa.labelling.teachers import SEVENNET, load_teacher
from openmm_cgaa.units import ANGSTROM_PER_NM, BAR_PER_EV_PER_ANGSTROM3, KJMOL_PER_EV

BIN = 0.005  # nm
STRUCTURE = ("small-300", "second-300")  # the runs that radial distributions are of
BLOCKS = 10  # of a long run, for the jackknife
BURSTS, BURST_STEPS, BURST_EVERY = 8, 700, 4  # of each run; steps of 0.5 fs
HOT_BURSTS = 3
DROPPED = round(0.1 / (0.0005 * BURST_EVERY))  # frames of a burst, 0.1 ps
CLASSICAL_RUNS = [name.replace("small", "classical") for name in SMALL]
FRICTIONS = ["friction-0.1", "friction-10"]
LAGS = 5.0, 15.0  # ps, of the mean square displacement


def pressure(place, frames=40) -> dict:
    """Mean density at 1 bar, and the student's pressure less the teacher's on frames of that run.

    The difference is given twice: of the atoms' virials, and of the molecules' (forces on atoms times their molecule's
    center), which alone moves a barostat: what two models disagree about inside a molecule falls out of it.
    """
    run = place.finished("npt", settling=0.2)
    atomic, molecular = _pressure_differences(run, place, 2 if place.short else frames)
    return {
        "density_g_per_ml": estimate(mean(run.state["density_gml"])),
        "density_slope_g_per_ml_per_ns": estimate(slope(run.state["time_ps"] / 1000.0, run.state["density_gml"])),
        "picoseconds": float(run.trajectory.time[-1] - run.trajectory.time[0]),
        "student_minus_teacher_bar": {"atomic": estimate(mean(atomic)), "molecular": estimate(mean(molecular))},
        "frames": len(atomic),
        "time_ps": run.state["time_ps"][:: max(1, len(run.state) // TRACE)].tolist(),
        "density_gml": run.state["density_gml"][:: max(1, len(run.state) // TRACE)].tolist(),
        "atomic_bar": atomic.tolist(),
        "molecular_bar": molecular.tolist(),
    }


def _pressure_differences(run, place, count) -> tuple:
    """Student less teacher in bar, frame by frame; the kinetic part is the same in both and falls out."""
    chosen = np.unique(np.linspace(0, run.trajectory.n_frames - 1, count).round().astype(int))
    frames = [_atoms(run.trajectory, index) for index in chosen]
    labels = label_frames(frames, load_teacher(SEVENNET), place.folder / "npt" / "teacher.parts")
    calculator = CGAACalculator(place.potential(), topology=run.grain_map)
    atomic, molecular = [], []
    for atoms, label in zip(frames, labels):
        atoms.calc, inside = calculator, 0.0
        traces = [np.trace(stress) for stress in (atoms.get_stress(voigt=False), np.asarray(label.stress))]
        off, masses = atoms.get_forces() - label.forces, atoms.get_masses()
        whole = ANGSTROM_PER_NM * whole_grains(_as_trajectory(atoms, run), run.grain_map)[0]
        for slots in run.grain_map.slots:
            center = masses[slots] @ whole[slots] / masses[slots].sum()
            inside += ((whole[slots] - center) * off[slots]).sum()
        atomic.append(BAR_PER_EV_PER_ANGSTROM3 * (traces[1] - traces[0]) / 3.0)
        molecular.append(atomic[-1] - BAR_PER_EV_PER_ANGSTROM3 * inside / (3.0 * atoms.get_volume()))
    return np.array(atomic), np.array(molecular)


def _as_trajectory(atoms, run):
    trajectory = mdtraj.Trajectory(atoms.positions[None] / ANGSTROM_PER_NM, run.trajectory.topology)
    trajectory.unitcell_vectors = np.asarray(atoms.cell)[None] / ANGSTROM_PER_NM
    return trajectory


def _atoms(trajectory, index):
    numbers = [atom.element.atomic_number for atom in trajectory.topology.atoms]
    cell = ANGSTROM_PER_NM * trajectory.unitcell_vectors[index]
    return Atoms(numbers, ANGSTROM_PER_NM * trajectory.xyz[index], cell=cell, pbc=True)


def bursts(place, who, names=None, count=BURSTS) -> list:
    """Trajectories of 0.35 ps, NVT, from independent frames of long runs: of the teacher or of the student.

    Both begin with the same positions and velocities and see the same random forces, so that what they share falls out
    of their differences. Each is kept as soon as it is done.
    """
    count, steps = (2, 40) if place.short else (count, BURST_STEPS)
    model = "" if who == "teacher" else place.potential().provenance()["model_sha256"]
    found = []
    for name in names or STRUCTURE:
        run = place.finished(name)
        for index in np.linspace(0, run.trajectory.n_frames - 1, count).round().astype(int):
            number, start = len(found), run.trajectory[index]
            made = hashlib.sha256(model.encode() + start.xyz.tobytes()).hexdigest()[:12]
            path = place.folder / "bursts" / f"{who}-{number}-{made}.npy"
            if not path.is_file():
                if who == "teacher":
                    calculator = load_teacher(SEVENNET).calculator
                else:
                    calculator = CGAACalculator(place.potential(), topology=run.grain_map)
                buffer = io.BytesIO()
                np.save(buffer, _burst(_atoms(start, 0), calculator, run.settings["temperature"], steps, number))
                path.parent.mkdir(exist_ok=True)
                write_bytes(path, buffer.getvalue())
            trajectory = mdtraj.Trajectory(np.load(path) / ANGSTROM_PER_NM, start.topology)
            trajectory.unitcell_vectors = np.repeat(start.unitcell_vectors, len(trajectory), axis=0)
            found.append(trajectory)
    return found


def _burst(atoms, calculator, kelvin, steps, seed) -> np.ndarray:
    """Positions [frames, atoms, 3] in Å, float32, one frame every `BURST_EVERY` steps."""
    rng, frames = np.random.default_rng(seed), []
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=kelvin, rng=rng)
    Stationary(atoms)
    friction = 1.0 / (1000.0 * units.fs)
    motion = Langevin(atoms, 0.5 * units.fs, temperature_K=kelvin, friction=friction, fixcm=False, rng=rng)
    motion.attach(lambda: frames.append(atoms.positions.copy()), BURST_EVERY)
    motion.run(steps)
    return np.array(frames, dtype=np.float32)


class Pairs(NamedTuple):
    """What a radial distribution is of: points of a trajectory, pairs of them, and the width of its smoothing in Å."""

    points: callable
    pairs: np.ndarray
    width: float


def _pairs(run) -> dict:
    """Centers of all pairs of species, hydrogen bonds, what lithium sees; by name."""
    topology = run.trajectory.topology
    chosen = {
        name: Pairs(lambda trajectory: grain_centers(trajectory, run.grain_map), pairs, 0.3)
        for name, pairs in center_pairs(run.grain_map).items()
    }
    oxygens, lithium = carbonyl_oxygens(topology), topology.select("element Li")
    atoms = {
        "C=O...H": (oxygens, topology.select("element H"), 0.15),
        "Li...O": (lithium, topology.select("element O"), 0.03),
        "Li...P": (lithium, topology.select("element P"), 0.1),
    }
    for name, (first, second, width) in atoms.items():
        chosen[name] = Pairs(lambda trajectory: trajectory, atom_pairs(topology, first, second), width)
    return {name: own for name, own in chosen.items() if len(own.pairs)}


def rdf(place, frames=1200) -> dict:
    """Radial distributions of student and teacher at 300 K, in two ways.

    ``ensemble``: of the student's long runs, so many frames of each, and from them of the teacher's ensemble without
    any dynamics of it, by the first order of R. W. Zwanzig's exp(-(E_teacher - E_student) / kT) (J. Chem. Phys. 22,
    1420 (1954)). Of the energies' difference nearly all is vibration, which does not know of g(r): in all orders its
    noise would leave a few frames the whole weight (it is told how many), in the first it averages out. ``bursts``: of
    the student's and the teacher's dynamics from the same frames and velocities; the teacher has had 0.1 ps to move
    away from what the student made, so that slow differences show in part only.
    """
    trajectories = {who: [_settled(t, place) for t in bursts(place, who)] for who in ("student", "teacher")}
    frames = 4 if place.short else frames
    chosen = [t[:: max(1, len(t) // frames)] for t in (place.finished(name).trajectory for name in STRUCTURE)]
    some, run = mdtraj.join(chosen), place.finished(STRUCTURE[0])
    weights, numbers = _weights(place, run, some)
    found = {"energy_difference": numbers, "pairs": {}}
    blocks = np.array_split(np.arange(len(some)), min(BLOCKS * len(STRUCTURE), len(some)))
    for name, (points, pairs, width) in _pairs(run).items():

        def of(trajectory, points=points, pairs=pairs):
            return radial_distribution(points(trajectory), pairs, BIN)

        r, curves = ANGSTROM_PER_NM * of(some[:1]).r, {who: [of(t).g for t in own] for who, own in trajectories.items()}
        one_by_one, even = np.array([of(some[i]).g for i in range(len(some))]), np.ones(len(some))
        weighed = {
            who: ([w[block] @ one_by_one[block] for block in blocks], [w[block].sum() for block in blocks])
            for who, w in (("student", even), ("teacher", weights))
        }
        found["pairs"][name] = {
            "bursts": _beside(r, {who: (own, np.ones(len(own))) for who, own in curves.items()}, width),
            "ensemble": _beside(r, weighed, width),
            "r_A": r.tolist(),
        }
    return found


def _weights(place, run, some) -> tuple:
    """Of frames in the teacher's ensemble, to first order [frames], and what is to be known about them."""
    atoms, folder = [_atoms(some, index) for index in range(len(some))], place.folder / "bursts" / "energies.parts"
    labels = label_frames(atoms, load_teacher(SEVENNET), folder)
    own = [
        place.potential().evaluate(run.grain_map, xyz.astype(float), box.astype(float))[0] / KJMOL_PER_EV
        for xyz, box in zip(some.xyz, some.unitcell_vectors)
    ]
    off = (np.array([label.energy for label in labels]) - own) / (units.kB * run.settings["temperature"])
    off -= off.mean()
    all_orders = np.exp(-off)
    return 1.0 - off, {
        "frames": len(some),
        "effective_frames_all_orders": float(all_orders.sum() ** 2 / (all_orders**2).sum()),
        "spread_kT": float(off.std()),
        "skewness": float((off**3).mean() / off.std() ** 3),
    }


def _beside(r, parts, width) -> dict:
    """Two curves: their first peaks and how they differ, with errors by the jackknife over parts.

    ``difference`` is the integral of |student - teacher| over that of the teacher, ``by_chance`` what it would be on
    average if only the noise of both differed.

    Parameters
    ----------
    r : array [bins], Å
    parts : dict
        "student" and "teacher": sums of weighed curves [parts, bins] and of weights [parts].
    width : float
        Å, of the Gaussian that smooths the curves.
    """
    parts = {who: (np.array(curves), np.array(weights)) for who, (curves, weights) in parts.items()}
    count = len(parts["student"][1])

    def curves(keep):
        raw = {who: sums[keep].sum(axis=0) / weights[keep].sum() for who, (sums, weights) in parts.items()}
        return {who: gaussian_filter1d(g, width / (r[1] - r[0]), mode="nearest") for who, g in raw.items()}

    def compared(keep):
        """How far apart the peaks are, their heights and the curves."""
        both = curves(keep)
        (at, height), (true_at, true_height) = (_first_peak(r, both[who], first) for who in ("student", "teacher"))
        return np.array([at - true_at, height / true_height - 1.0, *(both["student"] - both["teacher"])])

    everything = np.ones(count, dtype=bool)
    both = curves(everything)
    first = _first_peak(r, both["teacher"])[0]
    value = compared(everything)
    without = np.array([compared(np.arange(count) != part) for part in range(count)])
    errors = np.sqrt((count - 1) * without.var(axis=0))
    size = np.abs(both["teacher"]).mean() or 1.0
    found = {
        "difference": float(np.abs(value[2:]).mean() / size),
        "by_chance": float(np.sqrt(2.0 / np.pi) * errors[2:].mean() / size),
        "curves": {who: g.tolist() for who, g in both.items()},
    }
    if np.isfinite(value[:2]).all():
        peaks = {who: _first_peak(r, g, first) for who, g in both.items()}
        shift, higher = ({"value": float(v), "error": float(e)} for v, e in zip(value[:2], errors))
        found |= {"shift_A": shift, "relative_height": higher}
        found |= {"peak_at_A": {who: peak[0] for who, peak in peaks.items()}}
        found |= {"peak_height": {who: peak[1] for who, peak in peaks.items()}}
    return found


def _first_peak(r, g, near=None) -> tuple:
    """Position (Å) and height of the first high and clear maximum, or of the high one nearest to a place; or nan.

    High: a third of the highest point. Clear: it stands out by a thirtieth of its height; where a place is given the
    peak is known to be there, and a shoulder that hardly stands out must not hand over to the next peak. Of the
    parabola through all of the peak's upper third, for the highest bin of a broad one is a matter of chance.
    """
    peaks, found = find_peaks(g, height=g.max() / 3.0, prominence=0.0)
    clear = np.flatnonzero(found["prominences"] >= (g[peaks] / 30.0 if near is None else 0.0))
    if not len(clear):
        return np.nan, np.nan
    chosen = clear[0 if near is None else np.abs(r[peaks[clear]] - near).argmin()]
    top = peaks[chosen]
    low = g < g[top] - found["prominences"][chosen] / 3.0
    first, last = np.flatnonzero(low[:top])[-1:], np.flatnonzero(low[top:])[:1]
    first, last = (first[0] + 1 if len(first) else 0), (top + last[0] if len(last) else len(g))
    first, last = min(first, top - 1), max(last, top + 2)
    a, b, c = np.polyfit(r[first:last] - r[top], g[first:last], 2)
    if a >= 0.0:
        return float(r[top]), float(g[top])
    return float(r[top] - 0.5 * b / a), float(c - 0.25 * b * b / a)


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


def teacher_liquid(place, frames=4) -> dict:
    """Error of the model where the teacher's own dynamics goes (its bursts), beside where the model's own goes.

    If it is the same, what errs is not a place that the model has found because it errs there. So many frames of each
    burst, of the hot ones three times as many; errors from the spread over bursts, which both share the starts of.
    """
    teacher, found = load_teacher(SEVENNET), {}
    for kelvin, names, count, each in (
        (300, STRUCTURE, BURSTS, frames),
        (500, ("small-500",), HOT_BURSTS, 3 * frames),
    ):
        run, rmse, each = place.finished(names[0]), {}, 2 if place.short else each
        for who in ("student", "teacher"):
            own = [_settled(t, place) for t in bursts(place, who, names, count)]
            own = [t[np.linspace(0, len(t) - 1, each).round().astype(int)] for t in own]
            folder = place.folder / "bursts" / f"{who}.parts"
            error = teacher_error(mdtraj.join(own), run.grain_map, place.potential(), teacher, folder, each * len(own))
            rmse[who] = error.force_rmse.reshape(len(own), each)
            found[f"{who}, {kelvin} K"] = error.summary() | {
                "bursts": len(own),
                "force_rmse_eV_per_A": _over_parts(rmse[who].mean(axis=1)),
                "force_rmse_halves": [float(half.mean()) for half in np.array_split(rmse[who], 2, axis=1)],
            }
        less = (rmse["student"] - rmse["teacher"]).mean(axis=1)
        found[f"student, {kelvin} K"]["less_teacher_eV_per_A"] = _over_parts(less)
    return found


def _settled(trajectory, place):
    """A burst without the 0.1 ps that it has to move away from its start."""
    return trajectory[1 if place.short else DROPPED :]


def _over_parts(values) -> dict:
    """Mean, and its standard error from the spread over independent parts."""
    return {"value": float(np.mean(values)), "error": float(np.std(values, ddof=1) / np.sqrt(len(values)))}


def bonds(place) -> dict:
    """Lengths of bonds between heavy atoms and how far they swing: model, teacher (bursts) and classical force field.

    Bonds are of one kind where both ends have the same element and the same neighbours. Errors from the spread over
    bursts, or over blocks of the classical run; of the model its difference from the teacher, burst by burst.
    """
    parts = {who: [_settled(t, place) for t in bursts(place, who)] for who in ("student", "teacher")}
    run = place.finished("classical-300")
    some = run.trajectory[:: 1 if place.short else 5]
    parts["classical"] = [some[block] for block in np.array_split(np.arange(len(some)), min(BLOCKS, len(some)))]
    graph, kinds, found = run.trajectory.topology.to_bondgraph(), {}, {}
    for first, second in graph.edges:
        if "H" not in (first.element.symbol, second.element.symbol):
            ends = [(a.element.symbol, *sorted(b.element.symbol for b in graph[a])) for a in (first, second)]
            kinds.setdefault((first.residue.name, *sorted(ends)), []).append([first.index, second.index])
    for (residue, *_), pairs in kinds.items():
        ends = [run.trajectory.topology.atom(index) for index in pairs[0]]
        names = "-".join(f"{atom.element.symbol}{atom.index - atom.residue.atom(0).index}" for atom in ends)
        values = {}
        for who, trajectories in parts.items():
            lengths = [ANGSTROM_PER_NM * mdtraj.compute_distances(t, pairs) for t in trajectories]
            values[who, "length_A"] = np.array([length.mean() for length in lengths])
            # about each bond's own mean in its part: what a bond does, not how two of them differ
            values[who, "swing_A"] = np.array([np.sqrt(length.var(axis=0).mean()) for length in lengths])
        found[f"{residue} {names}"] = {
            key: {
                "teacher": _over_parts(values["teacher", key]),
                "student_less_teacher": _over_parts(values["student", key] - values["teacher", key]),
                "classical": _over_parts(values["classical", key]),
            }
            for key in ("length_A", "swing_A")
        }
    return found


def transport(place) -> dict:
    """Self-diffusion of the species: model and classical force field, and what the friction does to it.

    All from the same lags. ``exponent``: with which power of time the mean square displacement grows there; well below
    1 the number is no diffusion coefficient yet.
    """
    found = {}
    for name in [*dict.fromkeys([*SMALL, *STRUCTURE]), *CLASSICAL_RUNS, *FRICTIONS]:
        run = place.finished(name)
        centers, masses = _unwrapped_centers(run)
        centers = centers - (masses[:, None] * centers).sum(axis=1, keepdims=True) / masses.sum()
        time, names = run.trajectory.time, np.array([run.grain_map.types[t].name for t in run.grain_map.type_index])
        begin, end = LAGS if not place.short else np.array(LAGS) * (time[-1] - time[0]) / 100.0
        lags = np.arange(len(time)) * (time[1] - time[0])
        inside = (lags >= begin) & (lags <= end)
        species = {}
        for kind in dict.fromkeys(names):
            own = centers[:, names == kind]
            growth = np.polyfit(np.log(lags[inside]), np.log(mean_square_displacement(own)[inside]), 1)[0]
            species[kind] = estimate(diffusion(time, own, begin, end)) | {"exponent": float(growth)}
        found[name] = {
            "friction_per_ps": run.settings["friction"],
            "temperature_K": run.settings["temperature"],
            "species": species,
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
