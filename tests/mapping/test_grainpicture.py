"""Pictures of grains: what is in them, read back from matplotlib's patches and from the file that a viewer is given."""

import sys
from types import ModuleType

import mdtraj
import numpy as np
import pytest
from conftest import topology_of

from openmm_cgaa import GrainMap, draw_grains, view_grains
from openmm_cgaa.errors import GeometryError, MissingPackageError
from openmm_cgaa.mapping.grainpicture import COLORS, _turned

pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def axes():
    figure, axes = pyplot.subplots()
    yield axes
    pyplot.close(figure)


def kinds(axes):
    """Patches of grains and circles of atoms."""
    from matplotlib.patches import Circle, Polygon

    return [[patch for patch in axes.patches if type(patch) is kind] for kind in (Polygon, Circle)]


def test_each_grain_has_a_patch_around_all_of_its_atoms(solvent, axes):
    topology, positions, box = solvent
    draw_grains(axes, topology, positions + np.random.default_rng(1).integers(-2, 3, positions.shape) @ box)
    patches, atoms = kinds(axes)
    assert (len(patches), len(atoms)) == (18, 240)
    inside = np.array([[patch.get_path().contains_point(atom.center) for atom in atoms] for patch in patches])
    assert (inside.sum(axis=1) >= 10).all() and inside.any(axis=0).all()
    drawn = [segment for lines in axes.collections for segment in lines.get_segments()]
    assert len(drawn) == len(list(topology.bonds()))
    assert max(np.linalg.norm(end - begin) for begin, end in drawn) < 0.17  # nm: none crosses the box
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["EC", "EMC"]


def test_depth_leaves_the_grains_at_the_front(solvent, axes):
    topology, positions, box = solvent
    grain_map = GrainMap.from_topology(topology)
    whole = grain_map.whole(10.0 * positions, 10.0 * box, wrap=True) / 10.0
    front = sum(whole[atoms, 2].mean() > box[2, 2] - 0.5 for atoms in grain_map.slots)
    draw_grains(axes, grain_map, positions, box, depth=0.5)
    assert 0 < front < 18 and len(kinds(axes)[0]) == front
    with pytest.raises(GeometryError, match="no grain is so near to the front; give a larger one"):
        draw_grains(axes, topology, positions, depth=-1.0)
    draw_grains(axes, topology, positions, depth=100.0)
    with pytest.raises(GeometryError, match="depth is not an array of real numbers .*; give a length in nm"):
        draw_grains(axes, topology, positions, depth="all")


def test_a_molecule_alone_shows_its_widest_side(axes):
    places = np.array([[0.0, 0, 0], [0.1, 0, 0.05], [0.2, 0.01, 0], [0.3, 0, 0.04]])  # thin in y
    draw_grains(axes, topology_of(["C", "N", "O", "F"], [(0, 1), (1, 2), (2, 3)], [0] * 4, ["CHAIN"]), places)
    flat = np.array([atom.center for atom in kinds(axes)[1]])
    assert np.ptp(flat[:, 0]) > 0.29 and np.ptp(flat[:, 1]) > 0.04


@pytest.mark.parametrize("seed", range(4))
def test_it_is_turned_and_not_mirrored(seed):
    places = np.random.default_rng(seed).normal(size=(4, 3))
    turned = _turned(places)
    np.testing.assert_allclose(np.linalg.det(turned[1:] - turned[0]), np.linalg.det(places[1:] - places[0]))


@pytest.fixture
def recorded(monkeypatch):
    """What a viewer is told, in place of py3Dmol."""
    told = []

    class View:
        def __init__(self, **options):
            pass

        def __getattr__(self, name):
            return lambda *words: told.append((name, words))

    module = ModuleType("py3Dmol")
    module.view = View
    module.__spec__ = sys.__spec__
    monkeypatch.setitem(sys.modules, "py3Dmol", module)
    return told


def test_a_viewer_gets_the_bonds_of_the_topology(solvent, recorded, tmp_path):
    topology, positions, box = solvent
    view_grains(topology, positions)
    models = [words for name, words in recorded if name == "addModel"]
    colors = [words[1]["stick"]["color"] for name, words in recorded if name == "setStyle"]
    assert colors == list(COLORS[:2]) and recorded[-1][0] == "zoomTo"
    grain_map = GrainMap.from_topology(topology)
    for t, (text, form, _) in enumerate(models):
        path = tmp_path / f"{t}.mol2"
        path.write_text(text)
        read = mdtraj.load(path)
        assert form == "mol2" and read.n_atoms == grain_map.members(t).size
        pairs = np.array([[bond.atom1.index, bond.atom2.index] for bond in read.topology.bonds])
        count = grain_map.types[t].num_slots
        assert len(pairs) == len(grain_map.types[t].bonds) * read.n_atoms // count
        assert (pairs[:, 0] // count == pairs[:, 1] // count).all()
        assert np.linalg.norm(read.xyz[0, pairs[:, 0]] - read.xyz[0, pairs[:, 1]], axis=1).max() < 0.17


def test_without_the_viewer_a_sentence_says_how_to_get_it(solvent, monkeypatch):
    monkeypatch.setattr("openmm_cgaa.errors.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"py3Dmol is not installed: pip install 'openmm-cgaa\[notebook\]'"):
        view_grains(solvent[0], solvent[1])
