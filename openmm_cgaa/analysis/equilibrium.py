"""From where on a run is in equilibrium, as far as its energy and its density tell; the table of a run is enough."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SimulationError
from ..inputs.arguments import FilePath
from ..simulation.read import RunOutput, read_run
from .drift import inefficiency

AUTO = "auto"
STARTS = 100  # that are tried, evenly spaced
LEAST = 10.0  # independent samples, without which a series does not tell
SERIES = {"potential_kjmol": "potential energy", "density_gml": "density"}


class Settled(NamedTuple):
    """Of a series.

    Attributes
    ----------
    begin : int
        The first sample that counts.
    independent : float
        Samples from there on, counted as often as they are independent.
    away : float
        How far the mean of what comes before is from that of the rest, in standard errors; 0 without any.
    """

    begin: int
    independent: float
    away: float

    def enough(self, samples: int) -> bool:
        """Whether most of the series, of so many samples, is left, and enough of it is independent."""
        return self.independent >= LEAST and 2 * self.begin <= samples


class Equilibrium(NamedTuple):
    """Of a run.

    Attributes
    ----------
    begin : float
        ps, the latest beginning of its series; 0 where nothing is to be left out, or where they do not tell.
    numbers : dict
        The same, with each series, whether they tell, and a ``text`` for people.
    """

    begin: float
    numbers: dict


def equilibrated(series: ArrayLike) -> Settled:
    """Find the part at the end of a series that has the most independent samples.

    With samples from before equilibrium a series looks slow, so that it has fewer of them. Chodera, J. Chem. Theory
    Comput. 12, 1799 (2016); pymbar's ``detect_equilibration`` finds the same.

    Parameters
    ----------
    series : array [samples]
    """
    values = np.asarray(series, dtype=float)
    starts = np.arange(0, max(len(values) - 1, 1), max(1, len(values) // STARTS))
    found = [_independent(values[start:]) for start in starts]
    best = int(np.argmax(found))
    begin, independent = int(starts[best]), found[best]
    if not begin:
        return Settled(0, independent, 0.0)
    before, rest = values[:begin], values[begin:]
    memory = len(rest) / independent
    error = rest.std() * np.sqrt(1.0 / max(begin / memory, 1.0) + 1.0 / independent)
    away = abs(before.mean() - rest.mean()) / error if error else np.inf
    return Settled(begin, independent, float(away))


def _independent(values: np.ndarray) -> float:
    """Samples; one of a series that stands still, where nothing tells how fast it moves."""
    return len(values) / inefficiency(values) if np.ptp(values) else 1.0


def equilibrium(state: np.ndarray, pressure: float | None = None) -> Equilibrium:
    """Judge a run by its potential energy, and at constant pressure by its density as well.

    Parameters
    ----------
    state : structured array
        Rows of ``state.csv``, one at least.
    pressure : float, bar, optional
        Of the run.
    """
    time, length = state["time_ps"], len(state)
    wanted = [name for name in SERIES if name != "density_gml" or pressure is not None]
    known = [name for name in wanted if name in (state.dtype.names or ()) and np.isfinite(state[name]).all()]
    found = {SERIES[name]: equilibrated(state[name]) for name in known}
    if not found:
        text = "not told by the table, without energies"
        return Equilibrium(0.0, {"begin_ps": 0.0, "told": False, "series": {}, "text": text})
    begins = {name: float(time[one.begin]) if one.begin else 0.0 for name, one in found.items()}
    rows = {
        name: {"begin_ps": begins[name], "independent": one.independent, "before_in_standard_errors": one.away}
        for name, one in found.items()
    }
    last = max(begins, key=lambda name: begins[name])
    begin, text = begins[last], f"from the first row on, by the {' and the '.join(found)}"
    slow = [
        f"{one.independent:.1f} independent samples of its {name} from {begins[name]:g} ps on"
        for name, one in found.items()
        if not one.enough(length)
    ]
    if slow:
        begin, text = 0.0, f"not told by {' and '.join(slow)}; run longer"
    elif begin:
        text = f"from {begin:g} ps on, by the {last}, whose mean before is {found[last].away:.1f} standard errors off"
    return Equilibrium(begin, {"begin_ps": begin, "told": not slow, "series": rows, "text": text})


def read_begun(folder: FilePath, begin: float | str = 0.0) -> tuple[RunOutput, Equilibrium | None]:
    """Read a run from some time on, and judge what it was read from.

    Parameters
    ----------
    folder : path
    begin : float or str
        ps; or ``auto``, which leaves out what comes before equilibrium, and nothing where that cannot be told.

    Returns
    -------
    RunOutput, Equilibrium or None
        None of a run whose table has no rows.

    Raises
    ------
    SimulationError
        As of `read_run`, or `begin` is ``auto`` and there is no row, or it is another word.
    """
    automatic = begin == AUTO
    if isinstance(begin, str) and not automatic:
        raise SimulationError(f"begin is {begin!r}; give a number of ps, or {AUTO}")
    run = read_run(folder, 0.0 if isinstance(begin, str) else begin)
    if run.state is None:
        if automatic:
            path = Path(folder) / "state.csv"
            raise SimulationError(f"{path}: has no rows that tell where equilibrium begins; give begin in ps")
        return run, None
    found = equilibrium(run.state, run.settings.get("pressure"))
    return (read_run(folder, found.begin) if automatic and found.begin else run), found
