"""YAML files of settings, checked key by key against dataclasses."""

import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path

import yaml

from .errors import CGAAError


def read_yaml(path, what) -> dict:
    """The mapping that a YAML file holds; `what` says for messages what was expected.

    Raises
    ------
    CGAAError
        The file is missing, not YAML, or holds no mapping.
    """
    try:
        values = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise CGAAError(f"{path}: {error.strerror}; expected {what}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CGAAError(f"{path}: not YAML ({error})") from None
    if not isinstance(values, dict):
        raise CGAAError(f"{path}: expected {what}: keys and values, but the file holds {values!r}")
    return values


def from_mapping(kind, values, where):
    """An object of the dataclass `kind` from a mapping; every key and every type is checked.

    Parameters
    ----------
    kind : type
        A dataclass; fields with ``metadata={"internal": True}`` are no keys.
    values : dict
    where : str
        For messages: the file, and the place in it.

    Raises
    ------
    CGAAError
        An unknown or a missing key, a value of another type; or whatever the dataclass refuses, with the place.
    """
    known = {f.name: f for f in fields(kind) if not f.metadata.get("internal")}
    if not isinstance(values, dict):
        raise CGAAError(f"{where}: expected the keys {', '.join(known)}, got {values!r}")
    unknown = [str(key) for key in values if key not in known]
    if unknown:
        raise CGAAError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise CGAAError(f"{where}: {name} is missing")
    expected = typing.get_type_hints(kind)
    arguments = {key: _checked(expected[key], value, f"{where}: {key}") for key, value in values.items()}
    try:
        return kind(**arguments)
    except CGAAError as error:
        raise type(error)(f"{where}: {error}") from None


def _checked(expected, value, where):
    """The value: a mapping as the dataclass, an int as the float that is wanted."""
    if is_dataclass(expected) and not isinstance(value, expected):
        return from_mapping(expected, value, where)
    union = isinstance(expected, types.UnionType)
    kinds = [typing.get_origin(k) or k for k in (typing.get_args(expected) if union else [expected])]
    if isinstance(value, bool) and bool not in kinds:
        kinds = []
    if isinstance(value, int) and int not in kinds and float in kinds:
        return float(value)
    if not isinstance(value, tuple(kinds)):
        names = " or ".join("nothing" if k is type(None) else k.__name__ for k in kinds) or "no yes or no"
        hint = "; YAML wants a point: 1.0e-3" if isinstance(value, str) and float in kinds else ""
        raise CGAAError(f"{where} is {value!r}, expected {names}{hint}")
    return value
