"""Runs that the verdict is judged on: each is made, and then analysed, so that other frames need no other run."""

import json
from pathlib import Path
from typing import Any

from ..analysis.report import analyze
from ..errors import SimulationError
from ..host.files import write_bytes
from ..labelling.teachers import Teacher
from ..pipeline.stages import digest
from ..potential import CGAAPotential
from ..simulation.run import SimulationSettings, simulate
from ..structures.structure import read_structure
from .crystalline import kept
from .liquid_structure import structure_of, wandered

ENDED = "ended.json"  # in the folder of a run
SETTLED = 10.0  # ps at most, that a run has to forget its beginning


def run_student(folder: Path, start: Path, student: Path, settings: SimulationSettings) -> None:
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
    """
    topology, positions = read_structure(start)
    potential = CGAAPotential(str(student))
    system = potential.createSystem(topology, positions=positions)
    resume, blown_up = (folder / "run.json").is_file(), None
    options = {"progress": False, "minimize": True}
    try:
        simulate(system, topology, positions, folder, settings, resume, potential.provenance(), **options)
    except SimulationError as error:
        blown_up = str(error)
    frames = folder / "trajectory.dcd"
    ended = {"blown_up": blown_up, "trajectory": digest(frames) if frames.is_file() else None}
    write_bytes(folder / ENDED, (json.dumps(ended, indent=1) + "\n").encode())


def analyse_run(folder: Path, start: Path, student: Path, teacher: Teacher, frames: int, settled: float) -> None:
    """Hold a run against the teacher, and write ``found.json`` into its folder.

    Parameters
    ----------
    folder : Path
        Of a run that `run_student` has made.
    start, student : Path
        As there.
    teacher : Teacher
    frames : int
        That it labels.
    settled : float, ps
        What comes before is left out.
    """
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
    write_bytes(folder / "found.json", (json.dumps(found, indent=1) + "\n").encode())
