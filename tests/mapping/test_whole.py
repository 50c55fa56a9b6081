"""Grains made whole: by numpy and by torch the same, and by an independent way along the bonds."""

import networkx
import numpy as np
import pytest
import torch

from openmm_cgaa.errors import GeometryError
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.mapping.whole import make_whole, whole_frame, whole_frames, wrap_grains
from openmm_cgaa.structures.lattice import nearest_image

SKEWED = np.array([[0.0, 0, 0], [3.0, 0, 0], [-2.0, 4.0, 0]])  # Å, added to a cubic box


@pytest.fixture(params=[0.0, 1.0], ids=["cubic", "skewed"])
def broken(liquid, request):
    """(GrainMap, positions and box in Å): grains broken across the boundary, atoms many cells away."""
    box = liquid.cell[0] + request.param * SKEWED
    steps = np.random.default_rng(4).integers(-3, 4, (liquid.num_atoms, 3))
    grain_map = liquid.grain_map()
    return grain_map, grain_map.whole(liquid.positions[0], liquid.cell[0]) + steps @ box, box


def test_every_bond_is_the_shortest_there_is(broken):
    grain_map, positions, box = broken
    whole = whole_frame(grain_map, positions, box)
    for t, kind in enumerate(grain_map.types):
        for i, j in networkx.Graph(kind.bonds).edges:
            bond = whole[grain_map.members(t)][:, j] - whole[grain_map.members(t)][:, i]
            np.testing.assert_allclose(bond, nearest_image(bond, box), atol=1e-9)
    moved = (whole - positions) @ np.linalg.inv(box)
    np.testing.assert_allclose(moved, np.round(moved), atol=1e-9)  # lattice vectors, all of them


def test_numpy_and_torch_agree(broken):
    grain_map, positions, box = broken
    layout = layout_of(grain_map)
    order = layout.atom_index.numpy()
    ordered = torch.from_numpy(positions)[layout.atom_index]
    whole = make_whole(ordered, torch.from_numpy(box), layout.parent, layout.grain_atoms.size(1))
    # the root of a grain stays in both, so that not even a lattice vector is between them
    np.testing.assert_allclose(whole.numpy(), whole_frame(grain_map, positions, box)[order], atol=1e-9)
    wrapped = wrap_grains(whole, torch.from_numpy(box), layout.atom_grain, layout.grain_atoms.size(0))
    np.testing.assert_allclose(wrapped.numpy(), whole_frame(grain_map, positions, box, wrap=True)[order], atol=1e-9)


def test_frames_and_no_box(liquid):
    grain_map = liquid.grain_map()
    frames = whole_frames(grain_map, liquid.positions[:3], liquid.cell[:3])
    for frame, positions, box in zip(frames, liquid.positions, liquid.cell):
        np.testing.assert_array_equal(frame, grain_map.whole(positions, box))
    np.testing.assert_array_equal(whole_frames(grain_map, liquid.positions[:2]), liquid.positions[:2])


def test_members_and_grains_of_atoms(liquid):
    grain_map = liquid.grain_map()
    np.testing.assert_array_equal(grain_map.atom_grain, liquid.residues)
    assert [len(grain_map.members(t)) for t in range(2)] == grain_map.network_order()[1]


def test_bad_boxes_are_told(liquid):
    with pytest.raises(GeometryError, match="right-handed"):
        liquid.grain_map().whole(liquid.positions[0], -liquid.cell[0])
