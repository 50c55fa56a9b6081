"""Row `pressure`: is the density at 1 bar the teacher's?"""

from dataclasses import dataclass

import numpy as np

from ..analysis.drift import mean, slope
from ..errors import CGAAError
from ..inputs.ranges import bounded
from ..units import BAR_PER_MPA
from ..wording import counted
from .accuracy import against_teacher
from .row import Row, estimate, panels, plus_minus, thinned, yes


@dataclass(frozen=True, kw_only=True)
class Pressure(Row):
    """Mean density of an NPT run, and the student's pressure less the teacher's on frames of that run.

    The difference is given twice: of the atoms' virials, and of the molecules' (forces on atoms times their molecule's
    center). The latter alone moves a barostat. What two models disagree about inside a molecule falls out of it.

    Attributes
    ----------
    run : str
        At constant pressure.
    frames : int
        That the teacher labels.
    settling : float
        Part of the run that is left out.
    """

    run: str
    frames: int = bounded(40, 2, 10**6)
    settling: float = bounded(0.2, 0.0, 0.9)

    what = "density at constant pressure"

    def needs(self):
        return {"run": [self.run]}

    def measure(self, place):
        run = place.finished(self.run, settling=self.settling)
        off = against_teacher(place, self.run, run, place.count(self.frames, 2)).pressure
        if off is None:
            raise CGAAError(f"row {self.name}: the teacher or the model has no stress; leave this row out")
        atomic, molecular = (BAR_PER_MPA * off[name] for name in ("atomic", "molecular"))
        kept = thinned(len(run.state))
        return {
            "density_g_per_ml": estimate(mean(run.state["density_gml"])),
            "density_slope_g_per_ml_per_ns": estimate(slope(run.state["time_ps"] / 1000.0, run.state["density_gml"])),
            "picoseconds": float(run.frames.time[-1] - run.frames.time[0]),
            "student_minus_teacher_bar": {"atomic": estimate(mean(atomic)), "molecular": estimate(mean(molecular))},
            "frames": len(atomic),
            "time_ps": run.state["time_ps"][kept].tolist(),
            "density_gml": run.state["density_gml"][kept].tolist(),
            "atomic_bar": atomic.tolist(),
            "molecular_bar": molecular.tolist(),
        }

    def must(self):
        return "mean pressures agree within error"

    def verdict(self, results, system):
        row = results[self.name]
        off, drifts = row["student_minus_teacher_bar"], row["density_slope_g_per_ml_per_ns"]
        agrees = abs(off["molecular"]["value"]) <= 2.0 * off["molecular"]["error"]
        return (
            f"{plus_minus(row['density_g_per_ml'])} g/ml, slope {plus_minus(drifts)} g/ml/ns; student less teacher "
            f"{plus_minus(off['molecular'])} bar (molecules), {plus_minus(off['atomic'])} bar (atoms), "
            f"{counted(row['frames'], 'frame')}"
        ), yes(agrees)

    def draw(self, results, system):
        """Density over time, and how far the pressures of both models are apart, frame by frame."""
        row, run = results[self.name], system.runs[self.run]
        figure, (density, bars) = panels(2, 2, 5.4, 3.0)
        density.plot(row["time_ps"], row["density_gml"], linewidth=0.8)
        density.axhline(row["density_g_per_ml"]["value"], color="0.5", linestyle="--", linewidth=0.8)
        title = f"NPT, {run.pressure or 0.0:g} bar, {run.temperature:g} K"
        density.set(title=title, xlabel="time (ps)", ylabel="density (g/cm³)")
        for place, name in enumerate(("atomic", "molecular")):
            values, found = row[f"{name}_bar"], row["student_minus_teacher_bar"][name]
            bars.plot(np.full(len(values), place) + np.linspace(-0.2, 0.2, len(values)), values, ".", color="0.6")
            bars.errorbar(place, found["value"], found["error"], fmt="o", capsize=4, color="tab:blue")
        bars.axhline(0.0, color="0.5", linewidth=0.8)
        bars.set_xticks((0, 1), ("of atoms", "of molecules"))
        bars.set(title="pressure, student − teacher", ylabel="bar", xlim=(-0.5, 1.5))
        return figure
