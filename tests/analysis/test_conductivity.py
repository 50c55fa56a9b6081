"""Conductivity of random walks, which is known, and of pairs that move together, which is none."""

import numpy as np
import pytest
from salts import SKEWED, universe, walks

from openmm_cgaa.analysis.conductivity import conductivity
from openmm_cgaa.analysis.diffusion import box_correction, moving_centers
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.mapping.grains import GrainMap

CHARGES = {"NA": 1.0, "CL": -1.0}
STEP = 0.02, 0.03  # nm, of cations and anions


def of(trajectory, begin=0.2, end=2.0, charges=CHARGES):
    return conductivity(trajectory, GrainMap.from_mdtraj(trajectory.topology), charges, 300.0, begin, end)


def test_independent_walks_conduct_by_their_diffusion():
    """sigma = e^2 / (V k T) sum of N z^2 D, with D = step^2 / (2 interval)."""
    made = walks(3000, 12, 12, step=STEP)
    found = of(made)
    diffusion = np.square(STEP) / (2 * 0.1) * 1e-6  # m^2/s
    volume = np.linalg.det(SKEWED) * 1e-27
    known = 12 * diffusion.sum() * 1.602176634e-19**2 / (volume * 1.380649e-23 * 300.0)
    # the center of mass of all follows the walk of each
    assert found.nernst_einstein.value == pytest.approx(known, rel=0.1)
    assert found.einstein.value == pytest.approx(known, abs=4 * found.einstein.error)
    assert found.einstein.error < 0.2 * known
    assert found.ratio.value == pytest.approx(1.0, abs=max(4 * found.ratio.error, 0.1))
    assert found.diffusion["CL"].value / found.diffusion["NA"].value == pytest.approx(2.25, rel=0.2)
    more = found.nernst_einstein_with(1.0).value - found.nernst_einstein.value
    assert more == pytest.approx(24 * 1e-9 * known / (12 * diffusion.sum()))
    assert found.lags[0] == pytest.approx(0.1) and len(found.charge_displacement.value) == len(found.lags)


def test_pairs_that_move_together_conduct_nothing_by_einstein():
    made = walks(300, 6, 6)
    made.xyz[:, 6:] = made.xyz[:, :6] + np.float32(0.1)
    found = of(made)
    assert found.nernst_einstein.value > 0.1 and abs(found.einstein.value) < 1e-6
    assert abs(found.ratio.value) < 1e-6


def test_pieces_tell_the_same_and_charges_count_by_their_square():
    made = walks(200, 6, 6)
    whole, grain_map = of(made), GrainMap.from_mdtraj(made.topology)
    pieces = conductivity((made[i : i + 33] for i in range(0, 200, 33)), grain_map, CHARGES, 300.0, 0.2, 2.0)
    assert pieces.einstein == whole.einstein and pieces.diffusion == whole.diffusion
    half = of(made, charges={"NA": 0.5, "CL": -0.5})
    assert half.einstein.value == pytest.approx(whole.einstein.value / 4)
    assert half.nernst_einstein.value == pytest.approx(whole.nernst_einstein.value / 4)


def test_mdanalysis_finds_the_same_displacements():
    made = walks(60, 5, 5)
    centers = moving_centers(made, GrainMap.from_mdtraj(made.topology))
    made.xyz[:] = np.concatenate(list(centers.values()), axis=1)
    other = universe(made)
    from MDAnalysis.analysis.msd import EinsteinMSD

    theirs = EinsteinMSD(other, select="name Na", fft=False).run().results.timeseries / 100.0  # Å^2
    found = of(made, 0.1, 1.0)
    slope = np.polyfit(0.1 * np.arange(1, 11), theirs[1:11], 1)[0]
    assert found.diffusion["NA"].value == pytest.approx(1e3 * slope / 6.0, rel=1e-4)


def wrapped(made):
    inverse = np.linalg.inv(SKEWED)
    made.xyz[:] = made.xyz - np.floor(made.xyz @ inverse) @ SKEWED
    return made


def without_a_box(made):
    made.unitcell_vectors = None
    return made


def growing(made):
    made.unitcell_vectors = made.unitcell_vectors * np.linspace(1.0, 1.1, made.n_frames)[:, None, None]
    return made


@pytest.mark.parametrize(
    ("spoil", "lags", "message"),
    [
        (wrapped, (0.2, 2.0), "positions were wrapped into it; take the trajectory as the run wrote it"),
        (without_a_box, (0.2, 2.0), "no box"),
        (growing, (0.2, 2.0), "box changes"),
        (lambda made: made[[0, 1, 2, *range(4, 100)]], (0.2, 2.0), "not evenly spaced"),
        (lambda made: made, (0.2, 5.0), "blocks in time of 1.98 ps, in which each lag must lie"),
        (lambda made: made, (1.5, 1.6), "there are 2 of this trajectory, but a slope needs 3"),
        (lambda made: made[:6], (0.2, 2.0), "6 frames, too few"),
    ],
)
def test_what_tells_no_conductivity(spoil, lags, message):
    with pytest.raises(SimulationError, match=message):
        of(spoil(walks(100, 6, 6, step=0.2)), *lags)


def test_correction_of_a_cube():
    """At 1 mPa s and 300 K a cube of 3 nm takes 2.837297 k T / (6 pi eta L) = 0.2078e-9 m^2/s."""
    by_hand = 2.837297 * 1.380649e-23 * 300.0 / (6 * np.pi * 1e-3 * 3e-9) * 1e9
    assert box_correction(300.0, 1.0, 3.0 * np.eye(3)) == pytest.approx(by_hand, rel=1e-6)
    assert box_correction(300.0, 2.0, 6.0 * np.eye(3)) == pytest.approx(by_hand / 4, rel=1e-6)
    with pytest.raises(SimulationError, match="holds for a cube, which this box is not"):
        box_correction(300.0, 1.0, np.diag([3.0, 3.0, 4.0]))
