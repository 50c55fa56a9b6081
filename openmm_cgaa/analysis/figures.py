"""One figure for each question; each function draws one and writes it to a file (PNG)."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..host.files import write_bytes
from ..inputs.arguments import FilePath
from ..units import KJMOL_PER_EV
from ..wording import counted
from .angles import AngularDistribution
from .bonds import BondKind
from .drift import Estimate
from .lines import Line
from .rdf import RDF
from .teacher_error import TeacherError
from .trust import Density

Parity = tuple[np.ndarray, np.ndarray]  # of the labels, of the model


def _axes(panels: int = 1, height: float = 3.4) -> tuple[Figure, np.ndarray]:
    """A figure with so many panels, four of them in a row at most."""
    columns, rows = min(panels, 4), -(-panels // 4)
    figure = Figure(figsize=(min(4.6 * columns, 13.0), height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[panels:]:
        ax.set_axis_off()
    return figure, axes[:panels]


def _save(figure: Figure, path: FilePath) -> Path:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    write_bytes(path, picture.getvalue())
    return Path(path)


def rdf_figure(
    curves: dict[str, RDF],
    path: FilePath,
    reference: dict[str, RDF] | None = None,
    reference_name: str | None = "reference",
) -> Path:
    """Radial distributions, a panel each; bands are two standard errors to either side.

    Parameters
    ----------
    curves, reference : dict of name to RDF
    reference_name : str
        What the dashed lines are.
    """
    figure, axes = _axes(len(curves))
    for ax, (name, (r, g, error)) in zip(axes, curves.items()):
        ax.axhline(1.0, color="0.8", linewidth=0.8)
        if reference and name in reference:
            ax.plot(
                reference[name].r, reference[name].g, color="0.45", linestyle="--", linewidth=1.2, label=reference_name
            )
        ax.fill_between(r, g - 2.0 * error, g + 2.0 * error, color="tab:blue", alpha=0.25, linewidth=0)
        ax.plot(r, g, color="tab:blue", linewidth=1.4, label="this run")
        ax.set(title=name, xlabel="r (nm)", ylabel="g(r)", xlim=(0.0, r[-1]), ylim=(0.0, None))
        ax.set_ylim(top=(1.35 if reference else 1.05) * ax.dataLim.y1)  # room for the legend
    if reference:
        axes[0].legend(frameon=False, loc="upper left", fontsize="small")
    return _save(figure, path)


def lines_figure(
    panels: dict[str, Sequence[Line]],
    path: FilePath,
    axes: tuple[str, str],
    marks: dict[str, float | None] | None = None,
    spans: tuple[float, float] | None = None,
    logarithmic: bool = False,
) -> Path:
    """Curves, a panel for each name; bands are two standard errors to either side.

    Parameters
    ----------
    panels : dict of name to list of Line
    axes : (str, str)
        What x and y are, with their units.
    marks : dict of name to float or None
        Where a dotted line stands upright, in a panel.
    spans : (float, float), optional
        What part of x is shaded.
    logarithmic : bool
        The axis of x.
    """
    figure, places = _axes(len(panels))
    for ax, (name, lines) in zip(places, panels.items()):
        if spans:
            ax.axvspan(*spans, color="0.93")
        for number, (x, y, error, label) in enumerate(lines):
            ax.fill_between(x, y - 2.0 * error, y + 2.0 * error, color=f"C{number}", alpha=0.25, linewidth=0)
            ax.plot(x, y, color=f"C{number}", linewidth=1.4, label=label)
        if (mark := (marks or {}).get(name)) is not None:
            ax.axvline(mark, color="0.5", linestyle=":", linewidth=1.0)
        ax.set(title=name, xlabel=axes[0], ylabel=axes[1])
        if logarithmic:
            ax.set_xscale("log")
        if any(line.label for line in lines):
            ax.legend(frameon=False, fontsize="small")
    return _save(figure, path)


def speciation_figure(
    ions: dict[str, dict[str, Estimate]], sizes: np.ndarray, parts: np.ndarray, errors: np.ndarray, path: FilePath
) -> Path:
    """Parts of cations and anions by what they are in, and of all ions by the size of their cluster; two errors each.

    Parameters
    ----------
    ions : dict of name to dict of kind to Estimate
    sizes, parts, errors : arrays [sizes]
    """
    figure, (ax, of_clusters) = _axes(2)
    for number, (name, kinds) in enumerate(ions.items()):
        values, own = np.array(list(kinds.values())).T
        places = np.arange(len(kinds)) + 0.4 * (number - 0.5)
        ax.bar(
            places, values, 0.38, yerr=2.0 * np.nan_to_num(own), capsize=3, color=f"C{number}", alpha=0.75, label=name
        )
    ax.set_xticks(range(len(kinds)), list(kinds))
    ax.set(title="What ions are in", ylabel="part of the ions", ylim=(0.0, None))
    ax.legend(frameon=False, fontsize="small")
    of_clusters.bar(sizes, parts, yerr=2.0 * np.nan_to_num(errors), capsize=3, color="0.55")
    of_clusters.set(title="Clusters of ions in contact", xlabel="ions of a cluster", ylim=(0.0, None))
    of_clusters.xaxis.get_major_locator().set_params(integer=True)
    return _save(figure, path)


def angle_figure(
    found: AngularDistribution,
    path: FilePath,
    reference: AngularDistribution | None = None,
    reference_name: str | None = "reference",
) -> Path:
    """Angles between neighbours; the band is two standard errors to either side, the dashed line the reference."""
    figure, (ax,) = _axes()
    if reference:
        ax.plot(reference.theta, reference.p, color="0.45", linestyle="--", linewidth=1.2, label=reference_name)
    ax.fill_between(found.theta, found.p - 2 * found.error, found.p + 2 * found.error, color="tab:blue", alpha=0.25)
    ax.plot(found.theta, found.p, color="tab:blue", linewidth=1.4, label="this run")
    ax.set(xlabel="angle between two neighbours (degrees)", ylabel="P, 1 at its largest", xlim=found.theta[[0, -1]])
    ax.set_ylim(0.0, 1.25 if reference else 1.05)
    if reference:
        ax.legend(frameon=False, loc="upper left", fontsize="small", ncols=2)
    return _save(figure, path)


def band_figure(bands: dict[str, dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]], path: FilePath) -> Path:
    """Radial distributions of several points, a panel for each pair; bands are two standard errors to either side.

    Parameters
    ----------
    bands : dict of pair to dict of point to (r, g, error), nm
        The error is nan where it is not known.
    """
    figure, axes = _axes(len(bands))
    for ax, (pair, points) in zip(axes, bands.items()):
        ax.axhline(1.0, color="0.8", linewidth=0.8)
        for number, (point, (r, g, error)) in enumerate(points.items()):
            color = f"C{number % 10}"
            ax.plot(r, g, color=color, linewidth=1.2, linestyle="-" if number < 10 else "--", label=point)
            ax.fill_between(r, g - 2.0 * error, g + 2.0 * error, color=color, alpha=0.25, linewidth=0)
        ax.set(title=pair, xlabel="r (nm)", ylabel="g(r)", xlim=(0.0, None), ylim=(0.0, None))
    axes[0].legend(frameon=False, fontsize="small")
    return _save(figure, path)


def points_figure(numbers: dict[str, dict[str, Estimate]], path: FilePath) -> Path:
    """A panel for each number, in which each point has its value and its standard error.

    Parameters
    ----------
    numbers : dict of name to dict of point to Estimate
    """
    points = list(dict.fromkeys(point for own in numbers.values() for point in own))
    figure, axes = _axes(len(numbers), height=1.2 + 0.25 * len(points))
    for ax, (name, own) in zip(axes, numbers.items()):
        places = [len(points) - points.index(point) for point in own]
        values, errors = np.array(list(own.values())).T
        ax.errorbar(values, places, xerr=errors, fmt="o", capsize=3, color="tab:blue")
        ax.set_yticks(range(len(points), 0, -1), points, fontsize="small")
        ax.set(title=name, ylim=(0.5, len(points) + 0.5))
    return _save(figure, path)


def drift_figure(time: np.ndarray, energy: np.ndarray, estimate: Estimate, num_atoms: int, path: FilePath) -> Path:
    """Total energy of the NVE run and its slope.

    Parameters
    ----------
    time : array [samples], ps
    energy : array [samples], kJ/mol
    estimate : Estimate, meV/atom/ps
    """
    figure, (ax,) = _axes()
    change = 1000.0 / KJMOL_PER_EV / num_atoms * (np.asarray(energy) - np.mean(energy))
    ax.plot(time, change, color="tab:blue", linewidth=0.8, label="total energy")
    line = estimate.value * (np.asarray(time) - np.mean(time))
    slope = f"{estimate.value:.3g} ± {estimate.error:.2g} meV/atom/ps"
    ax.plot(time, line, color="tab:red", linewidth=1.4, label=slope)
    ax.set(title="NVE: is energy conserved?", xlabel="time (ps)", ylabel="E − mean (meV/atom)")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
    ax.legend(frameon=False, loc="upper center", ncols=2, fontsize="small")
    return _save(figure, path)


def density_figure(time: np.ndarray, series: np.ndarray, density: Density, path: FilePath) -> Path:
    """Density over time and its mean, on the range of the training.

    Parameters
    ----------
    time : array [samples], ps
    series : array [samples], g/cm3
    density : Density
    """
    figure, (ax,) = _axes()
    if trained := density.numbers["trained_g_per_ml"]:
        ax.axhspan(*trained, color="0.88", label="training")
    value, error = density.numbers["mean_g_per_ml"], density.numbers["error_g_per_ml"]
    ax.plot(time, series, color="tab:blue", linewidth=0.8)
    ax.axhline(value, color="tab:red", linewidth=1.4, label=f"{value:.4f} ± {error:.4f} g/cm³")
    title = f"Density at {density.numbers['pressure_bar']:g} bar"
    ax.set_title(f"{title},\n{density.warning}" if density.warning else title, fontsize="medium", wrap=True)
    ax.set(xlabel="time (ps)", ylabel="density (g/cm³)")
    ax.legend(fontsize="small")
    return _save(figure, path)


def temperature_figure(
    time: np.ndarray,
    series: dict[str, np.ndarray],
    means: dict[str, Estimate],
    path: FilePath,
    target: float | None = None,
) -> Path:
    """Temperatures over time and their means.

    Parameters
    ----------
    time : array [samples], ps
    series : dict of name to array [samples], K
    means : dict of name to Estimate, K
    target : float, optional
        The thermostat's temperature, K.
    """
    figure, (ax,) = _axes()
    if target is not None:
        ax.axhline(target, color="0.6", linewidth=0.8, linestyle="--")
    for number, (name, values) in enumerate(series.items()):
        mean, error = means[name]
        label = f"{name} {mean:.0f} ± {error:.0f} K"
        ax.plot(time, values, color=f"C{number}", linewidth=0.8, alpha=0.8, label=label)
    ax.set(title="Temperature by kind of motion", xlabel="time (ps)", ylabel="temperature (K)")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
    ax.legend(frameon=False, fontsize="small", ncols=2, loc="upper center")
    return _save(figure, path)


def bond_figure(kinds: list[BondKind], path: FilePath) -> Path:
    """Spread and largest deviation of each kind of bond, a list of `BondKind`."""
    figure, (ax,) = _axes(height=0.8 + 0.25 * len(kinds))
    rows = np.arange(len(kinds))[::-1]
    ax.barh(rows, [kind.largest for kind in kinds], color="tab:blue", alpha=0.35, label="largest deviation")
    ax.barh(rows, [kind.spread for kind in kinds], color="tab:blue", label="standard deviation")
    ax.set_yticks(rows, [f"{kind.name}  {kind.mean:.2f} Å" for kind in kinds], fontsize="small")
    ax.set(title="Bonds, from the mean of their kind", xlabel="deviation (Å)")
    ax.legend(frameon=False, fontsize="small")
    return _save(figure, path)


def teacher_figure(error: TeacherError, time: np.ndarray, path: FilePath) -> Path:
    """Forces of the model over those of the teacher, and both errors along the run.

    Parameters
    ----------
    error : TeacherError
    time : array [labelled], ps
    """
    figure, (scatter, ax) = _axes(2)
    x, y = error.teacher_forces.ravel(), error.forces.ravel()
    limit = 1.05 * max(np.abs(x).max(), np.abs(y).max())
    scatter.plot([-limit, limit], [-limit, limit], color="0.7", linewidth=0.8)
    scatter.plot(x, y, ".", markersize=1.5, color="tab:blue", alpha=0.3, rasterized=True)
    scatter.set(title="Force components", xlabel="teacher (eV/Å)", ylabel="model (eV/Å)", aspect="equal")
    ax.plot(time, error.force_rmse, "o-", markersize=3, color="tab:blue")
    ax.set(title="Error along the run", xlabel="time (ps)", ylim=(0.0, None))
    ax.set_ylabel("force RMSE (eV/Å per component)", color="tab:blue")
    right = ax.twinx()
    right.plot(time, error.energy, "s-", markersize=3, color="tab:red")
    right.set_ylabel("energy, model − teacher (meV/atom)", color="tab:red")
    return _save(figure, path)


def evaluation_figure(
    errors: dict, path: FilePath, forces: Parity, net_forces: Parity, energies: Parity | None, temperatures: np.ndarray
) -> Path:
    """How a model does on a data set: three parities, and the error in net force by species and by contact.

    Parameters
    ----------
    errors : dict
        Of `training.evaluation.evaluate`.
    path : path
    forces : (array, array), eV/Å
        Components of the forces on atoms, of the labels and of the model.
    net_forces : (array, array), eV/Å
        The same of the net forces on grains.
    energies : (array, array) [frames], meV/atom
        Both less the mean of the labels of the same composition; None where there are no labels of energies.
    temperatures : array [frames], K
        nan where there is none.
    """
    figure = Figure(figsize=(11.0, 8.6), layout="constrained")
    atoms, grains, energy, bars = figure.subplots(2, 2).ravel()
    for ax, values in ((atoms, forces), (grains, net_forces)):
        edges = np.linspace(*_limits(values), 151)
        image = ax.hist2d(*values, bins=(edges, edges), norm=LogNorm(), cmap="viridis")[3]
        figure.colorbar(image, ax=ax, label="components in a bin", pad=0.02)
    told = [
        (atoms, forces, "Force on atoms, components", "eV/Å", f"rmse {errors['force']['component']:.4f} eV/Å"),
        (grains, net_forces, "Net force on grains, components", "eV/Å", _net(errors)),
    ]
    if energies is None:
        energy.set_axis_off()
    else:
        told.append(_energy_parity(figure, energy, errors, energies, temperatures))
    for ax, values, title, unit, text in told:
        limits = _limits(values)
        ax.plot(limits, limits, color="0.4", linewidth=0.8)
        ax.set(title=title, xlabel=f"teacher ({unit})", ylabel=f"model ({unit})", xlim=limits, ylim=limits)
        ax.set_aspect("equal")
        text += f"\n{counted(errors['frames'], 'frame')} ({errors['split']})"
        ax.text(0.04, 0.96, text, transform=ax.transAxes, va="top", fontsize="small")
    _net_force_bars(bars, errors["by_grain"])
    for ax in (atoms, grains, energy, bars):
        ax.spines[["top", "right"]].set_visible(False)
    return _save(figure, path)


def _net(errors: dict) -> str:
    relative = errors["force"]["net_force"]
    return "no net forces" if relative is None else f"relative rmse {relative:.3f}"


def _energy_parity(figure: Figure, ax: Axes, errors: dict, energies: Parity, temperatures: np.ndarray) -> tuple:
    """Energies of all frames, coloured by temperature; what is told of them."""
    known = np.isfinite(temperatures)
    label, model = energies
    ax.scatter(label[~known], model[~known], s=14, color="0.6", linewidths=0)
    if known.any():
        colors = {"c": temperatures[known], "cmap": "plasma"}
        image = ax.scatter(label[known], model[known], s=14, linewidths=0, alpha=0.8, **colors)
        figure.colorbar(image, ax=ax, label="temperature (K)", pad=0.02)
    rmse, within = f"rmse {errors['energy']['rmse']:.3f} meV/atom", errors["energy"]["rmse_within"]
    if within is not None:
        rmse += f"\n{within:.3f} about the mean of each\ntemperature and composition"
    return ax, energies, "Energy about the mean of each composition", "meV/atom", rmse


def _net_force_bars(ax: Axes, by_grain: dict) -> None:
    """Relative error of the net force of each species and bin of contact, with its interval and number of grains."""
    ticks, start = {}, 0.0
    for kind, color in (("species", "tab:blue"), ("contact", "tab:orange")):
        for number, (name, row) in enumerate(by_grain[kind].items()):
            place, value = -start - number, row["net_force"] or 0.0
            ends = row["intervals"]["net_force"] or [value, value]
            ax.barh(place, value, color=color, alpha=0.75)
            ax.plot(ends, [place, place], color="0.2", linewidth=1.2)
            note = f"  {row['grains']:,} in {row['frames']:,}"
            ax.text(max(value, ends[1]), place, note, va="center", fontsize="x-small", color="0.35")
            ticks[place] = name
        start += len(by_grain[kind]) + 0.6
    ax.set_yticks(list(ticks), list(ticks.values()), fontsize="small")
    ax.set(title="Net force by species and nearest other grain", xlim=(0.0, 1.25 * ax.dataLim.x1))
    ax.set_xlabel("rms error / rms reference; beside: grains in frames")


def _limits(values: Parity) -> tuple[float, float]:
    """Ends of an axis that holds all values of both arrays."""
    low, high = min(map(np.min, values)), max(map(np.max, values))
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin
