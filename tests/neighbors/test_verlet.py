"""Lists with a skin: when they hold, and when neighbours are listed anew (`forgetting`).

That they miss none: nn/test_fused.py.
"""

import pytest
import torch

from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.mapping.whole import network_positions
from openmm_cgaa.neighbors.forgetting import forget_neighbors
from openmm_cgaa.neighbors.verlet import SKIN, VerletList


@pytest.fixture
def listed(liquid):
    """(a list that was called once, positions, box, what its check was called with)."""
    positions, box, seen = torch.tensor(liquid.positions[0]), torch.tensor(liquid.cell[0]), []
    neighbors = VerletList(layout_of(liquid.grain_map()), 6.0, 4.0, torch.float64, check=lambda *at: seen.append(at))
    neighbors(positions, box)
    return neighbors, positions, box, seen


def step(positions, length, atom=17):
    moved = positions.clone()
    moved[atom] += length * torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64)
    return moved


def test_it_holds_until_an_atom_has_crossed_half_of_the_skin(listed):
    neighbors, positions, box, seen = listed
    first = neighbors(positions, box)[1]
    for length in (0.1, 0.3, 0.5 * SKIN - 0.01):
        assert neighbors(step(positions, length), box)[1] is first
    neighbors(positions + torch.tensor([0.2, 0.1, 0.0]), box)  # all of them
    assert neighbors.builds == len(seen) == 1
    neighbors(step(positions, 0.5 * SKIN), box)
    assert neighbors.builds == len(seen) == 2
    neighbors(step(positions, 0.5 * SKIN + 0.3), box)  # counted from where they were listed last
    assert neighbors.builds == 2


def test_another_box_a_lattice_shift_and_forgetting_list_anew(listed):
    neighbors, positions, box, seen = listed
    neighbors(positions, 1.0001 * box)
    neighbors(positions, box)
    assert neighbors.builds == 3
    shifted = positions.clone()
    shifted[40] += box[1]
    neighbors(shifted, box)
    assert neighbors.builds == 4
    forget_neighbors()
    neighbors(shifted, box)
    neighbors(shifted, box)
    assert neighbors.builds == len(seen) == 5


def test_what_its_check_refuses_is_not_kept(listed):
    neighbors, positions, box, _ = listed

    def refuse(positions, box):
        raise ValueError("no")

    neighbors.check, bad = refuse, step(positions, float("nan"))
    for _ in range(2):  # a position that is no number is never within half of a skin
        with pytest.raises(ValueError, match="no"):
            neighbors(bad, box)
    assert neighbors(positions, box)[0].isfinite().all() and neighbors.builds == 1


def test_grains_stay_whole_between_two_lists(listed, liquid):
    """Molecules where they were listed, moved by what their atoms moved; bonds as those of a fresh start."""
    neighbors, positions, box, _ = listed
    layout, moved = neighbors.layout, positions + 0.1 * torch.randn_like(positions)
    whole = neighbors(moved, box)[0]
    fresh = network_positions(moved, box, layout)
    assert neighbors.builds == 1
    bonds = whole - whole[layout.parent]
    torch.testing.assert_close(bonds, fresh - fresh[layout.parent], rtol=0, atol=1e-9)
    steps = (whole - fresh) @ torch.linalg.inv(box)
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-9)
