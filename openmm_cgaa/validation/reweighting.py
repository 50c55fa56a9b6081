"""Radial distributions in the teacher's ensemble, from the student's frames and the teacher's energies of these.

By the first order of R. W. Zwanzig's exp(-(E_teacher - E_student) / kT) (J. Chem. Phys. 22, 1420 (1954)). Nearly all of
the energies' difference is vibration, which does not know of g(r). In all orders its noise would leave a few frames
the whole weight. In the first order it averages out.
"""

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..analysis.rdf import radial_distribution
from ..units import ANGSTROM_PER_NM, BOLTZMANN_EV

BIN = 0.005  # nm


def first_order(off: ArrayLike, kelvin: float) -> tuple[np.ndarray, dict[str, float]]:
    """Weights of the student's frames in the teacher's ensemble, and what is to be known about them.

    Parameters
    ----------
    off : array [frames], eV
        Energies of whole boxes, teacher less student.
    kelvin : float

    Returns
    -------
    weights : array [frames]
        Of mean 1; a few may be negative.
    numbers : dict
        ``frames``, ``effective_frames_all_orders`` (what the whole exponential would leave), ``spread_kT`` and
        ``skewness`` of the differences.
    """
    off = np.asarray(off, dtype=float) / (BOLTZMANN_EV * kelvin)
    off = off - off.mean()
    all_orders = np.exp(-off)
    return 1.0 - off, {
        "frames": len(off),
        "effective_frames_all_orders": float(all_orders.sum() ** 2 / (all_orders**2).sum()),
        "spread_kT": float(off.std()),
        "skewness": float((off**3).mean() / off.std() ** 3) if off.std() else 0.0,
    }


def in_both_ensembles(
    trajectory: mdtraj.Trajectory, pairs: np.ndarray, weights: np.ndarray, blocks: list[np.ndarray]
) -> tuple[np.ndarray, dict[str, tuple[list, list]]]:
    """Radial distributions of both, block by block, as `peaks.beside` takes them.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory
        The student's frames.
    pairs : int array [pairs, 2]
    weights : array [frames]
        See `first_order`.
    blocks : list of int arrays
        Frames of each block.

    Returns
    -------
    r : array [bins], Å
    parts : dict
        "student" and "teacher": sums of weighed curves and of weights, each [blocks].
    """
    r = ANGSTROM_PER_NM * radial_distribution(trajectory[:1], pairs, BIN).r
    curves = [radial_distribution(trajectory[i], pairs, BIN).g for i in range(len(trajectory))]
    bins = min(map(len, curves))  # boxes at constant pressure differ in size
    one_by_one = np.array([curve[:bins] for curve in curves])
    return r[:bins], {
        who: ([w[block] @ one_by_one[block] for block in blocks], [w[block].sum() for block in blocks])
        for who, w in (("student", np.ones(len(weights))), ("teacher", weights))
    }
