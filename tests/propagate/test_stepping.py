"""Steps of a propagator: where they lead by hand, what they are sampled from, and starts that cannot be."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from chains import chain_sequence, moved, small_propagator
from scipy.spatial.transform import Rotation

from openmm_cgaa.errors import CGAAError, SimulationError
from openmm_cgaa.propagate.beadgroups import longest_tie
from openmm_cgaa.propagate.stepping import Stepper, check_start

TURN = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix() @ np.diag([1.0, -1.0, 1.0])


def still(model, mean=0.0):
    """One that says the same acceleration for all groups, whose sigma is its floor."""
    with torch.no_grad():
        for weight in model.dynamics.core.decode[-1].parameters():
            weight.zero_()
        model.dynamics.core.decode[-1].bias += mean
        model.dynamics.spread[-1].bias -= 1000.0
    return model


def stepped(stepper, seed=1, steps=1, frame=3, rng=None):
    standing = stepper.begin(frame, seed)
    standing.rng = rng or standing.rng
    for _ in range(steps):
        stepper.step(standing, *stepper.look(standing))
    return standing


@pytest.fixture(scope="module")
def chain():
    return chain_sequence("a", "test", frames=8)


def test_a_step_by_hand(chain):
    """x' = x + v + a, with v the last displacement and a in units of the scale, 2 Å."""
    model = still(small_propagator("plain", stochastic=False), mean=0.25)
    found = stepped(Stepper(model, [chain]), steps=2).history
    x = chain.positions.astype(float)
    first = 2.0 * x[3] - x[2] + 0.5
    assert np.allclose(found[-2], first, atol=1e-5)
    assert np.allclose(found[-1], 2.0 * first - x[3] + 0.5, atol=1e-5)


def test_accelerations_are_drawn_from_their_gaussian(chain):
    model = still(small_propagator("plain", floor=0.3))
    stepper, x = Stepper(model, [chain]), chain.positions.astype(float)
    drawn = np.array([stepped(stepper, seed).history[-1] for seed in range(300)]) - (2.0 * x[3] - x[2])
    assert np.allclose(drawn.std(), 2.0 * 0.3, rtol=0.05) and abs(drawn.mean()) < 0.03


@pytest.mark.parametrize("levels", [0, 2])
def test_a_seed_gives_the_same_and_another_one_does_not(chain, levels):
    stepper = Stepper(small_propagator(levels=levels), [chain])
    one, same, other = (stepped(stepper, seed, steps=4).history for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.allclose(one, other)


@pytest.mark.parametrize("levels", [0, 2])
def test_rotated_input_and_noise_give_rotated_steps(chain, levels):
    """Mirrored, too: exactly, up to rounding."""
    model = small_propagator(levels=levels).double()
    draws = [np.random.default_rng(5), np.random.default_rng(5)]
    rotated = SimpleNamespace(standard_normal=lambda shape: draws[1].standard_normal(shape) @ TURN.T)
    here = stepped(Stepper(model, [chain]), steps=5, rng=draws[0]).history
    there = stepped(Stepper(model, [moved(chain, chain.positions @ TURN.T)]), steps=5, rng=rotated).history
    assert np.allclose(here @ TURN.T, there, rtol=0, atol=1e-8)


def test_a_start_far_away_goes_the_same_way(chain):
    shift = np.array([3e5, -2e5, 1e5])
    stepper, other = (
        Stepper(small_propagator().double(), [one]) for one in (chain, moved(chain, chain.positions + shift))
    )
    assert np.allclose(stepped(stepper, steps=5).history + shift, stepped(other, steps=5).history, rtol=0, atol=1e-5)


def test_systems_side_by_side_do_not_see_each_other(chain):
    model = small_propagator(stochastic=False).double()
    other = chain_sequence("b", "test", frames=8, seed=4, beads=16)
    both = stepped(Stepper(model, [chain, other]), steps=3).history
    assert np.allclose(both[:, :3], stepped(Stepper(model, [chain]), steps=3).history, rtol=0, atol=1e-9)
    assert np.allclose(both[:, 3:], stepped(Stepper(model, [other]), steps=3).history, rtol=0, atol=1e-9)


def test_a_score_refines_each_step(chain):
    """One that knows a place brings groups there, as annealed Langevin dynamics does."""
    model = still(small_propagator("plain", levels=1, smallest=0.01, largest=0.01, stochastic=False))
    target = torch.full((3, 3), 1.0)
    model.score.forward = lambda latents, displacements, state: (target - 2.0 * displacements) / 0.01
    plain, refined = (stepped(Stepper(model, [chain], refine)).history for refine in (False, True))
    off, on = (np.abs(found[-1] - found[-2] - 1.0).max() for found in (plain, refined))
    assert on < 0.1 < off


def test_a_group_that_flies(chain):
    model = still(small_propagator("plain", stochastic=False), mean=1000.0)
    with pytest.raises(SimulationError, match="step 1: a group moves by .* Å, more than 100 times what it does"):
        stepped(Stepper(model, [chain]))
    model = still(small_propagator("plain", stochastic=False), mean=float("nan"))
    with pytest.raises(SimulationError, match="step 1: a group moves by nan"):
        stepped(Stepper(model, [chain]))


def test_a_molecule_that_comes_apart(chain):
    """Each group may move by less than flies, and a bond be too long all the same."""
    model = still(small_propagator("plain", stochastic=False), mean=0.0)
    longest = longest_tie(chain.positions.astype(float), chain.graph.group_bonds)
    model.scales = replace(model.scales, stretch=longest)
    stepped(Stepper(model, [chain]))
    model.scales = replace(model.scales, stretch=0.1)
    with pytest.raises(SimulationError, match="step 1: a comes apart: two groups that share a bond are .* 0.1 Å at"):
        stepped(Stepper(model, [chain]))


def test_bonds_of_another_type_are_refused(chain):
    model = small_propagator()
    model.embedding.orders = [1, 2]
    with pytest.raises(CGAAError, match="bonds of type not told, but the propagator was trained on .* Single, Double"):
        Stepper(model, [chain])


def test_starts_that_cannot_be(chain):
    model = small_propagator()
    check_start(model, chain, 2)
    with pytest.raises(SimulationError, match="a: 2 frames up to where it begins, but the propagator looks at 3"):
        check_start(model, chain, 1)
    with pytest.raises(SimulationError, match="a: it has 8 frames, and none of number 8; begin with an earlier one"):
        check_start(model, chain, 8)
    with pytest.raises(SimulationError, match="a: its frames are 7 ps apart, but the propagator steps by 5 ps"):
        check_start(model, chain_sequence("a", "test", frames=8, spacing=7.0), 7)
    with pytest.raises(CGAAError, match="groups of 3 beads, but the propagator was trained on groups of 4"):
        check_start(model, chain_sequence("a", "test", frames=8, size=3), 7)
    with pytest.raises(CGAAError, match=r"beads of kind \*C"):
        Stepper(model, [chain_sequence("a", "test", frames=8, kinds="AC")])
