"""What two model files have in common, and where they differ."""

import json
from typing import Any

import torch

from ..wording import counted
from .file import load_model_bytes

TOLD_APART = ("config", "types", "cuts", "beads", "prior", "domain", "errors", "provenance")
MANY = 60  # letters of a value that are shown


def differences(one: bytes, other: bytes, names: tuple[str, str] = ("the first", "the second")) -> list[list[str]]:
    """Rows of what differs: its place, and what it is in each of two model files; empty where nothing does.

    Raises
    ------
    ModelFileError
        A file is damaged; it is called by its name.
    """
    network, first = load_model_bytes(one, names[0])
    second_network, second = load_model_bytes(other, names[1])
    rows = []
    for part in TOLD_APART:
        rows += _of(part, first.get(part), second.get(part))
    return rows + _of_weights(network.state_dict(), second_network.state_dict())


def _of(place: str, one: Any, other: Any) -> list[list[str]]:
    if one == other:
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [row for key in keys for row in _of(f"{place}.{key}", one.get(key), other.get(key))]
    if isinstance(one, list) and isinstance(other, list) and place == "types":
        kinds = [{kind["name"]: kind for kind in side} for side in (one, other)]
        return _of(place, *kinds)
    return [[place, _short(one), _short(other)]]


def _short(value: Any) -> str:
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MANY else f"{text[: MANY - 3]}..."


def _of_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[list[str]]:
    """By part of the network: how many tensors each file has of it, how many of those differ, and by how much."""
    rows = []
    for part in dict.fromkeys(name.split(".")[0] for name in [*one, *other]):
        mine, theirs = ({name for name in side if name.split(".")[0] == part} for side in (one, other))
        both = [name for name in mine & theirs if one[name].shape == other[name].shape]
        changed = [name for name in both if not torch.equal(one[name], other[name])]
        apart = [(one[name].double() - other[name].double()).abs() for name in changed]
        furthest = max((number for part in apart for number in part[part.isfinite()].tolist()), default=0.0)
        if mine != theirs or len(both) < len(mine):
            rows.append([f"weights.{part}", counted(len(mine), "tensor"), counted(len(theirs), "tensor")])
        if changed:
            rows.append([f"weights.{part}", f"{len(changed)} of {len(both)} differ", f"by {furthest:.3g} at most"])
    return rows
