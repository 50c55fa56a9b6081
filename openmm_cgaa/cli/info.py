"""``openmm-cgaa info PATH``: the grains of a topology and what looks wrong with them, or what a model file holds."""

import json
from pathlib import Path

import numpy as np

from ..errors import CGAAError, GrainError
from ..structures.lattice import height, reduced
from ..units import ANGSTROM_PER_NM
from .simulate import TEMPLATES


def add_arguments(parser):
    parser.add_argument("path", help="a topology (PDB, mmCIF, or what mdtraj reads), a model file, or a bundled model")
    parser.add_argument("--templates", nargs="+", default=(), metavar="FILE", help=TEMPLATES)
    parser.add_argument("--model", help="compare with the grains that this model knows: a bundled name or a file")


def run(args):
    """Prints; the exit status is 1 where the model does not know a grain."""
    from rich.console import Console

    from ..model.file import bundled_models, load_model, model_card

    console, path = Console(highlight=False, markup=False), Path(args.path)
    if path.suffix == ".safetensors" or (args.path in bundled_models() and not path.exists()):
        _print_model(console, args.path, load_model(args.path)[1], None if path.exists() else model_card(args.path))
        return 0
    if not path.is_file():
        names = ", ".join(bundled_models()) or "none"
        raise CGAAError(f"{path}: no such file, and no bundled model has this name (bundled: {names})")
    grains, positions, box = read_grains(path, args.templates)
    metadata = None if args.model is None else load_model(args.model)[1]
    console.print(grain_table(grains, f"{path.name}: {grains.num_grains} grains, {grains.num_atoms} atoms"))
    unknown = [] if metadata is None else strangers(grains, metadata)
    problems = unknown + oversized(grains, positions, box)
    for problem in problems:
        console.print(f"looks wrong: {problem}", soft_wrap=True)
    if not problems:
        console.print("nothing looks wrong" + ("" if metadata is None else f", and {args.model} knows all grains"))
    return 1 if unknown else 0


def read_grains(path, templates=()) -> tuple:
    """``(GrainMap, positions [atoms, 3] Å or None, box [3, 3] Å or None)`` of a file's first frame.

    Raises
    ------
    CGAAError
        The file cannot be read, or cut into grains.
    """
    from ..mapping.grains import GrainMap
    from ..structures.structure import read_structure

    path = Path(path)
    try:
        if path.suffix.lower() in (".pdb", ".cif", ".pdbx", ".mmcif"):
            from openmm import unit

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


def _read_mdtraj(path) -> tuple:
    from ..structures import trajectories

    if path.suffix.lower() in trajectories.WITHOUT_POSITIONS:
        return trajectories.load_topology(path), None, None
    frame = trajectories.load(path)[0]
    box = frame.unitcell_vectors
    return frame.topology, frame.xyz[0] * ANGSTROM_PER_NM, None if box is None else box[0] * ANGSTROM_PER_NM


def grain_table(grains, title):
    """Rich table of the types of a GrainMap."""
    return _type_table(grains.types, title, grains.network_order()[1])


def _type_table(types, title, counts=None):
    from rich.table import Table

    from ..structures.topologies import formula

    columns = ["type", "formula", "slots", "elements : symmetry class of each slot"]
    table = Table(
        *columns[:1], *([] if counts is None else ["grains"]), *columns[1:], title=title, title_justify="left"
    )
    for t, kind in enumerate(types):
        slots = " ".join(f"{element}:{c}" for element, c in zip(kind.elements, kind.classes))
        row = [kind.name, formula(kind.elements), str(kind.num_slots), slots]
        table.add_row(*row[:1], *([] if counts is None else [str(counts[t])]), *row[1:])
    return table


def oversized(grains, positions, box) -> list:
    """Of each type the largest grain, if it is longer than half the narrowest height of the box."""
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


def strangers(grains, metadata) -> list:
    """Of each type that the model does not know, what is nearest to it."""
    from ..mapping.grains import GrainMap, GrainType

    known, problems = [GrainType.from_dict(kind) for kind in metadata["types"]], []
    for t, kind in enumerate(grains.types):
        first = int(np.argmax(grains.type_index == t))
        slots = [np.arange(kind.num_slots)]
        try:
            GrainMap([kind], np.array([0]), slots, [grains.labels[first]], kind.num_slots).match(known)
        except GrainError as error:
            problems.append(str(error))
    return problems


def _print_model(console, name, metadata, card):
    from rich.markdown import Markdown

    from ..mapping.grains import GrainType

    if card is not None:
        console.print(Markdown(card))

    types = [GrainType.from_dict(kind) for kind in metadata["types"]]
    console.print(_type_table(types, f"{name}: format {metadata['format']}, the grains it knows"))
    for part in ("config", "provenance", "domain", "errors"):
        console.print(f"{part}: {json.dumps(metadata.get(part, {}), indent=2)}", soft_wrap=True)
