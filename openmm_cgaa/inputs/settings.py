"""Dataclasses of settings: every key, every type and every range is checked, wherever the values come from."""

import numbers
import os
import types
import typing
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from typing import ClassVar, Protocol, TypeVar

from ..errors import CGAAError
from .ranges import Range


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field]]


Settings = TypeVar("Settings", bound=Dataclass)
Annotation = type | types.UnionType  # of a field


class Checked:
    """Base of the frozen dataclasses of settings, which checks each field when an object is made.

    A field has the type of its annotation: an int becomes the float that is wanted, a tuple a list, a path a str.
    Numbers lie in the range and words among the choices that the field's metadata name (`ranges.bounded`,
    `ranges.one_of`). `CGAAError` says what is wrong, beginning with the field's name.
    """

    __dataclass_fields__: ClassVar[dict[str, Field]]  # as each class of settings has them

    def __post_init__(self) -> None:
        expected = typing.get_type_hints(type(self))
        for f in fields(self):
            value = _typed(expected[f.name], getattr(self, f.name), f.name)
            _check_limits(f, number_kind(expected[f.name]), value)
            object.__setattr__(self, f.name, value)


def from_mapping(kind: type[Settings], values: object, where: str) -> Settings:
    """An object of the dataclass `kind` from a mapping; every key is checked here, every value by the dataclass.

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
        An unknown or a missing key, or whatever the dataclass refuses, with the place.
    """
    known = {f.name: f for f in fields(kind) if not f.metadata.get("internal")}
    if not isinstance(values, dict):
        raise CGAAError(f"{where}: expected the keys {', '.join(known)}, got {_shown(values)}")
    unknown = [str(key) for key in values if key not in known]
    if unknown:
        raise CGAAError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise CGAAError(f"{where}: {name} is missing")
    try:
        return kind(**values)
    except CGAAError as error:
        raise type(error)(f"{where}: {error}") from None


def completed(kind: type[Dataclass], record: dict) -> dict:
    """What a record of settings says: a field that has come since it was written was at its default.

    So that this is true, the default of a new field is what was done before there was one.

    Parameters
    ----------
    kind : type
        A dataclass, of which the record is the `dataclasses.asdict`, or a part of that.
    record : dict
        Of this version or an older one, as JSON keeps it.
    """
    hints, whole = typing.get_type_hints(kind), dict(record)
    for f in fields(kind):
        if f.name in record:
            if is_dataclass(hints[f.name]):
                whole[f.name] = completed(hints[f.name], record[f.name])
        elif f.default is not MISSING:
            whole[f.name] = f.default
        elif f.default_factory is not MISSING:
            value = f.default_factory()
            whole[f.name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return whole


def range_of(kind: type[Dataclass], name: str) -> Range:
    """The range of a field of a dataclass of settings."""
    f = next(f for f in fields(kind) if f.name == name)
    low, high = f.metadata["range"]
    return Range(number_kind(typing.get_type_hints(kind)[name]), low, high, f.metadata["unit"])


def number_kind(expected: Annotation) -> type:
    """int or float: the kind of number in an annotation such as ``float | list[float] | None``."""
    inner = [k for whole in _members(expected) for k in (typing.get_args(whole) or [whole])]
    return float if float in inner else int


def _members(expected: Annotation) -> tuple[type, ...]:
    return typing.get_args(expected) if isinstance(expected, types.UnionType) else (expected,)


def _typed(expected: Annotation, value: object, name: str) -> object:
    """The value as one of the annotation's types: a mapping as the dataclass, an int as the float that is wanted."""
    kinds = {typing.get_origin(whole) or whole: whole for whole in _members(expected)}
    nested = next((kind for kind in kinds.values() if is_dataclass(kind)), None)
    if nested and not isinstance(value, nested) and (len(kinds) == 1 or isinstance(value, dict) and dict not in kinds):
        return from_mapping(nested, value, name)
    if isinstance(value, numbers.Number) and hasattr(value, "item"):
        value = value.item()  # of numpy
    elif isinstance(value, os.PathLike) and str in kinds and not isinstance(value, tuple(kinds)):
        value = os.fspath(value)
    elif isinstance(value, tuple) and list in kinds:
        value = list(value)
    flag = isinstance(value, bool) and bool not in kinds  # a bool is an int for Python, not for a user
    if isinstance(value, int) and not flag and int not in kinds and float in kinds:
        value = float(value) if abs(value) < 1e300 else float("inf")
    if flag or not isinstance(value, tuple(kinds)):
        words = {type(None): "nothing", bool: "yes or no"}
        names = " or ".join(words.get(k, k.__name__) for k in kinds)
        hint = "; YAML wants a point: 1.0e-3" if isinstance(value, str) and float in kinds else ""
        hint = "; put it in quotes" if str in kinds and not isinstance(value, dict | list) else hint
        raise CGAAError(f"{name} is {_shown(value)}, expected {names}{hint}")
    if isinstance(value, str) and "\0" in value:
        raise CGAAError(f"{name} is {_shown(value)}; a zero byte can stand in no text")
    inner = typing.get_args(kinds.get(type(value)))
    if inner and isinstance(value, list):
        return [_typed(inner[0], entry, f"entry {n} of {name}") for n, entry in enumerate(value, 1)]
    if inner and isinstance(value, dict):
        for key in value:
            if not isinstance(key, inner[0]):
                raise CGAAError(f"{name} has the key {_shown(key)}, expected {inner[0].__name__}; put it in quotes")
        return {key: _typed(inner[1], entry, f"{name} of {key}") for key, entry in value.items()}
    return value


def _check_limits(f: Field, kind: type, value: object) -> None:
    if "choices" in f.metadata and value not in f.metadata["choices"]:
        raise CGAAError(f"{f.name} is {_shown(value)}, expected {' or '.join(map(str, f.metadata['choices']))}")
    if "range" in f.metadata:
        low, high = f.metadata["range"]
        allowed = Range(kind, low, high, f.metadata["unit"])
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for number in inner:
            if isinstance(number, int | float) and number not in allowed:
                raise CGAAError(f"{f.name} is {_shown(value)}; expected {allowed}")


def _shown(value: object) -> str:
    """Not all of a long value: a message is one line."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}..."
