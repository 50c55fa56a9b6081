"""Row `rdf`: is the structure of the liquid the teacher's?"""

from dataclasses import dataclass, field
from typing import NamedTuple

import mdtraj
import numpy as np

from ..analysis.rdf import atom_pairs, center_pairs, center_trajectory, radial_distribution
from ..errors import CGAAError
from ..inputs.ranges import bounded
from ..inputs.settings import Checked
from ..labelling.label import label_frames
from ..units import KJMOL_PER_EV
from .bursts import as_atoms, bursts, settled
from .peaks import beside
from .reweighting import BIN, first_order, in_both_ensembles
from .row import Row, markdown_table, panels, plus_minus, within

BLOCKS = 10  # of a long run, for the jackknife
WAYS = "ensemble", "bursts"  # in which radial distributions are held beside each other
COLORS = {"teacher": "0.35", "student": "tab:blue"}


@dataclass(frozen=True)
class AtomPairs(Checked):
    """Atoms of different grains.

    Attributes
    ----------
    first, second : str
        Two selections of MDTraj.
    width : float
        Of the Gaussian that smooths g(r).
    """

    first: str
    second: str
    width: float = bounded(0.1, 0.0, 5.0, "Å")

    def select(self, topology) -> np.ndarray:
        """[pairs, 2]; raises `CGAAError` where MDTraj cannot read a selection."""
        chosen = []
        for selection in (self.first, self.second):
            try:
                chosen.append(topology.select(selection))
            except Exception as error:  # of pyparsing, and of what it evaluates
                raise CGAAError(f"atoms: {selection!r} is no selection that MDTraj reads ({error})") from None
        return atom_pairs(topology, *chosen)


class Points(NamedTuple):
    """What a radial distribution is of: points of a trajectory, pairs of them, and the width of its smoothing in Å."""

    points: callable
    pairs: np.ndarray
    width: float


@dataclass(frozen=True, kw_only=True)
class Distributions(Row):
    """Radial distributions of student and teacher, in two ways.

    ``ensemble``: of the student's long runs, so many frames of each, and from them of the teacher's ensemble without
    any dynamics of it (`reweighting`).

    ``bursts``: of the student's and the teacher's dynamics from the same frames and velocities. The teacher has had
    little time to move away from what the student made, so slow differences show in part only.

    Attributes
    ----------
    frames : int
        Of each run that bursts begin in.
    center_width : float, Å
        Of the Gaussian that smooths g(r) of grain centers.
    atoms : dict of AtomPairs
        Pairs of atoms under a name, beside the centers of all pairs of species.
    no_bar : list of str
        Pairs whose name holds one of these (``LI`` in ``EC-LI``) are shown, but held to no bar.
    shift, height : float
        Bars: of the first peak's position in Å, and of its height, of itself.
    """

    frames: int = bounded(1200, 4, 10**7)
    center_width: float = bounded(0.3, 0.0, 5.0, "Å")
    atoms: dict[str, AtomPairs] = field(default_factory=dict)
    no_bar: list[str] = field(default_factory=list)
    shift: float = bounded(0.05, 0.0, 10.0, "Å")
    height: float = bounded(0.05, 0.0, 10.0)

    what = "first peaks of radial distributions"
    of_bursts = True

    def measure(self, place):
        names = place.system.bursts.runs
        trajectories = {who: [settled(t, place) for t in bursts(place, who)] for who in ("student", "teacher")}
        frames = place.count(self.frames, 4)
        chosen = [t[:: max(1, len(t) // frames)] for t in (place.finished(name).frames for name in names)]
        some, run = mdtraj.join(chosen), place.finished(names[0])
        weights, numbers = _weights(place, run, some)
        found = {"energy_difference": numbers, "pairs": {}}
        blocks = np.array_split(np.arange(len(some)), min(BLOCKS * len(names), len(some)))
        for name, (points, pairs, width) in self._points(run).items():

            def of(trajectory, points=points, pairs=pairs):
                return radial_distribution(points(trajectory), pairs, BIN)

            curves = {who: [of(t).g for t in own] for who, own in trajectories.items()}
            r, weighed = in_both_ensembles(points(some), pairs, weights, blocks)
            found["pairs"][name] = {
                "bursts": beside(r, {who: (own, np.ones(len(own))) for who, own in curves.items()}, width),
                "ensemble": beside(r, weighed, width),
                "r_A": r.tolist(),
            }
        return found

    def _points(self, run) -> dict:
        """Centers of all pairs of species, and the pairs of atoms; by name."""
        chosen = {
            name: Points(lambda trajectory: center_trajectory(trajectory, run.grain_map), pairs, self.center_width)
            for name, pairs in center_pairs(run.grain_map).items()
        }
        for name, own in self.atoms.items():
            chosen[name] = Points(lambda trajectory: trajectory, own.select(run.frames.topology), own.width)
        return {name: own for name, own in chosen.items() if len(own.pairs)}

    def must(self):
        return f"{self.shift:g} Å, {100.0 * self.height:g} % of the height"

    def verdict(self, results, system):
        """Of pairs with a bar that have a peak; beyond a bar by less than two errors is undecided."""
        texts, verdicts = [], []
        for way in WAYS:
            rows = {
                name: row[way]
                for name, row in results[self.name]["pairs"].items()
                if not {*name.replace("...", "-").split("-")} & {*self.no_bar} and "shift_A" in row[way]
            }
            if not rows:
                texts, verdicts = [*texts, f"{way}: no peak"], [*verdicts, f"{way} **no**"]
                continue
            shift = max(rows, key=lambda n: abs(rows[n]["shift_A"]["value"]))
            height = max(rows, key=lambda n: abs(rows[n]["relative_height"]["value"]))
            off, higher = rows[shift]["shift_A"], rows[height]["relative_height"]
            texts.append(f"{way}: {plus_minus(off)} Å ({shift}), {plus_minus(higher, scale=100.0)} % ({height})")
            bars = {"shift_A": self.shift, "relative_height": self.height}
            met = [within(row[key], bar) for row in rows.values() for key, bar in bars.items()]
            counts = [f"{met.count(word)} {word}" for word in ("yes", "undecided", "**no**") if word in met]
            verdicts.append(f"{way} {', '.join(counts)}")
        return "furthest off, " + "; ".join(texts), "; ".join(verdicts)

    def tables(self, results, system):
        head = ["peak of the teacher, Å", "of the student, from it", "height, % from it"]
        head += ["difference of the curves, % (by chance)"]
        made = []
        for way in WAYS:
            lines = []
            for name, row in results[self.name]["pairs"].items():
                found = row[way]
                peak = found.get("peak_at_A", {}).get("teacher")
                shown = ["none", "", ""]
                if peak is not None:
                    higher = plus_minus(found["relative_height"], scale=100.0)
                    shown = [f"{peak:.2f}", plus_minus(found["shift_A"]), higher]
                lines.append(
                    [name, *shown, f"{100.0 * found['difference']:.1f} ({100.0 * found['by_chance']:.1f})"],
                )
            made.append(markdown_table([f"{way}: pair", *head], lines))
        return {self.name: "\n\n".join(made)}

    def draw(self, results, system):
        """Student beside teacher, in the whole ensemble (lines) and in bursts (dots)."""
        pairs = results[self.name]["pairs"]
        figure, axes = panels(len(pairs), 4, 3.3, 2.6)
        for ax, (name, row) in zip(axes, pairs.items()):
            r = np.array(row["r_A"])
            for who in ("teacher", "student"):
                line = {"color": COLORS[who], "linewidth": 1.6 if who == "teacher" else 1.1}
                ax.plot(r, row["ensemble"]["curves"][who], label=f"{who}, whole ensemble", **line)
                ax.plot(r, row["bursts"]["curves"][who], ":", color=COLORS[who], linewidth=1.0, label=f"{who}, bursts")
            ax.set(title=name, xlabel="r (Å)", ylabel="g(r)", xlim=(1.2, r[-1]), ylim=(0.0, None))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        return figure


def _weights(place, run, some) -> tuple:
    """Of frames in the teacher's ensemble [frames], and what is to be known about them."""
    atoms, folder = [as_atoms(some, index) for index in range(len(some))], place.folder / "bursts" / "energies.parts"
    labels = label_frames(atoms, place.teacher, folder)
    own = [
        place.potential().evaluate(run.grain_map, xyz.astype(float), box.astype(float))[0] / KJMOL_PER_EV
        for xyz, box in zip(some.xyz, some.unitcell_vectors)
    ]
    return first_order(np.array([label.energy for label in labels]) - own, run.settings["temperature"])
