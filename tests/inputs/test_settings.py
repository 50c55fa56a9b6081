"""Dataclasses of settings: what is refused, and in which words."""

import math
from dataclasses import asdict, dataclass, field

import numpy as np
import pytest

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.inputs.ranges import bounded, one_of
from openmm_cgaa.inputs.settings import Checked, completed, from_mapping


@dataclass(frozen=True)
class Example(Checked):
    seed: int = bounded(1, 0, 9)
    step: float = bounded(0.5, 0.1, 2.0, "fs")
    temperatures: float | list[float] | None = bounded(None, 1.0, 1e3, "K")
    counts: dict[str, int] = bounded(dict, 0, 5)
    word: str = one_of("yes", "no")
    flag: bool = False


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": 10}, "seed is 10; expected a whole number from 0 to 9"),
        ({"seed": -1}, "seed is -1; expected"),
        ({"seed": 1.0}, "seed is 1.0, expected int"),
        ({"seed": True}, "seed is True, expected int"),
        ({"seed": None}, "seed is None, expected int"),
        ({"seed": 10**5000}, "seed is a number of thousands of digits; expected"),
        ({"step": math.nan}, "step is nan; expected a number from 0.1 to 2 fs"),
        ({"step": math.inf}, "step is inf; expected"),
        ({"step": 10**400}, "step is inf; expected"),
        ({"step": "1e-3"}, "step is '1e-3', expected float; YAML wants a point: 1.0e-3"),
        ({"temperatures": [300, "x"]}, "entry 2 of temperatures is 'x', expected float"),
        ({"temperatures": [300, -1]}, r"temperatures is \[300.0, -1.0\]; expected a number from 1 to 1000 K"),
        ({"counts": {"EC": 6}}, "counts is {'EC': 6}; expected a whole number from 0 to 5"),
        ({"counts": {False: 1}}, "counts has the key False, expected str; put it in quotes"),
        ({"word": "maybe"}, "word is 'maybe', expected yes or no"),
        ({"word": "y\0"}, ".*; a zero byte"),
        ({"flag": 1}, "flag is 1, expected yes or no"),
        ({"other": 1}, "unknown key other; known are seed, step"),
        ([1], r"expected the keys seed, .*, got \[1\]"),
    ],
)
def test_what_is_wrong_is_said(values, message):
    with pytest.raises(CGAAError, match=f"here: {message}"):
        from_mapping(Example, values, "here")


def test_python_makes_the_same_object_as_a_file():
    made = Example(seed=np.int64(2), step=1, temperatures=(300, 400))
    assert made == from_mapping(Example, {"seed": 2, "step": 1.0, "temperatures": [300.0, 400.0]}, "here")
    assert type(asdict(made)["seed"]) is int and type(made.step) is float and Example() == Example(counts={})
    with pytest.raises(CGAAError, match="^seed is 10"):
        Example(seed=10)


@dataclass(frozen=True)
class Whole(Checked):
    needed: int
    example: Example = field(default_factory=Example)


def test_a_record_of_before_a_field_existed_has_its_default():
    now = asdict(Whole(1))
    assert completed(Whole, {"needed": 1}) == now
    older = {"needed": 1, "example": {"seed": 4}}
    assert completed(Whole, older) == now | {"example": now["example"] | {"seed": 4}}
    assert older == {"needed": 1, "example": {"seed": 4}}  # as it was
    assert completed(Whole, {}) == {"example": now["example"]}  # what has no default is not known
    assert completed(Whole, {"needed": 1, "gone": 2})["gone"] == 2
