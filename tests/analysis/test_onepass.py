"""What all observables find is the same in any pieces of a file, in one pass; also `closest`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from salts import walks

from openmm_cgaa.analysis.angles import Triplets
from openmm_cgaa.analysis.bonds import StretchedBonds
from openmm_cgaa.analysis.closest import ClosestContact
from openmm_cgaa.analysis.conductivity import Motions
from openmm_cgaa.analysis.coordination import NeighborCounts
from openmm_cgaa.analysis.diffusion import LEAST, GrainWalks, diffusion, moving_centers
from openmm_cgaa.analysis.internal import InternalCoordinates
from openmm_cgaa.analysis.onepass import AtCenters, Centers, Look, Tried, go_by
from openmm_cgaa.analysis.orientation import Axes
from openmm_cgaa.analysis.profile import Layers
from openmm_cgaa.analysis.residence import Stays
from openmm_cgaa.analysis.speciation import IonClusters
from openmm_cgaa.analysis.streaming import feed
from openmm_cgaa.errors import GeometryError, SimulationError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.neighbors.contacts import pairs_between, shortest_contact
from openmm_cgaa.structures import lazyframes
from openmm_cgaa.structures.lazyframes import LazyFrames

FRAMES = 150  # more than two windows of `LaggedSquares`


def everything(trajectory):
    """What each observable finds, as arrays."""
    topology = trajectory.topology
    grain_map = GrainMap.from_mdtraj(topology)
    grain, centers = grain_map.atom_grain, Centers(grain_map)
    bonds, closest = StretchedBonds(topology, grain_map), ClosestContact(topology)
    walk, motions = GrainWalks(grain_map, trajectory.time, 0.2, 1.0), Motions(grain_map, {"NA": 1.0, "CL": -1.0})
    stays = Stays(np.arange(6), np.arange(6, 12), grain, 0.8, trajectory.n_frames, 0.1)
    clusters = IonClusters(np.arange(6), np.arange(6, 12), grain, 0.5, 0.9)
    shapes, axes = (
        InternalCoordinates(grain_map),
        Axes(grain_map, topology.select("name O"), topology.select("name H1")),
    )
    layers = Layers(topology, np.arange(topology.n_atoms))
    near, triplets = NeighborCounts([0, 1, 2, 7], np.arange(12), grain), Triplets(0.9)
    both = AtCenters(centers, NeighborCounts(np.arange(6), np.arange(6, 12), np.arange(grain_map.num_grains)))
    seen = [bonds, closest, walk, motions, stays, clusters, shapes, axes, layers, near, both]
    assert feed(trajectory, *seen, AtCenters(centers, triplets)) == trajectory.n_frames
    found = motions.conductivity(300.0, 0.2, 1.0)
    one = axes.orientation()["HOH"]
    return {
        "bonds": [kind[1:4] for kind in bonds.stability()] + [[kind.frame] * 3 for kind in bonds.stability()],
        "closest": [closest.distance, *closest.atoms, closest.frame],
        "diffusion": list(walk.diffusion().values()),
        "conductivity": [found.einstein, found.nernst_einstein, found.ratio],
        "residence": [*(own := stays.residence()).survival, own.lags],
        "stays": [own.stays, *own.neighbors],
        "species": list(clusters.speciation().cations.values()),
        "shapes": np.concatenate(
            [[*each.mean, each.spread, *each.density.value] for each in shapes.histograms().values()]
        ),
        "orientation": [*one.c1, *one.c2],
        "layers": [*layers.profile().mass],
        "near": [*near.rdf(), *near.coordination()],
        "centers": [*both.observable.rdf()],
        "triplets": [*triplets.distribution()],
    }


def test_pieces_of_a_file_tell_what_the_whole_tells(tmp_path, monkeypatch):
    made = walks(FRAMES, 6, 6, 4)
    made.save_dcd(str(tmp_path / "run.dcd"))
    frames = LazyFrames(tmp_path / "run.dcd", made.topology, made.time)
    whole = everything(frames[:])
    for length in (1, 7, FRAMES - 1):  # each but the first with an incomplete piece at the end
        monkeypatch.setattr(lazyframes, "PIECE", length * 12 * made.n_atoms)
        found = everything(frames)
        for name, values in whole.items():
            np.testing.assert_allclose(np.array(found[name]), np.array(values), rtol=1e-9, atol=1e-12, err_msg=name)


def test_pairs_that_are_listed_as_they_are_needed_are_all(monkeypatch):
    made = walks(6, 6, 6, 4)
    grain = GrainMap.from_mdtraj(made.topology).atom_grain
    ends = np.arange(20), np.arange(5, 24)  # some atoms are of both
    whole = NeighborCounts(*ends, grain)
    feed(made, whole)
    monkeypatch.setattr("openmm_cgaa.analysis.coordination.CHUNK", 50)
    monkeypatch.setattr("openmm_cgaa.analysis.rdf.CHUNK", 50)
    parts = NeighborCounts(*ends, grain)
    feed(made, parts)
    assert len(list(parts.chunks())) > 5 and sum(len(pairs) for pairs, _ in parts.chunks()) == parts.number
    np.testing.assert_array_equal([*parts.rdf(), *parts.coordination()], [*whole.rdf(), *whole.coordination()])


def test_a_walk_is_followed_across_pieces_and_windows(tmp_path, monkeypatch):
    """Its mean square displacement is that of all pairs of frames, and its diffusion is step^2 / (2 interval)."""
    made = walks(10 * LEAST, 60, 60, step=0.03, box=8.0 * np.eye(3))
    made.save_dcd(str(tmp_path / "run.dcd"))
    grain_map = GrainMap.from_mdtraj(made.topology)
    monkeypatch.setattr(lazyframes, "PIECE", 41 * 12 * made.n_atoms)
    walk = GrainWalks(grain_map, made.time, 0.2, 2.0)
    feed(LazyFrames(tmp_path / "run.dcd", made.topology, made.time), walk)
    found = walk.diffusion()
    for name, centers in moving_centers(made, grain_map).items():
        lags = np.arange(2, 21)
        direct = [np.square(centers[lag:] - centers[:-lag]).sum(-1).mean() for lag in lags]
        slope = np.polyfit(0.1 * lags, direct, 1)[0]
        assert found[name].value == pytest.approx(1e3 * slope / 6.0, rel=1e-5)  # the file keeps Å in single precision
        assert found[name].value == pytest.approx(1e3 * 0.03**2 / 0.2, abs=4 * found[name].error + 0.05)
        assert diffusion(made.time, centers, 0.2, 2.0) == pytest.approx(tuple(found[name]), rel=1e-4)


def test_the_closest_of_all_frames_is_the_shortest_of_all_pairs():
    made = walks(20, 6, 6, 4)
    closest = ClosestContact(made.topology)
    feed(made, closest)
    pairs = pairs_between([atom.residue.index for atom in made.topology.atoms])
    each = [shortest_contact(xyz, box, pairs) for xyz, box in zip(made.xyz, made.unitcell_vectors)]
    frame = int(np.argmin([distance for distance, _ in each]))
    assert closest.frame == frame and closest.distance == pytest.approx(each[frame][0], abs=1e-6)
    assert closest.atoms == tuple(pairs[:, each[frame][1]])
    far = walks(3, 1, 1, box=[[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]])  # further than where the search begins
    far.xyz[:, 1] = far.xyz[:, 0] + np.float32(2.0)
    closest = ClosestContact(far.topology)
    feed(far, closest)
    assert closest.distance == pytest.approx(np.sqrt(12.0), rel=1e-6) and closest.frame in (0, 1, 2)
    alone = ClosestContact(walks(1, 1, 0).topology)
    feed(walks(2, 1, 0), alone)
    assert alone.distance == np.inf


class Counts:
    """How many pieces went by, and an error at one of them."""

    def __init__(self, fails=None):
        self.pieces, self.fails = 0, fails

    def add(self, piece):
        self.pieces += 1
        if self.pieces == self.fails:
            raise GeometryError("cannot be seen")


def test_sections_share_passes_and_keep_their_errors(monkeypatch):
    made, told, passes = walks(6, 2, 2), [], []

    def went_by(trajectory):
        passes.append(len(trajectory))
        return (trajectory[i : i + 2] for i in range(0, 6, 2))

    monkeypatch.setattr("openmm_cgaa.analysis.onepass.in_pieces", went_by)

    def plain(name):
        count = Counts()
        yield [Look(made, [count])]
        told.append((name, count.pieces))

    def twice():
        first, second = Counts(), Counts()
        yield [Look(made, [first])]
        yield [Look(made, [second])]
        told.append(("twice", first.pieces, second.pieces))

    def failing():
        try:
            yield [Look(made, [Counts(), Counts(fails=2)])]
        except GeometryError as error:
            told.append(str(error))

    def partly():
        looking = [Tried(Counts(fails=1)), Tried(Counts())]
        yield [Look(made, looking)]
        with pytest.raises(GeometryError):
            looking[0].seen()
        told.append(looking[1].seen().pieces)

    def nothing():
        told.append("nothing")
        yield from ()

    go_by([plain("a"), failing(), twice(), nothing(), partly(), plain("b")])
    assert passes == [6, 6]
    assert told == ["nothing", ("a", 3), "cannot be seen", 3, ("b", 3), ("twice", 3, 3)]


def test_an_error_of_reading_is_of_no_section(tmp_path):
    made = walks(6, 2, 2)
    made.save_xtc(str(tmp_path / "run.xtc"))
    (tmp_path / "run.xtc").write_bytes((tmp_path / "run.xtc").read_bytes()[:-5])

    def section():
        try:
            yield [Look(LazyFrames(tmp_path / "run.xtc", made.topology), [Counts()])]
        except SimulationError:
            raise AssertionError("it is for all") from None

    with pytest.raises(SimulationError, match="is it truncated"):
        go_by([section()])


MEASURE = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from memory import write_run
import numpy as np
from openmm_cgaa.analysis.bonds import StretchedBonds
from openmm_cgaa.analysis.coordination import NeighborCounts
from openmm_cgaa.analysis.diffusion import GrainWalks
from openmm_cgaa.analysis.onepass import AtCenters, Centers
from openmm_cgaa.analysis.profile import Layers
from openmm_cgaa.analysis.residence import Stays
from openmm_cgaa.analysis.streaming import feed
from openmm_cgaa.simulation.read import read_run

def peak_after(folder, frames):
    run = read_run(write_run(Path(folder), frames, 14, 3))
    grain_map, every = run.grain_map, np.arange(run.frames.n_atoms)
    first, grains = every[:200:20], np.arange(grain_map.num_grains)
    seen = [StretchedBonds(run.frames.topology, grain_map), GrainWalks(grain_map, run.frames.time, 0.2, 1.0)]
    seen += [AtCenters(Centers(grain_map), NeighborCounts(grains[:10], grains, grains))]
    seen += [Layers(run.frames.topology, every), Stays(first, first, grain_map.atom_grain, 0.6, frames)]
    assert feed(run.frames, *seen) == frames
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0

few, many = peak_after("few", 300), peak_after("many", 750)
print(json.dumps([Path("many/trajectory.dcd").stat().st_size / 1e6, many - few]))
"""


def test_memory_does_not_grow_with_the_trajectory(tmp_path):
    """A trajectory of 106 MB after one of 42 MB, which has whole pieces, too.

    `records/streaming/memory.py` does so with 10 GB.
    """
    records = Path(__file__).parents[2] / "records/streaming"
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(records)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    size, grown = json.loads(done.stdout.splitlines()[-1])
    assert size > 100.0 and grown < 20.0
