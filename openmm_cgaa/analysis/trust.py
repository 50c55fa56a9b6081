"""Whether a run at constant pressure stayed at the densities that its model was trained at."""

from typing import NamedTuple

import numpy as np

from ..model.domain import SAME_DENSITY, beyond
from ..simulation.read import RunOutput
from .drift import mean

NOT_TRUSTED = "not to be trusted"


class Density(NamedTuple):
    """Of a run at constant pressure.

    Attributes
    ----------
    numbers : dict
        ``mean_g_per_ml`` and its standard error ``error_g_per_ml``, ``pressure_bar``; ``trained_g_per_ml`` [lowest,
        highest], None where the run does not say. ``inside``: whether the mean lies there; ``left``: in which part of
        the run the box did not.
    text : str
        The same for people.
    warning : str
        What is wrong in a few words, or nothing.
    """

    numbers: dict
    text: str
    warning: str


def density_of(run: RunOutput, state: np.ndarray) -> Density:
    """The mean density of a run at constant pressure, whose rows of state.csv are given, held against the training."""
    found, pressure = state["density_gml"], run.settings["pressure"]
    value, error = mean(found)
    trained = run.provenance.get("trained_density")
    numbers = {"pressure_bar": pressure, "mean_g_per_ml": value, "error_g_per_ml": error, "trained_g_per_ml": trained}
    text, warning = f"{value:.4f} ± {error:.4f} g/cm3 at {pressure:g} bar", ""
    if trained:
        left = float(np.mean(beyond(found, trained, SAME_DENSITY) > 0.0))
        inside = not beyond(value, trained, SAME_DENSITY)
        numbers |= {"inside": inside, "left": left}
        ends = f"of training ({trained[0]:.3f} to {trained[1]:.3f})"
        if not inside:
            warning = f"outside {ends}: {NOT_TRUSTED}"
        elif left:
            warning = f"outside {ends} for {100 * left:.2g} % of the run: {NOT_TRUSTED} there"
    return Density(numbers, f"{text}, {warning}" if warning else text, warning)
