"""Runs that the verdict is judged on: each is made, and then analysed, so that other frames need no other run."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..analysis.report import analyze
from ..errors import SimulationError
from ..host import signals
from ..host.files import write_bytes
from ..labelling.teachers import load_teacher
from ..pipeline.stages import digest
from ..potential import CGAAPotential
from ..simulation.run import SimulationSettings, simulate
from ..structures.structure import read_structure
from .crystalline import barostat_of, kept
from .distillplan import DistillPlan
from .liquid_structure import structure_of, wandered

ENDED = "ended.json"  # in the folder of a run
FOUND = "found.json"  # there, too
SETTLED = 10.0  # ps at most, that a run has to forget its beginning


def runs_of(
    plan: DistillPlan, small: Path, large: Path, liquid: Path | None = None
) -> dict[str, tuple[Path, SimulationSettings]]:
    """What each run begins with, and how it is made.

    Parameters
    ----------
    plan : DistillPlan
    small, large : Path
        Structures: of the size that was labelled, and of ``proof.large`` atoms.
    liquid : Path, optional
        The liquid beside a crystal, of the size that was labelled.
    """
    wanted, t = plan.proof, plan.temperature
    constant: dict[str, Any] = {"pressure": plan.pressure}
    if plan.crystal:
        constant["barostat"] = barostat_of(small)
    settings = SimulationSettings(temperature=t, timestep=1.0, seed=plan.seed, report_interval=50)
    runs = {
        "nvt": (large, replace(settings, picoseconds=wanted.nvt)),
        "npt": (small, replace(settings, picoseconds=wanted.npt, **constant)),
        "hot": (small, replace(settings, picoseconds=wanted.hot, temperature=wanted.hottest * t)),
        "nve": (large, replace(settings, timestep=0.5, picoseconds=1.0, nve_picoseconds=wanted.nve)),
    }
    if liquid is not None:
        runs["liquid"] = liquid, replace(settings, picoseconds=wanted.nvt)
    return runs


def run_student(
    folder: Path, start: Path, student: Path, settings: SimulationSettings, threads: int | None = None
) -> None:
    """Simulate, or go on, and write how it ended: that it blows up is a result, too.

    Parameters
    ----------
    folder : Path
        Of the run.
    start : Path
        Structure that it begins with, after a minimisation.
    student : Path
        Model file.
    settings : SimulationSettings
    threads : int, optional
        Of the CPU; all by default.
    """
    topology, positions = read_structure(start)
    potential = CGAAPotential(str(student))
    system = potential.createSystem(topology, positions=positions)
    resume, blown_up = (folder / "run.json").is_file(), None
    settings = replace(settings, threads=threads)
    try:
        own = potential.provenance()
        if not simulate(system, topology, positions, folder, settings, resume, own, progress=False, minimize=True):
            raise signals.Interrupted(signal.SIGTERM, f"{folder} holds the state, the same command goes on")
    except SimulationError as error:
        blown_up = str(error)
    frames = folder / "trajectory.dcd"
    ended = {"blown_up": blown_up, "trajectory": digest(frames) if frames.is_file() else None}
    write_bytes(folder / ENDED, (json.dumps(ended, indent=1) + "\n").encode())


def analyse_run(folder: Path, start: Path, student: Path, plan: DistillPlan, frames: int, settled: float) -> None:
    """Hold a run against the teacher, and write ``found.json`` into its folder.

    Parameters
    ----------
    folder : Path
        Of a run that `run_student` has made.
    start, student : Path
        As there.
    plan : DistillPlan
        Of whose teacher.
    frames : int
        That the teacher labels.
    settled : float, ps
        What comes before is left out.
    """
    teacher = load_teacher(plan.teacher, **plan.teacher_settings)
    blown_up = json.loads((folder / ENDED).read_text())["blown_up"]
    found: dict[str, Any] = {"blown_up": blown_up}
    try:
        report = analyze(folder, teacher_frames=frames, begin=settled, tell=lambda line: None, teacher=teacher)
        found |= report.summary
        if start.name.startswith("crystal"):
            found["lattice"] = kept(folder, start, student, teacher, frames, settled)
        elif folder.name == "run-nvt":
            found["structure"] = structure_of(folder, student, teacher, frames, settled)
            found["wandered"] = wandered(folder, settled)
    except SimulationError:  # it blew up before its first frame
        if blown_up is None:
            raise
    write_bytes(folder / FOUND, (json.dumps(found, indent=1) + "\n").encode())
