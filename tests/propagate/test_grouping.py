"""Sequences from trajectories: places, sizes and times, and trajectories that cannot be used."""

import mdtraj
import numpy as np
import pytest
from chains import chain_graph, walk

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.propagate.beadgroups import group_beads
from openmm_cgaa.propagate.grouping import group_trajectory

BEADS = chain_graph(chains=2)


def written(path, positions, times=None, box=None, angles=90.0):
    """An XTC or HDF5 file of positions in Å."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("ALL", topology.add_chain())
    for number in range(positions.shape[1]):
        topology.add_atom(f"A{number}", mdtraj.element.carbon, residue)
    frames = mdtraj.Trajectory(positions / 10.0, topology)
    frames.time = 5.0 * np.arange(len(positions)) if times is None else np.array(times, float)
    if box is not None:
        frames.unitcell_lengths = np.array(box) / 10.0 * np.ones((len(positions), 1))
        frames.unitcell_angles = np.full((len(positions), 3), angles)
    frames.save(str(path))
    return path


@pytest.fixture(scope="module")
def positions():
    return walk(BEADS, 12, seed=3)


def test_groups_of_a_trajectory(tmp_path, positions):
    (one,) = group_trajectory(written(tmp_path / "run.xtc", positions), BEADS, 4, "train").members
    graph = group_beads(BEADS, 4)
    assert one.name == "run" and one.spacing == pytest.approx(5.0) and one.box is None
    assert np.allclose(one.positions, graph.centers(positions), atol=0.02)  # XTC keeps 0.01 Å
    assert np.allclose(one.inner, graph.inner(positions), atol=0.3)
    assert one.gyration().shape == (12, 2)


def test_some_frames_of_it(tmp_path, positions):
    path = written(tmp_path / "run.xtc", positions)
    (one,) = group_trajectory(path, BEADS, 4, "test", name="some", first=2, stride=3).members
    assert one.name == "some" and one.spacing == pytest.approx(15.0)
    assert np.allclose(one.positions, group_beads(BEADS, 4).centers(positions[2::3]), atol=0.02)


def test_molecules_that_do_not_see_each_other(tmp_path, positions):
    parts = group_trajectory(written(tmp_path / "run.xtc", positions), BEADS, 4, "train", separate=True).members
    whole = group_beads(BEADS, 4)
    assert [one.name for one in parts] == ["run-0", "run-1"] and all(one.graph.num_groups == 3 for one in parts)
    assert np.allclose(parts[1].positions, whole.centers(positions)[:, 3:], atol=0.02)
    assert parts[0].graph.same_as(parts[1].graph)
    both = whole.gyration(whole.centers(positions), whole.inner(positions))
    assert np.allclose(parts[1].gyration()[:, 0], both[:, 1], rtol=0.01)


def test_a_box_is_kept_and_positions_are_not_wrapped(tmp_path, positions):
    far = positions + np.array([200.0, 0.0, -300.0])
    (one,) = group_trajectory(written(tmp_path / "run.xtc", far, box=[90.0] * 3), BEADS, 4, "train").members
    assert np.allclose(one.box, 90.0) and np.allclose(one.positions, group_beads(BEADS, 4).centers(far), atol=0.05)


def test_a_trajectory_that_was_wrapped(tmp_path, positions):
    """Molecules as a whole, and bead by bead."""
    jumping = positions.copy()
    jumping[6:, :12] += 90.0
    with pytest.raises(CGAAError, match="moves by more than half of the box.*enforcePeriodicBox=False"):
        group_trajectory(written(tmp_path / "a.xtc", jumping, box=[90.0] * 3), BEADS, 4, "train")
    cut = positions.copy()
    cut[:, 5] += 90.0
    with pytest.raises(CGAAError, match="a bond is longer than half of the box.*enforcePeriodicBox=False"):
        group_trajectory(written(tmp_path / "b.xtc", cut, box=[90.0] * 3), BEADS, 4, "train")


def test_boxes_that_cannot_be(tmp_path, positions):
    with pytest.raises(CGAAError, match="its box is skewed; a propagator takes boxes of right angles"):
        group_trajectory(written(tmp_path / "a.xtc", positions, box=[90.0] * 3, angles=80.0), BEADS, 4, "train")
    growing = np.linspace(90.0, 95.0, 12)[:, None] * np.ones(3)
    with pytest.raises(CGAAError, match="its box changes; .* constant volume"):
        group_trajectory(written(tmp_path / "b.xtc", positions, box=growing), BEADS, 4, "train")


def test_times_that_are_not_even(tmp_path, positions):
    times = [*range(11), 20]
    with pytest.raises(CGAAError, match="1 to 10 ps apart; .*write frames at equal times"):
        group_trajectory(written(tmp_path / "a.xtc", positions, times), BEADS, 4, "train")
    with pytest.raises(CGAAError, match="0 to 0 ps apart"):
        group_trajectory(written(tmp_path / "b.xtc", positions, [0.0] * 12), BEADS, 4, "train")


def test_positions_that_are_not_finite(tmp_path, positions):
    broken = positions.copy()
    broken[7, 3] = np.nan
    with pytest.raises(CGAAError, match="positions are not finite; leave the run out from there on"):
        group_trajectory(written(tmp_path / "a.dcd", broken), BEADS, 4, "train")


def test_another_topology_or_no_frames(tmp_path, positions):
    path = written(tmp_path / "a.xtc", positions)
    with pytest.raises(CGAAError, match="topology"):
        group_trajectory(path, chain_graph(), 4, "train")
    with pytest.raises(CGAAError, match="1 frame of it; a sequence has many"):
        group_trajectory(path, BEADS, 4, "train", first=11)
    with pytest.raises(CGAAError, match="split 'some' is not known"):
        group_trajectory(path, BEADS, 4, "some")


def test_a_file_without_times_needs_a_spacing(tmp_path, positions):
    """MDTraj numbers the frames of such files: 1 ps apart, whatever they are."""
    path = written(tmp_path / "run.dcd", positions)
    with pytest.raises(CGAAError, match="run.dcd: it does not tell the times .*--spacing"):
        group_trajectory(path, BEADS, 4, "train")
    (one,) = group_trajectory(path, BEADS, 4, "train", spacing=5.0, stride=2).members
    assert one.spacing == 10.0
    timed = written(tmp_path / "run.xtc", positions)
    (one,) = group_trajectory(timed, BEADS, 4, "train").members
    (same,) = group_trajectory(timed, BEADS, 4, "train", spacing=one.spacing).members
    assert same.spacing == one.spacing
    with pytest.raises(CGAAError, match="ps apart by its own times, not 77; leave out the spacing"):
        group_trajectory(timed, BEADS, 4, "train", spacing=77.0)
    with pytest.raises(CGAAError, match="spacing is -1.0; give the time"):
        group_trajectory(path, BEADS, 4, "train", spacing=-1.0)
