"""The grains of a file, and what looks wrong with them, in words."""

import os
from collections.abc import Sequence
from pathlib import Path

import mdtraj
import numpy as np
from openmm import unit

from ..errors import CGAAError, GrainError
from ..inputs.arguments import FilePath
from ..structures import trajectories
from ..structures.given import SUFFIXES, read_given
from ..structures.lattice import height, reduced
from ..units import ANGSTROM_PER_NM
from .grains import GrainMap, GrainType


def read_grains(
    path: FilePath | Sequence[FilePath], templates: Sequence[FilePath] = (), smiles: dict[str, str] | None = None
) -> tuple[GrainMap, np.ndarray | None, np.ndarray | None]:
    """``(GrainMap, positions [atoms, 3] Å or None, box [3, 3] Å or None)`` of a file's first frame.

    Files that belong together are a sequence; what `read_structure` does not know is read by MDTraj. Other parameters
    are those of `read_structure`.

    Raises
    ------
    CGAAError
        The file cannot be read, or cut into grains.
    """
    one = path if isinstance(path, str | os.PathLike) else path[0] if len(path) == 1 else None
    if one is None or Path(one).suffix.lower() in SUFFIXES:
        given = read_given(path, templates, smiles)
        positions, box = given.positions, given.topology.getPeriodicBoxVectors()
        positions = None if positions is None else positions.value_in_unit(unit.angstrom)
        box = None if box is None else np.array(box.value_in_unit(unit.angstrom))
        return GrainMap.from_topology(given.topology), positions, box
    if templates or smiles:
        raise CGAAError(f"{one}: bonds are given to files of these kinds: {', '.join(SUFFIXES)}; convert it to one")
    try:
        topology, positions, box = _read_mdtraj(Path(one))
    except CGAAError:
        raise
    except Exception as error:  # the readers raise whatever they stumble on
        raise CGAAError(f"{one} cannot be read as a topology: {str(error) or type(error).__name__}") from error
    return GrainMap.from_mdtraj(topology), positions, box


def _read_mdtraj(path: Path) -> tuple[mdtraj.Topology, np.ndarray | None, np.ndarray | None]:
    frame = trajectories.load(path)[0]
    box = frame.unitcell_vectors
    return frame.topology, frame.xyz[0] * ANGSTROM_PER_NM, None if box is None else box[0] * ANGSTROM_PER_NM


def names_of_atoms(path: Sequence[FilePath], templates: Sequence[FilePath], smiles: dict[str, str]) -> list[str]:
    """Names of the atoms of a file, which `cutting.make_cuts` takes; parameters as of `read_grains`."""
    if Path(path[0]).suffix.lower() not in SUFFIXES:
        return [atom.name for atom in _read_mdtraj(Path(path[0]))[0].atoms]
    return [atom.name for atom in read_given(path, templates, smiles).topology.atoms()]


def oversized(grains: GrainMap, positions: np.ndarray | None, box: np.ndarray | None) -> list[str]:
    """Of each type the largest grain that is longer than half the narrowest height of the box, in words; Å."""
    if positions is None or box is None:
        return []
    half = 0.5 * height(reduced(box))
    extents, problems = grains.extents(positions, box), []
    for t in range(len(grains.types)):
        members = np.flatnonzero(grains.type_index == t)
        worst = members[np.argmax(extents[members])]
        if extents[worst] > half:
            problems.append(
                f"residue {grains.labels[worst]} spans {extents[worst]:.2f} Å, more than half of the box "
                f"({half:.2f} Å): in a box as small as this check the bonds, and trust no property that depends on size"
            )
    return problems


def strangers(grains: GrainMap, known: list[GrainType]) -> list[str]:
    """Of each type that is none of the types of a model, what is nearest to it, in words."""
    problems = []
    for t, kind in enumerate(grains.types):
        first = int(np.argmax(grains.type_index == t))
        slots = [np.arange(kind.num_slots)]
        try:
            GrainMap([kind], np.array([0]), slots, [grains.labels[first]], kind.num_slots).match(known)
        except GrainError as error:
            problems.append(str(error))
    if not problems and len(grains.links):
        try:
            grains.match(known)
        except GrainError as error:
            problems.append(str(error))
    return problems
