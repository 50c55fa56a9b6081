"""The grains of a file, and what looks wrong with them, in words."""

from collections.abc import Callable, Sequence
from pathlib import Path

import mdtraj
import numpy as np
from openmm import unit

from ..errors import CGAAError, GrainError
from ..inputs.arguments import FilePath
from ..structures import trajectories
from ..structures.lattice import height, reduced
from ..structures.structure import read_structure
from ..units import ANGSTROM_PER_NM
from .grains import GrainMap, GrainType


def read_grains(
    path: FilePath, templates: Sequence[FilePath] = ()
) -> tuple[GrainMap, np.ndarray | None, np.ndarray | None]:
    """``(GrainMap, positions [atoms, 3] Å or None, box [3, 3] Å or None)`` of a file's first frame.

    Raises
    ------
    CGAAError
        The file cannot be read, or cut into grains.
    """
    path = Path(path)
    build: Callable[..., GrainMap]
    try:
        if path.suffix.lower() in (".pdb", ".cif", ".pdbx", ".mmcif"):
            topology, positions = read_structure(path, templates)
            build, positions = GrainMap.from_topology, positions.value_in_unit(unit.angstrom)
            box = topology.getPeriodicBoxVectors()
            box = None if box is None else np.array(box.value_in_unit(unit.angstrom))
        else:
            if templates:
                raise CGAAError(
                    f"{path}: bonds of --templates are given to PDB and PDBx/mmCIF files; convert it to one"
                )
            topology, positions, box = _read_mdtraj(path)
            build = GrainMap.from_mdtraj
    except CGAAError:
        raise
    except Exception as error:  # the readers raise whatever they stumble on
        raise CGAAError(f"{path} cannot be read as a topology: {str(error) or type(error).__name__}") from error
    return build(topology), positions, box


def _read_mdtraj(path: Path) -> tuple[mdtraj.Topology, np.ndarray | None, np.ndarray | None]:
    if path.suffix.lower() in trajectories.WITHOUT_POSITIONS:
        return trajectories.load_topology(path), None, None
    frame = trajectories.load(path)[0]
    box = frame.unitcell_vectors
    return frame.topology, frame.xyz[0] * ANGSTROM_PER_NM, None if box is None else box[0] * ANGSTROM_PER_NM


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
    return problems
