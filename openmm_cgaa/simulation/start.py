"""The start of a run: a raw packing is minimised, a frame of a liquid is not touched.

Molecules that lie too close push each other apart. Of EC and EMC as packmol leaves them the translation was at 1,300 K
after 50 fs, where 300 K were meant. Forces on single atoms do not tell this, because bonds pull as hard at any
temperature. Net forces on grains do. In the frames of a liquid electrolyte at 300 to 500 K they were 1.9 eV/Å at most,
and in that packing 14.
"""

import numpy as np
import openmm
from openmm import unit

from ..errors import SimulationError
from ..mapping.grains import GrainMap
from ..mapping.sums import grain_sums
from ..units import KJMOL_PER_NM_PER_EV_PER_ANGSTROM

NET_FORCE = 4.0  # eV/Å on a grain, up to `WARM`; above it goes with the root of the temperature, as forces do
ATOM_FORCE = 25.0  # eV/Å on an atom; thermal ones were 13 at most
WARM = 500.0  # K
ITERATIONS = 100  # a packing is at rest by then, as far as the first steps can tell


def minimize_if_strained(context: openmm.Context, grain_map: GrainMap, kelvin: float) -> dict | None:
    """Minimise a context whose forces are far beyond those of thermal motion.

    Parameters
    ----------
    context : openmm.Context
        With positions.
    grain_map : GrainMap
        Of its atoms.
    kelvin : float
        Of the run that begins.

    Returns
    -------
    dict or None
        ``before`` and ``after``: the largest ``net_force`` on a grain and ``force`` on an atom, eV/Å. None where
        nothing was done.

    Raises
    ------
    SimulationError
        OpenMM cannot minimise this system.
    """
    before = _largest(context, grain_map)
    hotter = max(1.0, kelvin / WARM) ** 0.5
    if before["net_force"] <= hotter * NET_FORCE and before["force"] <= hotter * ATOM_FORCE:
        return None
    try:
        openmm.LocalEnergyMinimizer.minimize(context, maxIterations=ITERATIONS)
    except openmm.OpenMMException as error:
        raise SimulationError(
            f"the start cannot be minimised: {error}; relax it before, or begin as it is "
            "(--no-minimize, in Python minimize=False)"
        ) from error
    return {"before": before, "after": _largest(context, grain_map)}


def _largest(context: openmm.Context, grain_map: GrainMap) -> dict:
    """Forces that are not finite count as none: the first report of the run names them."""
    forces = context.getState(forces=True).getForces(asNumpy=True)
    forces = forces.value_in_unit(unit.kilojoule_per_mole / unit.nanometer) / KJMOL_PER_NM_PER_EV_PER_ANGSTROM
    forces = np.nan_to_num(np.asarray(forces), nan=0.0, posinf=0.0, neginf=0.0)
    net = grain_sums(forces[None], grain_map.atom_grain)[0]
    return {"net_force": _norm(net), "force": _norm(forces)}


def _norm(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors, axis=1).max())
