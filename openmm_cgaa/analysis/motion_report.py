"""Sections of a run's report about motion: diffusion of molecules and of the charge of a salt, and viscosity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SimulationError
from ..simulation.read import RunOutput
from ..simulation.stresses import PARTS
from .conductivity import Motions
from .diffusion import GrainWalks, box_correction
from .drift import Estimate
from .kinisiwalks import KinisiWalks
from .lines import Line
from .observables import Observables, ions_of
from .onepass import Look, Section
from .viscosity import shear_viscosity

if TYPE_CHECKING:
    from .reporting import Report


def add_diffusion(run: RunOutput, report: "Report", lags: Sequence[float], asked: Observables) -> Section:
    """Diffusion of each type of grain between two lags, ps; with a viscosity also that of a large box."""
    begin, end = lags
    viscosity, by_kinisi = asked.viscosity, asked.diffusion_by == "kinisi"
    if run.settings.get("pressure") is not None:
        report.skip("diffusion: the box changes, and moves all positions; run at constant volume")
        return
    try:
        walks = (KinisiWalks if by_kinisi else GrainWalks)(run.grain_map, run.frames.time, begin, end)
        yield [Look(run.frames, [walks])]
        found = walks.diffusion()
    except SimulationError as error:
        report.skip(str(error))
        return
    numbers = {kind: {"1e-9_m2_per_s": one.value, "error": one.error} for kind, one in found.items()}
    lines, more = [f"{kind} {with_error(one)} 1e-9 m²/s" for kind, one in found.items()], None
    if viscosity is not None:
        try:
            more = box_correction(run.settings["temperature"], viscosity, run.box)
        except SimulationError as error:
            report.skip(f"diffusion: {error}")
    how = "; errors by kinisi, of molecules that move independently" if by_kinisi else ""
    lines.append(f"lags of {begin:g} to {end:g} ps; not corrected for the size of the box{how}")
    if more is not None:
        for own in numbers.values():
            own["of_a_large_box"] = own["1e-9_m2_per_s"] + more
        lines.append(f"a large box has {more:.3g} more of each, at {viscosity:g} mPa s")
    report.add("diffusion", {"lags_ps": [begin, end], "errors_by": asked.diffusion_by} | numbers, *lines)


def add_conductivity(run: RunOutput, report: "Report", asked: Observables) -> Section:
    """Conductivity by Einstein and by Nernst-Einstein, between the lags that were asked for."""
    if asked.conductivity is None:
        return
    if run.settings.get("pressure") is not None:
        report.skip("conductivity: the box changes, and moves all positions; run at constant volume")
        return
    charges, (begin, end) = ions_of(run, asked.charges), asked.conductivity
    temperature = run.settings["temperature"]
    try:
        motions = Motions(run.grain_map, charges)
        yield [Look(run.frames, [motions])]
        found = motions.conductivity(temperature, begin, end)
    except SimulationError as error:
        report.skip(str(error))
        return
    numbers: dict = {"lags_ps": [begin, end], "charges": charges}
    for name, one in (("einstein", found.einstein), ("nernst_einstein", found.nernst_einstein)):
        numbers |= {f"{name}_S_per_m": one.value, f"{name}_error": one.error}
    numbers |= {"ratio": found.ratio.value, "ratio_error": found.ratio.error}
    lines = [
        f"{with_error(found.einstein)} S/m by the charge that all ions move (Einstein)",
        f"{with_error(found.nernst_einstein)} S/m if each ion moved by itself (Nernst-Einstein)",
        f"ratio of both {with_error(found.ratio)}",
        f"lags of {begin:g} to {end:g} ps; charges " + ", ".join(f"{name} {own:+g}" for name, own in charges.items()),
    ]
    if asked.viscosity is not None:
        try:
            more = box_correction(temperature, asked.viscosity, run.box)
        except SimulationError as error:
            report.skip(f"conductivity: {error}")
        else:
            larger = found.nernst_einstein_with(more)
            numbers |= {"viscosity_mPa_s": asked.viscosity, "nernst_einstein_of_a_large_box_S_per_m": larger.value}
            lines.append(f"Nernst-Einstein {with_error(larger)} S/m of a large box, at {asked.viscosity:g} mPa s")
    report.add("conductivity", numbers, *lines)
    curve = found.charge_displacement
    report.curves(
        "conductivity.csv", found.lags, {"charge_displacement_nm2": curve.value, "error": curve.error}, of="lag_ps"
    )
    panels = {"Charge that all ions move": [Line(found.lags, curve.value, curve.error)]}
    report.draw(
        "lines_figure", "conductivity.png", panels, axes=("lag (ps)", "mean square, over e² (nm²)"), spans=(begin, end)
    )


def add_viscosity(run: RunOutput, report: "Report", asked: Observables) -> None:
    """Shear viscosity by Green and Kubo: of the NVE part where the stress of one was written, else of the NVT part."""
    if asked.green_kubo is None:
        return
    if run.stress is None or run.box is None:
        report.skip("viscosity: the run has no stress.csv; simulate with --stress-interval 10")
        return
    rows, (begin, end) = run.stress, asked.green_kubo
    nve = rows[rows["time_ps"] > run.settings["picoseconds"] + 1e-9]
    part = "NVE" if len(nve) else "NVT"
    rows = nve if len(nve) else rows[rows["time_ps"] >= run.frames.time[0] - 1e-9]
    stress = np.empty((len(rows), 3, 3))
    for name, (i, j) in PARTS.items():
        stress[:, i, j] = stress[:, j, i] = rows[f"{name}_MPa"]
    volume, temperature = float(abs(np.linalg.det(run.box.astype(float)))), run.settings["temperature"]
    try:
        found = shear_viscosity(rows["time_ps"], stress, volume, temperature, begin, end)
    except SimulationError as error:
        report.skip(str(error))
        return
    length = float(rows["time_ps"][-1] - rows["time_ps"][0])
    numbers = {"lags_ps": [begin, end], "part": part, "picoseconds": length}
    numbers |= {"mPa_s": found.shear.value, "error": found.shear.error}
    lines = [f"{with_error(found.shear)} mPa s, by the stress of {length:.4g} ps of {part}"]
    lines.append(f"running integral, lags of {begin:g} to {end:g} ps")
    if part == "NVT":
        lines.append("a Langevin thermostat changes how long stress lives on; trust an NVE part alone")
    report.add("viscosity", numbers, *lines)
    curve = found.integral
    report.curves("viscosity.csv", found.lags, {"integral_mPa_s": curve.value, "error": curve.error}, of="lag_ps")
    panels = {"Running integral": [Line(found.lags, curve.value, curve.error)]}
    report.draw("lines_figure", "viscosity.png", panels, axes=("lag (ps)", "viscosity (mPa s)"), spans=(begin, end))


def with_error(one: Estimate) -> str:
    """A number with as many digits as its error has a meaning for."""
    return f"{one.value:.3g} ± {one.error:.1g}"
