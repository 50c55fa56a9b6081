"""Grain maps as JSON files: a digest tells damage, and what is read must hold together."""

import hashlib
import json

import numpy as np

from ..errors import GrainError
from ..host.formats import GRAIN_MAP
from ..inputs.arguments import FilePath
from ..structures.beads import is_symbol
from ..wording import counted
from .matching import is_connected, relabel, symmetry_classes


def dumped(data: dict) -> bytes:
    """The file of a map's plain data."""
    return json.dumps({"format": GRAIN_MAP.mark, **data, "sha256": _digest(data)}).encode()


def parsed(text: str | bytes, path: FilePath) -> dict:
    """The plain data of a file, checked; files that have no digest are taken if they are consistent.

    Raises
    ------
    GrainError
        Foreign, damaged or inconsistent.
    """
    advice = "write it again with GrainMap.save"
    try:
        data = json.loads(text)
        mark = data.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        mark = None
    if GRAIN_MAP.number(mark) is None:
        raise GrainError(f"{path} is not a whole file of format {GRAIN_MAP.mark!r}; {advice}")
    GRAIN_MAP.check(mark, path)
    digest = data.pop("sha256", None)
    if digest is not None and digest != _digest(data):
        raise GrainError(f"{path} is damaged: its contents do not fit its digest; {advice}")
    try:
        _check(data)
    except (_Wrong, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise GrainError(f"{path} holds no possible grain map: {reason}; {advice}") from None
    return data


def _digest(data: dict) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


class _Wrong(Exception):
    """What is wrong, in words."""


def _check(data: dict) -> None:
    """The schema of a map's plain data."""
    num_atoms, types, slots = data["num_atoms"], data["types"], data["slots"]
    if type(num_atoms) is not int or not num_atoms > 0:
        raise _Wrong(f"num_atoms is {num_atoms!r}")
    for kind in types:
        _check_type(kind)
    if not len(data["type_index"]) == len(slots) == len(data["labels"]):
        raise _Wrong("type_index, slots and labels are of different lengths")
    if not all(isinstance(label, str) for label in data["labels"]):
        raise _Wrong("a label is not a word")
    for grain, (t, atoms) in enumerate(zip(_whole(data["type_index"], len(types), "type_index"), slots)):
        if len(_whole(atoms, num_atoms, f"slots of grain {grain}")) != len(types[t]["elements"]):
            raise _Wrong(f"grain {grain} has {counted(len(atoms), 'atom')}, its type {len(types[t]['elements'])}")
    taken = [atom for atoms in slots for atom in atoms]
    if len(set(taken)) < len(taken):
        raise _Wrong("an atom is in two slots")
    for link in data.get("links", []):
        if len(set(_whole(link, num_atoms, "a link"))) != 2 or len(link) != 2:
            raise _Wrong(f"a link is {link}")


def _check_type(kind: dict) -> None:
    name, elements, bonds = kind["name"], tuple(kind["elements"]), kind["bonds"]
    if not isinstance(name, str) or not name:
        raise _Wrong(f"a type is named {name!r}")
    for element in elements:
        if not isinstance(element, str) or not is_symbol(element):
            raise _Wrong(f"type {name} has the element {element!r}")
    for bond in bonds:
        if len(set(_whole(bond, len(elements), f"a bond of type {name}"))) != 2 or len(bond) != 2:
            raise _Wrong(f"type {name} has the bond {bond}")
    pairs = relabel([tuple(bond) for bond in bonds], range(len(elements)))
    if not elements or len(set(pairs)) < len(bonds) or not is_connected(len(elements), pairs):
        raise _Wrong(f"the bonds of type {name} do not connect its atoms, or are there twice")
    if tuple(kind["classes"]) != symmetry_classes(elements, pairs, tuple(kind.get("links", ()))):
        raise _Wrong(f"the symmetry classes of type {name} are not those of its bonds")
    reference = kind.get("reference")
    if reference is not None:
        reference = np.array(reference, dtype=float)
        if reference.shape != (len(elements), 3) or not np.isfinite(reference).all():
            raise _Wrong(f"the reference of type {name} is not {counted(len(elements), 'position')}")


def _whole(values: list[int], below: int, what: str) -> list[int]:
    """Integers from 0 to below."""
    if not all(type(value) is int and 0 <= value < below for value in values):
        raise _Wrong(f"{what} must be integers from 0 to {below - 1}")
    return values
