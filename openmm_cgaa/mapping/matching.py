"""Graphs of molecules: canonical order of atoms, symmetry classes, automorphisms, and the match to a reference.

A graph is ``elements`` (tuple of str) and ``bonds`` (sorted tuple of pairs of indices). A part of a molecule also has
``links``: how many bonds of each vertex lead out of it; empty where there are none. A colouring gives each vertex
the number of vertices in the cells before its own, so that equal colours in two refinements mean the same cell.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import networkx
import numpy as np

from ..errors import GrainError
from ..structures.topologies import formula
from ..wording import counted

if TYPE_CHECKING:
    from .graintypes import GrainType

MAX_AUTOMORPHISMS = 20_000
BATCH = 100_000  # superpositions at once: bounds the memory of a match


def _ranks(keys: list) -> list:
    """Colour of each key: how many keys are smaller."""
    start: dict[tuple, int] = {}
    for position, key in enumerate(sorted(keys)):
        start.setdefault(key, position)
    return [start[key] for key in keys]


def _refine(neighbours: list, colours: list) -> list:
    """Weisfeiler-Lehman refinement: split cells by the colours of the neighbours until nothing splits."""
    while True:
        refined = _ranks([(colours[v], tuple(sorted(colours[n] for n in neighbours[v]))) for v in range(len(colours))])
        if len(set(refined)) == len(set(colours)):
            return refined
        colours = refined


def _individualise(colours: list, vertex: int) -> list:
    """The vertex becomes a cell of its own, before the rest of its old cell."""
    return [c + (c == colours[vertex] and v != vertex) for v, c in enumerate(colours)]


def _coloured(neighbours: list, colours: list) -> networkx.Graph:
    graph = networkx.Graph((u, v) for u, others in enumerate(neighbours) for v in others)
    graph.add_nodes_from((v, {"colour": c}) for v, c in enumerate(colours))
    return graph


def _matcher(neighbours: list, colours_a: list, colours_b: list) -> networkx.isomorphism.GraphMatcher:
    return networkx.isomorphism.GraphMatcher(
        _coloured(neighbours, colours_a),
        _coloured(neighbours, colours_b),
        node_match=lambda a, b: a["colour"] == b["colour"],
    )


def _exchangeable(neighbours: list, colours: list, u: int, v: int, merged: networkx.utils.UnionFind) -> bool:
    """Whether an automorphism maps u to v; what it maps on each other besides is remembered in ``merged``."""
    if merged[u] == merged[v]:
        return True
    if neighbours[u] - {v} == neighbours[v] - {u}:  # twins, such as the hydrogens of one carbon
        merged.union(u, v)
        return True
    refined_u, refined_v = (_refine(neighbours, _individualise(colours, w)) for w in (u, v))
    if sorted(refined_u) != sorted(refined_v):
        return False
    matcher = _matcher(neighbours, refined_u, refined_v)
    if not matcher.is_isomorphic():
        return False
    for a, b in matcher.mapping.items():
        merged.union(a, b)
    return True


def _orbits(neighbours: list, colours: list, cells: list) -> list:
    """Orbits in these cells, as lists of vertices, under the automorphisms that keep the colouring."""
    merged = networkx.utils.UnionFind(range(len(colours)))
    orbits = []
    for cell in cells:
        found: list[list[int]] = []
        for v in cell:
            orbit = next((o for o in found if _exchangeable(neighbours, colours, o[0], v, merged)), None)
            if orbit is None:
                found.append([v])
            else:
                orbit.append(v)
        orbits += found
    return orbits


def _cells(colours: list) -> list:
    cells: dict[int, list[int]] = {}
    for v, c in enumerate(colours):
        cells.setdefault(c, []).append(v)
    return [cells[c] for c in sorted(cells)]


def _start(elements: tuple, bonds: tuple, links: tuple = ()) -> tuple[list, list]:
    neighbours: list[set[int]] = [set() for _ in elements]
    for i, j in bonds:
        neighbours[i].add(j)
        neighbours[j].add(i)
    out = links or (0,) * len(elements)
    return neighbours, _refine(neighbours, _ranks([(e == "H", e != "C", e, n) for e, n in zip(elements, out)]))


def _leaves(neighbours: list, colours: list) -> Iterator[tuple[int, ...]]:
    """Orders of the vertices, one for each choice that no automorphism makes equal to another."""
    while True:
        cell = next((cell for cell in _cells(colours) if len(cell) > 1), None)
        if cell is None:
            yield tuple(int(v) for v in np.argsort(colours))
            return
        orbits = _orbits(neighbours, colours, [cell])
        for orbit in orbits[1:]:
            yield from _leaves(neighbours, _refine(neighbours, _individualise(colours, orbit[0])))
        colours = _refine(neighbours, _individualise(colours, orbits[0][0]))


def relabel(bonds: Sequence, order: Sequence[int]) -> tuple:
    """Bonds between places in ``order`` instead of between vertices, sorted."""
    place = {v: k for k, v in enumerate(order)}
    return tuple(sorted(tuple(sorted((place[i], place[j]))) for i, j in bonds))


@lru_cache(maxsize=4096)
def canonical_form(elements: tuple, bonds: tuple, links: tuple = ()) -> tuple:
    """The same for every order of the same molecule's atoms.

    Colour refinement with individualisation (B. D. McKay, Congressus Numerantium 30 (1981) 45): ties between atoms
    that an automorphism exchanges are broken at will, other ties by the smallest list of bonds.

    Returns
    -------
    form : (elements, bonds), or (elements, bonds, links) where there are some
        In canonical order: carbon first, hydrogen last.
    order : tuple of int
        The vertex in each place of that order.
    """
    order = min(_leaves(*_start(elements, bonds, links)), key=lambda leaf: relabel(bonds, leaf))
    form = tuple(elements[v] for v in order), relabel(bonds, order)
    return (*form, tuple(links[v] for v in order)) if links else form, order


@lru_cache(maxsize=4096)
def symmetry_classes(elements: tuple, bonds: tuple, links: tuple = ()) -> tuple:
    """Orbit of each vertex under the automorphisms, numbered from 0 in order of first appearance."""
    neighbours, colours = _start(elements, bonds, links)
    orbit_of = {}
    for orbit in _orbits(neighbours, colours, _cells(colours)):
        orbit_of.update(dict.fromkeys(orbit, orbit[0]))
    first: dict[int, int] = {}
    return tuple(first.setdefault(orbit_of[v], len(first)) for v in range(len(elements)))


def group_order(elements: tuple, bonds: tuple) -> int:
    """Number of automorphisms, as the product of the orbits met while one atom after the other is held fixed."""
    neighbours, colours = _start(elements, bonds)
    order = 1
    while tied := [cell for cell in _cells(colours) if len(cell) > 1]:
        orbit = _orbits(neighbours, colours, tied[:1])[0]
        order *= len(orbit)
        colours = _refine(neighbours, _individualise(colours, orbit[0]))
    return order


@lru_cache(maxsize=256)
def generators(elements: tuple, bonds: tuple) -> np.ndarray:
    """Automorphisms of which all others are products, int [generators, atoms]; none where there is the identity alone.

    For each atom that is held fixed in turn, one that moves it to each atom of its orbit.
    """
    neighbours, colours = _start(elements, bonds)
    found = []
    while tied := next((cell for cell in _cells(colours) if len(cell) > 1), None):
        first, *others = tied
        fixed = _refine(neighbours, _individualise(colours, first))
        for other in others:
            moved = _refine(neighbours, _individualise(colours, other))
            if sorted(fixed) == sorted(moved):
                matcher = _matcher(neighbours, fixed, moved)
                if matcher.is_isomorphic():
                    found.append([matcher.mapping[v] for v in range(len(elements))])
        colours = fixed
    made = np.array(found, int).reshape(-1, len(elements))
    made.setflags(write=False)  # it is remembered
    return made


@lru_cache(maxsize=256)
def automorphisms(elements: tuple, bonds: tuple) -> np.ndarray:
    """All permutations of equivalent atoms, int [automorphisms, atoms].

    Raises
    ------
    GrainError
        There are more than ``MAX_AUTOMORPHISMS``.
    """
    if (order := group_order(elements, bonds)) > MAX_AUTOMORPHISMS:
        raise GrainError(
            f"a grain of {formula(elements)} has {order} ways to exchange equivalent atoms, too many to compare with a "
            f"reference geometry (at most {MAX_AUTOMORPHISMS}); take a conserving model, which needs none"
        )
    neighbours, colours = _start(elements, bonds)
    found = _matcher(neighbours, colours, colours).isomorphisms_iter()
    permutations = np.array([[mapping[v] for v in range(len(elements))] for mapping in found])
    permutations.setflags(write=False)  # it is remembered
    return permutations


def misfits(positions: np.ndarray, reference: np.ndarray, permutations: np.ndarray) -> np.ndarray:
    """How far each grain is from the reference for each permutation, after the best proper rotation.

    Parameters
    ----------
    positions : array [grains, slots, 3]
        Whole grains.
    reference : array [slots, 3]
    permutations : int array [permutations, slots]

    Returns
    -------
    array [grains, permutations]
        Root of the sum of squared distances, of the gain s1 + s2 + det s3 of W. Kabsch, Acta Cryst. A 34 (1978) 827.
    """
    reference = reference - reference.mean(axis=0)
    positions = positions - positions.mean(axis=1, keepdims=True)
    sizes = np.square(positions).sum(axis=(1, 2))[:, None] + np.square(reference).sum()
    gain = np.empty((len(positions), len(permutations)))
    step = max(1, BATCH // len(permutations))
    for start in range(0, len(positions), step):
        permuted = positions[start : start + step][:, permutations]  # [grain, permutation, slot, xyz]
        covariance = np.einsum("gpsx,sy->gpxy", permuted, reference)
        singular = np.linalg.svd(covariance, compute_uv=False)
        gain[start : start + step] = singular[..., 0] + singular[..., 1]
        gain[start : start + step] += np.sign(np.linalg.det(covariance)) * singular[..., 2]
    return np.sqrt(np.maximum(sizes - 2.0 * gain, 0.0))


@lru_cache(maxsize=4096)
def is_connected(size: int, bonds: tuple) -> bool:
    """Whether the bonds join all of 0 .. size - 1."""
    graph = networkx.Graph(bonds)
    graph.add_nodes_from(range(size))
    return networkx.is_connected(graph)


def explain_mismatch(label: str, elements: tuple, bonds: tuple, links: tuple, types: list) -> str:
    """What a residue is, what the model knows, which type is nearest and how it differs."""
    known = ", ".join(f"{t.name} ({formula(t.elements)})" for t in types)
    out = f" and {counted(sum(links), 'bond')} to other residues" if any(links) else ""
    text = f"residue {label}: {formula(elements)} with {counted(len(elements), 'atom')}{out} is unknown to the model"
    if not types:
        return f"{text}, which knows no grain type at all"
    here = Counter(elements)

    def differences(t: "GrainType") -> dict[str, int]:
        there = Counter(t.elements)
        return {e: here[e] - there[e] for e in sorted({*here, *there}) if here[e] != there[e]}

    nearest = min(types, key=lambda t: (sum(map(abs, differences(t).values())), abs(len(bonds) - len(t.bonds))))
    delta = differences(nearest)
    text += f", which knows {known}. The nearest is {nearest.name}, {formula(nearest.elements)} with "
    if not delta:
        if len(bonds) != len(nearest.bonds):
            found = counted(len(nearest.bonds), "bond")
            return f"{text}{found} instead of {len(bonds)}; check the bonds of the topology"
        if sum(links) != sum(nearest.links):
            return f"{text}the same elements, but {sum(nearest.links) or 'no'} of its bonds lead to other residues"
        return f"{text}the same elements but other bonds: an isomer; check the bonds, or train a model for it"
    wrong = ", ".join(f"{abs(n)} {e} {'too many' if n > 0 else 'missing'}" for e, n in delta.items())
    text += f"{counted(len(nearest.elements), 'atom')}: {wrong}"
    if set(delta) == {"H"}:
        return f"{text}; check the hydrogens"
    return f"{text}; train a model that has this molecule"
