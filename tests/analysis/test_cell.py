"""The mean cell of a run, whatever vectors of its lattice OpenMM took."""

import numpy as np
import pytest

from openmm_cgaa.analysis.cell import COLUMNS, cell
from openmm_cgaa.structures.lattice import edges_and_angles, followed


def test_a_cell_that_is_flipped_is_followed():
    """A hexagonal box, gamma of which comes as 120 or 60 degrees as it moves about the edge of OpenMM's form."""
    rng = np.random.default_rng(1)
    start = np.array([[2.0, 0.0, 0.0], [-1.0, np.sqrt(3.0), 0.0], [0.0, 0.0, 2.2]])
    boxes = start + 0.02 * np.tril(rng.standard_normal((200, 3, 3)))
    seen = boxes.copy()
    for box in seen:  # as OpenMM's flexible barostat does
        for row, by in ((2, 1), (2, 0), (1, 0)):
            box[row] -= box[by] * np.round(box[row, by] / box[by, by])
    raw = edges_and_angles(seen)
    assert np.ptp(raw[:, 5]) > 50.0  # both
    assert followed(seen)[0] == pytest.approx(seen[0])
    rows = np.array([tuple(row) for row in raw], dtype=[(name, float) for name in COLUMNS])
    found = cell(rows)
    taken = np.round(seen[0] @ np.linalg.inv(boxes[0]))
    expected = edges_and_angles(taken @ boxes).mean(axis=0) * [10, 10, 10, 1, 1, 1]
    assert [value for value, _ in found.values()] == pytest.approx(expected, abs=1e-4)
    assert 0 < found["gamma"].error < 0.2
