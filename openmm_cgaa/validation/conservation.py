"""Row `drift`: is energy conserved without a thermostat, and how does the error grow with the step?"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..analysis.drift import energy_drift, slope
from ..errors import SimulationError
from ..inputs.ranges import bounded
from ..simulation.read import read_run
from ..units import KJMOL_PER_EV
from .row import Row, estimate, markdown_table, panels, plus_minus, thinned, yes


@dataclass(frozen=True, kw_only=True)
class Drift(Row):
    """Slope of the total energy in NVE, its spread about the line, and how that grows with the step.

    Attributes
    ----------
    runs : list of str
        Each with an NVE part.
    judged : str, optional
        The one of them that the summary tells of; by default the first.
    largest : float, optional
        Of the slope, meV/atom/ps; without it there is no bar.
    beside : list of str
        Other rows of this kind, for the same table and figure.
    """

    runs: list[str]
    judged: str | None = None
    largest: float | None = bounded(0.005, 0.0, 1e6, "meV/atom/ps")
    beside: list[str] | None = None

    what = "total energy in NVE"

    def needs(self):
        return {"run": [*self.runs, *([self.judged] if self.judged else [])]}

    def measure(self, place):
        return slopes(place, self.runs)

    def must(self):
        return "" if self.largest is None else f"at most {self.largest:g} meV/atom/ps"

    def verdict(self, results, system):
        found = results[self.name]
        row, order = found[self.judged or self.runs[0]], found.get("order")
        slope = row.get("slope_meV_per_atom_per_ps")
        if self.largest is None:
            heating = [f"{plus_minus(slope)} meV/atom/ps, {plus_minus(row['kelvin_per_ps'])} K/ps"] if slope else []
            return "; ended at ".join([*heating, *([row["end"]] if "end" in row else [])]), ""
        if "end" in row:
            return row["end"], yes(False)
        grows = f"; its spread grows with the step to the power {order:.1f}" if order else ""
        return f"{plus_minus(slope)} meV/atom/ps{grows}", yes(abs(slope["value"]) + slope["error"] <= self.largest)

    def _shown_elsewhere(self, system) -> bool:
        return any(self.name in (getattr(row, "beside", None) or ()) for row in system.rows.values())

    def _rows(self, results, system) -> dict:
        """Of this row and those beside it: by model, then by step."""
        found = {}
        for name in (self.name, *(self.beside or ())):
            found |= {run: row for run, row in results.get(name, {}).items() if run in system.runs}
        return dict(sorted(found.items(), key=lambda item: (system.model_of(item[0]) != system.model, item[1]["step"])))

    def tables(self, results, system):
        if self._shown_elsewhere(system):
            return {}
        lines = []
        for name, row in self._rows(results, system).items():
            line = [system.label(system.model_of(name)), f"{row['step']:g}"]
            if "spread_meV_per_atom" in row:
                slope, heating = plus_minus(row["slope_meV_per_atom_per_ps"]), plus_minus(row["kelvin_per_ps"])
                line += [f"{row['picoseconds']:.2g}", slope, heating, f"{row['spread_meV_per_atom']:.3g}"]
            else:
                line += [""] * 4
            lines.append([*line, row.get("end", "ran to its end")])
        head = ["", "step, fs", "ps", "slope, meV/atom/ps", "K/ps", "spread about the line, meV/atom", "end"]
        return {self.name: markdown_table(head, lines)}

    def draw(self, results, system):
        """Total energy over time, by time step; beside other models, where those held."""
        rows = {name: row for name, row in self._rows(results, system).items() if "time_ps" in row}
        if self._shown_elsewhere(system) or not rows:
            return None
        own = {name: row for name, row in rows.items() if system.model_of(name) == system.model}
        others = {name: row for name, row in rows.items() if name not in own}
        figure, (ours, *both) = panels(1 + len(others), 2, 5.4, 3.4)
        for row in own.values():
            slope = row["slope_meV_per_atom_per_ps"]
            label = f"{row['step']:g} fs: {slope['value']:.1g} ± {slope['error']:.1g} meV/atom/ps"
            label += ", first half" if "end" in row else ""
            ours.plot(row["time_ps"], row["total_meV_per_atom"], linewidth=0.7, label=label)
        ours.set(title=f"{system.model}, NVE", xlabel="time (ps)", ylabel="total energy − start (meV/atom)")
        low, high = ours.get_ylim()
        ours.set_ylim(low, high + 0.5 * (high - low))  # room for the legend
        ours.legend(frameon=False, fontsize="small")
        judged = own.get(self.judged or self.runs[0])
        for ax, (name, other) in zip(both, others.items()):
            label = system.label(system.model_of(name)).strip("`")
            for row, who in ((judged, system.model), (other, label)):
                if row is not None:
                    step = f"{who}, {row['step']:g} fs"
                    ax.plot(row["time_ps"], row["total_meV_per_atom"], linewidth=1.0, label=step)
            ax.set(title=f"beside the {label}", xlabel="time (ps)", ylabel="total energy − start (meV/atom)")
            ax.set_xlim(0, other["picoseconds"])
            ax.legend(frameon=False, fontsize="small")
        return figure


def slopes(place, names) -> dict:
    """Of each run; of one that blew up, which is a result, too, of the first half of its NVE, with how it ended."""
    found = {}
    for name in names:
        row = found[name] = {"step": place.system.runs[name].timestep}
        try:
            run = place.finished(name)
            row |= about_a_line(run.nve, run.frames.n_atoms)
        except SimulationError as error:
            row["end"] = place.how_it_ended(name, error)
            with suppress(SimulationError):  # it may have ended before there was a slope
                run = read_run(place.folder_of(name))
                if run.nve is not None:
                    row |= about_a_line(run.nve[: len(run.nve) // 2], run.frames.n_atoms)
    rows = [row for row in found.values() if "end" not in row]
    if len(rows) > 1:
        steps, spreads = (np.log([row[key] for row in rows]) for key in ("step", "spread_meV_per_atom"))
        found["order"] = float(np.polyfit(steps, spreads, 1)[0])
    return found


def about_a_line(nve, atoms) -> dict:
    """Of rows of ``nve.csv``."""
    time, total = nve["time_ps"], nve["total_kjmol"]
    drifts = energy_drift(time, total, atoms)  # refuses what is too short, or not finite
    off = 1000.0 * (total - np.polyval(np.polyfit(time, total, 1), time)) / KJMOL_PER_EV / atoms
    some = thinned(len(time))
    return {
        "slope_meV_per_atom_per_ps": estimate(drifts),
        "spread_meV_per_atom": float(off.std()),
        "temperature_K": float(nve["temperature_K"].mean()),
        "kelvin_per_ps": estimate(slope(time, nve["temperature_K"])),
        "picoseconds": float(time[-1] - time[0]),
        "time_ps": (time - time[0])[some].tolist(),
        "total_meV_per_atom": (1000.0 * (total - total[0]) / KJMOL_PER_EV / atoms)[some].tolist(),
    }
