"""The pressure that a run at constant volume has by its model."""

import numpy as np

from ..engines.grainvirial import GrainVirial
from ..mapping.whole import whole_frames
from ..model.loaded import LoadedModel
from ..simulation.read import RunOutput
from ..units import ANGSTROM_PER_NM, BOLTZMANN_EV, MPA_PER_EV_PER_ANGSTROM3
from .drift import Estimate, mean


def mean_pressure(run: RunOutput, model: LoadedModel, count: int = 100) -> Estimate:
    """Mean pressure by the virial of the forces on the grains' centers, over frames evenly spaced.

    ``P V = N k T + (trace of the virial - sum of (r - R) . F) / 3`` of N grains, with atoms r in a grain of center R.
    That may be any point which moves with the grain; here it is the mean of its atoms, for beads may have no mass
    (Akkermans and Ciccotti, J. Phys. Chem. B 108, 6866 (2004)). It has the mean of the pressure by all atoms, without
    the noise of the bonds. T is that which the run was set to.

    Parameters
    ----------
    run : RunOutput
        Periodic.
    model : LoadedModel
        That made the run.
    count : int
        Frames, at most.

    Returns
    -------
    Estimate
        MPa.

    Raises
    ------
    EngineError
        The model has no virial: its forces are no gradient, or a part of them is a prior.
    """
    frames, grain_map = run.frames, run.grain_map
    virial = GrainVirial(model, grain_map)
    chosen = frames[np.unique(np.linspace(0, frames.n_frames - 1, min(count, frames.n_frames)).round().astype(int))]
    positions = ANGSTROM_PER_NM * chosen.xyz.astype(float)
    boxes = ANGSTROM_PER_NM * chosen.unitcell_vectors.astype(float)
    whole = whole_frames(grain_map, positions, boxes)
    ideal = grain_map.num_grains * BOLTZMANN_EV * run.settings["temperature"]
    found = [(ideal + np.trace(virial(frame, box)) / 3.0) / np.linalg.det(box) for frame, box in zip(whole, boxes)]
    return mean(MPA_PER_EV_PER_ANGSTROM3 * np.array(found))
