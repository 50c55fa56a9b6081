"""Pairs: two molecules placed side by side, turned at random, from contact outwards."""

from dataclasses import replace

import numpy as np

from ..structures.topologies import symbol
from ..units import ANGSTROM_PER_NM
from .dynamics import frames_of
from .liquids import single_dynamics

SHAPES = 2.0, 0.5  # ps before the first shape of a single molecule is taken, and between shapes
# Å, ions with six neighbours: R. D. Shannon, Acta Cryst. A 32, 751 (1976)
IONIC_RADII = {"Li": 0.76, "Na": 1.02, "K": 1.38, "Mg": 0.72, "Ca": 1.00, "Zn": 0.74}


def sample_pair(run, plan):
    """One trajectory of a `Pairs` run: its frames, its kind, details for its record."""
    (names,) = run.pairs
    rng = np.random.default_rng(run.seed)
    shapes = [_shapes(replace(run, seed=run.seed + k), plan, name) for k, name in enumerate(names)]
    topology, _ = plan.merge(names)
    elements = [[symbol(atom) for atom in plan.load(name)[0].atoms()] for name in names]
    first, second = ([_radius(e, run.radii, alone=len(kind) == 1) for e in kind] for kind in elements)
    touching = run.contact * (np.array(first)[:, None] + np.array(second))
    positions = []
    for a, b in zip(*shapes):
        a, b = a @ _rotation(rng), b @ _rotation(rng)
        near = _separation(a, b, touching)
        far = max(near, _separation(a, b, np.full_like(touching, run.farthest)))
        # denser towards contact, one distance in each of so many parts
        parts = (np.arange(run.distances) + rng.random(run.distances)) / run.distances
        for distance in near + (far - near) * parts**2:
            positions.append(np.concatenate([a, b + [distance, 0, 0]]))
    if run.dynamics > 0:
        positions = _moved(run, plan, names, positions)
    times = np.full(len(positions), run.dynamics)
    frames = frames_of(topology, [x - x.mean(0) for x in positions], None, times, run.temperatures)
    details = {"pair": names, "temperature": run.temperatures, "seed": run.seed, "sampler": plan.sampler.identity()}
    return [frames], "pair", details


def _shapes(run, plan, name):
    """Geometries of a single molecule at the run's temperature, [orientations, atoms, 3], Å, centered."""
    dynamics, step = single_dynamics(run, plan, [name])
    shapes = []
    for i in range(run.orientations):
        dynamics.run(round(1000 * SHAPES[min(i, 1)] / step), step, f"the dynamics of {name}")
        positions, _ = dynamics.frame()
        shapes.append(positions - positions.mean(0))
    return shapes


def _moved(run, plan, names, positions):
    """Each frame after a short run from it."""
    dynamics, step = single_dynamics(run, plan, names)
    moved = []
    for x in positions:
        dynamics.place(x / ANGSTROM_PER_NM, None)
        dynamics.heat()
        dynamics.run(round(1000 * run.dynamics / step), step, "the dynamics of the pair")
        moved.append(dynamics.frame()[0])
    return moved


def _radius(element, radii, alone):
    """Å."""
    from mdtraj.core.element import get_by_symbol

    if element in radii:
        return float(radii[element])
    if alone and element in IONIC_RADII:
        return IONIC_RADII[element]
    return ANGSTROM_PER_NM * get_by_symbol(element).radius


def _rotation(rng):
    """Random rotation, [3, 3]."""
    from scipy.spatial.transform import Rotation

    return Rotation.random(random_state=rng).as_matrix()


def _separation(a, b, least):
    """How far b must move along x from a, both centered, so that no two atoms come closer than `least` [a, b]."""
    c = b - a[:, None]
    square = least**2 - c[..., 1] ** 2 - c[..., 2] ** 2
    return np.where(square > 0, np.sqrt(np.maximum(square, 0)) - c[..., 0], -np.inf).max()
