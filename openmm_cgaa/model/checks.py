"""Every check of what a user hands in: positions, boxes, topologies, and the domain of a model."""

import warnings

import numpy as np
from openmm import app

from ..errors import CGAADomainWarning, EngineError, GeometryError, SimulationError
from ..mapping.grains import GrainMap
from ..structures import lattice
from ..structures.density import density, mass
from ..units import ANGSTROM_PER_NM

BOND_LENGTHS = (0.5, 3.0)  # Å, of the median over a topology; by far beyond what any molecules have
SAME_FRACTION = 0.02  # boxes of other sizes cannot have exactly the composition that was trained


def check_extent(grain_map: GrainMap, positions: np.ndarray, box: np.ndarray | None) -> None:
    """Refuse bonds that no molecule has, and a box that a grain does not fit into; positions and box in nm.

    Raises
    ------
    GeometryError
        Half of the bonds are too long or too short, as where a unit is mistaken; a grain is as long as the lattice is
        high in its narrowest direction, so that it would touch its own image; or the box is so skewed that the network
        could not make grains whole in it.
    """
    distances = grain_map.distances(positions * ANGSTROM_PER_NM, None if box is None else box * ANGSTROM_PER_NM)
    _check_scale(grain_map, distances)
    if box is None:
        return
    short = lattice.reduced(box)
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
    if 2 * longest >= own:
        raise GeometryError(
            f"the box vectors are skewed: between them it is {own:.2f} Å high, too little for a bond of "
            f"{longest:.2f} Å, though their lattice is {height:.2f} Å high. {lattice.TURN}"
        )


def _check_scale(grain_map: GrainMap, distances: list) -> None:
    lengths = [apart[:, i, j] for kind, apart in zip(grain_map.types, distances) for i, j in kind.bonds if apart.size]
    if not lengths:  # ions alone
        return
    median = np.median(np.concatenate(lengths))
    if median > BOND_LENGTHS[1]:
        reason = (
            "are they in Å where nm are expected, or another frame than the box, or in another order than the "
            "topology? Or the molecules flew apart"
        )
    elif median < BOND_LENGTHS[0]:
        reason = "are they in nm where Å are expected (ASE takes Å)? Or all atoms are in one place"
    else:
        return
    raise GeometryError(
        f"with these positions the topology's bonds are {median:.3g} Å long (median), where molecules have 1 to 2: "
        f"{reason}"
    )


def check_periodicity(topology, box) -> None:
    """Topology and ``box=`` must agree on whether there is a box.

    Raises
    ------
    GeometryError
    """
    has = topology.getPeriodicBoxVectors() is not None
    if has and box is None:
        raise GeometryError(
            "the topology has periodic box vectors, but box is None, which means not periodic; give the box, or remove "
            "it with topology.setPeriodicBoxVectors(None)"
        )
    if box is not None and not has:
        advice = "set them with topology.setPeriodicBoxVectors(box), or give box=None"
        try:
            app.Topology().setPeriodicBoxVectors(box)
        except ValueError as error:
            reason = str(error).rstrip(".")
            advice = f"OpenMM does not take this box ({reason}). {lattice.TURN}; topology.setPeriodicBoxVectors(box)"
        raise GeometryError(f"a box is given, but the topology has no periodic box vectors; {advice}")


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
                f"residue {grain_map.labels[g]}: {int(inside.sum())} of its {len(slots)} atoms are asked for (atom "
                f"{slots[~inside][0]} is not); a CGAA model takes whole residues"
            )
        if inside.any():
            chosen.append(g)
    return GrainMap(
        grain_map.types,
        grain_map.type_index[chosen],
        [place[grain_map.slots[g]] for g in chosen],
        [grain_map.labels[g] for g in chosen],
        len(atoms),
    )


def check_domain(domain: dict, types, grain_map: GrainMap, box: np.ndarray | None, whole: bool = True) -> dict:
    """What of a system lies outside of what a model was trained on, {what: one sentence}.

    Parameters
    ----------
    domain : dict
        All keys optional: ``periodic`` (bool), ``species`` ({type: [lowest, highest fraction of all grains]}),
        ``density`` ([lowest, highest], g/cm^3).
    types : list of GrainType
    grain_map : GrainMap
        Matched to the types.
    box : array [3, 3], nm, or None
    whole : bool
        Whether these grains are all that is in the box; if not, the density is not looked at.
    """
    outside = {}
    if domain.get("periodic", box is not None) != (box is not None):
        trained, here = ("periodic", "not") if box is None else ("non-periodic", "periodic")
        outside["periodic"] = f"it was trained on {trained} systems, this one is {here}"
    counts = np.bincount(grain_map.type_index, minlength=len(types))
    for kind, count in zip(types, counts):
        low, high = domain.get("species", {}).get(kind.name, (0.0, 1.0))
        fraction = count / grain_map.num_grains
        if not low - SAME_FRACTION <= fraction <= high + SAME_FRACTION:
            outside[f"fraction {kind.name}"] = (
                f"{fraction:.3f} of the grains are {kind.name}, trained on {low:.3f} to {high:.3f}"
            )
    if box is not None and whole and "density" in domain:
        total = sum(count * mass(kind.elements) for kind, count in zip(types, counts))
        here, (low, high) = density(total, ANGSTROM_PER_NM * box), domain["density"]
        if not low <= here <= high:
            outside["density"] = f"the density is {here:.3f} g/cm^3, trained on {low:.3f} to {high:.3f}"
    return outside


def check_shapes(ranges: list, grain_map: GrainMap, positions: np.ndarray, box: np.ndarray | None) -> dict:
    """Which grains have atoms beyond the model's walls, {what: one sentence} for each such type, the worst named.

    Parameters
    ----------
    ranges : list of (array [slots, slots], array [slots, slots])
        Of each type the least and the largest distance, Å.
    grain_map : GrainMap
        Matched to the types.
    positions : array [atoms, 3], nm
    box : array [3, 3], nm, or None
    """
    outside = {}
    distances = grain_map.distances(positions * ANGSTROM_PER_NM, None if box is None else box * ANGSTROM_PER_NM)
    for t, (apart, (low, high)) in enumerate(zip(distances, ranges)):
        different = ~np.eye(len(low), dtype=bool)
        off = np.maximum(low - apart, apart - high) * different
        if not off.size or off.max() <= 0.0:
            continue
        worst, i, j = np.unravel_index(off.argmax(), off.shape)
        slots, elements = grain_map.slots[np.flatnonzero(grain_map.type_index == t)[worst]], grain_map.types[t].elements
        begin = low[i, j] if apart[worst, i, j] < low[i, j] else high[i, j]
        outside[f"shape {grain_map.types[t].name}"] = (
            f"atoms {slots[i]} ({elements[i]}) and {slots[j]} ({elements[j]}) of one {grain_map.types[t].name} are "
            f"{apart[worst, i, j]:.2f} Å apart, where its wall begins at {begin:.2f} Å "
            f"({int((off > 0.0).any(axis=(1, 2)).sum())} of {len(off)} are so): minimise the energy first"
        )
    return outside


def warn_domain(source: str, outside: list) -> None:
    """One warning that names everything outside of the domain."""
    if outside:
        warnings.warn(
            f"model {source} leaves its domain: {'; '.join(outside)}. Check its errors there before you trust it.",
            CGAADomainWarning,
            stacklevel=3,
        )


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
        where = f"{len(bad)} atoms, the first is atom {bad[0]} of residue {grain_map.labels[grain]}"
    raise SimulationError(
        f"the model's energy or forces are not finite (energy {energy} kJ/mol; {where}); atoms overlap or the run "
        "has left what the model knows: go back to the last good frame, and relax it or use a shorter time step"
    )
