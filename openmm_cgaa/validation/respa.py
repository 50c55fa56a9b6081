"""Row `respa`: how long may the outer step be, where the intra-grain part has one of its own?"""

from dataclasses import dataclass, field

import numpy as np

from ..analysis.drift import mean
from ..analysis.rdf import center_pairs, center_trajectory, radial_distribution
from ..errors import CGAAError
from ..inputs.ranges import bounded
from .conservation import slopes
from .motions import MOTIONS
from .row import Row, estimate, markdown_table, panels, plus_minus


@dataclass(frozen=True, kw_only=True)
class Respa(Row):
    """The intra-grain part inside: slope and spread in NVE, temperatures and radial distributions in the NVT before it.

    All with the integrators of `simulate`. Velocities of the NVT are those of half steps, of the NVE of full ones.
    How much two radial distributions of this length differ by chance is estimated from the halves of the first.

    Attributes
    ----------
    runs : list of str
        By outer step; the first is what others are held against.
    pairs : list of str
        Of species (``EC-EMC``), whose centers have many pairs.
    largest : float
        Of the slope, meV/atom/ps.
    kelvin : float
        That temperatures of motions may be off.
    """

    runs: list[str]
    pairs: list[str] = field(default_factory=list)
    largest: float = bounded(0.005, 0.0, 1e6, "meV/atom/ps")
    kelvin: float = bounded(3.0, 0.0, 1e3, "K")

    what = "longest outer step"

    def measure(self, place):
        found, curves = slopes(place, self.runs), {}
        for name in self.runs:
            if "end" in found[name]:
                continue
            run = place.finished(name)
            nvt = run.frames[run.frames.time <= run.settings["picoseconds"] + 1e-6]
            curves[name] = self._curves(run, nvt)
            if name == self.runs[0]:
                halves = [self._curves(run, nvt[part]) for part in np.array_split(np.arange(len(nvt)), 2)]
                chance = {pair: np.abs(halves[0][pair] - halves[1][pair]).mean() / np.sqrt(2.0) for pair in halves[0]}
                found["rdf_difference_by_chance"] = {pair: float(value) for pair, value in chance.items()}
            found[name]["temperatures_K"] = _temperatures(run)
            if self.runs[0] not in curves:
                raise CGAAError(
                    f"run {self.runs[0]} ended, which others are held against: {found[self.runs[0]]['end']}"
                )
            found[name]["rdf_difference"] = {
                pair: float(np.abs(g - curves[self.runs[0]][pair]).mean()) for pair, g in curves[name].items()
            }
        return found

    def _curves(self, run, trajectory) -> dict:
        """g(r) of centers, by pair of species."""
        pairs, centers = center_pairs(run.grain_map), center_trajectory(trajectory, run.grain_map)
        missing = [pair for pair in self.pairs if pair not in pairs]
        if missing:
            raise CGAAError(f"pairs: the box has no {', '.join(missing)}; it has {', '.join(pairs)}")
        return {pair: radial_distribution(centers, pairs[pair], 0.02).g for pair in self.pairs or pairs}

    def must(self):
        return "same liquid and slope"

    def verdict(self, results, system):
        rows = {name: results[self.name][name] for name in self.runs if name in results[self.name]}
        chance = results[self.name].get("rdf_difference_by_chance")
        passed = [row["step"] for name, row in rows.items() if self._passes(row, chance, system.runs[name].temperature)]
        return (f"{max(passed):g} fs" if passed else "none"), ""

    def _passes(self, row, chance, set_to) -> bool:
        """Slope and temperatures to their bars, radial distributions within twice what chance does."""
        if "end" in row:
            return False
        kelvin = row["temperatures_K"].values()
        return (
            abs(row["slope_meV_per_atom_per_ps"]["value"]) <= self.largest
            and all(abs(found["value"] - set_to) <= max(self.kelvin, 2.0 * found["error"]) for found in kelvin)
            and all(value <= 2.0 * chance[pair] for pair, value in row["rdf_difference"].items())
        )

    def tables(self, results, system):
        rows = [results[self.name][name] for name in self.runs if name in results[self.name]]
        chance, lines = results[self.name]["rdf_difference_by_chance"], []
        for row in rows:
            if "end" in row:
                lines.append([f"{row['step']:g}", row["end"], *[""] * 5])
                continue
            lines.append(
                [
                    f"{row['step']:g}",
                    plus_minus(row["slope_meV_per_atom_per_ps"]),
                    f"{row['spread_meV_per_atom']:.3g}",
                    *(plus_minus(row["temperatures_K"][motion]) for motion in MOTIONS),
                    " / ".join(f"{value:.3f}" for value in row["rdf_difference"].values()),
                ]
            )
        lines.append(["by chance", *[""] * 5, " / ".join(f"{value:.3f}" for value in chance.values())])
        head = ["outer step, fs", "slope, meV/atom/ps", "spread, meV/atom", *(f"{motion}, K" for motion in MOTIONS)]
        return {self.name: markdown_table([*head, "mean change of g(r): " + " / ".join(chance)], lines)}

    def draw(self, results, system):
        """What a longer step costs: spread of the total energy, and temperatures of the motions."""
        rows = [results[self.name].get(name, {}) for name in self.runs]
        rows = [row for row in rows if "temperatures_K" in row]
        figure, (spread, kelvin) = panels(2, 2, 5.0, 3.2)
        plain = [row for row in results.get("drift", {}).values() if isinstance(row, dict) and "end" not in row]
        for own, label, color in ((plain, "one step for all", "0.4"), (rows, "RESPA", "tab:blue")):
            own = sorted(own, key=lambda row: row["step"])
            steps, spreads = ([row[key] for row in own] for key in ("step", "spread_meV_per_atom"))
            spread.plot(steps, spreads, "o-", color=color, label=label)
        spread.set(xlabel="(outer) step (fs)", ylabel="spread of the energy (meV/atom)", xscale="log", yscale="log")
        spread.set_xticks([row["step"] for row in [*plain[:1], *rows]], [f"{r['step']:g}" for r in [*plain[:1], *rows]])
        spread.set_xticks([], minor=True)
        spread.legend(frameon=False, fontsize="small")
        for motion in MOTIONS:
            found = [row["temperatures_K"][motion] for row in rows]
            values, errors = [f["value"] for f in found], [f["error"] for f in found]
            kelvin.errorbar([row["step"] for row in rows], values, errors, fmt="o-", capsize=2, label=motion)
        kelvin.set(xlabel="outer step (fs)", ylabel="temperature (K)")
        kelvin.legend(frameon=False, fontsize="small")
        return figure


def _temperatures(run) -> dict:
    """Of the motions, with the error of a motion that trades energy with the thermostat alone, if that is larger.

    The kinetic energy of f degrees of freedom then forgets itself at twice the friction. So the mean over a time t errs
    by T sqrt(2 / (f friction t)); the series alone is too short to tell.
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
