"""Schemas say what the dataclasses say: both refuse the same values of a key. `template`: what is written from them."""

import re
from dataclasses import dataclass, field

import pytest
import yaml

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.inputs.ranges import bounded, one_of, required
from openmm_cgaa.inputs.settings import Checked, from_mapping
from openmm_cgaa.inputs.template import commented
from openmm_cgaa.inputs.yamlschema import any_of_kinds, document, explained, schema_of, unless_filled

jsonschema = pytest.importorskip("jsonschema")


@dataclass(frozen=True)
class Inner(Checked):
    """A part.

    Attributes
    ----------
    name : str
        Its own.
    width : float
        How wide it is.
    """

    name: str
    width: float = bounded(1.0, 0.0, 5.0, "Å")


@dataclass(frozen=True)
class Outer(Checked):
    """All of it.

    More that no editor shows.

    Attributes
    ----------
    steps, more : int
        ``steps`` and more.
    times : float or list
        When.
    """

    steps: int = required(1, 10, "steps")
    more: int = bounded(1, 0, 9)
    times: float | list[float] | None = bounded(None, 0.0, 1e3, "ps")
    counts: dict[str, int] = bounded(dict, 0, 5)
    word: str = one_of("yes", "no")
    flag: bool = False
    parts: list[Inner] = field(default_factory=list)
    named: dict[str, Inner] = field(default_factory=dict)
    part: Inner | None = None
    hidden: int = field(default=0, metadata={"internal": True})


GOOD = [
    {},
    {"times": 2, "counts": {"EC": 5}, "word": "no", "flag": True},
    {"times": [1, 2.5], "parts": [{"name": "a"}, {"name": "b", "width": 5}]},
    {"times": None, "part": None, "named": {"x": {"name": "y", "width": 0.0}}},
]
BAD = [
    {"steps": 0},
    {"steps": 1.5},
    {"steps": True},
    {"steps": None},
    {"times": -1},
    {"times": [1, 2000]},
    {"times": "1e-3"},
    {"counts": {"EC": 6}},
    {"counts": [1]},
    {"word": "maybe"},
    {"flag": 1},
    {"parts": [{"width": 1.0}]},
    {"parts": [{"name": "a", "wdith": 1.0}]},
    {"parts": {"name": "a"}},
    {"named": {"x": {"name": "y", "width": 6}}},
    {"part": {}},
    {"part": []},
    {"other": 1},
    {"hidden": 1},
]


@pytest.mark.parametrize("values", GOOD)
def test_what_is_right_passes_both(values):
    from_mapping(Outer, {"steps": 1, **values}, "here")
    jsonschema.Draft7Validator(schema_of(Outer)).validate({"steps": 1, **values})


@pytest.mark.parametrize("values", BAD)
def test_what_is_wrong_passes_neither(values):
    values = {"steps": 1, **values}
    with pytest.raises(CGAAError):
        from_mapping(Outer, values, "here")
    assert not jsonschema.Draft7Validator(schema_of(Outer)).is_valid(values)


def test_a_key_that_is_missing_passes_neither():
    with pytest.raises(CGAAError, match="steps is missing"):
        from_mapping(Outer, {}, "here")
    assert not jsonschema.Draft7Validator(schema_of(Outer)).is_valid({})
    assert jsonschema.Draft7Validator(schema_of(Outer, filled=True)).is_valid({})


def test_editors_are_told_what_the_docstring_says():
    jsonschema.Draft7Validator.check_schema(document(schema_of(Outer), "outer"))
    keys = schema_of(Outer)["properties"]
    assert schema_of(Outer)["description"] == "All of it."
    assert keys["steps"]["description"] == "`steps` and more. A whole number from 1 to 10 steps."
    assert keys["more"]["default"] == 1 and "default" not in keys["steps"]
    assert keys["parts"]["items"]["properties"]["width"]["description"] == "How wide it is. A number from 0 to 5 Å."
    assert explained(Inner) == {"name": "Its own.", "width": "How wide it is."}


def test_kinds_are_told_apart_by_a_key():
    check = jsonschema.Draft7Validator(any_of_kinds("kind", {"a": schema_of(Inner), "b": schema_of(Outer)}))
    assert check.is_valid({"kind": "a", "name": "x"}) and check.is_valid({"kind": "b", "steps": 1})
    for wrong in ({"name": "x"}, {"kind": "c"}, {"kind": "a", "steps": 1}, {"kind": "b"}, {"kind": "a"}):
        assert not check.is_valid(wrong)


def test_a_key_is_needed_unless_the_defaults_have_it():
    conditions = unless_filled(lambda need: {"runs": {"items": need}}, ["defaults"], ["name"])
    check = jsonschema.Draft7Validator({"allOf": conditions})
    assert check.is_valid({"runs": [{"name": 1}]}) and check.is_valid({"runs": [{}], "defaults": {"name": 1}})
    assert not check.is_valid({"runs": [{}]}) and not check.is_valid({"runs": [{}], "defaults": {"other": 1}})


def test_a_template_holds_the_values_and_every_key():
    text = commented(schema_of(Outer), {"steps": 3, "parts": [{"name": "a"}]}, {}, ["# first"])
    assert text.startswith("# first\n# All of it. ")
    assert yaml.safe_load(text) == {"steps": 3, "parts": [{"name": "a"}]}
    for line in ("# When. A number from 0 to 1000 ps. Takes a number or a list of numbers.", "#times: null"):
        assert line in text.split("\n")
    assert "# One of: yes, no." in text and "  #width: 1.0" in text and "hidden" not in text
    bare = re.sub(r"(?m)^( *)#(?! \S)", r"\1", text)
    whole = yaml.safe_load(bare)
    assert list(whole) == ["steps", "parts", "more", "times", "counts", "word", "flag", "named", "part"]
    assert whole["named"] == {"...": {"name": "...", "width": 1.0}} and whole["part"] == {"name": "...", "width": 1.0}
    assert jsonschema.Draft7Validator(schema_of(Outer)).is_valid(whole)
