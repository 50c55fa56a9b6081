"""What a verdict is judged by, taken from evaluations and from analyses of runs."""

import math
from typing import Any

from ..data.dataset import Dataset
from ..errors import CGAAError
from ..units import BAR_PER_MPA
from .distillplan import DistillPlan


def of_evaluation(errors: dict) -> dict[str, Any]:
    """Of what `evaluate` gives.

    Returns
    -------
    dict
        ``frames``.
        ``force`` (eV/Å per component), ``force_relative`` (of the rms force), ``net_force`` and ``torque`` (relative).
        ``energy`` (meV/atom, within boxes of one kind).
        ``mean_energy`` (meV/atom) and ``pressure`` (MPa), model less teacher, each with its ``_error``.
        Frames of a box share their error, so that a box counts once in these.
    """
    force, energy, stress = errors["force"], errors["energy"], errors["stress"]
    boxes = math.sqrt(errors["trajectories"])
    found = {
        "frames": errors["frames"],
        "force": force["component"],
        "force_relative": force["component"] / force["reference_component"],
        "net_force": force["net_force"],
        "torque": force["torque"],
        "energy": energy["rmse_within"] if energy["rmse_within"] is not None else energy["rmse_about_mean"],
        "mean_energy": energy["mean"],
        "mean_energy_error": energy["rmse_about_mean"] / boxes,
    }
    if stress is not None:
        mean = stress["pressure_mean"]
        spread = math.sqrt(max(stress["pressure"] ** 2 - mean**2, 0.0))
        found |= {"pressure": 1000.0 * mean, "pressure_error": 1000.0 * spread / boxes}
    return found


def of_runs(summaries: dict[str, dict], plan: DistillPlan) -> dict[str, Any]:
    """Of the summaries that `analyze` wrote of the runs ``nvt``, ``nve``, ``npt`` and ``hot``."""
    found: dict[str, Any] = {"temperature": plan.temperature, "pressure": plan.pressure}
    temperatures = summaries["nvt"].get("temperature", {})
    found["temperatures"] = {
        motion: [temperatures[motion]["mean_K"], temperatures[motion]["error_K"]]
        for motion in ("translation", "rotation", "vibration")
        if motion in temperatures
    }
    if drift := summaries["nve"].get("drift"):
        found |= {"drift": drift["meV_per_atom_per_ps"], "drift_error": drift["error"]}
    hot = summaries["hot"]
    found["hottest"] = plan.proof.hottest * plan.temperature
    found["wanted_ps"] = plan.proof.hot
    found["stable_ps"] = (
        hot.get("run", {"picoseconds": [0.0]})["picoseconds"][-1] if hot.get("blown_up") else plan.proof.hot
    )
    found["blown_up"] = {name: run["blown_up"] for name, run in summaries.items() if run.get("blown_up")}
    stretches = [run["bonds"]["largest_deviation_A"] for run in summaries.values() if "bonds" in run]
    if stretches:
        found["largest_stretch"] = max(stretches)
    if density := summaries["npt"].get("density"):
        found |= {"density": density["mean_g_per_ml"], "density_error": density["error_g_per_ml"]}
    off = summaries["npt"].get("teacher", {}).get("pressure_MPa")
    if density and off is not None:
        # the barostat has set the model's own; of molecules' centers, which it moves
        found["density_teacher_pressure"] = plan.pressure / BAR_PER_MPA - off["molecular"]["mean"]
        found["density_teacher_pressure_error"] = off["molecular"]["error"]
    structure = summaries["nvt"].get("structure", {})
    found["rdf_difference"] = {pair: one["difference"] for pair, one in structure.items()}
    if "wandered" in summaries["nvt"]:
        found["wandered"] = summaries["nvt"]["wandered"]
    found["warnings"] = [
        f"{name}: {sentence}" for name, run in summaries.items() for sentence in run.get("outside", {}).values()
    ]
    return found


def labelled_densities(dataset: Dataset) -> tuple[float, float]:
    """Lowest and highest density of the periodic frames, g/cm3."""
    found = densities(dataset)
    return min(found), max(found)


def mean_density(dataset: Dataset) -> float:
    """g/cm3, over all periodic frames."""
    found = densities(dataset)
    return sum(found) / len(found)


def densities(dataset: Dataset) -> list[float]:
    """g/cm3 of each periodic frame.

    Raises
    ------
    CGAAError
        There is none.
    """
    found = [float(value) for one in dataset.sets if one.periodic for value in one.density]
    if not found:
        raise CGAAError("no periodic frame is left to know a density from; give density in the plan, and begin anew")
    return found
