"""The tables of records/validation.md from results.json: each stands between two comments of its name."""

import re
from pathlib import Path

import numpy as np
from dynamics import largest_swing
from liquid import STRUCTURE

from openmm_cgaa.host.files import write_bytes

TEST = {"force": 0.0385, "net_force": 0.189, "torque": 0.208}  # eV/Å, of itself: records/accuracy.md
WAYS = "ensemble", "bursts"  # in which radial distributions are held beside each other
PEAK_BARS = {"shift_A": 0.05, "relative_height": 0.05}
STRETCH = 0.3  # Å, of bonds in the table
CARBON_HYDROGEN = 12.011 * 1.008 / (12.011 + 1.008)  # Da, reduced
PAGE = Path(__file__).parents[3] / "records" / "validation.md"


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
        line = [who, f"{row['step']:g}"]
        if "spread_meV_per_atom" in row:
            slope, heating = number(row["slope_meV_per_atom_per_ps"]), number(row["kelvin_per_ps"])
            line += [f"{row['picoseconds']:.2g}", slope, heating, f"{row['spread_meV_per_atom']:.3g}"]
        else:
            line += [""] * 4
        lines.append([*line, row.get("end", "ran to its end")])
    head = ["", "step, fs", "ps", "slope, meV/atom/ps", "K/ps", "spread about the line, meV/atom", "end"]
    return table(head, lines)


def verlet(results):
    """What a step does to the stiffest bonds, from the curves of the row `molecules`."""
    bonds = [bond for bond in results["molecules"]["stretches"] if "-H" in bond["name"]]
    lines = []
    for step in (0.5, 1.0, 1.5, 2.0):
        cells = []
        for who in ("teacher", "model"):
            swings = [largest_swing(bond["x"], bond[f"{who}_eV"], CARBON_HYDROGEN, step) for bond in bonds]
            worst, bond = min(zip(swings, bonds), key=lambda pair: pair[0])
            energy = np.interp(worst, bond["x"], bond[f"{who}_eV"])
            cells.append(f"{worst:.2f} Å, {energy:.2f} eV ({bond['name']})" if np.isfinite(worst) else "beyond 0.5 Å")
        lines.append([f"{step:g}", *cells])
    return table(["step, fs", "C-H bonds hold up to, teacher's curves", "model's curves"], lines)


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
                number(row["temperature_slope_K_per_ps"]),
                "" if error is None else " / ".join(f"{half:.4f}" for half in error["force_rmse_halves"]),
                "" if spread is None else " / ".join(f"{half:.4f}" for half in spread["halves_eV_per_A"]),
            ]
        )
    head = ["run", "ps", "bond furthest off its mean, Å", "closest contact, Å", "slope of the potential, meV/atom/ps"]
    head += ["slope of the temperature, K/ps"]
    return table([*head, "error, eV/Å: first / second half", "committee's spread, eV/Å: first / second half"], lines)


def along(results):
    bursts = {f"{row['bursts']} bursts, {who}": row for who, row in results.get("teacher_liquid", {}).items()}
    lines = []
    for name, row in (results["along"] | bursts).items():
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
        for way in WAYS:
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
    return table(["pair", *(f"{way}: {column}" for way in WAYS for column in own)], lines)


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
        place = bond["x"].index(STRETCH)
        taught, modelled = (1000.0 * bond[f"{who}_eV"][place] for who in ("teacher", "model"))
        off = f"{100.0 * (modelled / taught - 1.0):+.0f} %"
        lines.append([f"{bond['name']}, {STRETCH} Å longer", f"{taught:.0f}", f"{modelled:.0f}", off])
    return table(["", "teacher, meV", "model, meV", "model from teacher"], lines)


def bonds(results):
    whos = {
        "teacher": "teacher",
        "student_less_teacher": "model less teacher",
        "classical": "classical force field",
    }
    lines = [
        [bond, *(number(row[key][who]) for key in ("length_A", "swing_A") for who in whos)]
        for bond, row in results["bonds"].items()
    ]
    head = [f"{what}, {who}" for what in ("length, Å", "swing, Å") for who in whos.values()]
    return table(["", *head], lines)


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


def _yes(met) -> str:
    return "yes" if met else "**no**"


def _nve(results):
    row, order = results["drift"]["nve-0.5"], results["drift"].get("order")
    if "end" in row:
        return row["end"], _yes(False)
    slope = row["slope_meV_per_atom_per_ps"]
    grows = f"; its spread grows with the step to the power {order:.1f}" if order else ""
    return f"{number(slope)} meV/atom/ps{grows}", _yes(abs(slope["value"]) + slope["error"] <= 0.005)


def _nve_published(results):
    row = results["published"]["nve-published"]
    slope = row.get("slope_meV_per_atom_per_ps")
    heating = [f"{number(slope)} meV/atom/ps, {number(row['kelvin_per_ps'])} K/ps"] if slope else []
    return "; ended at ".join([*heating, *([row["end"]] if "end" in row else [])]), ""


def _jacobian(results):
    own, other = (results["jacobian"][name]["asymmetry"] for name in ("ec-emc-lipf6", "ec-emc-lipf6-published"))
    return f"{own:.0e}; published network {other:.2f}", _yes(own < 1e-6)


def _temperatures(results):
    """Those known within 1 K must agree with what was set and each other; of the others (few atoms) by their errors."""
    row = results["temperatures"]["all, as at 300 K"]
    known = {motion: found["value"] for motion, found in row.items() if found["error"] <= 1.0}
    known = known or {motion: found["value"] for motion, found in row.items()}
    rare = {motion: found for motion, found in row.items() if motion not in known}
    covered = all(abs(found["value"] - 300.0) <= 2.0 * found["error"] for found in rare.values())
    text = f"{min(known.values()):.1f} to {max(known.values()):.1f} K over all runs, as at 300 K ({', '.join(known)})"
    text += "".join(f"; {motion} {number(found)}" for motion, found in rare.items())
    close = all(abs(value - 300.0) <= 3.0 for value in known.values())
    return text, _yes(close and max(known.values()) - min(known.values()) <= 3.0 and covered)


def _stability(results):
    rows = results["stability"].values()
    bond = max(row["largest_bond_deviation_A"] for row in rows)
    total = sum(row["picoseconds"] for row in rows)
    return f"{len(rows)} runs, {total:.0f} ps: no bond further off its mean than {bond:.2f} Å", _yes(bond < 0.5)


def _spread(results):
    ratios = [second / first for first, second in (row["halves_eV_per_A"] for row in results["spread"].values())]
    return f"second half over first: {min(ratios):.3f} to {max(ratios):.3f}", _yes(max(ratios) <= 1.05)


def _along(results):
    rows = results["along"].values()
    found = {
        "force": [row["force_eV_per_A"]["component"] for row in rows],
        **{part: [row["relative"][part] for row in rows] for part in ("net_force", "torque")},
    }
    ratios = [second / first for first, second in (row["force_rmse_halves"] for row in rows)]
    text = f"{sum(row['frames'] for row in rows)} frames: " + ", ".join(
        f"{part.replace('_', ' ')} {min(values):.{digits}f} to {max(values):.{digits}f} (test {TEST[part]:g})"
        for (part, values), digits in zip(found.items(), (3, 2, 2))
    )
    met = [f"{part.replace('_', ' ')} {_yes(max(values) <= 1.1 * TEST[part])}" for part, values in found.items()]
    text += f"; force in the second half over the first: {min(ratios):.2f} to {max(ratios):.2f}"
    for name, row in results.get("teacher_liquid", {}).items():
        if "less_teacher_eV_per_A" in row:
            less = number(row["less_teacher_eV_per_A"])
            text += f"; where its own dynamics goes less where the teacher's does, {name.split(', ')[1]}: {less}"
    return text, ", ".join(met)


def _rdf(results):
    """Of pairs without lithium that have a peak; beyond a bar by less than two errors is undecided."""
    texts, verdicts = [], []
    for way in WAYS:
        rows = {
            n: row[way] for n, row in results["rdf"]["pairs"].items() if "LI" not in n.upper() and "shift_A" in row[way]
        }
        if not rows:
            texts, verdicts = [*texts, f"{way}: no peak"], [*verdicts, f"{way} **no**"]
            continue
        shift = max(rows, key=lambda n: abs(rows[n]["shift_A"]["value"]))
        height = max(rows, key=lambda n: abs(rows[n]["relative_height"]["value"]))
        off, higher = rows[shift]["shift_A"], rows[height]["relative_height"]
        texts.append(f"{way}: {number(off)} Å ({shift}), {number(higher, scale=100.0)} % ({height})")
        within = [_within(row[key], bar) for row in rows.values() for key, bar in PEAK_BARS.items()]
        counts = [f"{within.count(word)} {word}" for word in ("yes", "undecided", "**no**") if word in within]
        verdicts.append(f"{way} {', '.join(counts)}")
    return "furthest off, " + "; ".join(texts), "; ".join(verdicts)


def _within(found, bar) -> str:
    """Whether a difference is below a bar, where its error allows to say."""
    if abs(found["value"]) <= bar:
        return "yes"
    return "**no**" if abs(found["value"]) - 2.0 * found["error"] > bar else "undecided"


def _pressure(results):
    row = results["pressure"]
    off, drifts = row["student_minus_teacher_bar"], row["density_slope_g_per_ml_per_ns"]
    agrees = abs(off["molecular"]["value"]) <= 2.0 * off["molecular"]["error"]
    return (
        f"{number(row['density_g_per_ml'])} g/ml, slope {number(drifts)} g/ml/ns; student less teacher "
        f"{number(off['molecular'])} bar (molecules), {number(off['atomic'])} bar (atoms), {row['frames']} frames"
    ), _yes(agrees)


def _molecules(results):
    found = results["molecules"]
    depth = max(found["scans"], key=lambda scan: abs(scan["depth_ratio"] - 1.0))
    mode = max(found["modes"], key=lambda mode: mode["largest_relative_above_300"])
    off, moved = depth["depth_ratio"] - 1.0, mode["largest_relative_above_300"]
    text = (
        f"depths within {100.0 * abs(off):.1f} % ({depth['name']}), modes above 300 1/cm within {100.0 * moved:.1f} %"
    )
    return text, _yes(abs(off) <= 0.1 and moved <= 0.03)


def _spectrum(results):
    student, teacher = (np.array(results["spectrum"][who]["density"]) for who in ("student", "teacher"))
    return f"curves differ by {100.0 * np.abs(student - teacher).sum() / teacher.sum():.0f} % of their area", ""


def _transport(results):
    """Mean of the boxes; its error theirs, or that of their difference where it is larger."""
    boxes = [results["transport"][name]["species"] for name in STRUCTURE if name in results["transport"]]
    texts = []
    for name in boxes[0]:
        values, errors = np.array([(box[name]["value"], box[name]["error"]) for box in boxes]).T
        error = max(np.sqrt(errors @ errors) / len(boxes), values.std() / np.sqrt(max(len(boxes) - 1, 1)))
        texts.append(f"{name} {number({'value': values.mean(), 'error': error})}")
    return f"{'; '.join(texts)} 1e-9 m2/s at 300 K, {len(boxes)} boxes", ""


def _respa(results):
    passed = [
        row["step"]
        for name, row in results["respa"].items()
        if name.startswith("respa") and _respa_passes(row, results)
    ]
    return (f"{max(passed):g} fs" if passed else "none"), ""


def _respa_passes(row, results) -> bool:
    """Slope and temperatures to the bars of their own rows, radial distributions within twice what chance does."""
    if "end" in row:
        return False
    kelvin, chance = row["temperatures_K"].values(), results["respa"]["rdf_difference_by_chance"]
    return (
        abs(row["slope_meV_per_atom_per_ps"]["value"]) <= 0.005
        and all(abs(found["value"] - 300.0) <= max(3.0, 2.0 * found["error"]) for found in kelvin)
        and all(value <= 2.0 * chance[pair] for pair, value in row["rdf_difference"].items())
    )


def _mistakes(results):
    rows = results["mistakes"].values()
    return f"{sum(bool(row['warnings']) for row in rows)} of {len(rows)} say so", _yes(
        all(row["warnings"] for row in rows)
    )


SUMMARY = (  # test, bar, row of validate.py, what was found
    ("total energy in NVE, 0.5 fs, 300 K, 983 atoms, 20 ps", "at most 0.005 meV/atom/ps", "drift", _nve),
    ("the same of the published network", "", "published", _nve_published),
    ("asymmetry of the force Jacobian", "rounding", "jacobian", _jacobian),
    ("temperatures of motions and elements, NVT", "equal within 3 K", "temperatures", _temperatures),
    ("stability, 300 to 500 K", "no bond 0.5 Å off", "stability", _stability),
    ("a committee's spread along the way", "flat", "spread", _spread),
    ("error against the teacher along the way", "as on the test set, first to last", "along", _along),
    ("first peaks of radial distributions, but for Li", "0.05 Å, 5 % of the height", "rdf", _rdf),
    ("density at 1 bar, 300 K", "mean pressures agree within error", "pressure", _pressure),
    ("scans and modes", "depth within 10 %, modes within 3 %", "molecules", _molecules),
    ("vibrational density of states", "", "spectrum", _spectrum),
    ("self-diffusion", "", "transport", _transport),
    ("longest outer step", "same liquid and slope", "respa", _respa),
    ("outside of what was trained on", "the run says so", "mistakes", _mistakes),
)


def summary(results):
    lines = []
    for test, bar, row, found in SUMMARY:
        text, met = found(results) if row in results else ("not measured yet", "")
        lines.append([test, f"`{row}`", bar, text, met])
    return table(["", "row", "must", "found", "met"], lines)


def write(results) -> list:
    """Put every table for which there are numbers into the page; the names of those."""
    text, written = PAGE.read_text(), []
    for make in (
        summary,
        drift,
        verlet,
        temperatures,
        stability,
        along,
        rdf,
        molecules,
        bonds,
        transport,
        respa,
        mistakes,
    ):
        name = make.__name__
        known = make is summary or ("molecules" if make is verlet else name) in results
        place = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
        if place and known:
            text = text[: place.start(1)] + make(results) + "\n" + text[place.end(1) :]
            written.append(name)
    write_bytes(PAGE, text.encode())
    return written
