"""Histograms of chains whose bonds are harmonic, whose angles and torsions are free, and beside MDAnalysis."""

import mdtraj
import numpy as np
import pytest
from salts import universe

from openmm_cgaa.analysis.internal import internal_histograms
from openmm_cgaa.errors import GeometryError
from openmm_cgaa.mapping.grains import GrainMap

LENGTH, SPREAD = 0.15, 0.004  # nm, of the bonds: sqrt(k T / force constant)
BOND, MIDDLE, ANGLE, TORSION = "CHN C0-C1", "CHN C1-C1", "CHN C0-C1-C1", "CHN C0-C1-C1-C0"


def chains(frames=200, count=30, seed=1):
    """Four carbons in a row, each frame a new one: lengths as of a harmonic bond in space, directions at random."""
    random = np.random.default_rng(seed)
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(count):
        residue = topology.add_residue("CHN", chain)
        atoms = [topology.add_atom(f"C{n}", mdtraj.element.carbon, residue) for n in range(4)]
        for pair in zip(atoms, atoms[1:]):
            topology.add_bond(*pair)
    shape = (frames, count, 3)
    tried = LENGTH + SPREAD * random.normal(size=(60, *shape))
    accepted = random.random((60, *shape)) * (1.4 * LENGTH) ** 2 < tried**2  # r^2 exp(-(r - r0)^2 / 2 s^2)
    lengths = np.take_along_axis(tried, accepted.argmax(0)[None], axis=0)[0]
    away = random.normal(size=(*shape, 3))
    bonds = lengths[..., None] * away / np.linalg.norm(away, axis=-1, keepdims=True)
    start = 3.0 * random.random((frames, count, 1, 3))
    xyz = np.concatenate([start, start + bonds.cumsum(axis=2)], axis=2).reshape(frames, -1, 3)
    made = mdtraj.Trajectory(xyz.astype(np.float32) % np.float32(3.0), topology)  # broken across the boundary
    made.time = np.arange(frames, dtype=float)
    made.unitcell_vectors = np.tile(3.0 * np.eye(3), (frames, 1, 1))
    return made


@pytest.fixture(scope="module")
def made():
    return chains()


@pytest.fixture(scope="module")
def found(made):
    return internal_histograms(made, GrainMap.from_mdtraj(made.topology))


def within_errors(one, known):
    some = (one.density.error > 0) & (known > 0.1 * known.max())
    return np.sqrt(np.mean(np.square((one.density.value - known)[some] / one.density.error[some])))


def test_names_are_those_of_symmetry_classes(found):
    assert list(found) == [BOND, MIDDLE, ANGLE, TORSION]
    assert [(one.kind, one.unit) for one in found.values()] == [
        *[("bond", "Å")] * 2,
        *[("angle", "degrees"), ("torsion", "degrees")],
    ]
    for one in found.values():
        assert one.density.value.sum() * np.diff(one.middles)[0] == pytest.approx(1.0)


def test_a_harmonic_bond_in_space(found):
    one = found[BOND]
    known = one.middles**2 * np.exp(-0.5 * ((one.middles - 10 * LENGTH) / (10 * SPREAD)) ** 2)
    known /= known.sum() * 0.01
    assert 0.4 < within_errors(one, known) < 2.0
    mean = (one.middles * known).sum() * 0.01
    assert one.mean.value == pytest.approx(mean, abs=4 * one.mean.error)
    assert one.spread == pytest.approx(10 * SPREAD, rel=0.05)


def test_free_directions_have_the_sine_and_free_rotors_all_torsions_alike(found):
    angle, torsion = found[ANGLE], found[TORSION]
    assert 0.4 < within_errors(angle, np.radians(0.5) * 2 * 0.5 * np.sin(np.radians(angle.middles))) < 2.0
    assert angle.mean.value == pytest.approx(90.0, abs=4 * angle.mean.error)
    assert 0.4 < within_errors(torsion, np.full(72, 1 / 360)) < 2.0
    assert torsion.mean.value == pytest.approx(0.0, abs=4 * torsion.mean.error)
    assert torsion.spread == pytest.approx(np.sqrt(0.5), rel=0.05)


def test_mdanalysis_finds_the_same(made, found):
    other = universe(made)
    distances = pytest.importorskip("MDAnalysis.lib.distances")
    box = other.dimensions
    x = (10.0 * made.xyz.astype(np.float32)).reshape(len(made), -1, 4, 3)
    angles = [
        distances.calc_angles(*(frame[:, n] for n in row), box=box) for frame in x for row in ((0, 1, 2), (3, 2, 1))
    ]
    torsions = [distances.calc_dihedrals(*(frame[:, n] for n in range(4)), box=box) for frame in x]
    lengths = [distances.calc_bonds(frame[:, 1], frame[:, 2], box=box) for frame in x]
    for name, theirs, ends in (
        (ANGLE, np.degrees(angles), np.arange(181.0)),
        (TORSION, np.degrees(torsions), np.arange(-180.0, 181.0, 5.0)),
        (MIDDLE, np.array(lengths), 0.01 * np.arange(501)),
    ):
        density = np.histogram(theirs, ends, density=True)[0]
        assert np.abs(density - found[name].density.value).max() < 0.02 * density.max()  # values at the ends of bins


def test_some_atoms_pieces_and_none(made):
    grain_map = GrainMap.from_mdtraj(made.topology)
    some = internal_histograms((made[:8], made[8:10]), grain_map, made.topology.select("name C0 C1 C2"))
    assert list(some) == [BOND, MIDDLE, ANGLE]
    assert some[BOND].density.value.sum() * 0.01 == pytest.approx(1.0)
    with pytest.raises(GeometryError, match="no bonds between the chosen atoms"):
        internal_histograms(made, grain_map, [0, 3])
