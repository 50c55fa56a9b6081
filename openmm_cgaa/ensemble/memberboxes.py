"""What members begin with: the plan's structure, or a box packed by its description, with a seed of their own."""

import copy
import os
from pathlib import Path
from typing import Any

import yaml

from ..building.boxes import BoxConfig, build, read_forcefield
from ..errors import CGAAError
from ..host.files import write_bytes
from ..inputs.settings import from_mapping
from ..inputs.yamlfile import read_yaml
from ..potential import CGAAPotential
from ..simulation.modelled import ModelledRun, modelled_run
from .ensembleplan import EnsemblePlan
from .members import Member

WORDS = "box.yaml"  # of a member: the description of its box
OWN = "output", "forcefield", "teacher", "teacher_settings"  # keys of a description that say what else is written


def described_box(plan: EnsemblePlan, member: Member, seen_from: Path) -> dict:
    """The description of a member's box, with paths as seen from a folder.

    Raises
    ------
    CGAAError
        The plan's cannot be used, or not with what is swept.
    """
    (path,) = plan.files
    values = read_yaml(path, "the description of a box")
    config = from_mapping(BoxConfig, values, str(path))
    values = {key: value for key, value in copy.deepcopy(values).items() if key not in OWN}
    if config.crystal and (member.density is not None or member.composition is not None):
        raise CGAAError(f"{path}: a crystal has its own density and composition; leave them out of sweep")
    if member.density is not None:
        values = {key: value for key, value in values.items() if key != "box"} | {"density": member.density}
    if member.composition is not None:
        values["molecules"] = _counted(plan, member, values["molecules"], str(path))
    values |= {"temperature": member.settings.temperature, "seed": member.settings.seed}
    for molecule in values["molecules"]:
        if molecule.get("structure"):
            molecule["structure"] = _seen(path.parent, molecule["structure"], seen_from)
    if config.relax:
        values["relax"] = _seen(path.parent, config.relax, seen_from)
    if config.crystal:
        values["crystal"] |= {"cif": _seen(path.parent, config.crystal.cif, seen_from)} if config.crystal.cif else {}
    return values


def check_description(plan: EnsemblePlan, member: Member, potential: CGAAPotential) -> None:
    """Make sure, before anything is packed, that it can be, and that the model knows its molecules.

    Raises
    ------
    CGAAError
        The description cannot be used.
    GrainError
        The model does not know a molecule.
    """
    folder = plan.files[0].parent
    values = described_box(plan, member, folder)
    config = from_mapping(BoxConfig, values, f"{plan.files[0]} ({member.point})")
    for molecule in config.molecules:
        topology, _ = molecule.load(folder)
        potential.grain_map(topology)
    if config.relax:
        read_forcefield([folder / name for name in config.relax])


def check_packed(plan: EnsemblePlan, member: Member) -> None:
    """Raises `CGAAError` where a member has a box that was packed by another description."""
    words = member.home / WORDS
    if words.is_file():
        was, values = read_yaml(words, "the description of a box"), described_box(plan, member, member.home)
        changed = {key: (was.get(key), values.get(key)) for key in sorted({**was, **values})}
        told = ", ".join(f"{key}: {before} -> {now}" for key, (before, now) in changed.items() if before != now)
        if told:
            raise CGAAError(
                f"{words}: that box was packed by another description ({told:.300}); move {member.home} away, or name "
                "another output"
            )


def pack_box(plan: EnsemblePlan, member: Member) -> None:
    """Pack a member's box, unless it is there."""
    if not member.start.is_file():
        words = member.home / WORDS
        write_bytes(words, yaml.safe_dump(described_box(plan, member, member.home), sort_keys=False).encode())
        build(words, member.start)


def start_of(plan: EnsemblePlan, member: Member, potential: CGAAPotential | None = None) -> ModelledRun:
    """What the run of a member begins with; its box must be there.

    Parameters
    ----------
    plan : EnsemblePlan
    member : Member
    potential : CGAAPotential, optional
        Of the member's model, where it is at hand.
    """
    potential = potential or CGAAPotential(member.model, precision=plan.precision)
    files = [member.start] if plan.described else plan.files
    return modelled_run(files, potential, member.settings, (), plan.smiles, plan.backend, plan.precision)


def _counted(plan: EnsemblePlan, member: Member, molecules: list, where: str) -> list:
    counts = plan.sweep.compositions[member.composition or ""]
    known = [molecule["name"] for molecule in molecules]
    for name in counts:
        if name not in known:
            raise CGAAError(
                f"composition {member.composition}: there is no molecule {name!r} in {where}; there are "
                f"{', '.join(known)}"
            )
    return [molecule | {"count": counts[molecule["name"]]} for molecule in molecules if molecule["name"] in counts]


def _seen(folder: Path, names: Any, home: Path) -> Any:
    """Paths relative to a folder, one or a list, as seen from another one."""
    if isinstance(names, list):
        return [_seen(folder, name, home) for name in names]
    return os.path.relpath(folder / names, home)
