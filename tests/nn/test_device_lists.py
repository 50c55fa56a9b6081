"""Lists that a device keeps by itself (the kernels of lists.cu, by their twin) are those of `build_graph`.

A list that is too short for what it should hold never gives a number.
"""

import numpy as np
import pytest
import torch
from twins import TENSORS, needs_compiler, on_device, random_network

from openmm_cgaa import Dataset
from openmm_cgaa.errors import EngineError, GeometryError
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model.evaluator import Evaluator, GeometryCheck
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.nn.cuda import cuda_conserving, device_lists, recorded_step
from openmm_cgaa.nn.cuda.device_lists import Room

pytestmark = needs_compiler
SKIN = 0.5
TRICLINIC = [[1.0, 0.0, 0.0], [0.3, 0.9, 0.0], [-0.4, 0.25, 1.1]]


@pytest.fixture
def frame(liquid):
    return liquid.grain_map(), torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])


@pytest.fixture(scope="module")
def large(request):
    """983 atoms, in a box that is at least three cells wide."""
    of = Dataset.load(request.config.rootpath / "systems/ec_emc_lipf6/data/liquids_test.h5").sets[0]
    return of.grain_map(), torch.tensor(of.positions[0]).double(), torch.tensor(of.cell[0]).double()


def listed(rows):
    """(receiver, sender, three steps) of each entry, sorted."""
    i, e = np.nonzero(np.arange(rows.capacity) < rows.count.numpy()[:, None])
    image = rows.image.numpy()[i, e]
    steps = [(image >> shift & 255) - 128 for shift in (16, 8, 0)]
    return sorted(zip(i.tolist(), rows.sender.numpy()[i, e].tolist(), *(each.tolist() for each in steps)))


def wanted(index, shift, box, both):
    """The same of pairs or edges of a `Graph`."""
    steps = np.zeros((len(shift), 3)) if box is None else shift.numpy() @ np.linalg.inv(box.numpy())
    steps, (i, j) = np.rint(steps).astype(int), index.numpy()
    ways = [(i, j, steps)] + ([(j, i, -steps)] if both else [])
    return sorted((int(a), int(b), *map(int, s)) for way in ways for a, b, s in zip(*way))


def assert_lists_are_those_of_build_graph(network, grain_map, positions, box):
    frame, near = network.recorded.frame, network.recorded.near
    reaches = [float(network.weights.grain_basis[0]) + SKIN, float(network.weights.basis[0]) + SKIN]
    graph = build_graph(positions, box, layout_of(grain_map), *reaches, torch.float64)
    if box is not None:  # both wrap whole grains into the cell; build_graph moves them on, in a large box
        assert (frame.x - graph.positions).abs().max() < 1e-9 or box.norm(dim=1).max() > 64.0
    assert listed(near[0]) == wanted(graph.pair_index, graph.pair_shift, box, both=True)
    assert listed(near[1]) == wanted(graph.edge_index, graph.edge_shift, box, both=False)
    for rows in near:  # the way back of the way back
        i, e = np.nonzero(np.arange(rows.capacity) < rows.count.numpy()[:, None])
        back = rows.partner.numpy()[i, e]
        assert (rows.partner.numpy().ravel()[back] == i * rows.capacity + e).all()


def test_lists_of_a_liquid(large):
    grain_map, positions, box = large
    network = on_device(grain_map)
    network(positions, box)
    assert (device_lists.Cells(4.5, box.numpy()).along >= 3).all()
    assert_lists_are_those_of_build_graph(network, grain_map, positions, box)


@pytest.mark.parametrize("shape", ["small", "triclinic", "turned", "thin", "no box"])
def test_lists_in_boxes_of_any_shape(frame, shape):
    grain_map, positions, box = frame
    config = dict(TENSORS, atom_cutoff=6.0, grain_cutoff=9.0)
    stretch = torch.eye(3, dtype=torch.float64)
    if shape == "triclinic":
        stretch = torch.tensor(TRICLINIC, dtype=torch.float64)
    elif shape == "thin":
        stretch = torch.diag(torch.tensor([3.0, 0.6, 0.55], dtype=torch.float64))
    elif shape == "turned":
        stretch = torch.linalg.qr(torch.tensor(TRICLINIC, dtype=torch.float64))[0]
    layout = layout_of(grain_map)
    if shape == "no box":
        network = on_device(grain_map, config)
        network(positions, box, 1)
        positions[layout.atom_index] = network.recorded.frame.x.clone()
        network(positions, None)
        return assert_lists_are_those_of_build_graph(network, grain_map, positions, None)
    # grains keep their shape, and move with the box
    graph = build_graph(positions, box, layout, 0.0, 0.0, torch.float64)
    centers = torch.stack([graph.positions[layout.atom_grain == g].mean(0) for g in range(len(layout.grain_atoms))])
    moved = graph.positions + (centers @ stretch - centers)[layout.atom_grain]
    positions[layout.atom_index] = moved
    network = on_device(grain_map, config)
    network(positions, box @ stretch)
    return assert_lists_are_those_of_build_graph(network, grain_map, positions, box @ stretch)


def test_lists_hold_while_atoms_move_and_molecules_are_wrapped(frame):
    """No pair within the cutoffs is missing: energies are those of a fresh list, and most steps make no list."""
    grain_map, positions, box = frame
    ours, fresh = on_device(grain_map), Evaluator(random_network(TENSORS, grain_map.types), grain_map, True)
    rng = np.random.default_rng(1)
    velocity = 0.01 * rng.standard_normal(positions.shape)
    grain = torch.as_tensor(grain_map.slots[5])
    for step in range(40):
        positions = positions + torch.from_numpy(velocity)
        if step == 20:
            positions[grain] += box[0] - 2.0 * box[2]
        if step % 8 == 5 or step == 20:
            for found, right in zip(ours(positions, box), fresh.compute(positions, box)):
                assert (found - right).abs().max() < 1e-9
        else:
            ours(positions, box)
    assert 2 < ours.builds < 14


def test_a_box_that_changes(frame):
    """A little, so that the cells still hold; and by so much that there are fewer of them."""
    grain_map, positions, box = frame
    ours, fresh = on_device(grain_map), Evaluator(random_network(TENSORS, grain_map.types), grain_map, True)
    for factor in (1.0, 0.99, 0.8, 0.6, 1.0, 1.5):
        geometry = factor * positions, factor * box
        for found, right in zip(ours(*geometry), fresh.compute(*geometry)):
            assert (found - right).abs().max() < 1e-9 * max(1.0, float(right.abs().max()))
        assert_lists_are_those_of_build_graph(ours, grain_map, *geometry)


@pytest.mark.parametrize("room", [Room(8, 400), Room(400, 3), Room(5, 3)], ids=["rows", "cells", "both"])
def test_what_does_not_fit_gets_more_room(frame, monkeypatch, room):
    """The step is done again, and gives the same number; what overflowed gave none."""
    grain_map, *geometry = frame
    right = on_device(grain_map)(*geometry)
    monkeypatch.setattr(Room, "guessed", lambda *given: room)
    ours = on_device(grain_map)
    for found, same in zip(ours(*geometry), right):
        assert (found - same).abs().max() < 1e-12 * max(1.0, float(same.abs().max()))
    monkeypatch.setattr(cuda_conserving, "TRIES", 1)
    with pytest.raises(EngineError, match="did not fit on the device in 1 tries: is the density"):
        on_device(grain_map)(*geometry)


@pytest.mark.parametrize("factor", [0.72, 4.0], ids=["2.7 times as dense", "gas"])
def test_liquids_of_any_density(frame, factor):
    grain_map, positions, box = frame
    geometry = factor * positions, factor * box
    ours = on_device(grain_map)
    ours(*geometry)
    assert_lists_are_those_of_build_graph(ours, grain_map, *geometry)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e9], ids=str)
def test_positions_that_cannot_be_used(frame, wrong):
    """They are told at each step, and the next good frame is computed as ever."""
    grain_map, positions, box = frame
    for check in (None, GeometryCheck(grain_map)):
        ours = on_device(grain_map, check=check)
        right = ours(positions, box)
        bad = positions.clone()
        bad[7, 1] = wrong
        with pytest.raises(GeometryError):
            ours(bad, box)
        assert all(map(torch.equal, ours(positions, box), right))


@pytest.mark.parametrize("wrong", [0.0, np.nan], ids=["no volume", "nan"])
def test_boxes_that_cannot_be_used(frame, wrong):
    grain_map, positions, box = frame
    ours = on_device(grain_map)
    box = box.clone()
    box[2] = wrong
    with pytest.raises(GeometryError, match="no volume"):
        ours(positions, box)


def test_other_units_are_told_before_anything_is_listed(frame, monkeypatch):
    grain_map, positions, box = frame
    with pytest.raises(GeometryError, match="The network would|bonds are .* long"):
        on_device(grain_map, check=GeometryCheck(grain_map))(positions / 10.0, box / 10.0)
    with pytest.raises(GeometryError, match="too little for neighbours up to 6.5 Å: is it in Å"):
        on_device(grain_map)(positions / 20.0, box / 20.0)
    monkeypatch.setattr(recorded_step, "MOST_NEIGHBORS", 100)
    monkeypatch.setattr(Room, "guessed", lambda *given: Room(20, 300))
    with pytest.raises(GeometryError, match="more than 100 neighbours: are positions and box in Å"):
        on_device(grain_map)(positions / 10.0, box)


def test_an_atom_that_leaves_in_one_step(frame):
    """It is far from its molecule: the number is that of torch, which a minimiser takes back."""
    grain_map, positions, box = frame
    ours, fresh = on_device(grain_map), Evaluator(random_network(TENSORS, grain_map.types), grain_map, True)
    for energy in (ours, fresh.compute):
        energy(positions, box)
    away = positions.clone()
    away[3] += torch.tensor([70.0, -20.0, 45.0])
    for found, right in zip(ours(away, box), fresh.compute(away, box)):
        assert (found - right).abs().max() < 1e-9 * max(1.0, float(right.abs().max()))
