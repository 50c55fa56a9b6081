"""How messages say a number of things, and a number with its error."""

import math


def counted(number: int | str, thing: str) -> str:
    """A number and the word for as many things: 1 frame, 2 frames, 2 topologies.

    Parameters
    ----------
    number : int, or a word such as "no"
    thing : str
        What one is called, such as ``frame`` or ``whole row``.
    """
    if number == 1:
        return f"{number} {thing}"
    if thing.endswith(("ry", "gy")):
        return f"{number} {thing[:-1]}ies"
    return f"{number} {thing}{'es' if thing.endswith(('x', 'ss')) else 's'}"


def measured_text(value: float, error: float | None, digits: int = 2) -> str:
    """A number ± its standard error, to so many digits of the error; alone where that is not known or nothing."""
    if error is None or not math.isfinite(error) or error <= 1e-12 * abs(value):
        return f"{value:.3g}"
    first = math.floor(math.log10(error))
    if first >= 5 or first < -7:
        return f"{value:.3g} ± {error:.1e}"
    places = max(0, digits - 1 - first)
    return f"{value:.{places}f} ± {error:.{places}f}"
