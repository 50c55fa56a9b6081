"""First peaks of radial distributions, and how two of these differ, with errors."""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks


def beside(r, parts, width) -> dict:
    """Two curves: their first peaks and how they differ, with errors by the jackknife over parts.

    ``difference`` is the integral of |student - teacher| over that of the teacher, ``by_chance`` what it would be on
    average if only the noise of both differed.

    Parameters
    ----------
    r : array [bins], Å
    parts : dict
        "student" and "teacher": sums of weighed curves [parts, bins] and of weights [parts].
    width : float
        Å, of the Gaussian that smooths the curves.
    """
    parts = {who: (np.array(curves), np.array(weights)) for who, (curves, weights) in parts.items()}
    count = len(parts["student"][1])

    def curves(keep):
        raw = {who: sums[keep].sum(axis=0) / weights[keep].sum() for who, (sums, weights) in parts.items()}
        return {who: gaussian_filter1d(g, width / (r[1] - r[0]), mode="nearest") for who, g in raw.items()}

    def compared(keep):
        """How far apart the peaks are, their heights and the curves."""
        both = curves(keep)
        (at, height), (true_at, true_height) = (first_peak(r, both[who], first) for who in ("student", "teacher"))
        return np.array([at - true_at, height / true_height - 1.0, *(both["student"] - both["teacher"])])

    everything = np.ones(count, dtype=bool)
    both = curves(everything)
    first = first_peak(r, both["teacher"])[0]
    value = compared(everything)
    without = np.array([compared(np.arange(count) != part) for part in range(count)])
    errors = np.sqrt((count - 1) * without.var(axis=0))
    size = np.abs(both["teacher"]).mean() or 1.0
    found = {
        "difference": float(np.abs(value[2:]).mean() / size),
        "by_chance": float(np.sqrt(2.0 / np.pi) * errors[2:].mean() / size),
        "curves": {who: g.tolist() for who, g in both.items()},
    }
    if np.isfinite(value[:2]).all():
        peaks = {who: first_peak(r, g, first) for who, g in both.items()}
        shift, higher = ({"value": float(v), "error": float(e)} for v, e in zip(value[:2], errors))
        found |= {"shift_A": shift, "relative_height": higher}
        found |= {"peak_at_A": {who: peak[0] for who, peak in peaks.items()}}
        found |= {"peak_height": {who: peak[1] for who, peak in peaks.items()}}
    return found


def first_peak(r, g, near=None) -> tuple:
    """Position (Å) and height of the first high and clear maximum, or of the high one nearest to a place; or nan.

    High: a third of the highest point. Clear: it stands out by a thirtieth of its height. Where a place is given the
    peak is known to be there, and a shoulder that hardly stands out must not hand over to the next peak. Of the
    parabola through all of the peak's upper third, for the highest bin of a broad one is a matter of chance.
    """
    peaks, found = find_peaks(g, height=g.max() / 3.0, prominence=0.0)
    clear = np.flatnonzero(found["prominences"] >= (g[peaks] / 30.0 if near is None else 0.0))
    if not len(clear):
        return np.nan, np.nan
    chosen = clear[0 if near is None else np.abs(r[peaks[clear]] - near).argmin()]
    top = peaks[chosen]
    low = g < g[top] - found["prominences"][chosen] / 3.0
    first, last = np.flatnonzero(low[:top])[-1:], np.flatnonzero(low[top:])[:1]
    first, last = (first[0] + 1 if len(first) else 0), (top + last[0] if len(last) else len(g))
    first, last = min(first, top - 1), max(last, top + 2)
    a, b, c = np.polyfit(r[first:last] - r[top], g[first:last], 2)
    if a >= 0.0:
        return float(r[top]), float(g[top])
    return float(r[top] - 0.5 * b / a), float(c - 0.25 * b * b / a)
