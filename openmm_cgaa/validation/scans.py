"""Row `molecules`: pairs and clusters pulled apart, torsions, normal modes and stretched bonds, beside the teacher."""

import warnings
from dataclasses import dataclass, field

import numpy as np

from ..errors import CGAADomainWarning, CGAAError
from ..inputs.ranges import bounded
from .monomers import ligand_stretches, modes, stretches, torsions
from .pulling import Cluster, assembled, dimer, ligand_scans
from .row import Row, markdown_table, panels, yes
from .swings import ends, largest_swing, reduced_mass

STRETCH = 0.3  # Å, of bonds in the table
STEPS = (0.5, 1.0, 1.5, 2.0)  # fs, of Verlet


@dataclass(frozen=True, kw_only=True)
class VacuumScans(Row):
    """Molecules and contacts in a vacuum, the model in double precision.

    A teacher without charges knows no ions: what is pulled from what must be neutral on both sides, or in one cluster.

    Attributes
    ----------
    pairs : list of lists of two names
        Molecules that are pulled apart.
    starts : int
        Random ones of each pair, of which the deepest minimum is taken.
    clusters : list of Cluster
        Centers with ligands, which are pulled away and stretched.
    torsions, modes, stretches : list of str
        Molecules.
    depth, wavenumber : float
        Bars: of a well's depth and of a mode above 300 1/cm, of themselves.
    """

    pairs: list[list[str]] = field(default_factory=list)
    starts: int = bounded(4, 1, 1000)
    clusters: list[Cluster] = field(default_factory=list)
    torsions: list[str] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    stretches: list[str] = field(default_factory=list)
    depth: float = bounded(0.1, 0.0, 10.0)
    wavenumber: float = bounded(0.03, 0.0, 10.0)

    what = "scans and modes"

    def __post_init__(self):
        super().__post_init__()
        for pair in self.pairs:
            if len(pair) != 2:
                raise CGAAError(f"pairs has {pair}; expected two names of molecules")

    def needs(self):
        names = [*self.torsions, *self.modes, *self.stretches, *(name for pair in self.pairs for name in pair)]
        return {"molecule": [*names, *(name for cluster in self.clusters for name in cluster.molecules())]}

    def measure(self, place):
        """In short: one pair from one start, no cluster, a turn of 90 degrees at a time, modes of one molecule."""
        system, short = place.system, place.short
        both = place.potential(precision="double"), place.teacher.calculator
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CGAADomainWarning)  # a vacuum is no liquid: known, and said on the page
            pairs = self.pairs[: place.count(None, 1)]
            scans = [dimer(system, names, *both, starts=place.count(self.starts, 1)) for names in pairs]
            clusters = [(one, *assembled(system, one, both[1])) for one in ([] if short else self.clusters)]
            scans += [scan for cluster in clusters for scan in ligand_scans(*cluster, *both)]
            step = place.count(30.0, 90.0)
            turned = [scan for name in self.torsions for scan in torsions(system, name, *both, step=step)]
            vibrations = [modes(system, name, *both) for name in self.modes[: place.count(None, 1)]]
            with both[0].network.without_ranges():
                stretched = [bond for name in self.stretches for bond in stretches(system, name, *both)]
                stretched += [bond for cluster in clusters for bond in ligand_stretches(*cluster, *both)]
        return {"scans": scans, "torsions": turned, "modes": vibrations, "stretches": stretched}

    def must(self):
        return f"depth within {100.0 * self.depth:g} %, modes within {100.0 * self.wavenumber:g} %"

    def verdict(self, results, system):
        found, texts, met = results[self.name], [], True
        if found["scans"]:
            depth = max(found["scans"], key=lambda scan: abs(scan["depth_ratio"] - 1.0))
            off = abs(depth["depth_ratio"] - 1.0)
            texts, met = [f"depths within {100.0 * off:.1f} % ({depth['name']})"], off <= self.depth
        if found["modes"]:
            moved = max(mode["largest_relative_above_300"] for mode in found["modes"])
            texts.append(f"modes above 300 1/cm within {100.0 * moved:.1f} %")
            met = met and moved <= self.wavenumber
        return ", ".join(texts), yes(met) if texts else ""

    def table_names(self):
        return [self.name, "verlet"]

    def tables(self, results, system):
        found = results[self.name]
        lines = [
            [scan["name"], *_of_both(scan["depth_meV"]), f"{100.0 * (scan['depth_ratio'] - 1.0):+.1f} %"]
            for scan in found["scans"]
        ]
        for scan in found["torsions"]:
            off = f"{scan['largest_difference_meV']:.0f} meV off at most"
            lines.append([f"{scan['name']}, barrier", *_of_both(scan["barrier_meV"]), off])
        for mode in found["modes"]:
            largest, rms = (100.0 * mode[f"{key}_relative_above_300"] for key in ("largest", "rms"))
            lines.append([f"{mode['name']}, modes above 300 1/cm", "", "", f"{largest:.1f} % at most, {rms:.1f} % rms"])
        for bond in found["stretches"]:
            at = bond["x"].index(STRETCH)
            stiff = {who: 1000.0 * bond[f"{who}_eV"][at] for who in ("teacher", "model")}
            off = f"{100.0 * (stiff['model'] / stiff['teacher'] - 1.0):+.0f} %"
            lines.append([f"{bond['name']}, {STRETCH} Å longer", *_of_both(stiff), off])
        head = ["", "teacher, meV", "model, meV", "model from teacher"]
        return {self.name: markdown_table(head, lines)} | self._verlet(found)

    def _verlet(self, found) -> dict:
        """What a step does to the stiffest bonds."""
        bonds = [bond for bond in found["stretches"] if ends(bond["name"])[1] == "H"]
        if not bonds:
            return {}
        lines = []
        for step in STEPS:
            cells = []
            for who in ("teacher", "model"):
                curves = [(bond["x"], bond[f"{who}_eV"], reduced_mass(*ends(bond["name"]))) for bond in bonds]
                swings = [largest_swing(*curve, step) for curve in curves]
                worst, bond = min(zip(swings, bonds), key=lambda pair: pair[0])
                energy = np.interp(worst, bond["x"], bond[f"{who}_eV"])
                cells.append(
                    f"{worst:.2f} Å, {energy:.2f} eV ({bond['name']})" if np.isfinite(worst) else "beyond 0.5 Å"
                )
            lines.append([f"{step:g}", *cells])
        kinds = " and ".join(dict.fromkeys("-".join(ends(bond["name"])) for bond in bonds)) + " bonds"
        return {
            "verlet": markdown_table(["step, fs", f"{kinds} hold up to, teacher's curves", "model's curves"], lines)
        }

    def draw(self, results, system):
        """VacuumScans and torsions beside the teacher, stretched bonds, modes."""
        found = results[self.name]
        scans, turns = found["scans"], found["torsions"]
        figure, axes = panels(len(scans) + len(turns) + 2)
        for ax, scan in zip(axes, [*scans, *turns]):
            x = np.array(scan["x"])
            order = np.argsort(x)
            for who, style, color in (("teacher", "-", "0.35"), ("model", "o", "tab:blue")):
                ax.plot(
                    x[order], 1000.0 * np.array(scan[f"{who}_eV"])[order], style, color=color, markersize=3, label=who
                )
            ax.set(title=scan["name"], xlabel=scan["x_label"].replace(" / ", " (") + ")", ylabel="energy (meV)")
            if scan in scans:
                ax.set_ylim(top=min(ax.get_ylim()[1], 0.6 * max(scan["depth_meV"].values())))
        for mode in found["modes"]:
            taught, modelled = np.array(mode["teacher_per_cm"]), np.array(mode["model_per_cm"])
            axes[-1].plot(taught, modelled - taught, ".", label=mode["name"])
        reach, bar = np.array([0.0, 3300.0]), self.wavenumber
        axes[-1].fill_between(reach, -bar * reach, bar * reach, color="0.92", label=f"{100.0 * bar:g} %")
        axes[-1].set(title="normal modes", xlabel="teacher (1/cm)", ylabel="model − teacher (1/cm)")
        for color, bond in enumerate(found["stretches"]):
            axes[-2].plot(bond["x"], bond["teacher_eV"], "-", color=f"C{color % 10}", linewidth=0.8)
            axes[-2].plot(bond["x"], bond["model_eV"], "o", color=f"C{color % 10}", markersize=2)
        axes[-2].set(title="every kind of bond (dots: model)", xlabel="stretched by (Å)", ylabel="energy (eV)")
        axes[0].legend(frameon=False, fontsize="small")
        axes[-1].legend(frameon=False, fontsize="small")
        return figure


def _of_both(values) -> list:
    """Teacher's and model's, meV."""
    return [f"{values['teacher']:.0f}", f"{values['model']:.0f}"]
