"""What is wrong with a structure: its unit, its bonds, atoms on top of each other, hydrogens that are missing."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from openmm import app
from scipy.spatial import cKDTree

from ..errors import GeometryError
from ..inputs.arguments import FilePath
from ..structures.lattice import reduced
from ..wording import counted
from .grains import GrainMap, GrainType

# rough covalent radii, Å, up to each atomic number: right within a fifth, which tells a wrong unit from a long bond
RADII = ((1, 0.31), (10, 0.71), (18, 1.05), (200, 1.3))
SCALES = (0.65, 1.5)  # of the median bond to the sum of these radii
BOND = (0.55, 1.7)  # of a single one
CONTACT = 0.5  # nearer than this part of the sum, two atoms are on top of each other
UNITS = {
    0.1: "are the coordinates in nm where Å are expected?",
    0.529: "are the coordinates in Å where bohr are expected?",
    1.89: "are the coordinates in bohr where Å are expected?",
    10.0: "are the coordinates in Å where nm are expected?",
}
HALOGENS = {"F", "Cl", "Br", "I"}
NEVER_ALONE = {"B", "C", "N", "O", "P", "S", "Si"}


def faults(grains: GrainMap, positions: np.ndarray, box: np.ndarray | None) -> list[str]:
    """What no molecules can have, in words; nothing more is looked at where the unit is wrong.

    Parameters
    ----------
    grains : GrainMap
    positions : array [atoms, 3], Å
    box : array [3, 3], Å, or None
    """
    if any(kind.beads for kind in grains.types):  # nothing is known of how large these are
        return []
    numbers, bonds, lengths = _bonds(grains, positions, box)
    ratios = lengths / _radii(numbers)[bonds].sum(1)
    if len(ratios) and not SCALES[0] <= (scale := np.median(ratios)) <= SCALES[1]:
        unit = UNITS[min(UNITS, key=lambda factor: abs(np.log(factor / scale)))]
        return [
            f"its bonds are {np.median(lengths):.2g} Å long (median), {scale:.2g} times what their elements have: "
            f"{unit} Or the bonds are those of other atoms"
        ]
    found = []
    label = lambda atom: f"atom {atom} of residue {grains.labels[grains.atom_grain[atom]]}"  # noqa: E731
    for bad, worst, word in (
        (ratios > BOND[1], np.argmax, "long"),
        (ratios < BOND[0], np.argmin, "short"),
    ):
        if bad.any():
            i, j = bonds[one := worst(ratios)]
            found.append(
                f"{counted(int(bad.sum()), 'bond')} too {word}; that of {label(i)} with atom {j} is "
                f"{lengths[one]:.2f} Å"
            )
    if touching := _touching(numbers, positions, box):
        distance, i, j = touching[0]
        found.append(
            f"{counted(len(touching), 'pair')} of atoms on top of each other; {label(i)} and {label(j)} are "
            f"{distance:.2f} Å apart"
        )
    return found


def check_first_frame(
    trajectory: FilePath, topology: app.Topology, positions: np.ndarray, box: np.ndarray | None
) -> None:
    """Refuse a trajectory whose first frame no molecules of the topology can have; parameters as of `faults`.

    Raises
    ------
    GeometryError
        The unit is wrong, or atoms are in another order, or of another topology.
    """
    if wrong := faults(GrainMap.from_topology(topology), positions, box):
        raise GeometryError(
            f"{trajectory}: in its first frame {'; '.join(wrong)}. Give the topology of the run, with its atoms in the "
            "same order, and positions in the unit of the format"
        )


def doubts(kinds: Sequence[GrainType]) -> list[str]:
    """Grain types that seem to lack hydrogens, in words: what is meant, no check can know."""
    return [
        f"{kind.name}: {reason}; are hydrogens missing?"
        for kind in kinds
        if not kind.beads and (reason := _bare(kind.elements, kind.bonds))
    ]


def mixed_hands(grains: GrainMap, positions: np.ndarray, box: np.ndarray | None) -> list[str]:
    """Grain types whose grains differ in the handedness of an atom, in words; parameters as of `faults`."""
    found, whole = [], grains.whole(positions, box)
    for t, kind in enumerate(grains.types):
        x, hands = whole[grains.members(t)], []
        for center, around in _centers(kind):
            arms = x[:, around] - x[:, [center]]
            hands.append((center, int((np.linalg.det(arms[:, :3] - arms[:, 3:]) > 0).sum())))
        if mixed := [(center, count) for center, count in hands if 0 < count < len(x)]:
            center, count = mixed[0]
            more = (
                "mirror images, which have the same energy"
                if len(hands) == 1
                else f"{counted(len(hands), 'such atom')} each, so that there may be isomers of different energies"
            )
            found.append(
                f"{kind.name}: at its atom {center + 1} ({kind.elements[center]}) {min(count, len(x) - count)} of "
                f"{counted(len(x), 'molecule')} have the other handedness. A model takes them for one molecule: {more}"
            )
    return found


def _centers(kind: GrainType) -> list[tuple[int, list[int]]]:
    """Atoms with four neighbours of four symmetry classes, and these neighbours, by class."""
    neighbours: dict[int, list[int]] = {}
    for i, j in kind.bonds:
        neighbours.setdefault(i, []).append(j)
        neighbours.setdefault(j, []).append(i)
    ordered = {atom: sorted(others, key=lambda other: kind.classes[other]) for atom, others in neighbours.items()}
    return [
        (atom, others)
        for atom, others in sorted(ordered.items())
        if len(others) == 4 and len({kind.classes[other] for other in others}) == 4
    ]


def _bare(elements: Sequence[str], bonds: Sequence[tuple[int, int]]) -> str | None:
    neighbours = np.bincount(np.array(bonds, int).ravel(), minlength=len(elements))
    if len(elements) == 1:
        return f"a single atom {elements[0]}, which is no ion" if elements[0] in NEVER_ALONE else None
    carbon = [place for place, element in enumerate(elements) if element == "C"]
    if not carbon:
        return None
    if len(carbon) > 1 and not {"H", *HALOGENS} & set(elements):
        return "it has carbon, and neither hydrogen nor halogens"
    if len(elements) > 2 and (ends := [place for place in carbon if neighbours[place] == 1]):
        return f"its carbon {ends[0] + 1} of {counted(len(elements), 'atom')} has one bond"
    if sum(app.Element.getBySymbol(e).atomic_number for e in elements) % 2:
        return "its number of electrons is odd, which is right for an ion or a radical alone"
    return None


def _bonds(
    grains: GrainMap, positions: np.ndarray, box: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atomic numbers [atoms], and atoms [bonds, 2] and lengths [bonds] of the bonds."""
    numbers, bonds, lengths = np.zeros(grains.num_atoms, int), [np.zeros((0, 2), int)], [np.zeros(0)]
    for t, (kind, apart) in enumerate(zip(grains.types, grains.distances(positions, box))):
        members = grains.members(t)
        numbers[members] = [app.Element.getBySymbol(element).atomic_number for element in kind.elements]
        for i, j in kind.bonds:
            bonds.append(members[:, [i, j]])
            lengths.append(apart[:, i, j])
    return numbers, np.concatenate(bonds), np.concatenate(lengths)


def _radii(numbers: np.ndarray) -> np.ndarray:
    last, radii = zip(*RADII)
    return np.array(radii)[np.searchsorted(last, numbers)]


def _touching(numbers: np.ndarray, positions: np.ndarray, box: np.ndarray | None) -> list[tuple[float, int, int]]:
    """(Distance in Å, atom, atom) of what is nearer than `CONTACT`, over all periodic images, the nearest first."""
    radii, atoms, x = CONTACT * _radii(numbers), np.arange(len(numbers)), np.asarray(positions, float)
    reach = 2 * radii.max()
    if box is not None:
        box = reduced(box)
        inverse = np.linalg.inv(box)
        x = x - np.floor(x @ inverse) @ box
        margin = reach * np.linalg.norm(inverse, axis=0)
        around = np.array([s for s in product((-1, 0, 1), repeat=3) if any(s)])
        images = x[None] + (around @ box)[:, None]
        within = images @ inverse
        kept = ((within > -margin) & (within < 1 + margin)).all(-1)
        x, atoms = np.concatenate([x, images[kept]]), np.concatenate([atoms, np.nonzero(kept)[1]])
    pairs = cKDTree(x).query_pairs(reach, output_type="ndarray")
    distances = np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1)
    pairs = atoms[pairs]
    near = distances < radii[pairs].sum(1)
    found = {tuple(sorted(pair)): distance for pair, distance in zip(pairs[near].tolist(), distances[near].tolist())}
    return sorted((distance, *pair) for pair, distance in found.items())
