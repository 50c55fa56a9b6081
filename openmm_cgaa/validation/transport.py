"""Row `transport`: how fast do molecules move?"""

from dataclasses import dataclass, field

import numpy as np

from ..analysis.diffusion import diffusion, mean_square_displacement, moving_centers
from ..errors import CGAAError
from ..inputs.ranges import bounded
from ..inputs.settings import Checked
from .row import Row, estimate, markdown_table, panels, plus_minus


@dataclass(frozen=True)
class Experiment(Checked):
    """Self-diffusion of some species at a temperature, as it was measured.

    Attributes
    ----------
    values : dict of float
        1e-9 m2/s, by species.
    temperature : float
        Of the measurement.
    source : str
        Where it is from.
    label : str
        What a figure says.
    """

    values: dict[str, float]
    temperature: float = bounded(300.0, 1.0, 1e4, "K")
    source: str = ""
    label: str = "experiment"


@dataclass(frozen=True, kw_only=True)
class Transport(Row):
    """Self-diffusion of the species: of runs, and of what the friction does to it.

    All from the same lags. ``exponent``: with which power of time the mean square displacement grows there; well below
    1 the number is no diffusion coefficient yet.

    Attributes
    ----------
    runs : list of str
        In the order of the table.
    boxes : list of str
        Of them: those that the summary takes the mean of.
    series : dict of list of str
        Of them: over temperature, under the name that the figure has for them.
    friction : list of str
        Of them: by friction, for the figure.
    species : list of str
        With a panel of the figure each.
    lags : list of two numbers, ps
        Between which the mean square displacement gives the diffusion.
    experiment : Experiment, optional
        For the table and the figure.
    """

    runs: list[str]
    boxes: list[str] = field(default_factory=list)
    series: dict[str, list[str]] = field(default_factory=dict)
    friction: list[str] = field(default_factory=list)
    species: list[str] = field(default_factory=list)
    lags: list[float] = bounded(lambda: [5.0, 15.0], 0.0, 1e9, "ps")
    experiment: Experiment | None = None

    what = "self-diffusion"

    def __post_init__(self):
        super().__post_init__()
        if len(self.lags) != 2 or self.lags[0] >= self.lags[1]:
            raise CGAAError(f"lags is {self.lags}; expected where they begin and where they end, in ps")
        for name in [*self.boxes, *self.friction, *(name for names in self.series.values() for name in names)]:
            if name not in self.runs:
                raise CGAAError(f"{name} is not among runs, which are {', '.join(self.runs)}")

    def measure(self, place):
        found = {}
        for name in self.runs:
            run = place.finished(name)
            time = run.frames.time
            begin, end = np.array(self.lags) * (0.01 * (time[-1] - time[0]) if place.short else 1.0)
            lags = np.arange(len(time)) * (time[1] - time[0])
            inside = (lags >= begin) & (lags <= end) & (lags > 0.0)
            species = {}
            for kind, own in moving_centers(run.trajectory, run.grain_map).items():
                growth = np.polyfit(np.log(lags[inside]), np.log(mean_square_displacement(own)[inside]), 1)[0]
                species[kind] = estimate(diffusion(time, own, begin, end)) | {"exponent": float(growth)}
            found[name] = {
                "friction_per_ps": run.settings["friction"],
                "temperature_K": run.settings["temperature"],
                "species": species,
            }
        return found

    def verdict(self, results, system):
        """Mean of the boxes; its error theirs, or that of their difference where it is larger."""
        chosen = self.boxes or self.runs[:1]
        boxes = [results[self.name][name]["species"] for name in chosen if name in results[self.name]]
        texts = []
        for name in boxes[0]:
            values, errors = np.array([(box[name]["value"], box[name]["error"]) for box in boxes]).T
            error = max(np.sqrt(errors @ errors) / len(boxes), values.std() / np.sqrt(max(len(boxes) - 1, 1)))
            texts.append(f"{name} {plus_minus({'value': values.mean(), 'error': error})}")
        kelvin, many = system.runs[chosen[0]].temperature, "box" if len(boxes) == 1 else "boxes"
        return f"{'; '.join(texts)} 1e-9 m2/s at {kelvin:g} K, {len(boxes)} {many}", ""

    def tables(self, results, system):
        lines = []
        for name, row in results[self.name].items():
            cells = [f"{plus_minus(own)} ({own['exponent']:.1f})" for own in row["species"].values()]
            lines.append([name, f"{row['temperature_K']:.0f}", f"{row['friction_per_ps']:g}", *cells])
        return {self.name: markdown_table(["run", "K", "friction, 1/ps", *row["species"]], lines)}

    def draw(self, results, system):
        """By temperature, beside experiment, and by friction."""
        rows = results[self.name]
        series = {label: [rows[name] for name in names if name in rows] for label, names in self.series.items()}
        series = {label: own for label, own in series.items() if own}
        friction = sorted((rows[name] for name in self.friction if name in rows), key=lambda r: r["friction_per_ps"])
        species = self.species or list(next(iter(rows.values()))["species"])
        if not (series or friction):
            return None
        figure, axes = panels((len(species) if series else 0) + bool(friction), 2, 4.6, 3.2)
        for ax, kind in zip(axes, species if series else ()):
            for color, (label, own) in enumerate(series.items()):
                kelvin = np.array([row["temperature_K"] for row in own])
                ax.errorbar(
                    1000.0 / kelvin, *_diffusion(own, kind), fmt="o-", color=f"C{color}", capsize=2, label=label
                )
            if self.experiment and kind in self.experiment.values:
                at = 1000.0 / self.experiment.temperature
                ax.plot(at, self.experiment.values[kind], "k*", label=self.experiment.label)
            ax.set(title=kind, xlabel="1000 K / T", ylabel="D (1e-9 m²/s)", yscale="log")
        named = {label: one for ax in axes for one, label in zip(*ax.get_legend_handles_labels())}
        figure.legend(named.values(), named, loc="outside lower center", ncols=4, frameon=False, fontsize="small")
        for kind in friction[0]["species"] if friction else ():
            values = [row["friction_per_ps"] for row in friction]
            axes[-1].errorbar(values, *_diffusion(friction, kind), fmt="o-", capsize=2, label=kind)
        if friction:
            title = f"{friction[0]['temperature_K']:g} K"
            axes[-1].set(title=title, xlabel="friction (1/ps)", ylabel="D (1e-9 m²/s)", xscale="log")
            axes[-1].legend(frameon=False, fontsize="small", ncols=2)
        return figure


def _diffusion(rows, species) -> tuple:
    """Values and errors."""
    own = [row["species"][species] for row in rows]
    return [row["value"] for row in own], [row["error"] for row in own]
