"""Row `spread`: do networks of other seeds agree as well at the end of a run as at its start?"""

from dataclasses import dataclass

import numpy as np

from ..analysis.drift import slope
from ..errors import CGAAError
from ..inputs.ranges import bounded
from ..units import KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from .row import Row, estimate, yes


@dataclass(frozen=True, kw_only=True)
class Spread(Row):
    """How much the committee disagrees about net forces on grains, along the runs that the model made.

    Root mean square over members, grains and components of the distance from the members' mean, in eV/Å.

    Attributes
    ----------
    runs : list of str
        Runs of the system.
    frames : int
        Of each run.
    factor : float
        That the second half may be over the first.
    """

    runs: list[str]
    frames: int = bounded(100, 2, 10**6)
    factor: float = bounded(1.05, 1.0, 100.0)

    what = "a committee's spread along the way"

    def measure(self, place):
        members, found = place.committee(), {}
        if len(members) < 2:
            raise CGAAError(f"a committee needs two models at least, committee names {len(members)}")
        for name in self.runs:
            run = place.finished(name)
            chosen = np.unique(np.linspace(0, run.frames.n_frames - 1, self.frames).round().astype(int))
            values = []
            some = run.frames[chosen]
            for positions, box in zip(some.xyz.astype(float), some.unitcell_vectors):
                forces = [member.evaluate(run.grain_map, positions, box.astype(float))[1] for member in members]
                nets = np.array([[force[s].sum(axis=0) for s in run.grain_map.slots] for force in forces])
                values.append(nets.std(axis=0).ravel() / KJMOL_PER_NM_PER_EV_PER_ANGSTROM)
            values = np.sqrt(np.square(values).mean(axis=1))
            time, half = run.frames.time[chosen], len(chosen) // 2
            found[name] = {
                "halves_eV_per_A": [float(part.mean()) for part in (values[:half], values[half:])],
                "largest_eV_per_A": float(values.max()),
                "slope_per_ps_relative": estimate(slope(time, values / values.mean())),
                "time_ps": time.tolist(),
                "spread_eV_per_A": values.tolist(),
            }
        return found

    def must(self):
        return "flat"

    def verdict(self, results, system):
        rows = results[self.name].values()
        ratios = [second / first for first, second in (row["halves_eV_per_A"] for row in rows)]
        return f"second half over first: {min(ratios):.3f} to {max(ratios):.3f}", yes(max(ratios) <= self.factor)
