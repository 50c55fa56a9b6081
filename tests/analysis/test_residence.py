"""Residence times of processes whose decay is known, and beside MDAnalysis. Also `contacts_between`."""

import mdtraj
import numpy as np
import pytest

from openmm_cgaa.analysis.residence import Stays, residence
from openmm_cgaa.analysis.streaming import feed
from openmm_cgaa.errors import GeometryError, SimulationError

INTERVAL = 0.1  # ps
NEAR, FAR = 0.2, 0.8  # nm


def visits(frames, neighbors, stay, back, seed=1):
    """Neighbours of one center that leave and come back at random: whether each is near, [frames, neighbors]."""
    random = np.random.default_rng(seed).random((frames, neighbors))
    near = np.zeros((frames, neighbors), bool)
    near[0] = random[0] < back / (back + 1 - stay)
    for t in range(1, frames):
        near[t] = np.where(near[t - 1], random[t] < stay, random[t] < back)
    return near


def around_one(near):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(1 + near.shape[1]):
        topology.add_atom("Ar", mdtraj.element.argon, topology.add_residue("AR", chain))
    xyz = np.zeros((len(near), 1 + near.shape[1], 3), np.float32)
    xyz[:, 1:, 0] = np.where(near, NEAR, FAR)
    made = mdtraj.Trajectory(xyz, topology)
    made.time = INTERVAL * np.arange(len(near))
    made.unitcell_vectors = np.tile(3.0 * np.eye(3), (len(near), 1, 1))
    return made


def of(near, **options):
    grain = np.arange(1 + near.shape[1])
    return residence(around_one(near), [0], grain[1:], grain, 0.5, **options)


def test_an_exponential_process_has_its_time():
    near = visits(2000, 60, 0.95, 0.05)
    found = of(near)
    known = 0.95 ** np.arange(len(found.lags))
    assert np.abs(found.survival.value - known).max() < 0.03
    assert found.time.value == pytest.approx(-INTERVAL / np.log(0.95), abs=4 * found.time.error)
    assert 0.0 < found.time.error < 0.1 * found.time.value
    assert found.neighbors.value == pytest.approx(near.sum(1).mean()) and found.neighbors.error > 0.0
    first = np.diff(np.pad(near, ((1, 0), (0, 0))).astype(int), axis=0) > 0
    assert found.stays == first.sum() and found.lags[1] == INTERVAL


def test_what_is_left_at_the_end_is_taken_as_an_exponential():
    """Of 150 frames a block has 30, after which 0.97^28 = 0.43 are left: no time. Of 400 there is one."""
    assert of(visits(150, 200, 0.97, 0.03)).time is None
    found = of(visits(400, 200, 0.97, 0.03))
    assert found.survival.value[-1] > 0.05
    assert found.time.value == pytest.approx(-INTERVAL / np.log(0.97), abs=4 * found.time.error)


def test_short_excursions_are_stays():
    """Away for one frame at most: who is near stays with 0.9, or goes and is back at once with 0.1 * 0.3."""
    found = of(visits(3000, 60, 0.9, 0.3), away=INTERVAL)
    rate = max(np.roots([1.0, -0.9, -0.1 * 0.3]).real)
    curve = found.survival.value[5:20]
    assert curve[1:] / curve[:-1] == pytest.approx(rate, rel=0.02)
    assert found.time.value > of(visits(3000, 60, 0.9, 0.3)).time.value


@pytest.mark.parametrize("gap", [0, 2])
def test_mdanalysis_finds_the_same_survival(gap):
    correlations = pytest.importorskip("MDAnalysis.lib.correlations", reason="MDAnalysis is not installed")
    near = visits(100, 12, 0.8, 0.2)
    found = of(near, away=gap * INTERVAL)
    sets = [set(np.flatnonzero(row)) for row in near]
    sets = correlations.correct_intermittency(sets, intermittency=gap)
    _, _, parts = correlations.autocorrelation(sets, tau_max=len(found.lags) - 1)
    sizes = np.array([len(one) for one in sets])
    for lag, own in enumerate(parts, start=1):  # of each start; ours is the mean over neighbours
        assert found.survival.value[lag] == pytest.approx(np.average(own, weights=sizes[: len(sets) - lag]), abs=1e-9)


def test_a_grain_is_near_if_one_of_its_atoms_is():
    near = np.tile([[True, False]], (40, 1))
    made = around_one(near)
    together = residence(made, [0], [1, 2], np.array([0, 1, 1]), 0.5)
    assert together.neighbors.value == 1.0 and together.survival.value.tolist() == [1.0] * len(together.lags)
    assert together.time is None and together.stays == 1
    pieces = Stays([0], [1, 2], np.array([0, 1, 1]), 0.5, 40)
    assert feed((made[i : i + 7] for i in range(0, 40, 7)), pieces) == 40
    assert pieces.residence().neighbors == together.neighbors


def test_what_tells_no_residence():
    near = np.ones((40, 3), bool)
    with pytest.raises(SimulationError, match="nothing ever came nearer than 5 Å"):
        of(~near)
    with pytest.raises(SimulationError, match="10 frames, at least 20 are needed"):
        of(near[:10])
    with pytest.raises(GeometryError, match="no two grains"):
        residence(around_one(near), [0], [0], np.arange(4), 0.5)
    made = around_one(near)[[0, 1, 2, *range(4, 40)]]
    with pytest.raises(SimulationError, match="not evenly spaced at 0.4 ps"):
        residence(made, [0], [1, 2, 3], np.arange(4), 0.5)
