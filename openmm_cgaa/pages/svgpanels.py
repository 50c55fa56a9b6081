"""Figures of a page, as SVG: lines differ by dash or marker, never by colour alone."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#666666"  # told apart by all kinds of eyes (Okabe and Ito)
STYLES: tuple[tuple[str, Any], ...] = (  # colour and dashes of one line after the other
    (BLUE, "-"),
    ("#009e73", (0, (7, 2))),
    ("#cc79a7", (0, (5, 1.5, 1, 1.5))),
    ("#000000", ":"),
    ("#e69f00", (0, (9, 1.5, 3, 1.5))),
    ("#56b4e9", (0, (5, 1, 1, 1, 1, 1))),
)


class Picture(NamedTuple):
    """SVG files side by side, what they show, and what to see in them."""

    title: str
    caption: str
    panels: list[bytes]


@contextmanager
def drawing(salt: str) -> Iterator[None]:
    """Where text stays text, and the same numbers give the same bytes; the salt tells figures of a page apart."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif"}):
        yield


def svg_of(figure: "Figure") -> bytes:
    """A figure as a file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="svg", dpi=120, metadata={"Date": None})
    return picture.getvalue()


def new_panel(width: float = 4.2, height: float = 2.9) -> tuple["Figure", Any]:
    """A figure and its axes: one panel a figure, for a telephone shows them below each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    ax = figure.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return figure, ax
