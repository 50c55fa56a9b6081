"""The tables of docs/validation.md from results.json: each stands between two comments of its name."""

import re
from pathlib import Path

import numpy as np

from openmm_cgaa.files import write_bytes

PAGE = Path(__file__).parents[3] / "docs" / "validation.md"


def number(found, digits=2, scale=1.0) -> str:
    """Value ± error, to so many digits of the error."""
    value, error = scale * found["value"], scale * found["error"]
    if not np.isfinite(error) or error <= 0.0:
        return f"{value:.3g}"
    places = max(0, digits - 1 - int(np.floor(np.log10(error))))
    return f"{value:.{places}f} ± {error:.{places}f}"


def table(head, lines) -> str:
    """Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def drift(results):
    rows = {**results["drift"], **results.get("published", {})}
    names = sorted((n for n in rows if n.startswith("nve")), key=lambda n: (n == "nve-published", rows[n]["step"]))
    lines = []
    for name in names:
        row, who = rows[name], "published network" if name == "nve-published" else "`ec-emc-lipf6`"
        if "end" in row:
            lines.append([who, f"{row['step']:g}", row["end"], "", "", ""])
            continue
        slope, heating = number(row["slope_meV_per_atom_per_ps"]), number(row["kelvin_per_ps"])
        spread = f"{row['spread_meV_per_atom']:.3g}"
        lines.append([who, f"{row['step']:g}", f"{row['picoseconds']:.0f}", slope, heating, spread])
    head = ["", "step, fs", "ps", "slope, meV/atom/ps", "K/ps", "spread about the line, meV/atom"]
    return table(head, lines)


def temperatures(results):
    rows = results["temperatures"]
    columns = list(rows["all, as at 300 K"])
    return table(
        ["K", *columns],
        [[name, *(number(row[c]) if c in row else "" for c in columns)] for name, row in rows.items()],
    )


def stability(results):
    lines = []
    for name, row in results["stability"].items():
        error, spread = results.get("along", {}).get(name), results.get("spread", {}).get(name)
        lines.append(
            [
                name,
                f"{row['picoseconds']:.0f}",
                f"{row['largest_bond_deviation_A']:.2f} ({row['worst_bond']})",
                f"{row['shortest_contact_A']:.2f}",
                number(row["potential_slope_meV_per_atom_per_ps"]),
                "" if error is None else " / ".join(f"{half:.4f}" for half in error["force_rmse_halves"]),
                "" if spread is None else " / ".join(f"{half:.4f}" for half in spread["halves_eV_per_A"]),
            ]
        )
    head = ["run", "ps", "bond furthest off its mean, Å", "closest contact, Å", "slope of the potential, meV/atom/ps"]
    return table([*head, "error, eV/Å: first / second half", "committee's spread, eV/Å: first / second half"], lines)


def along(results):
    lines = []
    for name, row in results["along"].items():
        energy, force = row["energy_meV_per_atom"], row["force_eV_per_A"]
        lines.append(
            [
                name,
                row["frames"],
                *(f"{force[part]:.4f}" for part in ("component", "translation", "rotation", "vibration")),
                *(f"{row['relative'][part]:.3f}" for part in ("net_force", "torque")),
                f"{energy['rmse_about_mean']:.2f} ({energy['mean']:+.2f})",
            ]
        )
    head = ["run", "frames", "force, eV/Å", "translation", "rotation", "vibration", "net force", "torque"]
    return table([*head, "energy about its mean (mean), meV/atom"], lines)


def rdf(results):
    lines = []
    for name, row in results["rdf"]["pairs"].items():
        cells = []
        for way in ("bursts", "reweighted"):
            found = row[way]
            peak = found.get("peak_at_A", {}).get("teacher")
            cells.append("none" if peak is None else f"{peak:.2f}")
            cells.append("" if peak is None else number(found["shift_A"]))
            cells.append("" if peak is None else number(found["relative_height"], scale=100.0))
            cells.append(f"{100.0 * found['difference']:.1f} ({100.0 * found['by_chance']:.1f})")
        lines.append([name, *cells])
    own = [
        "peak of the teacher, Å",
        "of the student, from it",
        "height, % from it",
        "difference of the curves, % (by chance)",
    ]
    return table(["pair", *(f"{way}: {column}" for way in ("bursts", "reweighted") for column in own)], lines)


def molecules(results):
    found = results["molecules"]
    lines = [
        [
            scan["name"],
            f"{scan['depth_meV']['teacher']:.0f}",
            f"{scan['depth_meV']['model']:.0f}",
            f"{100.0 * (scan['depth_ratio'] - 1.0):+.1f} %",
        ]
        for scan in found["scans"]
    ]
    lines += [
        [
            f"{scan['name']}, barrier",
            f"{scan['barrier_meV']['teacher']:.0f}",
            f"{scan['barrier_meV']['model']:.0f}",
            f"{scan['largest_difference_meV']:.0f} meV off at most",
        ]
        for scan in found["torsions"]
    ]
    lines += [
        [
            f"{mode['name']}, modes above 300 1/cm",
            "",
            "",
            f"{100.0 * mode['largest_relative_above_300']:.1f} % at most, "
            f"{100.0 * mode['rms_relative_above_300']:.1f} % rms",
        ]
        for mode in found["modes"]
    ]
    for bond in found.get("stretches", []):
        taught, modelled = (1000.0 * bond[f"{who}_eV"][-1] for who in ("teacher", "model"))
        off = f"{100.0 * (modelled / taught - 1.0):+.0f} %"
        lines.append([f"{bond['name']}, 0.5 Å longer", f"{taught:.0f}", f"{modelled:.0f}", off])
    return table(["", "teacher, meV", "model, meV", "model from teacher"], lines)


def transport(results):
    lines = []
    for name, row in results["transport"].items():
        cells = [f"{number(own)} ({own['exponent']:.1f})" for own in row["species"].values()]
        lines.append([name, f"{row['temperature_K']:.0f}", f"{row['friction_per_ps']:g}", *cells])
    return table(["run", "K", "friction, 1/ps", *row["species"]], lines)


def respa(results):
    rows = {name: row for name, row in results["respa"].items() if name.startswith("respa")}
    chance, lines = results["respa"]["rdf_difference_by_chance"], []
    for row in rows.values():
        if "end" in row:
            lines.append([f"{row['step']:g}", row["end"], *[""] * 5])
            continue
        lines.append(
            [
                f"{row['step']:g}",
                number(row["slope_meV_per_atom_per_ps"]),
                f"{row['spread_meV_per_atom']:.3g}",
                *(number(row["temperatures_K"][motion]) for motion in ("translation", "rotation", "vibration")),
                " / ".join(f"{value:.3f}" for value in row["rdf_difference"].values()),
            ]
        )
    lines.append(["by chance", *[""] * 5, " / ".join(f"{value:.3f}" for value in chance.values())])
    head = ["outer step, fs", "slope, meV/atom/ps", "spread, meV/atom", "translation, K", "rotation, K", "vibration, K"]
    return table([*head, "mean change of g(r): " + " / ".join(chance)], lines)


def mistakes(results):
    lines = []
    for name, row in results["mistakes"].items():
        force = f"{row['force_eV_per_A']['component']:.3f}" if "force_eV_per_A" in row else ""
        net = f"{row['relative']['net_force']:.2f}" if "relative" in row else ""
        lines.append([name, "<br>".join(row["warnings"]), row["end"], force, net])
    return table(["run", "what it says", "end", "force, eV/Å", "net force"], lines)


def write(results) -> list:
    """Put every table for which there are numbers into the page; the names of those."""
    text, written = PAGE.read_text(), []
    for make in (drift, temperatures, stability, along, rdf, molecules, transport, respa, mistakes):
        name = make.__name__
        place = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
        if name in results and place:
            text = text[: place.start(1)] + make(results) + "\n" + text[place.end(1) :]
            written.append(name)
    write_bytes(PAGE, text.encode())
    return written
