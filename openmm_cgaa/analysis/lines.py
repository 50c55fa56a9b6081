"""A curve with its error, as figures take it; this module needs no matplotlib."""

from typing import NamedTuple

import numpy as np


class Line(NamedTuple):
    """Places ``x`` [points], ``y`` [points], the standard ``error`` [points], and what it is called in a legend."""

    x: np.ndarray
    y: np.ndarray
    error: np.ndarray
    label: str | None = None
