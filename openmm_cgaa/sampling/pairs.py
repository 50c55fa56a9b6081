"""Pairs: two molecules placed side by side, turned at random, from contact outwards."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..structures.topologies import symbol
from ..units import ANGSTROM_PER_NM
from .dynamics import frames_of
from .liquids import single_dynamics
from .moved import Pairs
from .recipes import Made

if TYPE_CHECKING:
    from .plan import Plan

SHAPES = 2.0, 0.5  # ps before the first shape of a single molecule is taken, and between shapes
# Å, ions with six neighbours: R. D. Shannon, Acta Cryst. A 32, 751 (1976)
IONIC_RADII = {"Li": 0.76, "Na": 1.02, "K": 1.38, "Mg": 0.72, "Ca": 1.00, "Zn": 0.74}


def sample_pair(recipe: Pairs, plan: "Plan") -> Made:
    """One trajectory of a `Pairs` recipe: its frames, its kind, details for its record."""
    (names,) = recipe.pairs
    rng = np.random.default_rng(recipe.seed)
    shapes = [_shapes(replace(recipe, seed=recipe.seed + k), plan, name) for k, name in enumerate(names)]
    topology, _ = plan.merge(names)
    elements = [[symbol(atom) for atom in plan.load(name)[0].atoms()] for name in names]
    first, second = ([_radius(e, recipe.radii, alone=len(kind) == 1) for e in kind] for kind in elements)
    touching = recipe.contact * (np.array(first)[:, None] + np.array(second))
    positions = []
    for a, b in zip(*shapes):
        a, b = a @ _rotation(rng), b @ _rotation(rng)
        near = _separation(a, b, touching)
        far = max(near, _separation(a, b, np.full_like(touching, recipe.farthest)))
        # denser towards contact, one distance in each of so many parts
        parts = (np.arange(recipe.distances) + rng.random(recipe.distances)) / recipe.distances
        for distance in near + (far - near) * parts**2:
            positions.append(np.concatenate([a, b + [distance, 0, 0]]))
    if recipe.dynamics > 0:
        positions = _moved(recipe, plan, names, positions)
    times = np.full(len(positions), recipe.dynamics)
    frames = frames_of(topology, [x - x.mean(0) for x in positions], None, times, recipe.temperatures)
    details = {
        "pair": names,
        "temperature": recipe.temperatures,
        "seed": recipe.seed,
        "sampler": plan.sampler.identity(),
    }
    return [frames], "pair", details


def _shapes(recipe: Pairs, plan: "Plan", name: str) -> list[np.ndarray]:
    """Geometries of a single molecule at the recipe's temperature, [orientations, atoms, 3], Å, centered."""
    dynamics, step = single_dynamics(recipe, plan, [name])
    shapes = []
    for i in range(recipe.orientations):
        dynamics.run(round(1000 * SHAPES[min(i, 1)] / step), step, f"the dynamics of {name}")
        positions, _ = dynamics.frame()
        shapes.append(positions - positions.mean(0))
    return shapes


def _moved(recipe: Pairs, plan: "Plan", names: Sequence[str], positions: list[np.ndarray]) -> list[np.ndarray]:
    """Each frame after a short run from it."""
    dynamics, step = single_dynamics(recipe, plan, names)
    moved = []
    for x in positions:
        dynamics.place(x / ANGSTROM_PER_NM, None)
        dynamics.heat()
        dynamics.run(round(1000 * recipe.dynamics / step), step, "the dynamics of the pair")
        moved.append(dynamics.frame()[0])
    return moved


def _radius(element: str, radii: dict[str, float], alone: bool) -> float:
    """Å."""
    from mdtraj.core.element import get_by_symbol

    if element in radii:
        return float(radii[element])
    if alone and element in IONIC_RADII:
        return IONIC_RADII[element]
    return ANGSTROM_PER_NM * get_by_symbol(element).radius


def _rotation(rng: np.random.Generator) -> np.ndarray:
    """Random rotation, [3, 3]."""
    from scipy.spatial.transform import Rotation

    return Rotation.random(random_state=rng).as_matrix()


def _separation(a: np.ndarray, b: np.ndarray, least: np.ndarray) -> float:
    """How far b must move along x from a, both centered, so that no two atoms come closer than `least` [a, b]."""
    c = b - a[:, None]
    square = least**2 - c[..., 1] ** 2 - c[..., 2] ** 2
    return np.where(square > 0, np.sqrt(np.maximum(square, 0)) - c[..., 0], -np.inf).max()
