"""Net forces and torques: numpy and torch, and a loop over the grains."""

import numpy as np
import torch

from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.mapping.sums import net_force_and_torque, relative_positions
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.training import objectives


def test_net_force_and_torque_by_hand_by_numpy_and_by_torch(liquid):
    grain_map = liquid.grain_map()
    layout = layout_of(grain_map)
    box = liquid.cell[0]
    frame = torch.from_numpy(liquid.positions[0]), torch.from_numpy(box)
    graph = build_graph(*frame, layout, 4.0, 0.0, torch.float64)
    forces = liquid.forces[0].astype(float)
    by_torch = objectives.net_force_and_torque(torch.from_numpy(forces)[layout.atom_index], graph)

    whole = grain_map.whole(liquid.positions[0], box)[None]
    grain = grain_map.atom_grain
    by_numpy = net_force_and_torque(forces[None], relative_positions(whole, grain), grain)

    place = np.argsort(np.argsort(grain_map.type_index, kind="stable"), kind="stable")  # of a grain in network order
    for g, atoms in enumerate(grain_map.slots):
        arms = whole[0, atoms] - whole[0, atoms].mean(axis=0)
        by_hand = forces[atoms].sum(axis=0), sum(np.cross(arm, force) for arm, force in zip(arms, forces[atoms]))
        for hand, numpy, tensor in zip(by_hand, by_numpy, by_torch):
            np.testing.assert_allclose(numpy[0, g], hand, atol=1e-10)
            np.testing.assert_allclose(tensor[place[g]].numpy(), hand, atol=1e-10)
