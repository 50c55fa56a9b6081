"""Row `bonds`: how long bonds are in the liquid, and how far they swing."""

from dataclasses import dataclass

import mdtraj
import numpy as np

from ..units import ANGSTROM_PER_NM
from .bursts import bursts, settled
from .row import Row, markdown_table, over_parts, plus_minus

BLOCKS = 10  # of the classical run
WHOS = {"teacher": "teacher", "student_less_teacher": "model less teacher", "classical": "classical force field"}


@dataclass(frozen=True, kw_only=True)
class Bonds(Row):
    """Lengths of bonds between heavy atoms and how far they swing: model, teacher (bursts), classical force field.

    Bonds are of one kind where both ends have the same element and the same neighbours. Errors from the spread over
    bursts, or over blocks of the classical run; of the model its difference from the teacher, burst by burst.

    Attributes
    ----------
    classical : str, optional
        A run on the classical force field.
    """

    classical: str | None = None

    what = "lengths and swings of bonds"
    of_bursts = True

    def needs(self):
        return {"run": [self.classical] if self.classical else []}

    def measure(self, place):
        parts = {who: [settled(t, place) for t in bursts(place, who)] for who in ("student", "teacher")}
        topology = parts["student"][0].topology
        if self.classical:
            some = place.finished(self.classical).frames[:: place.count(5, 1)]
            parts["classical"] = [some[b] for b in np.array_split(np.arange(len(some)), min(BLOCKS, len(some)))]
        found = {}
        for residue, pairs in _kinds(topology):
            ends = [topology.atom(index) for index in pairs[0]]
            names = "-".join(f"{atom.element.symbol}{atom.index - atom.residue.atom(0).index}" for atom in ends)
            values = {}
            for who, trajectories in parts.items():
                lengths = [ANGSTROM_PER_NM * mdtraj.compute_distances(t, pairs) for t in trajectories]
                values[who, "length_A"] = np.array([length.mean() for length in lengths])
                # about each bond's own mean in its part: what a bond does, not how two of them differ
                values[who, "swing_A"] = np.array([np.sqrt(length.var(axis=0).mean()) for length in lengths])
            found[f"{residue} {names}"] = {
                key: {
                    "teacher": over_parts(values["teacher", key]),
                    "student_less_teacher": over_parts(values["student", key] - values["teacher", key]),
                }
                | ({"classical": over_parts(values["classical", key])} if self.classical else {})
                for key in ("length_A", "swing_A")
            }
        return found

    def verdict(self, results, system):
        off = {
            key: max(abs(row[key]["student_less_teacher"]["value"]) for row in results[self.name].values())
            for key in ("length_A", "swing_A")
        }
        return f"off by {off['length_A']:.1g} Å at most, swings by {off['swing_A']:.1g} Å", ""

    def tables(self, results, system):
        keys = ("length_A", "swing_A")
        first = next(iter(results[self.name].values()))["length_A"]
        whos = {who: label for who, label in WHOS.items() if who in first}
        lines = [
            [bond, *(plus_minus(row[key][who]) for key in keys for who in whos)]
            for bond, row in results[self.name].items()
        ]
        head = [f"{what}, {label}" for what in ("length, Å", "swing, Å") for label in whos.values()]
        return {self.name: markdown_table(["", *head], lines)}


def _kinds(topology):
    """(residue, pairs of atoms) of each kind of bond between heavy atoms."""
    graph, kinds = topology.to_bondgraph(), {}
    for first, second in graph.edges:
        if "H" not in (first.element.symbol, second.element.symbol):
            ends = [(a.element.symbol, *sorted(b.element.symbol for b in graph[a])) for a in (first, second)]
            kinds.setdefault((first.residue.name, *sorted(ends)), []).append([first.index, second.index])
    return [(residue, pairs) for (residue, *_), pairs in kinds.items()]
