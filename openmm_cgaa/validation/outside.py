"""Row `mistakes`: what a run says, and what happens, where a user leaves what the model was trained on."""

from dataclasses import dataclass, field

from ..analysis.bonds import bond_stability
from ..analysis.drift import mean
from ..errors import SimulationError
from ..inputs.ranges import bounded
from .accuracy import against_teacher
from .row import Row, estimate, markdown_table, panels, yes


@dataclass(frozen=True, kw_only=True)
class Mistakes(Row):
    """Warnings, end and errors of runs outside of what the model was trained on.

    Attributes
    ----------
    runs : list of str
        Runs of the system.
    frames : int
        Of each, that the teacher labels.
    beside : list of str
        Runs of the row `along`, inside, that the figure shows beside them.
    """

    runs: list[str]
    frames: int = bounded(10, 2, 10**6)
    beside: list[str] = field(default_factory=list)

    what = "outside of what was trained on"

    def measure(self, place):
        found = {}
        for name in self.runs:
            try:
                run, end = place.finished(name), "ran to its end"
            except SimulationError as error:
                run, end = None, place.how_it_ended(name, error)
            found[name] = {"end": end, "warnings": place.warnings(name)}
            if run is not None:
                error = against_teacher(place, name, run, place.count(self.frames, 2))
                found[name] |= error.summary() | {
                    "temperature_K": estimate(mean(run.state["temperature_K"])),
                    "largest_bond_deviation_A": bond_stability(run.frames, run.grain_map)[0].largest,
                }
        return found

    def must(self):
        return "the run says so"

    def verdict(self, results, system):
        rows = results[self.name].values()
        told = [bool(row["warnings"]) for row in rows]
        return f"{sum(told)} of {len(rows)} say so", yes(all(told))

    def tables(self, results, system):
        lines = []
        for name, row in results[self.name].items():
            force = f"{row['force_eV_per_A']['component']:.3f}" if "force_eV_per_A" in row else ""
            net = f"{row['relative']['net_force']:.2f}" if "relative" in row else ""
            lines.append([name, "<br>".join(row["warnings"]), row["end"], force, net])
        return {self.name: markdown_table(["run", "what it says", "end", "force, eV/Å", "net force"], lines)}

    def draw(self, results, system):
        """Errors outside of what was trained on, beside those of runs inside."""
        inside = {name: row for name, row in results.get("along", {}).items() if name in self.beside}
        rows = inside | {name: row for name, row in results[self.name].items() if "relative" in row}
        colors = ["0.6" if name in inside else "tab:red" for name in rows]
        figure, (force, net) = panels(2, 2, 4.4, 2.9)
        for ax, label, values in (
            (force, "force error (eV/Å)", [row["force_eV_per_A"]["component"] for row in rows.values()]),
            (net, "net force, relative error", [row["relative"]["net_force"] for row in rows.values()]),
        ):
            ax.bar(range(len(rows)), values, color=colors, width=0.6)
            ax.set_xticks(range(len(rows)), list(rows), fontsize="small")
            ax.set_ylabel(label)
        return figure
