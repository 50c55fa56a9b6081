"""A prior that the frames themselves suggest: bonds, angles and torsions by Boltzmann inversion, and a repulsion.

Bonds and angles are harmonic with the mean and variance of the frames, torsions have three terms, and two beads repel
each other below the shortest distance of the frames: Wang et al., ACS Cent. Sci. 5, 755 (2019); for the inversion Reith
et al., J. Comput. Chem. 24, 1624 (2003). It is a prior, not a force field: what it gets wrong, the network learns.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, combinations_with_replacement
from xml.etree import ElementTree

import networkx
import numpy as np

from .. import __version__
from ..data.dataset import Dataset, Frames
from ..errors import CGAAError, DatasetError
from ..inputs import arguments
from ..mapping.grains import GrainMap, GrainType
from ..mapping.links import all_bonds
from ..mapping.prior import LONGEST, Prior
from ..structures.beads import BEAD
from ..structures.lattice import nearest_image, reduced, right_handed, triangular
from ..units import ANGSTROM_PER_NM, BOLTZMANN_KJMOL
from ..wording import counted
from .labelled import common_types, frame_graphs

TERMS = "bonds", "angles", "torsions", "repulsion"
MOST = 100  # frames that are looked at
APART = 3  # bonds, up to which two beads do not repel each other
NARROWEST = 0.01  # Å, and the same as cosine: no time step bears the spring of a narrower one. Such bonds are rigid
ENOUGH = 10  # lengths, to say that they are alike
REACH = 8.0  # Å, in which pairs are looked for
FADED = 2.5  # times the longest repulsive distance: there a repulsion is 2e-5 kT
STILL = 1.5  # times that distance, where less than a hundredth of kT is left
BINS = 36


@dataclass
class FittedPrior:
    """A prior, and what it was fitted to.

    Attributes
    ----------
    prior : Prior
    terms : list of (str, str, str)
        Kind of each term, its beads, and its numbers in words.
    """

    prior: Prior
    terms: list = field(default_factory=list)


def fit_prior(
    dataset: Dataset, temperature: float | None = None, terms: Sequence[str] = TERMS, cutoff: float | None = None
) -> FittedPrior:
    """A prior for the beads of a data set.

    Parameters
    ----------
    dataset : Dataset
        Of beads.
    temperature : float, K, optional
        That of the frames, if they do not tell it.
    terms : sequence of str
        Some of `TERMS`.
    cutoff : float, Å, optional
        Of the repulsion; by default where it has faded.

    Raises
    ------
    CGAAError
        Frames of atoms, of no or of several temperatures; nothing to fit, or a cutoff inside of the repulsion.
    """
    for term in terms:
        arguments.choice(term, "terms", TERMS)
    kelvin = _temperature(dataset, temperature)
    types = common_types(dataset)
    if not all(kind.beads for kind in types):
        raise DatasetError("these are frames of atoms; a prior is fitted to beads, which openmm-cgaa map makes")
    root = ElementTree.Element("ForceField")
    about = f"Fitted by openmm_cgaa {__version__} to {counted(len(dataset), 'frame')} at {kelvin:g} K"
    ElementTree.SubElement(ElementTree.SubElement(root, "Info"), "Source").text = about
    _add_types(root, types)
    values, shortest = _measured(dataset, types, terms)
    if not values and not shortest:
        raise CGAAError(f"these beads have none of {', '.join(terms)}; there is no prior to fit")
    shortest = _sizes(shortest)
    said = []
    for length, make in enumerate((_bonds, _angles, _torsions), 2):
        said += make(root, {beads: found for beads, found in values.items() if len(beads) == length}, kelvin)
    if shortest:
        species = sorted({_species(kind, slot) for kind in types for slot in range(kind.num_slots)})
        said += _repulsion(root, types, species, shortest, kelvin)
        least = STILL * max(shortest.values())
        if cutoff is not None and cutoff < least:
            raise CGAAError(
                f"cutoff is {cutoff:g} Å, but beads repel each other below {max(shortest.values()):.2f} Å; give "
                f"{least:.2f} Å or more, where that has faded"
            )
        cutoff = cutoff or min(FADED * max(shortest.values()), LONGEST, _half_width(dataset))
    ElementTree.indent(root)
    return FittedPrior(
        Prior(ElementTree.tostring(root, "unicode") + "\n", math.floor(100.0 * (cutoff or 10.0)) / 100.0), said
    )


def _temperature(dataset: Dataset, given: float | None) -> float:
    if given is not None:
        return given
    found = np.unique(np.concatenate([frames.temperature for frames in dataset.sets]))
    if len(found) != 1 or not np.isfinite(found).all():
        told = (
            "no temperature"
            if not np.isfinite(found).all()
            else f"temperatures of {found.min():g} to {found.max():g} K"
        )
        raise DatasetError(f"the frames have {told}; a prior is of one temperature: give it, or frames of one")
    return float(found[0])


def _half_width(dataset: Dataset) -> float:
    """Of the smallest box, Å: no prior of these frames may reach further."""
    boxes = [triangular(cell)[0] for frames in dataset.sets if frames.periodic for cell in frames.cell.astype(float)]
    return min((0.5 * float(box.diagonal().min()) for box in boxes), default=math.inf)


def _sizes(shortest: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Distances at which species repel each other: the shortest, but no more than the mean of those of like beads.

    Two ions among many waters do not meet in some hundred frames, and would be kept apart for ever.
    """
    own = {a: shortest.get((a, a), min(d for pair, d in shortest.items() if a in pair)) for a in set(sum(shortest, ()))}
    pairs = combinations_with_replacement(sorted(own), 2)
    return {(a, b): min(shortest.get((a, b), math.inf), 0.5 * (own[a] + own[b])) for a, b in pairs}


def _type(kind: GrainType, slot: int) -> str:
    """Equivalent beads are of one type, so that they have the same prior."""
    return f"{kind.name}.{kind.names[list(kind.classes).index(kind.classes[slot])]}"


def _species(kind: GrainType, slot: int) -> str:
    return kind.elements[slot].removeprefix(BEAD)


def _add_types(root: ElementTree.Element, types: list[GrainType]) -> None:
    """Types of beads and templates of residues, as OpenMM has them."""
    atom_types, residues = (ElementTree.SubElement(root, tag) for tag in ("AtomTypes", "Residues"))
    known = set()
    for kind in types:
        residue = ElementTree.SubElement(residues, "Residue", name=kind.name)
        for slot, name in enumerate(kind.names):
            if (own := _type(kind, slot)) not in known:
                known.add(own)
                mass = f"{kind.masses[slot] if kind.masses else 1.0:.4f}"
                ElementTree.SubElement(atom_types, "Type", {"name": own, "class": _species(kind, slot), "mass": mass})
            ElementTree.SubElement(residue, "Atom", name=name, type=own)
        for i, j in kind.bonds:
            ElementTree.SubElement(residue, "Bond", atomName1=kind.names[i], atomName2=kind.names[j])
        for slot, number in enumerate(kind.links):
            for _ in range(number):
                ElementTree.SubElement(residue, "ExternalBond", atomName=kind.names[slot])


def _measured(dataset: Dataset, types: list[GrainType], terms: Sequence[str]) -> tuple[dict, dict]:
    """Values of every bonded term, {types of its 2 to 4 beads: array}, and the shortest distances of species, Å.

    Bonds in Å, angles as their cosine, torsions in rad.
    """
    values: dict[tuple, list] = {}
    shortest: dict[tuple[str, str], float] = {}
    for frames in dataset.sets:
        some = frames.take(slice(None, None, -(-len(frames) // MOST)))
        grain_map = some.grain_map().match(types)
        names, species = (np.empty(grain_map.num_atoms, object) for _ in range(2))
        for t, kind in enumerate(types):
            for slot, own in enumerate(grain_map.members(t).T):
                names[own], species[own] = _type(kind, slot), _species(kind, slot)
        graph = networkx.Graph(all_bonds(grain_map))
        alike: dict[tuple, list] = {}
        for beads in (each for term in terms for each in _bonded(graph, term)):
            key = tuple(names[list(beads)])
            beads, key = (beads, key) if key <= key[::-1] else (beads[::-1], key[::-1])
            alike.setdefault(key, []).append(beads)
        for key, found in alike.items():
            values.setdefault(key, []).append(_values(some, np.array(found)))
        if "repulsion" in terms:
            for i, j, distance in _near(some, types, grain_map, graph):
                pair = min(species[i], species[j]), max(species[i], species[j])
                shortest[pair] = min(distance, shortest.get(pair, np.inf))
    return {key: np.concatenate(found) for key, found in values.items()}, shortest


def _bonded(graph: networkx.Graph, term: str) -> Iterator[tuple]:
    """Beads of every bond, angle or torsion, once each."""
    if term == "bonds":
        yield from graph.edges
    elif term == "angles":
        for center in graph:
            ends = combinations(sorted(graph[center]), 2)
            yield from ((i, center, k) for i, k in ends if not graph.has_edge(i, k))  # three bonds hold a triangle
    elif term == "torsions":
        for j, k in graph.edges:
            yield from ((i, j, k, end) for i in graph[j] for end in graph[k] if len({i, j, k, end}) == 4)


def _values(frames: Frames, beads: np.ndarray) -> np.ndarray:
    """Lengths, cosines or torsions of such beads [terms, 2 to 4] in all frames, in one row."""
    found = []
    for positions, cell in zip(frames.positions.astype(float), frames.cell):
        ways = np.diff(positions[beads], axis=1)
        if frames.periodic:
            ways = nearest_image(ways, right_handed(cell))
        first, *rest = ways.transpose(1, 0, 2)
        if not rest:
            found.append(np.linalg.norm(first, axis=-1))
        elif len(rest) == 1:
            lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(rest[0], axis=-1)
            found.append(-(first * rest[0]).sum(-1) / lengths)
        else:
            planes = np.cross(first, rest[0]), np.cross(rest[0], rest[1])
            sine = (first * planes[1]).sum(-1) * np.linalg.norm(rest[0], axis=-1)
            found.append(np.arctan2(sine, (planes[0] * planes[1]).sum(-1)))
    return np.concatenate(found)


def _near(
    frames: Frames, types: list[GrainType], grain_map: GrainMap, graph: networkx.Graph
) -> Iterator[tuple[int, int, float]]:
    """Beads and distance (Å) of the pairs that may repel each other, those within `REACH`."""
    joined = {i: set(networkx.single_source_shortest_path_length(graph, i, APART)) for i in graph}
    for graph_of_frame, atoms in frame_graphs(frames, types, REACH, REACH):
        i, j = graph_of_frame.pair_index.long()
        ways = graph_of_frame.positions[j] + graph_of_frame.pair_shift - graph_of_frame.positions[i]
        pairs = zip(atoms[i].tolist(), atoms[j].tolist(), ways.norm(dim=1).tolist())
        yield from ((i, j, distance) for i, j, distance in pairs if j not in joined.get(i, ()))
    for positions, cell in zip(frames.positions, frames.cell):
        box = reduced(right_handed(cell)) if frames.periodic else None
        for t, distances in enumerate(grain_map.distances(positions, box)):
            for own, of_grain in zip(grain_map.members(t), distances):
                for i, j in combinations(range(len(own)), 2):
                    if own[j] not in joined.get(own[i], ()):
                        yield own[i], own[j], float(of_grain[i, j])


def _rigid(lengths: np.ndarray) -> bool:
    """Whether bonds (Å) are held by constraints. Files round: an XTC to 0.01 Å."""
    return len(lengths) >= ENOUGH and bool(lengths.std() < NARROWEST)


def check_rigid(dataset: Dataset, types: list[GrainType], prior: Prior | None) -> None:
    """`CGAAError` where beads keep their distance in all frames, and no prior holds them there.

    A network knows nothing of other distances, and would let them go.
    """
    if not all(kind.beads for kind in types) or (prior is not None and prior.rigid):
        return
    for beads, found in _measured(dataset, types, ["bonds"])[0].items():
        if _rigid(found):
            raise CGAAError(
                f"the bond {' - '.join(beads)} keeps its length in all frames, as in a rigid residue, and nothing else "
                "would hold it there: fit a prior, whose constraint does (openmm-cgaa prior DATA.h5 -o prior.xml), and "
                "name it in the configuration"
            )


def _bonds(root: ElementTree.Element, values: dict, kelvin: float) -> list[tuple]:
    """Harmonic bonds, and rigid ones where no frame shows another length.

    A volume of r^2 belongs to each length, which the mean is freed of.
    """
    said = []
    if values:
        force = ElementTree.SubElement(root, "HarmonicBondForce")
    for (first, second), found in values.items():
        variance = max(found.var(), NARROWEST**2)
        length, k = found.mean() - 2.0 * variance / found.mean(), BOLTZMANN_KJMOL * kelvin / variance
        own = {"type1": first, "type2": second}
        if _rigid(found):
            size = f"{found.mean() / ANGSTROM_PER_NM:.6g}"
            ElementTree.SubElement(force, "Bond", {**own, "length": size, "k": "0", "rigid": "true"})
            said.append(("bond", f"{first} - {second}", f"{found.mean():.3f} Å, rigid"))
            continue
        numbers = {"length": f"{length / ANGSTROM_PER_NM:.6g}", "k": f"{k * ANGSTROM_PER_NM**2:.6g}"}
        ElementTree.SubElement(force, "Bond", {**own, **numbers})
        said.append(("bond", f"{first} - {second}", f"{length:.3f} Å, {k:.4g} kJ/mol/Å²"))
    return said


def _angles(root: ElementTree.Element, values: dict, kelvin: float) -> list[tuple]:
    """Angles, harmonic in their cosine: equal volumes belong to equal steps of it, and 180 degrees are no cusp."""
    said = []
    if values:
        force = ElementTree.SubElement(root, "CustomAngleForce", energy="0.5*k*(cos(theta)-c)^2")
        for name in ("k", "c"):
            ElementTree.SubElement(force, "PerAngleParameter", name=name)
    for beads, found in values.items():
        k = BOLTZMANN_KJMOL * kelvin / max(found.var(), NARROWEST**2)
        numbers = {"k": f"{k:.6g}", "c": f"{found.mean():.6g}"}
        own = {f"type{number}": bead for number, bead in enumerate(beads, 1)}
        ElementTree.SubElement(force, "Angle", {**own, **numbers})
        said.append(("angle", " - ".join(beads), f"{np.degrees(np.arccos(found.mean())):.1f}°, {k:.4g} kJ/mol"))
    return said


def _torsions(root: ElementTree.Element, values: dict, kelvin: float) -> list[tuple]:
    """Torsions of three terms, least squares to -kT ln p."""
    said, rows = [], []
    for beads, found in values.items():
        counts, edges = np.histogram(found, BINS, (-np.pi, np.pi))
        middle, weight = 0.5 * (edges[1:] + edges[:-1]), np.sqrt(counts + 1.0)
        energy = -BOLTZMANN_KJMOL * kelvin * np.log((counts + 1.0) / (counts.sum() + BINS))
        waves = [wave(n * middle) for n in (1, 2, 3) for wave in (np.cos, np.sin)]
        matrix = np.stack([np.ones(BINS), *waves], axis=1)
        fitted = np.linalg.lstsq(matrix * weight[:, None], energy * weight, rcond=None)[0][1:].reshape(3, 2)
        k, phase = np.hypot(*fitted.T), np.arctan2(fitted[:, 1], fitted[:, 0])
        row = {f"type{number}": bead for number, bead in enumerate(beads, 1)}
        for n in (1, 2, 3):
            row |= {f"periodicity{n}": str(n), f"phase{n}": f"{phase[n - 1]:.6g}", f"k{n}": f"{k[n - 1]:.6g}"}
        rows.append(row)
        said.append(("torsion", " - ".join(beads), ", ".join(f"{each:.3g}" for each in k) + " kJ/mol"))
    if rows:
        force = ElementTree.SubElement(root, "PeriodicTorsionForce")
        for row in rows:
            ElementTree.SubElement(force, "Proper", row)
    return said


def _repulsion(
    root: ElementTree.Element, types: list[GrainType], species: list[str], shortest: dict, kelvin: float
) -> list[tuple]:
    """kT (s / r)^12 between two beads, s the shortest distance of their species in the frames."""
    largest = max(shortest.values())  # a species that no other one ever met
    table = [[shortest.get((min(a, b), max(a, b)), largest) / ANGSTROM_PER_NM for a in species] for b in species]
    energy = f"{BOLTZMANN_KJMOL * kelvin:.6g}*(s(species1,species2)/r)^12"
    force = ElementTree.SubElement(root, "CustomNonbondedForce", energy=energy, bondCutoff=str(APART))
    ElementTree.SubElement(force, "PerParticleParameter", name="species")
    size = str(len(species))
    function = ElementTree.SubElement(force, "Function", name="s", type="Discrete2D", xsize=size, ysize=size)
    function.text = " ".join(f"{value:.6g}" for row in table for value in row)
    for own, name in {
        _type(kind, slot): _species(kind, slot) for kind in types for slot in range(kind.num_slots)
    }.items():
        ElementTree.SubElement(force, "Atom", type=own, species=str(species.index(name)))
    return [("repulsion", f"{a} - {b}", f"{value:.3f} Å") for (a, b), value in sorted(shortest.items())]
