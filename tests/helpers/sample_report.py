"""A report as a distillation writes it, of numbers that are like those of dimethoxyethane."""

import distilled
import numpy as np

from openmm_cgaa.distill.verdict import judge

STAGES = {
    "timing": ("this machine is timed", 48.0, None),
    "box": ("a box of 15 molecules", 42.0, None),
    "classical": ("the classical force field samples, about 0.867 g/cm3", 1240.0, None),
    "classical-labels": ("the teacher labels 764 frames, 5808 molecules", 1510.0, 764),
    "student1": ("student1 learns (fast, 12000 steps)", 310.0, None),
    "own1": ("student1 samples its own liquid", 702.0, None),
    "own1-labels": ("the teacher labels 156 frames, 2340 molecules", 490.0, 156),
    "student2": ("student2 learns (good, 24000 steps)", 1475.0, None),
    "run-npt": ("npt: 40 ps at 300 K", 610.0, None),
}
SCRIPT = """from openmm import LangevinMiddleIntegrator, app, unit
from openmm_cgaa import CGAAPotential

structure = app.PDBxFile("large.cif")
system = CGAAPotential("model.safetensors").createSystem(structure.topology, positions=structure.positions)
integrator = LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 1 * unit.femtosecond)
simulation = app.Simulation(structure.topology, system, integrator)
simulation.context.setPositions(structure.positions)
simulation.step(1000)
"""


def figures() -> dict:
    """Arrays of all figures."""
    rng = np.random.default_rng(1)
    forces = rng.normal(0.0, distilled.RMS, 3000)
    r = np.linspace(1.5, 8.0, 130)
    peak = 1.0 - np.exp(-((r / 2.4) ** 8)) * (r < 9) + 0.5 * np.exp(-((r - 2.7) ** 2) / 0.08)
    time = np.arange(0.0, 40.0, 0.1)
    wander = np.cumsum(rng.normal(0.0, 0.004, len(time)))
    return {
        "parity": {
            "test boxes": {"teacher": forces, "model": forces + rng.normal(0.0, 0.046, 3000)},
            "own frames": {"teacher": forces, "model": forces + rng.normal(0.0, 0.055, 3000)},
        },
        "rdf": {
            "H with O": {"r": r, "model": peak, "teacher": peak + rng.normal(0.0, 0.03, len(r))},
            "O with O": {"r": r, "model": 1.0 - np.exp(-((r / 3.5) ** 8))},
        },
        "density": {"time": time, "density": 0.905 + 0.4 * wander, "labelled": [0.78, 1.01]},
        "drift": {
            "time": time[:100],
            "energy": rng.normal(0.0, 0.05, 100) - 0.001 * time[:100],
            "slope": -0.001,
            "error": 5e-4,
        },
    }


def sample_report(measured=None, **changed) -> dict:
    """All of a report but its figures; `changed` are keys of it."""
    measured = distilled.DME if measured is None else measured
    verdict = judge(measured).as_dict()
    return {
        "name": "C4H10O2",
        "created": "2026-11-28",
        "verdict": verdict,
        "numbers": [
            {"name": "eV/Å off the teacher's forces", "value": "0.055", "note": "6.8 % of them, in its own liquid"},
            {
                "name": "g/cm³ at 300 K and 1 bar",
                "value": "0.905 ± 0.004",
                "note": "the teacher's pressure there: 5 MPa",
            },
            {"name": "ms a step of 992 atoms", "value": "20", "note": "the teacher: 4100 ms"},
        ],
        "stages": [
            {"name": name, "title": title, "seconds": seconds, "labels": labels}
            for name, (title, seconds, labels) in STAGES.items()
        ],
        "checks": verdict["checks"],
        "files": [
            {"name": "model.safetensors", "what": "the model"},
            {"name": "classical.h5, own1.h5", "what": "labelled frames"},
            {"name": "plan.yaml", "what": "what was asked for"},
        ],
        "teacher": {"name": "sevennet-0-d3", "dispersion": "D3(BJ), PBE"},
        "versions": {"openmm_cgaa": "0.1.0", "openmm": "8.6.1", "torch": "2.9.0"},
        "plan": "molecules:\n- name: DME\n  smiles: COCCOC\n  count: 1\ntemperature: 300.0\nform: good\n",
        "script": SCRIPT,
        "command": "openmm-cgaa distill plan.yaml --out dme",
        **changed,
    }
