"""Is it a liquid, and is its structure the teacher's? Both without dynamics of the teacher."""

from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.diffusion import mean_square_displacement
from ..analysis.rdf import center_pairs, center_trajectory, contact_pairs
from ..analysis.teacher_error import teacher_error
from ..labelling.teachers import Teacher
from ..potential import CGAAPotential
from ..simulation.read import read_run
from ..validation.peaks import beside
from ..validation.reweighting import first_order, in_both_ensembles

CENTERS, ATOMS = 0.3, 0.1  # Å, of the Gaussians that smooth g(r)
BLOCKS = 10  # for the errors
LEAST = 10  # frames


def structure_of(folder: Path, model: Path, teacher: Teacher, frames: int, begin: float) -> dict[str, Any]:
    """Radial distributions of a run, and those of the teacher's ensemble (`reweighting`).

    Parameters
    ----------
    folder : Path
        Of a periodic run; the teacher's labels are kept in its ``analysis``.
    model : Path
        That made it.
    teacher : Teacher
    frames : int
        That the teacher labels, evenly spaced.
    begin : float, ps
        What comes before is left out.

    Returns
    -------
    dict
        By pair: ``r`` (Å), ``model`` and ``teacher`` (curves), and ``difference``: the integral of the absolute
        difference over that of the teacher's curve, and what it would be by chance. Empty where the run has too few
        frames.
    """
    run = read_run(folder, begin)
    parts = folder / "analysis" / "teacher.parts"
    error = teacher_error(run.frames, run.grain_map, CGAAPotential(str(model)), teacher, parts, frames)
    if len(error.frames) < LEAST:
        return {}
    chosen = run.frames[error.frames]
    weights, _ = first_order(-error.energy * run.grain_map.num_atoms / 1000.0, run.settings["temperature"])
    blocks = np.array_split(np.arange(len(chosen)), BLOCKS)
    centers = center_trajectory(chosen, run.grain_map)
    wanted = [(name, centers, pairs, CENTERS) for name, pairs in center_pairs(run.grain_map).items()]
    wanted += [(name, chosen, pairs, ATOMS) for name, pairs in contact_pairs(run.grain_map).items()]
    found = {}
    for name, points, pairs, width in wanted:
        r, both = in_both_ensembles(points, pairs, weights, blocks)
        compared = beside(r, both, width)
        found[name] = {
            "r": r.tolist(),
            "model": compared["curves"]["student"],
            "teacher": compared["curves"]["teacher"],
            "difference": [compared["difference"], compared["by_chance"]],
        }
    return found


def wandered(folder: Path, begin: float) -> float:
    """How far molecules came within half of a run at constant volume, as a part of their distance from each other.

    Root mean square over all molecules and times, less the motion of all together; their distance is the cube root of
    the volume of each. In a solid it stays near a tenth, however long the run is.

    Parameters
    ----------
    folder : Path
        Of a periodic run, whose frames are never wrapped.
    begin : float, ps
        What comes before is left out.
    """
    run = read_run(folder, begin)
    xyz = run.trajectory.xyz.astype(float)
    centers = np.stack([xyz[:, slots].mean(axis=1) for slots in run.grain_map.slots], axis=1)
    centers = centers - centers.mean(axis=1, keepdims=True)
    half = mean_square_displacement(centers)[len(centers) // 2]
    volume = np.abs(np.linalg.det(run.trajectory.unitcell_vectors[0])) / run.grain_map.num_grains
    return float(np.sqrt(half) / np.cbrt(volume))
