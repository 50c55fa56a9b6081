"""The rows of ablations.py as tables and as a figure."""

import numpy as np

from openmm_cgaa.errors import CGAAError

SHOWN = {  # column and digits
    "forces": ("force, eV/Å", 4),
    "net_force": ("net force", 3),
    "torque": ("torque", 3),
    "energy_mev": ("energy, meV/atom", 2),
    "virial_mev": ("virial, meV/atom", 2),
}
COMPARED = ("forces", "net_force", "torque")
BASE = "base"
SEEDS = {BASE: ("seed-2", "seed-3"), "published": ("published-seed-2", "published-seed-3")}
FIRST = {"base": "base", "published": "published"}  # the row that others of the same configuration are held against
NO_MESSAGES = "messages-0"
KINDS = {"bundled": ("*", "tab:red", 110), "baseline": ("^", "black", 45)}  # marker, colour, size
DRAWN = {"forces": "force / eV Å$^{-1}$", "net_force": "net force on a grain, relative"}


def tables(rows, results, timings) -> str:
    """A table in Markdown for each group of rows; a row that was not run is left out.

    Parameters
    ----------
    rows : dict of str to Row
    results : dict of str to dict
        Of ablations.json.
    timings : dict of str to float, ms

    The base and `published` are means over their seeds, with half the range between them. Percentages are differences
    of a row to the base or, in the group of the published network, to that.
    """
    lines = []
    for group in dict.fromkeys(row.group for row in rows.values()):
        own = [name for name, row in rows.items() if row.group == group and name in results]
        own = [name for name in own if not any(name in _seeds(first, results) for first in SEEDS)]
        if own:
            head = ["row", "", "steps", *(title for title, _ in SHOWN.values()), "ms/step"]
            lines += [f"### {group}", _line(head), "|" + "---|" * len(head)]
            lines += [_line(_cells(name, rows, results, timings)) for name in own] + [""]
    return "\n".join(lines)


def _line(cells) -> str:
    return f"| {' | '.join(cells)} |"


def _seeds(first, results) -> list:
    """The other seeds of a row that were trained as long as it."""
    steps = results.get(first, {}).get("steps")
    return [name for name in SEEDS.get(first, ()) if steps and results.get(name, {}).get("steps") == steps]


def _values(name, key, results) -> list:
    """A figure of a row, of every seed; none where the row has no such figure."""
    return [results[one][key] for one in [name, *_seeds(name, results)] if results[one].get(key) is not None]


def _cells(name, rows, results, timings) -> list:
    first = next((one for one, row in rows.items() if row.base == rows[name].base), None)
    says = rows[name].says + (f", {1 + len(_seeds(name, results))} seeds" if _seeds(name, results) else "")
    cells = [f"`{name}`", says, f"{results[name]['steps']:,}"]
    for key, (_, digits) in SHOWN.items():
        values = _values(name, key, results)
        text = f"{np.mean(values):.{digits}f}" if values else ""
        if len(values) > 1:
            text += f" ± {np.ptp(values) / 2:.{digits}f}"
        if values and key in COMPARED and first != name and first in results:
            text += f" ({100 * (np.mean(values) / np.mean(_values(first, key, results)) - 1):+.0f} %)"
        cells.append(text)
    return [*cells, f"{timings[name]:.1f}" if name in timings else ""]


def plot(path, rows, results, timings, front):
    """Error against milliseconds a step: rows by number, bundled models and baselines by name.

    Parameters
    ----------
    path : path
        PNG.
    rows, results, timings
        As in `tables`; rows without a time are left out.
    front : list of dict
        ``label``, ``ms``, ``force``, ``net_force``, ``kind`` (bundled or baseline).

    Raises
    ------
    CGAAError
        No row has a time.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    seeds = {name for others in SEEDS.values() for name in others}
    drawn = [name for name in rows if name in results and name in timings and name not in seeds]
    if not drawn:
        raise CGAAError(f"{path}: no row has a time yet; train some rows and run --time first")
    figure = Figure(figsize=(12.5, 9.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplot_mosaic([["forces", "says"], ["net_force", "says"]], width_ratios=[1, 0.42])
    legend = panels.pop("says")
    labels = []
    for key, title in DRAWN.items():
        axes = panels[key]
        labels.append([])
        for number, name in enumerate(drawn, 1):
            x, y = timings[name], float(np.mean(_values(name, key, results)))
            axes.scatter(x, y, **_style(name, rows))
            labels[-1].append((x, y, str(number)))
        full = [(p["ms"], p["force" if key == "forces" else "net_force"], p) for p in front]
        for x, y, point in full:
            marker, colour, size = KINDS[point["kind"]]
            axes.scatter(x, y, marker=marker, color=colour, s=size, zorder=3)
            labels[-1].append((x, y, point["label"]))
        best = not_beaten([(x, y) for x, y, _ in full])
        axes.step(*zip(*best) if best else ([], []), where="post", color="tab:red", linewidth=0.8, zorder=1)
        axes.set(xscale="log", yscale="log", xlabel="ms / step, 983 atoms", ylabel=title)
        axes.margins(0.1)
        for axis in (axes.xaxis, axes.yaxis):  # few decades: figures at 2 and 5, too
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.spines[["top", "right"]].set_visible(False)
    _write_legend(legend, drawn, rows, results, front)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # labels are placed for this layout
    for axes, own in zip(panels.values(), labels):
        place_labels(axes, own)
    figure.savefig(path, dpi=120)


def _style(name, rows) -> dict:
    """How a row is drawn; the one without messages stands out."""
    if name == NO_MESSAGES:
        return dict(marker="D", color="tab:orange", edgecolor="black", s=48, zorder=4)
    if rows[name].base != rows[BASE].base:
        return dict(marker="s", color="0.55", s=22, zorder=2)
    return dict(marker="o", color="tab:blue", s=40 if name == BASE else 22, zorder=2)


def _write_legend(axes, drawn, rows, results, front):
    """What the numbers mean, and what the markers mean below."""
    axes.set_axis_off()
    for number, name in enumerate(drawn, 1):
        text = f"{number}  {name}: {rows[name].says}"
        weight = "bold" if name in (BASE, NO_MESSAGES) else "normal"
        axes.text(0, 1 - 0.026 * (number - 1), text, fontsize=7, va="top", weight=weight, transform=axes.transAxes)
    steps = sorted({(rows[name].base, results[name]["steps"]) for name in drawn})
    entries = [axes.scatter([], [], **_style(NO_MESSAGES, rows), label="without messages between grains")]
    entries.append(axes.scatter([], [], **_style(BASE, rows), label=f"conserving, {_range(steps, rows[BASE].base)}"))
    other = [name for name in drawn if rows[name].base != rows[BASE].base]
    if other:
        label = f"published network, {_range(steps, rows[other[0]].base)}"
        entries.append(axes.scatter([], [], **_style(other[0], rows), label=label))
    for kind, says in (("bundled", "bundled, full length"), ("baseline", "baseline")):
        if any(point["kind"] == kind for point in front):
            marker, colour, size = KINDS[kind]
            entries.append(axes.scatter([], [], marker=marker, color=colour, s=size / 1.5, label=says))
    axes.legend(handles=entries, loc="lower left", fontsize=7, frameon=False, borderaxespad=0)


def _range(steps, base) -> str:
    own = [number for name, number in steps if name == base]
    return " to ".join(f"{number:,}" for number in sorted({min(own), max(own)})) + " steps" if own else "not run"


def not_beaten(points) -> list:
    """Those of the points (time, error) that no other beats in both, by time."""
    best = []
    for x, y in sorted(points):
        if not best or y < best[-1][1]:
            best.append((x, y))
    return best


def place_labels(axes, labels):
    """Write each (x, y, text) beside its point, where it covers no point and no other label.

    Nearest places are tried first; a label that had to go away from its point gets a line to it.
    """
    from matplotlib.transforms import Bbox

    dots = axes.transData.transform([(x, y) for x, y, _ in labels]) if labels else []
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in dots]
    angles = np.radians([45, -45, 135, -135, 0, 180, 90, -90])
    ways = [(reach, angle) for reach in (6, 9, 14, 20, 28, 38, 50, 65) for angle in angles]
    for x, y, text in sorted(labels, key=lambda label: -len(label[2])):
        for tried, way in enumerate([*ways, ways[0]]):  # there is no free place: the nearest after all
            note = _write_beside(axes, x, y, text, *way)
            box = _text_box(note)
            free = (
                axes.bbox.contains(*box.min)
                and axes.bbox.contains(*box.max)
                and not any(box.overlaps(other) for other in taken)
            )
            if free or tried == len(ways):
                taken.append(box)
                break
            note.remove()


def _write_beside(axes, x, y, text, reach, angle):
    """An annotation that begins so many points away from its point, on the side that faces it."""
    way = np.cos(angle), np.sin(angle)
    sides = ("right", "center", "left"), ("top", "center", "bottom")
    ha, va = (names[1 + int(np.sign(np.round(part, 6)))] for names, part in zip(sides, way))
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3} if reach > 9 else None
    place = reach * way[0], reach * way[1]
    note = axes.annotate(text, (x, y), place, textcoords="offset points", ha=ha, va=va, fontsize=7, arrowprops=line)
    note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8})
    return note


def _text_box(note):
    """Where the text alone stands, in pixels; an annotation's own extent has its line in it."""
    from matplotlib.text import Text

    renderer = note.figure.canvas.get_renderer()
    note.update_positions(renderer)
    return Text.get_window_extent(note, renderer)
