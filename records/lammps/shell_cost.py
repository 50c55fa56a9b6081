"""What a shell costs: CPU time of one process for a cube of a box of 62,912 atoms, beside the whole small box.

nice -n 19 python shell_cost.py [MODEL]
"""

import sys
import time

import numpy as np
from boxes import supercell, test_frame

from openmm_cgaa.engines.domains import Domains
from openmm_cgaa.engines.ranks import OneRank
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.model.loaded import LoadedModel

EDGES = (16.0, 21.5, 27.0, 34.0, 43.0, 54.0)  # Å
CALLS = 7


class FirstOfTwo:
    """A process whose only other one holds the rest, and sends their positions, and zeros as features."""

    rank, size = 0, 2

    def __init__(self, atoms, positions):
        self.positions, self.others = positions, np.setdiff1d(np.arange(len(positions)), atoms)
        self.sent = 0

    def gathered(self, values):
        others = {1: self.others, 2: self.positions[self.others]}[values.ndim]
        return np.concatenate([values, [len(others)] if len(values) == 1 else others])

    def dealt(self, parts):
        self.wanted = parts[1]
        return [parts[0], np.empty(0, dtype=int)]

    def total(self, values):
        return values

    def swap(self, out, into):
        for rows in into.values():
            self.sent += rows.nbytes
            rows[:] = self.positions[self.wanted] if rows.dtype == np.float64 else 0.0


def seconds(call):
    """Median CPU time of a call, of those behind the first two."""
    found = []
    for _ in range(CALLS + 2):
        begin = time.process_time()
        call()
        found.append(time.process_time() - begin)
    return float(np.median(found[2:]))


def main(name):
    model = LoadedModel(name)
    topology, positions, box = test_frame()
    grain_map, positions, box = model.grain_map(GrainMap.from_topology(topology)), 10.0 * positions, 10.0 * box
    whole = Domains(model, grain_map, OneRank())
    alone = seconds(lambda: whole(np.arange(len(positions)), positions, box)) / len(positions)
    print(f"{name}: {len(positions)} atoms alone, {1e6 * alone:.1f} µs an atom")
    boxes = iter(box * (1.0 + 1e-6 * step) for step in range(CALLS + 2))
    changing = seconds(lambda: whole(np.arange(len(positions)), positions, next(boxes))) / len(positions)
    print(f"the same where the box changes at each call: {1e6 * changing:.1f} µs an atom")
    topology, positions, box = supercell((4, 4, 4))
    grain_map, positions, box = model.grain_map(GrainMap.from_topology(topology)), 10.0 * positions, 10.0 * box
    place = positions @ np.linalg.inv(box) % 1.0 @ box
    print("edge/Å  own atoms  with shell  ms a step  µs an own atom  times  kB received  choosing and listing/ms")
    for edge in EDGES:
        atoms = np.flatnonzero((place < edge).all(1))
        ranks = FirstOfTwo(atoms, positions)
        domains = Domains(model, grain_map, ranks)

        def call(atoms=atoms, ranks=ranks, domains=domains):
            domains(atoms, ranks.positions[atoms], box)

        taken = seconds(call)
        ranks.sent = 0
        call()
        sent, begin = ranks.sent, time.process_time()
        ranks.positions = positions + 0.6
        call()
        again = time.process_time() - begin
        each = taken / domains.own
        print(
            f"{edge:6.1f} {domains.own:10d} {domains.known:11d} {1e3 * taken:10.1f} {1e6 * each:15.1f} "
            f"{each / alone:6.2f} {sent / 1e3:12.0f} {1e3 * (again - taken):12.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ec-emc-lipf6")
