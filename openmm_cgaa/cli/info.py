"""``openmm-cgaa info PATH...``: the grains of a topology and what looks wrong with them, or what a model file holds.

With ``--mapping``: what a mapping will do to a model of its beads, from frames of the atoms.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CGAAError
from ..inputs.ranges import Range
from ..wording import counted
from .options import add_number, add_structure, add_writes, given_smiles

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from ..mapping.grains import GrainMap, GrainType


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_structure(parser, "path", ", what MDTraj reads; or a model file, or a bundled model")
    parser.add_argument("--model", help="compare with the grains that this model knows: a bundled name or a file")
    parser.add_argument(
        "--cuts", help="molecules to cut into grains (YAML, as data.cuts of a training); needs no model"
    )
    parser.add_argument(
        "--mapping",
        help="which atoms make which bead (YAML, or a name): tell what to expect of a model of these beads. The first "
        "path is then a trajectory of the atoms, and a System (.xml) among the others lets the noise of forces be told",
    )
    add_writes(parser)
    add_number(parser, "--temperature", Range(float, 1.0, 1e5, "K"), None, "of the run; for the noise of forces")
    add_number(parser, "--frames", Range(int, 1, 10**6), None, "of the trajectory of a mapping, at most")


def run(args: argparse.Namespace) -> int:
    """Prints; the exit status is 1 where the model does not know a grain."""
    from rich.console import Console

    from ..data.dataset import is_dataset
    from ..inputs.yamlfile import read_yaml
    from ..mapping.cutting import cut_map, make_cuts
    from ..mapping.grains import GrainType
    from ..mapping.links import links_in_words
    from ..mapping.soundness import doubts, faults, mixed_hands
    from ..mapping.survey import names_of_atoms, oversized, read_grains, strangers
    from ..model.file import (
        PROPAGATOR,
        bundled_models,
        cuts_of_model,
        load_model,
        model_bytes,
        model_card,
        read_tensors,
    )

    console, smiles = Console(highlight=False, markup=False), given_smiles(args)
    if args.mapping is None and (args.temperature is not None or args.frames is not None):
        raise CGAAError("--temperature and --frames are of a trajectory of a mapping; name it by --mapping")
    if args.mapping:
        _print_diagnosis(console, args)
        return 0
    name, path = args.path[0], Path(args.path[0])
    if path.suffix == ".safetensors" or (name in bundled_models() and not path.exists()):
        if len(args.path) > 1:
            raise CGAAError(f"{name} is a model; show it alone, or compare grains with it: --model {name}")
        if path.exists() and (metadata := read_tensors(model_bytes(name), name)[0]).get("kind") == PROPAGATOR:
            _print_parts(console, metadata, "form", "kinds", "scales", "provenance", "errors")
            return 0
        _print_model(console, name, load_model(name)[1], None if path.exists() else model_card(name))
        return 0
    if not path.exists():
        names = ", ".join(bundled_models()) or "none"
        raise CGAAError(f"{path}: no such file, and no bundled model has this name (bundled: {names})")
    if path.suffix == ".h5" and is_dataset(path):
        raise CGAAError(f"{path} is a data set; look at it by openmm-cgaa data info {path}")
    grains, positions, box = read_grains(args.path, args.templates, smiles)
    names = ", ".join(Path(each).name for each in args.path)
    metadata = load_model(args.model)[1] if args.model else {}
    known = [GrainType.from_dict(kind) for kind in metadata.get("types", [])]
    cuts = cuts_of_model(metadata)
    if args.cuts:
        wanted = read_yaml(Path(args.cuts), "cuts of molecules")
        cuts = make_cuts(wanted, [grains], [names_of_atoms(args.path, args.templates, smiles)])
    grains = cut_map(grains, cuts)
    for cut in cuts:
        console.print(f"cut: {cut}", soft_wrap=True)
    size = f"{counted(grains.num_grains, 'grain')}, {counted(grains.num_atoms, 'atom')}"
    console.print(grain_table(grains, f"{names}: {size}"))
    if len(grains.links):
        ends = "; ".join(links_in_words(grains.types))
        console.print(f"links between grains: {len(grains.links)}, at element:class {ends}", soft_wrap=True)
    unknown = strangers(grains, known) if known else []
    wrong = [] if positions is None else faults(grains, positions, box)
    if positions is not None and not wrong:
        wrong = mixed_hands(grains.molecules, positions, box) + oversized(grains, positions, box)
    problems = unknown + wrong + doubts(grains.molecules.types)
    for problem in problems:
        console.print(f"looks wrong: {problem}", soft_wrap=True)
    if not problems:
        console.print("nothing looks wrong" + (f", and {args.model} knows all grains" if known else ""))
    return 1 if unknown else 0


def _print_diagnosis(console: "Console", args: argparse.Namespace) -> None:
    """What a mapping does, of frames of atoms."""
    from ..analysis.mapping_diagnosis import diagnose_mapping
    from ..engines.saved import load_system
    from ..mapping.beadmapping import Mapping
    from ..structures.given import read_given

    trajectory, *structure = args.path
    if not structure:
        raise CGAAError(
            f"{trajectory} stands alone; a mapping is looked at with a trajectory of the atoms and their topology: "
            "openmm-cgaa info run.dcd box.cif --mapping MAP.yaml"
        )
    if args.model or args.cuts:
        raise CGAAError("--mapping is of beads, --model and --cuts are of grains of atoms; ask for one at a time")
    mapping, given = Mapping.load(args.mapping), read_given(structure, args.templates, given_smiles(args))
    system = None if given.system is None else load_system(given.system)
    found = diagnose_mapping(trajectory, given.topology, mapping, system, args.temperature, args.frames)
    console.print(f"{counted(found.frames, 'frame')} of {counted(found.molecules, 'molecule')}")
    for each in found.findings:
        said = {"fine": "fine", "mind": "mind", "wrong": "looks wrong"}[each.verdict]
        console.print(f"{said}, {each.check}: {each.text}", soft_wrap=True)
        if each.advice:
            console.print(f"    {each.advice}", soft_wrap=True)
    if system is None:
        more = "the noise of forces was not looked at; give the run's System (.xml) and --temperature for it"
        console.print(more, soft_wrap=True)


def grain_table(grains: "GrainMap", title: str) -> "Table":
    """Rich table of the types of a GrainMap."""
    return _type_table(grains.types, title, grains.network_order()[1])


def _type_table(
    types: "Sequence[GrainType]", title: str, counts: "Sequence[int] | np.ndarray | None" = None
) -> "Table":
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


def _print_model(console: "Console", name: str, metadata: dict, card: str | None) -> None:
    from rich.markdown import Markdown

    from ..mapping.grains import GrainType
    from ..mapping.links import links_in_words
    from ..mapping.prior import Prior
    from ..model.file import cuts_of_model

    if card is not None:
        console.print(Markdown(card))

    types = [GrainType.from_dict(kind) for kind in metadata["types"]]
    console.print(_type_table(types, f"{name}: format {metadata['format']}, the grains it knows"))
    for cut in cuts_of_model(metadata):
        console.print(f"cut: {cut}", soft_wrap=True)
    if links := links_in_words(types):
        console.print(f"links between grains, at element:class {'; '.join(links)}", soft_wrap=True)
    if (prior := Prior.of_metadata(metadata)) is not None:
        console.print(f"prior: {', '.join(prior.kinds)}, up to {prior.cutoff:g} Å", soft_wrap=True)
    _print_parts(console, metadata, "config", "provenance", "domain", "errors")


def _print_parts(console: "Console", metadata: dict, *parts: str) -> None:
    for part in parts:
        console.print(f"{part}: {json.dumps(metadata.get(part, {}), indent=2)}", soft_wrap=True)
