"""Edges and angles of the box of a run whose barostat changes its shape."""

import numpy as np
from mdtraj.utils import lengths_and_angles_to_box_vectors

from ..structures.lattice import edges_and_angles, followed
from ..units import ANGSTROM_PER_NM
from .drift import Estimate, mean

COLUMNS = ("a_nm", "b_nm", "c_nm", "alpha_deg", "beta_deg", "gamma_deg")  # of state.csv


def cell(rows: np.ndarray) -> dict[str, Estimate]:
    """Mean and error of a, b, c (Å), alpha, beta and gamma (degrees).

    Parameters
    ----------
    rows : structured array [rows]
        Of state.csv. A box that comes by other vectors of the same lattice is taken by those that continue the first.
    """
    vectors = lengths_and_angles_to_box_vectors(*(rows[name] for name in COLUMNS))
    values = edges_and_angles(followed(np.stack(vectors, axis=1)))
    values[:, :3] *= ANGSTROM_PER_NM
    return {name.split("_")[0]: mean(series) for name, series in zip(COLUMNS, values.T)}
