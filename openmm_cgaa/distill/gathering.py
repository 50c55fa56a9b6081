"""What the report shows, gathered from the folder of a distillation."""

import json
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..errors import SimulationError
from ..labelling.teachers import load_teacher
from ..simulation.read import read_run
from ..units import KJMOL_PER_EV
from ..wording import counted
from .distillplan import DistillPlan
from .others import forces_on_test
from .timing import Rates, expected
from .verdict import Verdict

SHOWN = 3000  # force components in a parity plot
SCRIPT = """from openmm import LangevinMiddleIntegrator, app, unit

from openmm_cgaa import CGAAPotential, read_structure

topology, positions = read_structure("{start}")
system = CGAAPotential("model.safetensors").createSystem(topology, positions=positions)
integrator = LangevinMiddleIntegrator({temperature:g} * unit.kelvin, 1 / unit.picosecond, 1 * unit.femtosecond)
simulation = app.Simulation(topology, system, integrator)
simulation.context.setPositions(positions)
simulation.minimizeEnergy(maxIterations=100)
simulation.step(1000)
print(simulation.context.getState(energy=True).getPotentialEnergy())
"""
FILES = {
    "model.safetensors": "the model",
    "use.py": "a script that uses it",
    "classical.h5, own1.h5, ...": "labelled frames",
    "run-nvt, run-nve, run-npt, run-hot": "runs, with an analysis of each",
    "plan.yaml": "what was asked for",
    "stages.json": "the stages",
}


SHORT = {  # stages of moments, which `timing` leaves out
    "timing": "this machine is timed",
    "judge": "the student is judged on its own frames",
    "last-judge": "the last student is judged on its own frames",
    "liquid": "a box of the liquid for the runs",
    "large": "a box for the runs",
    "crystal-large": "a supercell for the runs",
    "test": "the student is tested",
    "others": "the student beside others",
}


def report_of(folder: Path, plan: DistillPlan, found: dict[str, Any], verdict: Verdict, rates: Rates) -> dict[str, Any]:
    """The report, as `reportpage.write_report` takes it.

    Parameters
    ----------
    folder : Path
    plan : DistillPlan
    found : dict
        ``model`` and ``measured``.
    verdict : Verdict
    rates : Rates
    """
    titles = {row.stage: row.what for row in expected(plan, rates)}
    judged = verdict.as_dict()
    return {
        "name": plan.name if plan.name != "model" else ", ".join(one.name for one in plan.species),
        "created": date.today().isoformat(),
        "verdict": judged,
        "checks": judged["checks"],
        "numbers": _numbers(found["measured"], plan, rates),
        "stages": [
            {
                "name": name,
                "title": titles.get(name) or SHORT.get(name.rstrip("0123456789"), name),
                "seconds": seconds,
                "labels": _labels(folder / f"{name}.h5"),
            }
            for name, seconds in found["seconds"].items()
        ],
        "files": [{"name": name, "what": what} for name, what in FILES.items()],
        "teacher": {
            key: str(value)
            for key, value in load_teacher(plan.teacher, **plan.teacher_settings).identity.items()
            if key in ("name", "settings", "versions")
        },
        "versions": {name: version(name) for name in ("openmm-cgaa", "openmm", "torch")},
        "warnings": found["measured"].get("warnings", []),
        "plan": plan.text(),
        "script": SCRIPT.format(
            temperature=plan.temperature, start="crystal-large.cif" if plan.crystal else "large.cif"
        ),
        "command": f"openmm-cgaa distill plan.yaml --out {folder.name}",
        "figures": _figures(folder, found),
    }


def _labels(path: Path) -> int | None:
    """Labelled frames of a stage that labels."""
    if not path.is_file() or path.name.endswith(".frames.h5"):
        return None
    return len(Dataset.load(path))


def _numbers(measured: dict[str, Any], plan: DistillPlan, rates: Rates) -> list[dict[str, str]]:
    found = []
    force = measured.get("own_nvt_force", measured.get("test_force"))
    if force is not None:
        where = f"in its own {plan.own_phases}" if "own_nvt_force" in measured else "on test boxes"
        share = measured.get("own_nvt_force_relative", measured.get("test_force_relative"))
        note = f"{100 * share:.1f} % of them, {where}" if share else where
        found.append({"name": "eV/Å off the teacher's forces", "value": f"{force:.3f}", "note": note})
    if (density := measured.get("density")) is not None:
        error = measured.get("density_error")
        value = f"{density:.3f} ± {error:.3f}" if error else f"{density:.3f}"
        found.append({"name": f"g/cm³ at {plan.temperature:g} K and {plan.pressure:g} bar", "value": value})
    name = f"ms a step of {counted(rates.atoms, 'atom')}"
    found.append(
        {"name": name, "value": f"{1000 * rates.form:.1f}", "note": f"the teacher: {1000 * rates.teacher:.0f}"}
    )
    return found


def _figures(folder: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Arrays of the pictures that can be drawn."""
    parity = {"test boxes": _parity(found["model"], folder / "classical.h5")}
    own = sorted(folder.glob("own*.h5"), key=lambda path: (len(path.name), path.name))
    own = [path for path in own if not path.name.endswith(".frames.h5")]
    if own:
        parity["own frames"] = _parity(found["model"], own[-1])
    figures: dict[str, Any] = {"parity": parity}
    measured = found["measured"]
    nvt = folder / "run-nvt" / "found.json"
    if nvt.is_file() and (structure := json.loads(nvt.read_text()).get("structure")):
        figures["rdf"] = structure
    try:
        npt = read_run(folder / "run-npt").state
        if npt is not None and len(npt):
            labelled = [measured.get("density_low"), measured.get("density_high")]
            figures["density"] = {"time": npt["time_ps"], "density": npt["density_gml"], "labelled": labelled}
        run = read_run(folder / "run-nve")
        if run.nve is not None and len(run.nve) and "drift" in measured:
            energy = 1000.0 * run.nve["total_kjmol"] / KJMOL_PER_EV / run.grain_map.num_atoms
            figures["drift"] = {
                "time": run.nve["time_ps"] - run.nve["time_ps"][0],
                "energy": energy - energy[0],
                "slope": measured["drift"],
                "error": measured["drift_error"],
            }
    except SimulationError:
        pass  # a run that blew up before its first frame; the checks say so
    return figures


def _parity(model: str, labels: Path) -> dict[str, np.ndarray]:
    """Some force components of test boxes, of teacher and model, eV/Å."""
    teacher, ours = forces_on_test(Path(model), labels)
    some = np.random.default_rng(0).permutation(len(teacher))[:SHOWN]
    return {"teacher": teacher[some], "model": ours[some]}
