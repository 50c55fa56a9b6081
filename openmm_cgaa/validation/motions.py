"""Row `temperatures`: is energy shared out evenly among motions and elements?"""

from dataclasses import dataclass

import numpy as np

from ..analysis.drift import mean
from ..inputs.ranges import bounded
from .row import Row, estimate, markdown_table, panels, plus_minus, yes

MOTIONS = ("translation", "rotation", "vibration")


@dataclass(frozen=True, kw_only=True)
class MotionTemperatures(Row):
    """Of each motion and element, half-step velocities: each run, and all runs by their distance from the set one.

    Runs count by atoms times time.

    Attributes
    ----------
    runs : list of str
        NVT, at any temperatures.
    at : float, K
        To which all of them are scaled.
    largest : float, K
        By which temperatures that are known well may be off, and differ.
    known : float, K
        Those with a smaller error are known well; of the others (few atoms) the errors must cover what they are off.
    """

    runs: list[str]
    at: float = bounded(300.0, 1.0, 1e4, "K")
    largest: float = bounded(3.0, 0.0, 1e3, "K")
    known: float = bounded(1.0, 0.0, 1e3, "K")

    what = "temperatures of motions and elements, NVT"

    @property
    def together(self) -> str:
        return f"all, as at {self.at:g} K"

    def measure(self, place):
        found, off, weights = {}, {}, []
        for name in self.runs:
            run = place.finished(name)
            columns = [c for c in run.state.dtype.names if c.endswith("_K") and np.isfinite(run.state[c]).all()]
            means = {column[:-2]: mean(run.state[column]) for column in columns}
            found[name] = {motion: estimate(value) for motion, value in means.items()}
            weights.append(run.frames.n_atoms * len(run.state) * run.settings["report_interval"])
            scale = self.at / run.settings["temperature"]
            for motion, value in means.items():
                off.setdefault(motion, []).append((scale * value.value, scale * value.error, weights[-1]))
        found[self.together] = {}
        for motion, values in off.items():
            kelvin, error, weight = np.array(values).T
            share = weight / weight.sum()
            found[self.together][motion] = {
                "value": float(share @ kelvin),
                "error": float(np.sqrt(share**2 @ error**2)),
            }
        return found

    def must(self):
        return f"equal within {self.largest:g} K"

    def verdict(self, results, system):
        row = results[self.name][self.together]
        known = {motion: found["value"] for motion, found in row.items() if found["error"] <= self.known}
        known = known or {motion: found["value"] for motion, found in row.items()}
        rare = {motion: found for motion, found in row.items() if motion not in known}
        covered = all(abs(found["value"] - self.at) <= 2.0 * found["error"] for found in rare.values())
        low, high = min(known.values()), max(known.values())
        text = f"{low:.1f} to {high:.1f} K over all runs, as at {self.at:g} K ({', '.join(known)})"
        text += "".join(f"; {motion} {plus_minus(found)}" for motion, found in rare.items())
        close = all(abs(value - self.at) <= self.largest for value in known.values())
        return text, yes(close and high - low <= self.largest and covered)

    def tables(self, results, system):
        rows = results[self.name]
        columns = list(rows[self.together])
        lines = [[name, *(plus_minus(row[c]) if c in row else "" for c in columns)] for name, row in rows.items()]
        return {self.name: markdown_table(["K", *columns], lines)}

    def draw(self, results, system):
        """By run, less the set temperature."""
        rows = results[self.name]
        figure, (ax,) = panels(1, 1, 9.0, 3.4)
        names = list(rows[self.together])
        for place, (run, row) in enumerate(rows.items()):
            last = run == self.together
            kelvin = self.at if last else system.runs[run].temperature
            x = np.arange(len(names)) + 0.1 * (place - 0.5 * (len(rows) - 1))
            values = [row[name]["value"] - kelvin if name in row else np.nan for name in names]
            errors = [row[name]["error"] if name in row else np.nan for name in names]
            style = {"color": "black", "markersize": 6} if last else {"color": f"C{place}", "markersize": 3}
            ax.errorbar(x, values, errors, fmt="o", capsize=2, label=run, **style)
        ax.axhspan(-self.largest, self.largest, color="0.92", zorder=0)
        ax.set_xticks(range(len(names)), ["all", *names[1:]])
        ax.set(ylabel="temperature − set (K)", ylim=(-25.0, 25.0))
        figure.legend(loc="outside lower center", ncols=7, frameon=False, fontsize="small")
        return figure
