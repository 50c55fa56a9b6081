"""A YAML file to begin with, from the schema of what reads it: every key with what it is, its limits and its default.

A line that begins with ``#`` and one blank is text. A key behind a ``#`` is at its default.
"""

import textwrap
from collections.abc import Mapping, Sequence

import yaml

from .yamlschema import Schema

WIDTH = 100
HEAD = (
    "Text stands behind a # and one blank. Keys behind a # are at their defaults: to set one, remove that # in each "
    "line of its block. What is written as ... is yours to say."
)
WORDS = {  # one, and many
    "array": ("a list", "lists"),
    "object": ("keys", "keys"),
    "string": ("text", "texts"),
    "integer": ("a whole number", "whole numbers"),
    "number": ("a number", "numbers"),
    "boolean": ("true or false", "true or false"),
}
OF = {"array": "of", "object": "with"}
SOME = "..."  # what nobody but the user knows


def commented(schema: Schema, values: Mapping, more: Mapping, head: Sequence[str] = ()) -> str:
    """The text of a YAML file that holds `values`; what else a schema knows is there as comments.

    Parameters
    ----------
    schema : dict
        Of a mapping, see `yamlschema`.
    values : dict
        What the file holds.
    more : dict
        Examples of what has no default, for blocks that are comments.
    head : sequence of str
        Lines before all others.
    """
    told = textwrap.wrap(f"{schema['description']} {HEAD}", WIDTH, initial_indent="# ", subsequent_indent="# ")
    return "\n".join([*head, *told, "", *_keys(schema, values, more, False)]) + "\n"


def _keys(schema: Schema, given: Mapping, more: Mapping, filled: bool) -> list[str]:
    """Lines of a mapping's keys, those that must be there first; `filled` with the defaults, where these are values."""
    lines: list[str] = []
    keys = schema["properties"].items()
    for name, one in sorted(keys, key=lambda item: item[0] not in given and item[0] not in schema.get("required", ())):
        one = _plain(one)
        if "const" in one:
            lines.append(f"{name}: {one['const']}")
            continue
        lines += _told(one)
        default = one.get("default", SOME)
        if name in given:
            lines += _entry(name, one, given[name], more.get(name, {}), False)
        elif filled and default is not None:
            lines += _entry(name, one, more.get(name, default), {}, True)
        else:
            lines += _off(_entry(name, one, more.get(name, default), more.get(name, {}), True))
    return lines


def _entry(name: str, schema: Schema, value: object, more: Mapping, filled: bool) -> list[str]:
    """Lines of a key and its value."""
    if "oneOf" in schema:
        return _of_kinds(name, schema["oneOf"], value, more, filled)
    if "properties" in schema and value != {}:
        given = value if isinstance(value, Mapping) else {}
        return [f"{name}:", *_inside(_keys(schema, given, more if isinstance(more, Mapping) else {}, filled))]
    items = schema.get("items", {})
    if "oneOf" in items:
        return [f"{name}:", *_entries_of_kinds(items["oneOf"], value if isinstance(value, list) else [], more, filled)]
    if "properties" in items:
        some = value if isinstance(value, list) and value else [{}]
        return [f"{name}:", *(line for each in some for line in _item(_keys(items, each, {}, filled)))]
    entry = schema.get("additionalProperties")
    if isinstance(entry, dict) and "properties" in entry and (value != {} or filled):
        named = value if isinstance(value, Mapping) and value else {SOME: {}}
        blocks = ([f"{_flow(key)}:", *_inside(_keys(entry, each, {}, filled))] for key, each in named.items())
        return [f"{name}:", *_inside([line for block in blocks for line in block])]
    return [f"{_flow(name)}: {_flow(_some(schema) if value == SOME else value)}"]


def _some(schema: Schema) -> object:
    """A value of the right type in place of one that only the user knows."""
    names, inner = schema.get("type", "string"), _inner(schema)
    name = names if isinstance(names, str) else names[0]
    if name in ("integer", "number"):
        return schema.get("minimum", 1)
    if name == "array":
        return [_some(inner)] if inner else []
    if name == "object":
        return {SOME: _some(inner)} if inner else {}
    return SOME


def _flow(value: object) -> str:
    """A value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").strip()


def _of_kinds(name: str, kinds: list[Schema], value: object, more: Mapping, filled: bool) -> list[str]:
    """A block that is of one of several kinds: as it is, and the others as comments."""
    own = next((kind for kind in kinds if isinstance(value, Mapping) and _is(kind, value)), kinds[0])
    given = value if isinstance(value, Mapping) else {}
    lines = [f"{name}:", *_inside([*_told(own), *_keys(own, given, more, filled)])]
    for other in kinds:
        if other is not own:
            lines += ["# or:", *_off([f"{name}:", *_inside([*_told(other), *_keys(other, {}, more, True)])])]
    return lines


def _entries_of_kinds(kinds: list[Schema], values: list, more: Mapping, filled: bool) -> list[str]:
    """A list whose entries are of several kinds: those that are there, and one of each other kind as a comment."""
    lines: list[str] = []
    for value in values:
        own = next(kind for kind in kinds if _is(kind, value))
        lines += [*_told(own), *_item(_keys(own, value, {}, filled))]
    for kind in kinds:
        if not any(_is(kind, value) for value in values):
            example = more.get(kind["title"], {})
            lines += [*_told(kind), *_off(_item(_keys(kind, example, {}, True)))]
    return lines


def _is(kind: Schema, value: Mapping) -> bool:
    return all(value.get(key) == one["const"] for key, one in kind["properties"].items() if "const" in one)


def _plain(schema: Schema) -> Schema:
    """Without the other way in which a block may be given: by a reference to all kinds of it."""
    ways = [way for way in schema.get("oneOf", ()) if "$ref" not in way]
    return ways[0] if len(ways) == 1 else schema


def _told(schema: Schema) -> list[str]:
    """Comment above a key: what it is, which words or types it takes."""
    text = schema.get("description", "")
    if "enum" in schema:
        text += f" One of: {', '.join(map(str, schema['enum']))}."
    elif schema.get("default", SOME) in (None, [], {}) and not {"properties", "oneOf"} & {*schema, *_inner(schema)}:
        types = _types(schema)
        text += "" if "minimum" in schema and types.endswith("number") else f" Takes {types}."
    return textwrap.wrap(text.strip(), WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _types(schema: Schema, many: bool = False) -> str:
    """The types of a value in words; what stands for nothing is the default, and seen."""
    names = schema.get("type", "object")
    found = []
    for name in [names] if isinstance(names, str) else names:
        if name != "null":
            inner = _inner(schema) if name in ("array", "object") else {}
            found.append(WORDS[name][many] + (f" {OF[name]} {_types(inner, True)}" if inner else ""))
    return " or ".join(found)


def _inner(schema: Schema) -> Schema:
    """The schema of the entries of a list or a mapping; of none an empty one."""
    inner = schema.get("items") or schema.get("additionalProperties")
    return inner if isinstance(inner, dict) else {}


def _item(lines: list[str]) -> list[str]:
    """An entry of a list; what is told of its first key stands above it."""
    first = next(n for n, line in enumerate(lines) if not line.startswith("# "))
    return [*lines[:first], f"- {lines[first]}", *_inside(lines[first + 1 :])]


def _inside(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _off(lines: Sequence[str]) -> list[str]:
    return [f"#{line}" for line in lines]
