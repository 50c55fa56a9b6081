"""The figures of a report, as SVG from small arrays: lines differ by dash or marker, never by colour alone."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MissingPackageError
from ..pages.svgpanels import BLUE, GREY, ORANGE, Picture, drawing, new_panel, svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 4000  # of a parity that are drawn


def pictures_of(figures: dict[str, dict]) -> dict[str, Picture]:
    """Draw what there are numbers for.

    Parameters
    ----------
    figures : dict
        ``parity``: by kind of frames, ``teacher`` and ``model`` (components of forces, eV/Å);
        ``rdf``: by pair, ``r`` (Å), ``model`` and, where it is known, ``teacher``;
        ``density``: ``time`` (ps), ``density`` (g/cm3), ``labelled`` (lowest and highest);
        ``drift``: ``time`` (ps), ``energy`` (meV/atom, less that of the start), ``slope`` and ``error`` (meV/atom/ps).

    Returns
    -------
    dict
        In the order above. Empty without matplotlib.
    """
    if MissingPackageError.needed("matplotlib"):
        return {}
    drawn = {}
    for name, (title, caption, draw) in KINDS.items():
        if figures.get(name):
            with drawing(name):
                drawn[name] = Picture(title, caption, [svg_of(figure) for figure in draw(figures[name])])
    return drawn


def _parity(kinds: dict[str, dict]) -> Iterator["Figure"]:
    for kind, forces in kinds.items():
        figure, ax = new_panel(height=3.8)
        teacher, model = (np.asarray(forces[who], dtype=float) for who in ("teacher", "model"))
        some = slice(None, None, max(1, len(teacher) // POINTS))
        limit = 1.05 * max(np.abs(teacher).max(), np.abs(model).max())
        ax.plot([-limit, limit], [-limit, limit], color=GREY, linewidth=0.8)
        ax.plot(teacher[some], model[some], ".", markersize=2, alpha=0.4, color=BLUE, rasterized=True)
        rms = np.sqrt(np.mean((model - teacher) ** 2))
        ax.text(0.04, 0.96, f"rms error {rms:.3f} eV/Å", transform=ax.transAxes, va="top", fontsize="small")
        ax.set(title=kind, xlabel="teacher (eV/Å)", ylabel="model (eV/Å)", xlim=(-limit, limit), ylim=(-limit, limit))
        ax.set_aspect("equal")
        yield figure


def _rdf(pairs: dict[str, dict]) -> Iterator["Figure"]:
    for pair, curves in pairs.items():
        figure, ax = new_panel()
        ax.axhline(1.0, color="0.85", linewidth=0.8)
        if curves.get("teacher") is not None:
            ax.plot(curves["r"], curves["teacher"], color=ORANGE, linestyle="--", linewidth=1.4, label="teacher")
        ax.plot(curves["r"], curves["model"], color=BLUE, linewidth=1.4, label="model")
        ax.set(title=pair, xlabel="r (Å)", ylabel="g(r)", ylim=(0.0, None))
        ax.legend(frameon=False, fontsize="small")
        yield figure


def _density(run: dict) -> Iterator["Figure"]:
    figure, ax = new_panel(width=5.2)
    low, high = run["labelled"]
    ax.axhspan(low, high, facecolor="0.92", edgecolor="0.6", hatch="//", linewidth=0.5, label="labelled")
    ax.plot(run["time"], run["density"], color=BLUE, linewidth=1.0, label="model")
    found = np.asarray(run["density"], dtype=float)
    bottom, top = min(low, found.min()), max(high, found.max())
    ax.set(xlabel="time (ps)", ylabel="density (g/cm³)")
    ax.set_ylim(bottom - 0.1 * (top - bottom), top + 0.3 * (top - bottom))  # room for the legend
    ax.legend(frameon=False, ncols=2, fontsize="small", loc="upper right")
    yield figure


def _drift(run: dict) -> Iterator["Figure"]:
    figure, ax = new_panel(width=5.2)
    time, energy = (np.asarray(run[key], dtype=float) for key in ("time", "energy"))
    ax.plot(time, energy, color=BLUE, linewidth=0.7, label="total energy")
    line = energy.mean() + run["slope"] * (time - time.mean())
    slope = f"{run['slope']:.2g} ± {run['error']:.1g} meV/atom/ps"
    ax.plot(time, line, color=ORANGE, linestyle="--", linewidth=1.6, label=slope)
    ax.set(xlabel="time (ps)", ylabel="energy − start (meV/atom)")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.35 * (high - low))
    ax.legend(frameon=False, ncols=2, fontsize="small", loc="upper right")
    yield figure


KINDS: dict[str, tuple[str, str, Callable[[dict], Iterator["Figure"]]]] = {
    "parity": (
        "Forces beside the teacher's",
        "Each point is a component of the force on an atom; on the line the model is right.",
        _parity,
    ),
    "rdf": (
        "Structure beside the teacher's",
        "How often atoms of different molecules are so far apart, relative to a gas.",
        _rdf,
    ),
    "density": (
        "Density at constant pressure",
        "The model knows what lies in the hatched range; outside of it nothing was labelled.",
        _density,
    ),
    "drift": ("Total energy without a thermostat", "It should neither rise nor fall.", _drift),
}
