"""Row `spectrum`: do molecules vibrate in the liquid as the teacher's do?"""

from dataclasses import dataclass

import numpy as np

from ..analysis.rdf import whole_grains
from ..analysis.spectrum import density_of_states
from ..errors import CGAAError
from ..inputs.ranges import bounded
from .bursts import bursts
from .row import Row, panels


@dataclass(frozen=True, kw_only=True)
class Spectrum(Row):
    """Vibrational density of states: student and teacher over the bursts, and the student over a run.

    Attributes
    ----------
    run : str
        With a frame every few femtoseconds.
    smoothing : float, 1/cm
        Of the bursts.
    ranges : list of two numbers, 1/cm
        Of the figure, one after the other.
    """

    run: str
    smoothing: float = bounded(20.0, 1.0, 1000.0, "1/cm")
    ranges: list[float] = bounded(lambda: [100.0, 700.0, 3400.0], 0.0, 1e5, "1/cm")

    what = "vibrational density of states"
    of_bursts = True

    def __post_init__(self):
        super().__post_init__()
        if len(self.ranges) < 2 or sorted(set(self.ranges)) != self.ranges:
            raise CGAAError(f"ranges is {self.ranges}; expected two or more wavenumbers that grow")

    def needs(self):
        return {"run": [self.run]}

    def measure(self, place):
        run, plan, found = place.finished(self.run), place.system.bursts, {}
        masses = [atom.element.mass for atom in run.frames.topology.atoms]
        for who in ("student", "teacher"):
            each = [
                density_of_states(whole_grains(t, run.grain_map), masses, plan.timestep * plan.every, self.smoothing)
                for t in bursts(place, who)
            ]
            found[who] = {"per_cm": each[0][0].tolist(), "density": np.mean([d for _, d in each], axis=0).tolist()}
        interval = run.settings["timestep"] * run.settings["report_interval"]
        axis, density = density_of_states(whole_grains(run.trajectory, run.grain_map), masses, interval)
        length = f"student, {place.system.runs[self.run].picoseconds:g} ps"
        found[length] = {"per_cm": axis.tolist(), "density": density.tolist()}
        return found

    def verdict(self, results, system):
        student, teacher = (np.array(results[self.name][who]["density"]) for who in ("student", "teacher"))
        return f"curves differ by {100.0 * np.abs(student - teacher).sum() / teacher.sum():.0f} % of their area", ""

    def draw(self, results, system):
        found = results[self.name]
        figure, axes = panels(len(self.ranges) - 1, 2, 5.4, 3.2)
        styles = {"teacher": ("-", "0.35"), "student": ("-", "tab:blue")}
        order = ["teacher", "student", *(who for who in found if who not in styles)]
        for ax, low, high in zip(axes, self.ranges, self.ranges[1:]):
            for who in order:
                style, color = styles.get(who, (":", "tab:orange"))
                axis, density = np.array(found[who]["per_cm"]), np.array(found[who]["density"])
                inside = (axis >= low) & (axis <= high)
                ax.plot(axis[inside], 1000.0 * density[inside], style, color=color, linewidth=1.1, label=who)
            ax.set(xlabel="1/cm", ylabel="density (1e-3 cm)", xlim=(low, high), ylim=(0.0, None))
        axes[0].legend(frameon=False)
        return figure
