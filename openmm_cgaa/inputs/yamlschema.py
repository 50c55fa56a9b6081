"""JSON schemas of YAML files, from the dataclasses of settings that read them: types, limits, defaults, docstrings.

A schema refuses what a dataclass refuses of one key: its name, type, range, choice. What two keys are together (a
density or a box, not both) only the dataclass knows.
"""

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from typing import Any

from .ranges import Range
from .settings import Annotation, Dataclass, number_kind

DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that language servers of YAML know in full
NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
Schema = dict[str, Any]


def document(schema: Schema, title: str) -> Schema:
    """A schema as a file has it.

    Parameters
    ----------
    schema : dict
        As of `schema_of`.
    title : str
        What the YAML file is.
    """
    return {"$schema": DRAFT, "title": title, **schema}


def schema_of(kind: type[Dataclass], filled: bool = False) -> Schema:
    """The schema of the mapping that `settings.from_mapping` takes for a dataclass.

    A field whose annotation does not tell all has ``metadata={"schema": function}``, which gives its schema.

    Parameters
    ----------
    kind : type
        A dataclass of settings; its docstring explains its fields in a section ``Attributes``.
    filled : bool
        Keys are filled from elsewhere, so none of them is required.
    """
    hints, told = typing.get_type_hints(kind), explained(kind)
    keys = {f.name: f for f in fields(kind) if not f.metadata.get("internal")}
    schema = {
        "type": "object",
        "description": _first_paragraph(kind),
        "properties": {name: _property(f, hints[name], told.get(name, "")) for name, f in keys.items()},
        "additionalProperties": False,
    }
    required = required_of(kind)
    return schema if filled or not required else schema | {"required": required}


def required_of(kind: type[Dataclass]) -> list[str]:
    """The keys of a dataclass that have no default."""
    return [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]


def any_of_kinds(key: str, kinds: Mapping[str, Schema], text: str = "") -> Schema:
    """The schema of a mapping that is of one of several kinds, which one of its keys names.

    Parameters
    ----------
    key : str
        Such as ``kind``.
    kinds : dict
        The schema of each, without that key.
    text : str
        What the key is.
    """
    return {"type": "object", "oneOf": [with_name(key, name, schema, text) for name, schema in kinds.items()]}


def with_name(key: str, name: str, schema: Schema, text: str = "", optional: bool = False) -> Schema:
    """The schema of a mapping in which a further key has one value only; parameters as of `any_of_kinds`."""
    named = {key: {"const": name, **({"description": text} if text else {})}}
    required = [*([] if optional else [key]), *(n for n in schema.get("required", []) if n != key)]
    whole = {**schema, "title": name, "properties": named | {k: v for k, v in schema["properties"].items() if k != key}}
    return {k: v for k, v in whole.items() if k != "required"} | ({"required": required} if required else {})


def unless_filled(entries: Callable[[Schema], Schema], place: list[str], required: list[str]) -> list[Schema]:
    """Conditions by which entries have the keys that they need, or the defaults of the same file have them.

    Parameters
    ----------
    entries : callable
        Gives the schema of the file's keys from that of an entry.
    place : list of str
        Keys that lead to the defaults.
    required : list of str
        Keys that an entry needs.
    """
    found = []
    for name in required:
        there: Schema = {"required": [name]}
        for key in reversed(place):
            there = {"properties": {key: there}, "required": [key]}
        found.append({"if": there, "else": {"properties": entries({"required": [name]})}})
    return found


def explained(kind: type) -> dict[str, str]:
    """What the docstrings of a dataclass and of those that it is made of say of each field.

    The section ``Attributes`` of NumPy: names, a colon and the type; the text below.
    """
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        section = inspect.cleandoc(one.__dict__.get("__doc__") or "").partition("Attributes\n----------\n")[2]
        for entry in re.split(r"\n(?=\S)", section):
            head, _, body = entry.partition("\n")
            text = " ".join(body.split()).replace("``", "`")
            found |= {name: text for name in head.partition(" : ")[0].split(", ") if name}
    return found


def _first_paragraph(kind: type) -> str:
    return " ".join(inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].split()).replace("``", "`")


def _property(f: Field, expected: Annotation, text: str) -> Schema:
    """A key: its type and limits, what it is, its default."""
    given = f.metadata.get("schema")
    schema = given() if given else of_annotation(expected)
    if "choices" in f.metadata:
        schema["enum"] = list(f.metadata["choices"])
    if "range" in f.metadata:
        low, high = f.metadata["range"]
        _limit(schema, low, high)
        text = f"{text} {_limits(f, expected)}".strip()
    if text:
        schema["description"] = text
    if f.default is not MISSING:
        schema["default"] = f.default
    elif f.default_factory is not MISSING:
        value = f.default_factory()
        schema["default"] = _plain(value)
    return schema


def _limits(f: Field, expected: Annotation) -> str:
    """The range of a field in words, as the error message has it."""
    low, high = f.metadata["range"]
    words = str(Range(number_kind(expected), low, high, f.metadata["unit"]))
    return f"{words[0].upper()}{words[1:]}."


def _limit(schema: Schema, low: float, high: float) -> None:
    """Put limits on the numbers of a value: itself, those of a list, those of a mapping."""
    for place in (schema, schema.get("items", {}), schema.get("additionalProperties", {})):
        names = place.get("type", [])
        if {"integer", "number"} & {*([names] if isinstance(names, str) else names)}:
            place.update(minimum=low, maximum=high)


def of_annotation(expected: Annotation) -> Schema:
    """The schema of a type as fields have it: ``float | list[float] | None``, ``dict[str, Settings]``."""
    whole: Schema = {}
    members = typing.get_args(expected) if isinstance(expected, types.UnionType) else (expected,)
    for member in members:
        origin, inner = typing.get_origin(member) or member, typing.get_args(member)
        if is_dataclass(origin):
            part = schema_of(typing.cast(type[Dataclass], origin))
        elif origin is list:
            part = {"type": "array", **({"items": of_annotation(inner[0])} if inner else {})}
        elif origin is dict:
            part = {"type": "object", **({"additionalProperties": of_annotation(inner[1])} if inner else {})}
        else:
            part = {"type": NAMES.get(origin, "object")}
        whole = part | whole | {"type": [*whole.get("type", []), part["type"]]}
    return whole | {"type": whole["type"][0] if len(whole["type"]) == 1 else whole["type"]}


def _plain(value: object) -> object:
    """A default as a file has it."""
    if is_dataclass(value) and not isinstance(value, type):
        keys = {f.name for f in fields(value) if not f.metadata.get("internal")}
        return {name: _plain(one) for name, one in asdict(value).items() if name in keys}
    return value
