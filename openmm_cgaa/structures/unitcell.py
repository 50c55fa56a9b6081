"""The unit cell of a crystal: all its atoms, from an asymmetric unit and symmetry operations (needs ASE)."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import CGAAError
from .lattice import nearest_image

ONE_PLACE = 0.1  # Å; images of one site that are nearer are one atom, on a special position
APART = 0.5  # Å; no two atoms are nearer
METRIC = 2e-3  # of the longest edge squared, by which an operation may change the metric: digits of a file


@dataclass(frozen=True)
class AsymmetricUnit:
    """What a crystallographer gives.

    Attributes
    ----------
    elements, labels : list of str, [sites]
        Chemical symbols (that of D is H), and what messages call the sites.
    fractional : array [sites, 3]
    cell : array [3, 3], Å
        Rows are the vectors.
    rotations : int array [operations, 3, 3]
        They act on columns of fractional coordinates.
    translations : array [operations, 3]
    contents : dict, optional
        Number of atoms of each element in the whole cell, where it is known.
    """

    elements: list[str]
    labels: list[str]
    fractional: np.ndarray
    cell: np.ndarray
    rotations: np.ndarray
    translations: np.ndarray
    contents: dict[str, float] | None = None


def space_group(symbol: str | int, setting: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rotations [operations, 3, 3] and translations [operations, 3] of a space group.

    Parameters
    ----------
    symbol : str or int
        Hermann-Mauguin symbol, such as ``Pbca`` or ``P 21/c``, or the number in the International Tables.
    setting : int
        1 or 2, where the Tables have two: origins, or hexagonal and rhombohedral axes.

    Raises
    ------
    CGAAError
        There is no such group.
    """
    from ase.spacegroup import Spacegroup

    name = re.sub(r"^([A-Z]) 1 (\S+) 1$", r"\1 \2", str(symbol).strip())  # the long symbol of a monoclinic group
    try:
        group = Spacegroup(int(name) if name.isdecimal() else name, setting)
    except Exception as error:  # ASE raises all kinds
        raise CGAAError(
            f"there is no space group {symbol!r} of setting {setting}; give a standard symbol, such as Pbca or P 21/c, "
            "or its number. Other settings, such as P 21/n, need a CIF that lists the symmetry operations"
        ) from error
    rotations, translations = zip(*group.get_symop())
    return np.array(rotations, int), np.array(translations, float)


def cell_vectors(edges: Sequence[float], angles: Sequence[float]) -> np.ndarray:
    """Vectors of a cell in rows, [3, 3], in the unit of its edges: a along x, b in the plane of x and y.

    Raises
    ------
    CGAAError
        Edges and angles (degrees) span no cell.
    """
    from ase.cell import Cell

    try:
        with np.errstate(all="ignore"):
            cell = Cell.fromcellpar([*edges, *angles]).array
    except AssertionError:
        cell = np.zeros((3, 3))
    if not (np.isfinite(cell).all() and min(edges) > 0 and np.linalg.det(cell) > 1e-3 * np.prod(edges)):
        raise CGAAError(f"the edges {[*edges]} and the angles {[*angles]} span no cell")
    return cell


def fill(unit: AsymmetricUnit) -> tuple[np.ndarray, np.ndarray]:
    """All atoms of the cell.

    Images of a site that fall together are one atom, at their mean, which is the special position that is meant.

    Returns
    -------
    sites : int array [atoms]
        Which site of the asymmetric unit each atom is an image of.
    fractional : array [atoms, 3]

    Raises
    ------
    CGAAError
        The cell lacks the symmetry of the operations, two atoms are in one place, or the contents are others.
    """
    metric = unit.cell @ unit.cell.T
    changed = np.swapaxes(unit.rotations, 1, 2) @ metric @ unit.rotations - metric
    if (np.abs(changed) > METRIC * metric.max()).any():
        raise CGAAError(
            "the cell does not have the symmetry of the space group; look at its edges and angles, or give the "
            "symmetry operations of its own setting, in a CIF"
        )
    sites, positions = [], []
    for site, point in enumerate(unit.fractional):
        images = unit.rotations @ point + unit.translations
        while len(images):
            between = images - images[0]
            between -= np.round(between)
            one = np.linalg.norm(between @ unit.cell, axis=1) < ONE_PLACE
            sites.append(site)
            positions.append(images[0] + between[one].mean(axis=0))
            images = images[~one]
    _check_apart(unit, sites, np.array(positions))
    _check_contents(unit, sites)
    return np.array(sites), np.array(positions)


def _check_apart(unit: AsymmetricUnit, sites: list[int], positions: np.ndarray) -> None:
    for atom in range(1, len(sites)):
        between = nearest_image((positions[:atom] - positions[atom]) @ unit.cell, unit.cell)
        apart = np.linalg.norm(between, axis=1)
        if apart.min() < APART:
            first, second = unit.labels[sites[int(apart.argmin())]], unit.labels[sites[atom]]
            raise CGAAError(
                f"an atom {first} and an atom {second} are {apart.min():.2f} Å apart: is the crystal disordered, is "
                "its symmetry of another setting, or are images listed beside their sites? Leave one site for each "
                "atom that no operation gives"
            )


def _check_contents(unit: AsymmetricUnit, sites: list[int]) -> None:
    if unit.contents is None:
        return
    found = Counter(unit.elements[site] for site in sites)
    wrong = [
        f"{found[element]} {element}, not {unit.contents.get(element, 0):g}"
        for element in sorted({*found, *unit.contents})
        if abs(found[element] - unit.contents.get(element, 0)) > 0.01
    ]
    if wrong:
        raise CGAAError(
            f"by its formula and Z the cell has other atoms: found are {'; '.join(wrong)}. Add the atoms that are "
            "missing (hydrogens?), or correct the formula, Z or the symmetry"
        )
