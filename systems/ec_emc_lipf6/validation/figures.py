"""The pictures of records/validation.md, from results.json alone."""

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from openmm_cgaa.host.files import write_bytes

IMAGES = Path(__file__).parents[3] / "records" / "images"
COLORS = {"teacher": "0.35", "student": "tab:blue", "model": "tab:blue"}
# 1e-9 m2/s, 1 mol/l LiPF6 in EC:DEC 4:6 at 303 K: K. Hayamizu, J. Chem. Eng. Data 57, 2012 (2012)
EXPERIMENT = {"EC": 0.35, "LI": 0.17}


def panels(count, columns=3, width=3.9, height=2.9):
    """A figure and its panels."""
    rows = -(-count // columns)
    figure = Figure(figsize=(width * min(count, columns), height * rows), layout="constrained")
    axes = figure.subplots(rows, min(count, columns), squeeze=False).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, axes[:count]


def drift(results):
    """Total energy over time, by time step; beside the published network, if that held."""
    runs = {name: row for name, row in results["drift"].items() if name.startswith("nve") and "time_ps" in row}
    runs = dict(sorted(runs.items(), key=lambda item: float(item[0][4:])))
    other = results.get("published", {}).get("nve-published", {})
    figure, (ours, *both) = panels(2 if "time_ps" in other else 1, 2, 5.4, 3.4)
    for name, row in runs.items():
        slope = row["slope_meV_per_atom_per_ps"]
        label = f"{name[4:]} fs: {slope['value']:.1g} ± {slope['error']:.1g} meV/atom/ps"
        label += ", first half" if "end" in row else ""
        ours.plot(row["time_ps"], row["total_meV_per_atom"], linewidth=0.7, label=label)
    ours.set(title="ec-emc-lipf6, NVE", xlabel="time (ps)", ylabel="total energy − start (meV/atom)")
    low, high = ours.get_ylim()
    ours.set_ylim(low, high + 0.5 * (high - low))  # room for the legend
    ours.legend(frameon=False, fontsize="small")
    for ax in both:
        for row, label in ((runs["nve-0.5"], "ec-emc-lipf6"), (other, "published network")):
            ax.plot(row["time_ps"], row["total_meV_per_atom"], linewidth=1.0, label=f"{label}, 0.5 fs")
        ax.set(title="beside direct forces", xlabel="time (ps)", ylabel="total energy − start (meV/atom)")
        ax.set_xlim(0, other["picoseconds"])
        ax.legend(frameon=False, fontsize="small")
    return figure


def temperatures(results):
    """Of motions and elements, by run, less the set temperature."""
    rows = results["temperatures"]
    figure, (ax,) = panels(1, 1, 9.0, 3.4)
    names = list(rows["all, as at 300 K"])
    for number, (run, row) in enumerate(rows.items()):
        kelvin = 300.0 if run.startswith("all") else float(run.split("-")[1])
        x = np.arange(len(names)) + 0.1 * (number - 0.5 * (len(rows) - 1))
        values = [row[name]["value"] - kelvin if name in row else np.nan for name in names]
        errors = [row[name]["error"] if name in row else np.nan for name in names]
        last = number == len(rows) - 1
        style = {"color": "black", "markersize": 6} if last else {"color": f"C{number}", "markersize": 3}
        ax.errorbar(x, values, errors, fmt="o", capsize=2, label=run, **style)
    ax.axhspan(-3.0, 3.0, color="0.92", zorder=0)
    ax.set_xticks(range(len(names)), ["all", *names[1:]])
    ax.set(ylabel="temperature − set (K)", ylim=(-25.0, 25.0))
    figure.legend(loc="outside lower center", ncols=7, frameon=False, fontsize="small")
    return figure


def stability(results):
    """Potential energy, error against the teacher and the committee's spread over the runs."""
    figure, (energy, error, spread) = panels(3)
    for color, (name, row) in enumerate(results["stability"].items()):
        energy.plot(row["time_ps"], row["potential_about_mean_meV_per_atom"], f"C{color}", linewidth=0.6, label=name)
        if name in results.get("along", {}):
            found = results["along"][name]
            error.plot(found["time_ps"], found["force_rmse_eV_per_A"], f"C{color}.-", linewidth=0.8, markersize=4)
        if name in results.get("spread", {}):
            found = results["spread"][name]
            spread.plot(found["time_ps"], found["spread_eV_per_A"], f"C{color}", linewidth=0.8)
    energy.set(title="potential energy", ylabel="E − mean (meV/atom)")
    error.set(title="error against the teacher", ylabel="force RMSE (eV/Å per component)", ylim=(0.0, None))
    spread.set(title="a committee's spread", ylabel="net force on grains (eV/Å)", ylim=(0.0, None))
    for ax in (energy, error, spread):
        ax.set_xlabel("time (ps)")
    figure.legend(*energy.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    return figure


def rdf(results):
    """Student beside teacher, in the whole ensemble (lines) and in bursts (dots)."""
    pairs = results["rdf"]["pairs"]
    figure, axes = panels(len(pairs), 4, 3.3, 2.6)
    for ax, (name, row) in zip(axes, pairs.items()):
        r = np.array(row["r_A"])
        for who in ("teacher", "student"):
            line = {"color": COLORS[who], "linewidth": 1.6 if who == "teacher" else 1.1}
            ax.plot(r, row["ensemble"]["curves"][who], label=f"{who}, whole ensemble", **line)
            ax.plot(r, row["bursts"]["curves"][who], ":", color=COLORS[who], linewidth=1.0, label=f"{who}, bursts")
        ax.set(title=name, xlabel="r (Å)", ylabel="g(r)", xlim=(1.2, r[-1]), ylim=(0.0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def pressure(results):
    """Density over time at 1 bar, and how far the pressures of both models are apart, frame by frame."""
    row = results["pressure"]
    figure, (density, bars) = panels(2, 2, 5.4, 3.0)
    density.plot(row["time_ps"], row["density_gml"], linewidth=0.8)
    density.axhline(row["density_g_per_ml"]["value"], color="0.5", linestyle="--", linewidth=0.8)
    density.set(title="NPT, 1 bar, 300 K", xlabel="time (ps)", ylabel="density (g/cm³)")
    for number, name in enumerate(("atomic", "molecular")):
        values, found = row[f"{name}_bar"], row["student_minus_teacher_bar"][name]
        bars.plot(np.full(len(values), number) + np.linspace(-0.2, 0.2, len(values)), values, ".", color="0.6")
        bars.errorbar(number, found["value"], found["error"], fmt="o", capsize=4, color="tab:blue")
    bars.axhline(0.0, color="0.5", linewidth=0.8)
    bars.set_xticks((0, 1), ("of atoms", "of molecules"))
    bars.set(title="pressure, student − teacher", ylabel="bar", xlim=(-0.5, 1.5))
    return figure


def molecules(results):
    """Scans and torsions beside the teacher."""
    scans, turns = results["molecules"]["scans"], results["molecules"]["torsions"]
    figure, axes = panels(len(scans) + len(turns) + 2)
    for ax, scan in zip(axes, [*scans, *turns]):
        x = np.array(scan["x"])
        order = np.argsort(x)
        for who, style in (("teacher", "-"), ("model", "o")):
            ax.plot(
                x[order], 1000.0 * np.array(scan[f"{who}_eV"])[order], style, color=COLORS[who], markersize=3, label=who
            )
        ax.set(title=scan["name"], xlabel=scan["x_label"].replace(" / ", " (") + ")", ylabel="energy (meV)")
        if scan in scans:
            ax.set_ylim(top=min(ax.get_ylim()[1], 0.6 * max(scan["depth_meV"].values())))
    for mode in results["molecules"]["modes"]:
        taught, modelled = np.array(mode["teacher_per_cm"]), np.array(mode["model_per_cm"])
        axes[-1].plot(taught, modelled - taught, ".", label=mode["name"])
    reach = np.array([0.0, 3300.0])
    axes[-1].fill_between(reach, -0.03 * reach, 0.03 * reach, color="0.92", label="3 %")
    axes[-1].set(title="normal modes", xlabel="teacher (1/cm)", ylabel="model − teacher (1/cm)")
    for number, bond in enumerate(results["molecules"].get("stretches", [])):
        axes[-2].plot(bond["x"], bond["teacher_eV"], "-", color=f"C{number % 10}", linewidth=0.8)
        axes[-2].plot(bond["x"], bond["model_eV"], "o", color=f"C{number % 10}", markersize=2)
    axes[-2].set(title="every kind of bond (dots: model)", xlabel="stretched by (Å)", ylabel="energy (eV)")
    axes[0].legend(frameon=False, fontsize="small")
    axes[-1].legend(frameon=False, fontsize="small")
    return figure


def spectrum(results):
    """Vibrational density of states."""
    figure, axes = panels(2, 2, 5.4, 3.2)
    lines = (
        ("teacher", "-", COLORS["teacher"]),
        ("student", "-", COLORS["student"]),
        ("student, 5 ps", ":", "tab:orange"),
    )
    for ax, (low, high) in zip(axes, ((100.0, 700.0), (700.0, 3400.0))):
        for who, style, color in lines:
            row = results["spectrum"][who]
            axis, density = np.array(row["per_cm"]), np.array(row["density"])
            inside = (axis >= low) & (axis <= high)
            ax.plot(axis[inside], 1000.0 * density[inside], style, color=color, linewidth=1.1, label=who)
        ax.set(xlabel="1/cm", ylabel="density (1e-3 cm)", xlim=(low, high), ylim=(0.0, None))
    axes[0].legend(frameon=False)
    return figure


def transport(results):
    """Self-diffusion by temperature, model and classical force field beside experiment, and by friction."""
    rows = results["transport"]
    figure, (*axes, last) = panels(4, 2, 4.6, 3.2)
    for ax, species in zip(axes, ("EC", "EMC", "LI")):
        for prefix, color, label in (("small", "tab:blue", "ec-emc-lipf6"), ("classical", "tab:orange", "classical")):
            own = [row for name, row in rows.items() if name.startswith(prefix)]
            kelvin = np.array([row["temperature_K"] for row in own])
            ax.errorbar(1000.0 / kelvin, *_diffusion(own, species), fmt="o-", color=color, capsize=2, label=label)
        if species in EXPERIMENT:
            ax.plot(1000.0 / 303.0, EXPERIMENT[species], "k*", label="experiment, EC:DEC, 1 mol/l")
        ax.set(title=species, xlabel="1000 K / T", ylabel="D (1e-9 m²/s)", yscale="log")
    axes[-1].legend(frameon=False, fontsize="small", loc="lower left")
    own = [row for name, row in rows.items() if name == "small-400" or name.startswith("friction")]
    own.sort(key=lambda row: row["friction_per_ps"])
    for species in own[0]["species"]:
        friction = [row["friction_per_ps"] for row in own]
        last.errorbar(friction, *_diffusion(own, species), fmt="o-", capsize=2, label=species)
    last.set(title="400 K", xlabel="friction (1/ps)", ylabel="D (1e-9 m²/s)", xscale="log")
    last.legend(frameon=False, fontsize="small", ncols=2)
    return figure


def _diffusion(rows, species) -> tuple:
    """Values and errors."""
    own = [row["species"][species] for row in rows]
    return [row["value"] for row in own], [row["error"] for row in own]


def respa(results):
    """What a longer step costs: spread of the total energy, and temperatures of the motions."""
    rows = [row for name, row in results["respa"].items() if name.startswith("respa") and "temperatures_K" in row]
    figure, (spread, kelvin) = panels(2, 2, 5.0, 3.2)
    plain = [row for row in results.get("drift", {}).values() if isinstance(row, dict) and "end" not in row]
    for own, label, color in ((plain, "one step for all, 983 atoms", "0.4"), (rows, "RESPA, 248 atoms", "tab:blue")):
        own = sorted(own, key=lambda row: row["step"])
        spread.plot([r["step"] for r in own], [r["spread_meV_per_atom"] for r in own], "o-", color=color, label=label)
    spread.set(xlabel="(outer) step (fs)", ylabel="spread of the energy (meV/atom)", xscale="log", yscale="log")
    spread.set_xticks([row["step"] for row in [*plain[:1], *rows]], [f"{r['step']:g}" for r in [*plain[:1], *rows]])
    spread.set_xticks([], minor=True)
    spread.legend(frameon=False, fontsize="small")
    for motion in ("translation", "rotation", "vibration"):
        found = [row["temperatures_K"][motion] for row in rows]
        values, errors = [f["value"] for f in found], [f["error"] for f in found]
        kelvin.errorbar([row["step"] for row in rows], values, errors, fmt="o-", capsize=2, label=motion)
    kelvin.set(xlabel="outer step (fs)", ylabel="temperature (K)")
    kelvin.legend(frameon=False, fontsize="small")
    return figure


def mistakes(results):
    """Errors outside of what was trained on, beside those of the run inside at 300 and at 500 K."""
    inside = {name: row for name, row in results.get("along", {}).items() if name in ("small-300", "small-500")}
    rows = inside | {name: row for name, row in results["mistakes"].items() if "relative" in row}
    colors = ["0.6" if name in inside else "tab:red" for name in rows]
    figure, (force, net) = panels(2, 2, 4.4, 2.9)
    for ax, label, values in (
        (force, "force error (eV/Å)", [row["force_eV_per_A"]["component"] for row in rows.values()]),
        (net, "net force, relative error", [row["relative"]["net_force"] for row in rows.values()]),
    ):
        ax.bar(range(len(rows)), values, color=colors, width=0.6)
        ax.set_xticks(range(len(rows)), list(rows), fontsize="small")
        ax.set_ylabel(label)
    return figure


def draw_all(results) -> list:
    """Every figure for which there are numbers; their files."""
    drawn = []
    for draw in (drift, temperatures, stability, rdf, pressure, molecules, spectrum, transport, respa, mistakes):
        if draw.__name__ in results:
            picture = io.BytesIO()
            draw(results).savefig(picture, format="png", dpi=110)
            picture = _of_few_colors(picture)
            path = IMAGES / f"validation_{draw.__name__}.png"
            write_bytes(path, picture.getvalue())
            drawn.append(path.name)
    return drawn


def _of_few_colors(picture):
    """The same picture in a third of the bytes: ten of them are in the repository."""
    small = io.BytesIO()
    Image.open(picture).convert("RGB").quantize(64).save(small, format="png", optimize=True)
    return small
