"""What the metadata of a model file must be: each part with its type and its range, so that nothing senseless is run.

A checksum tells that a file is as it was written; this tells that what was written can be meant.
"""

import math
from typing import Any

import torch

from ..errors import GrainError, ModelFileError
from ..mapping.cutting import GrainCut
from ..mapping.grains import GrainType
from ..mapping.links import pair_kinds
from ..mapping.prior import Prior
from ..nn import complete_config
from ..structures.beads import is_bead, is_symbol
from ..wording import counted

UNITS = {"length": "angstrom", "energy": "eV"}
PARTS = {"config": dict, "types": list, "provenance": dict, "domain": dict, "errors": dict, "units": dict}
MAY_BE_INFINITE = (".high",)  # ranges of walls that stand nowhere
DENSEST = 50.0  # g/cm3
HOTTEST = 1e5  # K
FARTHEST = 1000.0  # Å
MOST_BONDS = 100  # between the atoms of a pair across a link


def check_metadata(metadata: dict, source: str) -> list:
    """The grain types of a model's metadata, once all of it is found sound.

    Returns
    -------
    list of GrainType

    Raises
    ------
    ModelFileError
        A part is missing, of another type, or out of range; `source` names the file.
    """
    try:
        for name, kind in PARTS.items():
            _expect(name in metadata, f"no {name!r} in its metadata")
            _expect(isinstance(metadata[name], kind), f"{name} is no {kind.__name__}")
        _expect(metadata["units"] == UNITS, f"units {metadata['units']}, but this version computes in {UNITS}")
        complete_config(metadata["config"])
        _expect(metadata["types"], "types: empty; a model knows one grain at least")
        types = [_grain_type(entry, f"types[{index}]") for index, entry in enumerate(metadata["types"])]
        names = [t.name for t in types]
        _expect(len(set(names)) == len(names), f"types: a name comes twice ({', '.join(names)})")
        types = [_with_across(t, entry, types) for t, entry in zip(types, metadata["types"])]
        _check_both_ways(types)
        _check_domain(metadata["domain"], set(names))
        _check_cuts(metadata.get("cuts", []))
        _check_beads(metadata.get("beads", {}))
        Prior.of_metadata(metadata)
    except ValueError as error:
        raise ModelFileError(f"{source}: {error}; it was not written by openmm_cgaa, or was changed") from None
    return types


def check_tensors(tensors: dict, source: str) -> None:
    """Refuse weights that are no numbers, and walls whose range is empty.

    Raises
    ------
    ModelFileError
    """
    for name, tensor in tensors.items():
        if tensor.is_complex():
            raise ModelFileError(f"{source}: {name} is of type {tensor.dtype}, expected real numbers")
        if not tensor.numel() or all(map(math.isfinite, torch.aminmax(tensor))):  # nan is both, faster than each number
            continue
        bad = torch.isnan(tensor) if name.endswith(MAY_BE_INFINITE) else ~torch.isfinite(tensor)
        if bad.any():
            raise ModelFileError(
                f"{source}: not finite are {int(bad.sum())} of {counted(tensor.numel(), 'number')} of {name}; its "
                "training went astray: train it again with a lower learning rate, or take another model"
            )
    for name in tensors:
        high = name.removesuffix(".low") + ".high"
        if name != high and high in tensors and (tensors[name] > tensors[high]).any():
            raise ModelFileError(f"{source}: {name} is above {high}; it was not written by openmm_cgaa, or was changed")


def _grain_type(entry: Any, where: str) -> GrainType:
    _expect(isinstance(entry, dict), f"{where} is no dict")
    for name, kind in (("name", str), ("elements", list), ("bonds", list), ("classes", list)):
        _expect(isinstance(entry.get(name), kind), f"{where}: {name} is missing or no {kind.__name__}")
    elements, slots = entry["elements"], range(len(entry["elements"]))
    _expect(entry["name"] and elements, f"{where}: without a name or atoms")
    unknown = [e for e in elements if not isinstance(e, str) or not is_symbol(e)]
    _expect(not unknown, f"{where}: elements {unknown} unknown")
    for bond in entry["bonds"]:
        good = isinstance(bond, list) and len(bond) == 2 and all(_whole(slot) and slot in slots for slot in bond)
        _expect(good and bond[0] != bond[1], f"{where}: bond {bond}, expected two slots of 0 to {len(slots) - 1}")
    classes = entry["classes"]
    _expect(len(classes) == len(slots) and all(map(_whole, classes)), f"{where}: classes, expected one for each slot")
    first: dict[int, str] = {}
    for element, own in zip(elements, classes):
        _expect(first.setdefault(own, element) == element, f"{where}: class {own} has atoms {first[own]} and {element}")
    _expect(list(first) == list(range(len(first))), f"{where}: classes {classes}, expected 0, 1... as they appear")
    reference = entry.get("reference")
    if reference is not None:
        rows = isinstance(reference, list) and len(reference) == len(slots)
        rows = rows and all(isinstance(r, list) and len(r) == 3 and all(map(_number, r)) for r in reference)
        _expect(rows, f"{where}: reference, expected {counted(len(slots), 'position')}")
    links = entry.get("links", [0] * len(slots))
    good = isinstance(links, list) and len(links) == len(slots) and all(_whole(n) and n >= 0 for n in links)
    _expect(good, f"{where}: links {links}, expected a number for each slot")
    for name, sound in (("names", lambda name: isinstance(name, str) and name), ("masses", _mass)):
        given = entry.get(name, [])
        number = len(slots) if any(map(is_bead, elements)) else 0
        good = isinstance(given, list) and len(given) == number and all(map(sound, given))
        _expect(good, f"{where}: {name} {given}, expected one for each bead")
    made = GrainType.from_dict(entry | {"across": []})
    _expect(len(made.tree) == len(slots) - 1, f"{where}: its bonds do not join all atoms")
    return made


def _with_across(kind: GrainType, entry: dict, types: list) -> GrainType:
    """The type with the pairs that it has across links."""
    classes, across = {t.name: t.num_classes for t in types}, entry.get("across", [])
    _expect(isinstance(across, list), f"{kind.name}: across is no list")
    for pair in across:
        good = isinstance(pair, list) and len(pair) == 4 and isinstance(pair[1], str) and pair[1] in classes
        good = good and all(map(_whole, (pair[0], *pair[2:]))) and 0 < pair[3] <= MOST_BONDS
        good = good and 0 <= pair[0] < kind.num_classes and 0 <= pair[2] < classes[pair[1]]
        _expect(good, f"{kind.name}: across {pair}, expected [class, name of a type, class, bonds]")
    return GrainType.from_dict(entry)


def _check_both_ways(types: list) -> None:
    kinds = pair_kinds(types)
    _expect(len(kinds) == sum(len(t.across) for t in types), "types: a pair across a link stands twice")
    for t, c, u, d, apart in kinds:
        _expect((u, d, t, c, apart) in kinds, f"{types[t].name}: a pair across a link is not known to {types[u].name}")


def _check_cuts(cuts: Any) -> None:
    _expect(isinstance(cuts, list), "cuts is no list")
    try:
        for cut in cuts:
            GrainCut.from_dict(cut)
    except (GrainError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"cuts: {error}") from None


def _check_beads(beads: Any) -> None:
    """Species and mass of each bead by residue and name: residues of several names may be one type."""
    _expect(isinstance(beads, dict), "beads is no dict")
    for residue, own in beads.items():
        _expect(isinstance(own, dict) and own, f"beads of {residue}: {own}, expected a dict")
        for name, told in own.items():
            good = isinstance(told, list) and len(told) == 2 and isinstance(told[0], str) and told[0] and _mass(told[1])
            _expect(good, f"bead {name} of {residue}: {told}, expected [species, mass]")


def _check_domain(domain: dict, names: set) -> None:
    """As `training.coverage.training_domain` makes it; all keys are optional."""
    _expect(isinstance(domain.get("periodic", True), bool), "domain: periodic, expected true or false")
    species = domain.get("species", {})
    _expect(isinstance(species, dict) and set(species) <= names, f"domain: species, expected a dict of {sorted(names)}")
    for name, ends in species.items():
        _check_range(ends, f"species of {name}", 0.0, 1.0)
    for name, most in (("density", DENSEST), ("temperature", HOTTEST)):
        if name in domain:
            _check_range(domain[name], name, 0.0, most)
    if "shortest_contact" in domain:
        contact = domain["shortest_contact"]
        _expect(_number(contact) and 0.0 < contact <= FARTHEST, f"domain: shortest_contact {contact!r}, expected Å")
    temperatures = domain.get("temperatures", [])
    good = isinstance(temperatures, list) and all(_number(t) and 0.0 <= t <= HOTTEST for t in temperatures)
    _expect(good, f"domain: temperatures {temperatures}, expected a list from 0 to {HOTTEST:g} K")
    compositions, densities = (domain.get(name, []) for name in ("compositions", "densities"))
    _expect(isinstance(compositions, list) and isinstance(densities, list), "domain: compositions, expected a list")
    for counts in compositions:
        good = isinstance(counts, dict) and set(counts) <= names and all(map(_whole, counts.values()))
        good = good and min(counts.values(), default=0) >= 0 and sum(counts.values()) > 0
        _expect(good, f"domain: composition {counts}, expected numbers of {sorted(names)}")
    _expect(len(densities) in (0, len(compositions)), "domain: densities, expected one range for each composition")
    for ends in densities:
        if ends is not None:
            _check_range(ends, "densities", 0.0, DENSEST)


def _check_range(ends: Any, name: str, least: float, most: float) -> None:
    good = isinstance(ends, list) and len(ends) == 2 and all(map(_number, ends))
    good = good and least <= ends[0] <= ends[1] <= most * (1 + 1e-12)
    _expect(good, f"domain: {name} {ends}, expected [lowest, highest] from {least:g} to {most:g}")


def _expect(good: object, message: str) -> None:
    if not good:
        raise ValueError(message)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _mass(value: Any) -> bool:
    return _number(value) and value > 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
