"""`standalone`: without a topology, energy and slopes are those of an evaluator that is bound to one."""

import numpy as np
import pytest
import torch
from near_pairs import half_list, scattered

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.model.standalone import StandaloneModel

NUMBERS = {"H": 1, "C": 6, "O": 8}
LONGEST = {("C", "C"): 1.9, ("C", "H"): 1.35, ("C", "O"): 1.78}
SKEW = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]])  # other vectors of a lattice, which nothing is wrapped by


def standalone(path, precision="double"):
    potential = CGAAPotential(path, precision, "cpu", fused=False)
    return potential, StandaloneModel(potential.network, potential.types, NUMBERS, LONGEST)


def answers(model, elements, positions, cell, other=None):
    """Energy, forces and virial by the slopes of the energy, and what is wrong; by `other` vectors of the lattice."""
    pairs, steps = half_list(positions, cell, model.cutoff)
    if other is not None:
        steps = (steps.double() @ torch.tensor(cell @ np.linalg.inv(other))).round().long()
        cell = other
    at = torch.tensor(positions, requires_grad=True)
    strain = torch.eye(3, dtype=torch.float64, requires_grad=True)
    box = None if cell is None else torch.tensor(cell) @ strain
    numbers = torch.tensor([NUMBERS[symbol] for symbol in elements])
    energy, trouble = model(numbers, at @ strain, box, pairs, steps)
    if trouble:
        return None, None, None, trouble
    pull, stretch = torch.autograd.grad(energy, [at, strain])
    return float(energy.detach()), -pull.numpy(), -stretch.numpy(), ""


def expected(potential, liquid, positions, cell):
    grain_map = GrainMap.from_arrays(liquid.elements, liquid.bonds, liquid.residues)
    evaluator = potential.evaluator(grain_map, cell is not None)
    box = None if cell is None else torch.tensor(cell)
    return [answer.detach().numpy() for answer in evaluator.compute(torch.tensor(positions), box)]


@pytest.mark.parametrize("way", ["as it is", "shuffled", "skewed", "no box"])
def test_the_numbers_are_those_of_an_evaluator(tiny_conserving_path, liquid, way):
    potential, model = standalone(tiny_conserving_path)
    positions, cell = liquid.positions[0].astype(float), liquid.cell[0]
    order = np.arange(240)
    if way == "no box":
        grain_map = GrainMap.from_arrays(liquid.elements, liquid.bonds, liquid.residues)
        cell, positions = None, grain_map.whole(positions, cell)
    energy, forces, virial = expected(potential, liquid, positions, cell)
    if way in ("shuffled", "skewed"):
        order, positions = np.random.default_rng(2).permutation(240), scattered(positions, cell)
    given = [liquid.elements[atom] for atom in order], positions[order], cell
    found, pulls, stretch, trouble = answers(model, *given, SKEW @ cell if way == "skewed" else None)
    assert trouble == "" and found == pytest.approx(float(energy), abs=1e-9)
    np.testing.assert_allclose(pulls, forces[order], atol=1e-9 * np.abs(forces).max())
    if cell is not None:
        np.testing.assert_allclose(stretch, virial, atol=1e-9 * np.abs(virial).max())


def test_script_gives_the_same_when_called_again(tiny_conserving_path, liquid):
    _, model = standalone(tiny_conserving_path)
    script = torch.jit.script(model)
    for frame in (0, 4):
        positions, cell = liquid.positions[frame].astype(float), liquid.cell[frame]
        ours = answers(model, liquid.elements, positions, cell)
        with torch.jit.optimized_execution(False):  # two calls are not worth compiling for
            theirs = answers(script, liquid.elements, positions, cell)
        for one, other in zip(ours[:3], theirs[:3]):
            np.testing.assert_allclose(one, other, atol=1e-9)


def test_single_precision_has_its_digits_far_from_the_origin(tiny_conserving_path, liquid):
    cell, positions = None, liquid.positions[0].astype(float)
    positions = GrainMap.from_arrays(liquid.elements, liquid.bonds, liquid.residues).whole(positions, liquid.cell[0])
    potential, model = standalone(tiny_conserving_path, "single")
    _, forces, _, trouble = answers(model, liquid.elements, positions + 1e5, cell)
    exact = expected(CGAAPotential(tiny_conserving_path, "double", "cpu", fused=False), liquid, positions, cell)[1]
    assert trouble == "" and np.abs(forces - exact).max() < 1e-4 * np.abs(exact).max()


def test_what_cannot_be_used_is_told(tiny_conserving_path, liquid):
    _, model = standalone(tiny_conserving_path)
    positions, cell = liquid.positions[0].astype(float), liquid.cell[0]
    torn = positions.copy()
    torn[3] += 1.0
    assert "no molecule of this model" in answers(model, liquid.elements, torn, cell)[3]
    lost = positions.copy()
    pairs, steps = half_list(positions, cell, model.cutoff)
    lost[0, 0] = np.nan
    numbers = torch.tensor([NUMBERS[symbol] for symbol in liquid.elements])
    said = model(numbers, torch.tensor(lost), torch.tensor(cell), pairs, steps)[1]
    assert said == "positions or cell are not finite; go back to the last good frame"
    with torch.no_grad():
        model.network.type_energy.fill_(float("inf"))
    assert "the model's energy is not finite" in answers(model, liquid.elements, positions, cell)[3]


def test_a_ring_through_the_border_is_no_molecule(tiny_conserving_path):
    """Carbons in a row that goes on in the next cell, where the model knows rings of as many."""
    types = GrainMap.from_arrays(["C"] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)], [0] * 4).types
    potential, _ = standalone(tiny_conserving_path)
    model = StandaloneModel(potential.network, types, NUMBERS, {("C", "C"): 1.9})
    positions, cell = np.array([[1.5 * k, 0.0, 0.0] for k in range(4)]), np.diag([6.0, 20.0, 20.0])
    assert "bonded to its own image in the next cell" in answers(model, ["C"] * 4, positions, cell)[3]
