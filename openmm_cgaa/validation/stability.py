"""Row `stability`: do molecules stay what they are, and do energy and temperature stay where they were?"""

from dataclasses import dataclass

from ..analysis.bonds import bond_stability
from ..analysis.drift import mean, slope
from ..inputs.ranges import bounded
from ..neighbors.contacts import pairs_between, shortest_contact
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV
from ..wording import counted
from .row import Row, estimate, markdown_table, panels, plus_minus, thinned, yes


@dataclass(frozen=True, kw_only=True)
class Stability(Row):
    """Bonds, contacts, slopes of energy and temperature of long runs.

    Its table and figure show the rows `along` and `spread` beside it.

    Attributes
    ----------
    runs : list of str
        Runs of the system.
    where_made : list of str
        Runs that count where somebody has made them (on a GPU), and are not made here.
    largest : float, Å
        That a bond may be off its mean.
    """

    runs: list[str]
    where_made: list[str] | None = None
    largest: float = bounded(0.5, 0.0, 10.0, "Å")

    what = "stability"

    def needs(self):
        return {"run": [*self.runs, *(self.where_made or ())]}

    def measure(self, place):
        found = {}
        for name in [*self.runs, *(name for name in self.where_made or () if place.made(name))]:
            run = place.finished(name)
            frames, atoms = run.frames, run.frames.n_atoms
            worst = bond_stability(frames, run.grain_map)[0]
            bonds = [(i.index, j.index) for i, j in frames.topology.bonds]
            pairs = pairs_between([atom.residue.index for atom in frames.topology.atoms], bonds)
            some = frames[:: max(1, frames.n_frames // 200)]
            contacts = [shortest_contact(x, box, pairs)[0] for x, box in zip(some.xyz, some.unitcell_vectors)]
            potential = 1000.0 / KJMOL_PER_EV / atoms * run.state["potential_kjmol"]
            kept = thinned(len(potential))
            found[name] = {
                "picoseconds": float(frames.time[-1]),
                "largest_bond_deviation_A": worst.largest,
                "worst_bond": worst.worst,
                "shortest_contact_A": float(ANGSTROM_PER_NM * min(contacts)),
                "potential_slope_meV_per_atom_per_ps": estimate(slope(run.state["time_ps"], potential)),
                "potential_meV_per_atom": estimate(mean(potential)),
                "temperature_K": estimate(mean(run.state["temperature_K"])),
                "temperature_slope_K_per_ps": estimate(slope(run.state["time_ps"], run.state["temperature_K"])),
                "warnings": place.warnings(name),
                "time_ps": run.state["time_ps"][kept].tolist(),
                "potential_about_mean_meV_per_atom": (potential - potential.mean())[kept].tolist(),
            }
        return found

    def must(self):
        return f"no bond {self.largest:g} Å off"

    def verdict(self, results, system):
        rows = results[self.name].values()
        bond = max(row["largest_bond_deviation_A"] for row in rows)
        total = sum(row["picoseconds"] for row in rows)
        text = f"{counted(len(rows), 'run')}, {total:.0f} ps: no bond further off its mean than {bond:.2f} Å"
        return text, yes(bond < self.largest)

    def tables(self, results, system):
        lines = []
        for name, row in results[self.name].items():
            error, spread = results.get("along", {}).get(name), results.get("spread", {}).get(name)
            lines.append(
                [
                    name,
                    f"{row['picoseconds']:.0f}",
                    f"{row['largest_bond_deviation_A']:.2f} ({row['worst_bond']})",
                    f"{row['shortest_contact_A']:.2f}",
                    plus_minus(row["potential_slope_meV_per_atom_per_ps"]),
                    plus_minus(row["temperature_slope_K_per_ps"]),
                    "" if error is None else " / ".join(f"{half:.4f}" for half in error["force_rmse_halves"]),
                    "" if spread is None else " / ".join(f"{half:.4f}" for half in spread["halves_eV_per_A"]),
                ]
            )
        head = ["run", "ps", "bond furthest off, Å", "closest contact, Å"]
        head += ["slope of potential, meV/atom/ps", "slope of temperature, K/ps"]
        head += ["error by halves, eV/Å", "spread by halves, eV/Å"]
        return {self.name: markdown_table(head, lines)}

    def draw(self, results, system):
        """Potential energy, error against the teacher and the committee's spread over the runs."""
        figure, (energy, error, spread) = panels(3)
        for color, (name, row) in enumerate(results[self.name].items()):
            style = {"color": f"C{color}", "linewidth": 0.8}
            energy.plot(
                row["time_ps"], row["potential_about_mean_meV_per_atom"], **style | {"linewidth": 0.6}, label=name
            )
            if name in results.get("along", {}):
                found = results["along"][name]
                error.plot(found["time_ps"], found["force_rmse_eV_per_A"], ".-", markersize=4, **style)
            if name in results.get("spread", {}):
                found = results["spread"][name]
                spread.plot(found["time_ps"], found["spread_eV_per_A"], **style)
        energy.set(title="potential energy", ylabel="E − mean (meV/atom)")
        error.set(title="error against the teacher", ylabel="force RMSE (eV/Å per component)", ylim=(0.0, None))
        spread.set(title="a committee's spread", ylabel="net force on grains (eV/Å)", ylim=(0.0, None))
        for ax in (energy, error, spread):
            ax.set_xlabel("time (ps)")
        figure.legend(*energy.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
        return figure
