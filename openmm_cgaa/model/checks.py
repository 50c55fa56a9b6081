"""Whether positions, a box and a topology fit each other, and whether a model's answer is one."""

import numpy as np

from ..errors import EngineError, GeometryError, SimulationError
from ..mapping.grains import GrainMap
from ..mapping.links import pair_kinds
from ..structures import lattice
from ..units import ANGSTROM_PER_NM
from ..wording import counted

LONGEST_BOND = 1.6  # Å, on average along a few bonds
BOND_LENGTHS = (0.5, 3.0)  # Å, of the median over a topology; by far beyond what any molecules have
BEAD_LENGTHS = (0.5, 15.0)  # likewise, where beads are bonded
FARTHEST = (30.0, 3.0)  # Å between atoms of a grain: in all, or for each of its atoms. Beyond, neighbours are countless


class TornGrain(GeometryError):
    """A molecule whose atoms are so far apart that neighbours could only be listed by the million."""


def check_extent(grain_map: GrainMap, positions: np.ndarray, box: np.ndarray | None) -> None:
    """Refuse bonds that no molecule has, and a box that a grain does not fit into; positions and box in nm.

    Raises
    ------
    GeometryError
        Half of the bonds are too long or too short, as where a unit is mistaken.
    TornGrain
        Atoms of one grain are farther apart than any molecule is long.
        A grain is as long as the lattice is high in its narrowest direction, so that it would touch its own image.
        A bond is half as long as the lattice is high.
        The box is so skewed that the network could not make grains whole in it.
    """
    distances = grain_map.distances(positions * ANGSTROM_PER_NM, None if box is None else box * ANGSTROM_PER_NM)
    torn = _torn(grain_map, distances)
    _check_scale(grain_map, distances, TornGrain if torn else GeometryError)
    if torn:
        raise TornGrain(torn)
    if box is None:
        return
    short = lattice.reduced(box)
    _check_links(grain_map, lattice.height(short) * ANGSTROM_PER_NM)
    height, own = (ANGSTROM_PER_NM * lattice.height(vectors) for vectors in (short, box))
    longest = 0.0
    for t, (kind, apart) in enumerate(zip(grain_map.types, distances)):
        extents = apart.max(axis=(1, 2), initial=0.0)
        if len(extents) and extents.max() >= height:
            worst = np.flatnonzero(grain_map.type_index == t)[extents.argmax()]
            raise GeometryError(
                f"residue {grain_map.labels[worst]} spans {extents.max():.2f} Å, but the box is only {height:.2f} Å "
                "high in its narrowest direction; give positions in nm, in the topology's order, or a larger box"
            )
        first, second = np.array(kind.bonds, dtype=int).reshape(-1, 2).T
        longest = max(longest, apart[:, first, second].max(initial=0.0))
    if 2 * longest >= height:
        raise GeometryError(
            f"a bond is {longest:.2f} Å long, in a box that is {height:.2f} Å high in its narrowest direction: a "
            "molecule flew apart, or positions and box are not of one frame; go back to the last good frame, or give a "
            "larger box"
        )
    if 2 * longest >= own:
        raise GeometryError(
            f"the box vectors are skewed: between them it is {own:.2f} Å high, too little for a bond of "
            f"{longest:.2f} Å, though their lattice is {height:.2f} Å high. {lattice.TURN}"
        )


def _torn(grain_map: GrainMap, distances: list) -> str:
    """What to say of a grain that flew apart; nothing where none did."""
    for t, (kind, apart) in enumerate(zip(grain_map.types, distances)):
        extents = apart.max(axis=(1, 2), initial=0.0)
        most = max(FARTHEST[0], FARTHEST[1] * kind.num_slots)
        if len(extents) and extents.max() > most:
            worst = np.flatnonzero(grain_map.type_index == t)[extents.argmax()]
            return (
                f"residue {grain_map.labels[worst]} spans {extents.max():.4g} Å, where its "
                f"{counted(kind.num_slots, 'atom')} reach {most:.4g} Å at most: it flew apart; go back to the last "
                "good frame, and take shorter steps"
            )
    return ""


def _check_links(grain_map: GrainMap, height: float) -> None:
    """Refuse a box in which atoms that a link holds together may have a nearer image."""
    if not len(grain_map.links):
        return
    reach = max((kind[4] for kind in pair_kinds(grain_map.types)), default=1)
    if height < 2 * reach * LONGEST_BOND:
        raise GeometryError(
            f"the box is {height:.2f} Å high in its narrowest direction; grains that are bonded to each other need "
            f"{2 * reach * LONGEST_BOND:.1f} Å: give a larger box, or put bonded residues into one residue"
        )


def _check_scale(grain_map: GrainMap, distances: list, error: type[GeometryError]) -> None:
    lengths = [apart[:, i, j] for kind, apart in zip(grain_map.types, distances) for i, j in kind.bonds if apart.size]
    if not lengths:  # ions alone
        return
    beads = any(kind.beads for kind in grain_map.types)
    (shortest, longest), usual = (BEAD_LENGTHS, "beads 1 to 6") if beads else (BOND_LENGTHS, "molecules have 1 to 2")
    median = np.median(np.concatenate(lengths))
    if median > longest:
        reason = (
            "are they in Å where nm are expected, or another frame than the box, or in another order than the "
            "topology? Or the molecules flew apart"
        )
    elif median < shortest:
        reason = "are they in nm where Å are expected (ASE takes Å)? Or all atoms are in one place"
    else:
        return
    raise error(f"with these positions the topology's bonds are {median:.3g} Å long (median), where {usual}: {reason}")


def take_grains(grain_map: GrainMap, atoms: np.ndarray) -> GrainMap:
    """The grains of a part of a topology, atoms renumbered in the order of `atoms`.

    Raises
    ------
    EngineError
        Only a part of a grain is asked for.
    """
    place = np.full(grain_map.num_atoms, -1)
    place[atoms] = np.arange(len(atoms))
    chosen = []
    for g, slots in enumerate(grain_map.slots):
        inside = place[slots] >= 0
        if inside.any() and not inside.all():
            raise EngineError(
                f"residue {grain_map.labels[g]}: {inside.sum()} of its {counted(len(slots), 'atom')} given (not "
                f"atom {slots[~inside][0]}); a CGAA model takes whole residues"
            )
        if inside.any():
            chosen.append(g)
    return GrainMap(
        grain_map.types,
        grain_map.type_index[chosen],
        [place[grain_map.slots[g]] for g in chosen],
        [grain_map.labels[g] for g in chosen],
        len(atoms),
        _links_inside(grain_map, place),
    )


def _links_inside(grain_map: GrainMap, place: np.ndarray) -> np.ndarray:
    """Links of the atoms that have a place, renumbered."""
    inside = place[grain_map.links] >= 0
    leaving = np.flatnonzero(inside.any(1) & ~inside.all(1))
    if len(leaving):
        here, there = grain_map.atom_grain[grain_map.links[leaving[0]]][np.argsort(~inside[leaving[0]])]
        raise EngineError(
            f"residue {grain_map.labels[here]} is bonded to residue {grain_map.labels[there]}, which is not among the "
            "atoms given; a CGAA model takes whole molecules"
        )
    return place[grain_map.links[inside.all(1)]]


def check_finite(energy: float, forces: np.ndarray, grain_map: GrainMap) -> None:
    """Refuse to hand on an energy or a force that is not a number.

    Raises
    ------
    SimulationError
        Names the first atom and its residue.
    """
    if np.isfinite(energy) and np.isfinite(forces).all():
        return
    bad = np.flatnonzero(~np.isfinite(forces).all(1))
    where = "the energy alone"
    if len(bad):
        grain = next(g for g, slots in enumerate(grain_map.slots) if bad[0] in slots)
        where = f"{counted(len(bad), 'atom')}, the first is atom {bad[0]} of residue {grain_map.labels[grain]}"
    raise SimulationError(
        f"the model's energy or forces are not finite (energy {energy} kJ/mol; {where}); atoms overlap or the run "
        "has left what the model knows: go back to the last good frame, and relax it or use a shorter time step"
    )
