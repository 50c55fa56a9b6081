"""Time of a step against the size of the box, as a figure."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from ..host.files import write_bytes
from ..inputs.arguments import FilePath
from .cases import Cost, growth

MARKERS = "osD^v<>PX*hp"


def draw(rows: Sequence[Cost], path: FilePath) -> None:
    """Write the figure (PNG): milliseconds of a step over atoms, both by their logarithms; a line a subject."""
    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    ax, exponents = figure.subplots(), growth(rows)
    lines: dict[tuple[str, int], list[Cost]] = {}
    for row in rows:
        if not row.failed:
            lines.setdefault((row.what, row.threads), []).append(row)
    several = len({threads for _, threads in lines}) > 1
    names = list(dict.fromkeys(what for what, _ in lines))
    counts = sorted({threads for _, threads in lines})
    for (what, threads), own in lines.items():
        own = sorted(own, key=lambda row: row.atoms)
        label = what + (f", threads: {threads}" if several else "")
        if (what, threads) in exponents:
            label += f", atoms$^{{{exponents[what, threads]:.2f}}}$"
        number = names.index(what)
        color, marker = f"C{number % 10}", MARKERS[number % len(MARKERS)]
        dashes = ["-", "--", ":", "-."][counts.index(threads) % 4]
        x, y = [row.atoms for row in own], [row.ms for row in own]
        spread = [[row.ms - row.low for row in own], [row.high - row.ms for row in own]]
        ax.errorbar(x, y, yerr=spread, label=label, linestyle=dashes, marker=marker, color=color, markersize=5)
    ax.set(xscale="log", yscale="log", xlabel="atoms", ylabel="ms a step")
    ax.grid(which="major", color="0.9")
    ax.spines[["top", "right"]].set_visible(False)
    if lines:
        ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.set_size_inches(10.0, 4.6)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=130)
    write_bytes(path, picture.getvalue())
