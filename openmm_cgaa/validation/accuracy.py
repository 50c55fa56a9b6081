"""Rows `along` and `teacher_liquid`: errors against the teacher where the model goes, and where the teacher goes."""

from dataclasses import dataclass, field

import mdtraj
import numpy as np

from ..analysis.drift import slope
from ..analysis.teacher_error import teacher_error
from ..errors import CGAAError
from ..inputs.ranges import bounded
from ..inputs.settings import Checked
from ..wording import counted
from .bursts import bursts, settled
from .row import Row, estimate, markdown_table, over_parts, plus_minus, yes

PARTS = ("force", "net_force", "torque")


def against_teacher(place, name, run, frames):
    """Errors on frames of a run, evenly spaced; see `analysis.teacher_error`."""
    folder = place.folder_of(name) / "teacher.parts"
    return teacher_error(run.frames, run.grain_map, place.potential(), place.teacher, folder, frames)


@dataclass(frozen=True, kw_only=True)
class Along(Row):
    """Error against the teacher from the first to the last part of the runs.

    Its table and its line of the summary show the row `teacher_liquid`, too.

    Attributes
    ----------
    runs : list of str
        Runs of the system.
    frames : int
        Of each run.
    test_set : dict
        The model's errors on its test set: ``force`` in eV/Å, ``net_force`` and ``torque`` of themselves. Without it
        there is no bar.
    factor : float
        Over an error of the test set, that is allowed.
    """

    runs: list[str]
    frames: int = bounded(20, 2, 10**6)
    test_set: dict[str, float] = field(default_factory=dict)
    factor: float = bounded(1.1, 1.0, 100.0)

    what = "error against the teacher along the way"

    def __post_init__(self):
        super().__post_init__()
        if self.test_set and set(self.test_set) != set(PARTS):
            raise CGAAError(f"test_set has {', '.join(self.test_set)}; expected {', '.join(PARTS)}")

    def measure(self, place):
        found = {}
        for name in self.runs:
            run = place.finished(name)
            error = against_teacher(place, name, run, place.count(self.frames, 2))
            time = run.frames.time[error.frames]
            found[name] = error.summary() | {
                "force_rmse_halves": [float(np.sqrt(np.mean(half**2))) for half in np.array_split(error.force_rmse, 2)],
                "time_ps": time.tolist(),
                "force_rmse_eV_per_A": error.force_rmse.tolist(),
                "energy_error_meV_per_atom": error.energy.tolist(),
            }
            if len(time) >= 10:
                found[name]["slope_meV_per_A_per_ps"] = estimate(slope(time, 1000.0 * error.force_rmse))
        return found

    def must(self):
        return "as on the test set, first to last" if self.test_set else ""

    def verdict(self, results, system):
        rows = results[self.name].values()
        found = {
            "force": [row["force_eV_per_A"]["component"] for row in rows],
            **{part: [row["relative"][part] for row in rows] for part in ("net_force", "torque")},
        }
        ratios = [second / first for first, second in (row["force_rmse_halves"] for row in rows)]
        told = {part: f" (test {self.test_set[part]:g})" if self.test_set else "" for part in PARTS}
        text = f"{counted(sum(row['frames'] for row in rows), 'frame')}: " + ", ".join(
            f"{part.replace('_', ' ')} {min(values):.{digits}f} to {max(values):.{digits}f}{told[part]}"
            for (part, values), digits in zip(found.items(), (3, 2, 2))
        )
        text += f"; force in the second half over the first: {min(ratios):.2f} to {max(ratios):.2f}"
        for name, row in results.get("teacher_liquid", {}).items():
            if "less_teacher_eV_per_A" in row:
                less = plus_minus(row["less_teacher_eV_per_A"])
                text += f"; where its own dynamics goes less where the teacher's does, {name.split(', ')[1]}: {less}"
        met = [
            f"{part.replace('_', ' ')} {yes(max(values) <= self.factor * self.test_set[part])}"
            for part, values in found.items()
            if self.test_set
        ]
        return text, ", ".join(met)

    def tables(self, results, system):
        bursts = {
            f"{counted(row['bursts'], 'burst')}, {who}": row for who, row in results.get("teacher_liquid", {}).items()
        }
        lines = []
        for name, row in (results[self.name] | bursts).items():
            energy, force = row["energy_meV_per_atom"], row["force_eV_per_A"]
            lines.append(
                [
                    name,
                    row["frames"],
                    *(f"{force[part]:.4f}" for part in ("component", "translation", "rotation", "vibration")),
                    *(f"{row['relative'][part]:.3f}" for part in ("net_force", "torque")),
                    f"{energy['rmse_about_mean']:.2f} ({energy['mean']:+.2f})",
                ]
            )
        head = ["run", "frames", "force, eV/Å", "translation", "rotation", "vibration", "net force", "torque"]
        return {self.name: markdown_table([*head, "energy about its mean (mean), meV/atom"], lines)}


@dataclass(frozen=True)
class BurstGroup(Checked):
    """Bursts from runs of one temperature.

    Attributes
    ----------
    runs : list of str
        Where they begin.
    count : int
        Of each run.
    frames : int
        Of each burst, that the teacher labels.
    """

    runs: list[str]
    count: int = bounded(8, 2, 10_000)
    frames: int = bounded(4, 2, 10**6)


@dataclass(frozen=True, kw_only=True)
class TeacherLiquid(Row):
    """Error of the model where the teacher's own dynamics goes (its bursts), beside where the model's own goes.

    If it is the same, what errs is not a place that the model has found because it errs there. Errors from the spread
    over bursts, which both share the starts of.

    Attributes
    ----------
    groups : list of BurstGroup
        Bursts whose frames are labelled.
    """

    groups: list[BurstGroup]

    what = "error where the teacher's own dynamics goes"
    of_bursts = True

    def needs(self):
        return {"run": [name for group in self.groups for name in group.runs]}

    def measure(self, place):
        found = {}
        for group in self.groups:
            run, rmse, each = place.finished(group.runs[0]), {}, place.count(group.frames, 2)
            kelvin = place.system.runs[group.runs[0]].temperature
            for who in ("student", "teacher"):
                own = [settled(t, place) for t in bursts(place, who, group.runs, group.count)]
                own = [t[np.linspace(0, len(t) - 1, each).round().astype(int)] for t in own]
                folder, count = place.folder / "bursts" / f"{who}.parts", each * len(own)
                joined = mdtraj.join(own)
                error = teacher_error(joined, run.grain_map, place.potential(), place.teacher, folder, count)
                rmse[who] = error.force_rmse.reshape(len(own), each)
                found[f"{who}, {kelvin:g} K"] = error.summary() | {
                    "bursts": len(own),
                    "force_rmse_eV_per_A": over_parts(rmse[who].mean(axis=1)),
                    "force_rmse_halves": [float(half.mean()) for half in np.array_split(rmse[who], 2, axis=1)],
                }
            less = (rmse["student"] - rmse["teacher"]).mean(axis=1)
            found[f"student, {kelvin:g} K"]["less_teacher_eV_per_A"] = over_parts(less)
        return found

    def verdict(self, results, system):
        rows = results[self.name]
        errors = [f"{who} {plus_minus(row['force_rmse_eV_per_A'])}" for who, row in rows.items()]
        return f"force, eV/Å: {'; '.join(errors)}", ""
