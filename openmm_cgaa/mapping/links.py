"""Links: bonds between grains, as between the residues of a polymer or the parts of a molecule that was cut.

The energy of its stretch, of the bend and of the turn about it follows from the distances of atoms on either side that
are few bonds apart. Such pairs belong to the bonded energy, and to no term between molecules. Each has a kind: types
and classes of both atoms, and the bonds between them. So weights are shared wherever grains are linked in one way.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import GrainError
from ..wording import counted

if TYPE_CHECKING:
    from .grains import GrainMap
    from .graintypes import GrainType

REACH = 3  # bonds between the atoms of a pair, at most: the ends of a dihedral


def pairs_across(grain_map: "GrainMap", reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Atoms of different grains that are at most so many bonds apart: index [2, pairs] both ways, bonds [pairs]."""
    beside: dict[int, list[int]] = defaultdict(list)
    for i, j in all_bonds(grain_map) if len(grain_map.links) else ():
        beside[i].append(j)
        beside[j].append(i)
    near = set(grain_map.links.ravel().tolist()) if reach > 0 else set()
    for _ in range(reach - 1):
        near |= {j for i in near for j in beside[i]}
    grain, index, apart = grain_map.atom_grain, [], []
    for atom in sorted(near):
        seen, edge = {atom}, {atom}
        for bonds in range(1, reach + 1):
            edge = {j for i in edge for j in beside[i]} - seen
            seen |= edge
            others = sorted(j for j in edge if grain[j] != grain[atom])
            index += [(atom, j) for j in others]
            apart += [bonds] * len(others)
    return np.array(index, dtype=int).reshape(-1, 2).T, np.array(apart, dtype=int)


def pair_kinds(types: Sequence["GrainType"]) -> dict[tuple, int]:
    """Numbers of all kinds of pairs that these types know: {(type, class, type, class, bonds): number}."""
    place = {kind.name: t for t, kind in enumerate(types)}
    kinds = [(t, c, place[name], d, apart) for t, kind in enumerate(types) for c, name, d, apart in kind.across]
    return {kind: number for number, kind in enumerate(kinds)}


def with_pairs(types: Sequence["GrainType"], maps: Iterable["GrainMap"]) -> list["GrainType"]:
    """The types, knowing all pairs that links hold together in some maps on these types."""
    found: set[tuple] = set()
    for grain_map in maps:
        if len(grain_map.links):
            found.update(_kinds(grain_map, *pairs_across(grain_map, REACH)))
    across: dict[int, list] = defaultdict(list)
    for t, c, u, d, apart in sorted(found):
        across[t].append((c, types[u].name, d, apart))
    return [replace(kind, across=tuple(across[t])) for t, kind in enumerate(types)]


def linked_pairs(grain_map: "GrainMap") -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms that links hold together, index [2, pairs] both ways, and the kind of each, [pairs].

    Raises
    ------
    GrainError
        The types of the map do not know a pair; the link is named.
    """
    known = pair_kinds(grain_map.types)
    if not len(grain_map.links):
        return np.empty((2, 0), int), np.empty(0, int)
    index, apart = pairs_across(grain_map, max((kind[4] for kind in known), default=1))
    kinds = _kinds(grain_map, index, apart)
    unknown = [pair for pair, kind in enumerate(kinds) if kind not in known]
    if unknown:
        worst = min(unknown, key=lambda pair: apart[pair])
        raise GrainError(_explained(grain_map, index[:, worst], int(apart[worst])))
    return index, np.array([known[kind] for kind in kinds], dtype=int)


def links_in_words(types: Sequence["GrainType"]) -> list[str]:
    """Which atoms of which types are bonded to each other across a link, in words: ``EMA:C1 - EMB:O1``."""
    rows = []
    for t, c, u, d, apart in pair_kinds(types):
        if apart == 1 and (t, c) <= (u, d):
            ends = ((types[t], c), (types[u], d))
            rows.append(" - ".join(f"{kind.name} {kind.elements[kind.classes.index(k)]}:{k}" for kind, k in ends))
    return rows


def all_bonds(grain_map: "GrainMap") -> list[tuple[int, int]]:
    """Bonds inside grains and between them, as atoms of the topology."""
    inside = [
        (int(atoms[i]), int(atoms[j]))
        for t, atoms in zip(grain_map.type_index, grain_map.slots)
        for i, j in grain_map.types[t].bonds
    ]
    return inside + [(i, j) for i, j in grain_map.links.tolist()]


def _kinds(grain_map: "GrainMap", index: np.ndarray, apart: np.ndarray) -> list[tuple]:
    kind, symmetry = np.zeros(grain_map.num_atoms, int), np.zeros(grain_map.num_atoms, int)
    for t, own in enumerate(grain_map.types):
        atoms = grain_map.members(t)
        kind[atoms], symmetry[atoms] = t, own.classes
    i, j = index
    return list(zip(*(column.tolist() for column in (kind[i], symmetry[i], kind[j], symmetry[j], apart))))


def _explained(grain_map: "GrainMap", pair: np.ndarray, apart: int) -> str:
    grains = grain_map.atom_grain[pair]
    ends = " and ".join(
        f"atom {atom} of residue {grain_map.labels[g]} ({grain_map.types[grain_map.type_index[g]].name})"
        for atom, g in zip(pair.tolist(), grains)
    )
    rows = links_in_words(grain_map.types)
    what = f"the links {', '.join(rows)}" if rows else "no links between grains"
    return (
        f"{ends} are {counted(apart, 'bond')} apart, across a link that is unknown to the model, which knows {what}; "
        "train a model on frames with such a link, or put bonded residues into one residue"
    )
