"""Numbers of things are in the words for as many."""

import ast
import re
from pathlib import Path

import pytest

import openmm_cgaa
from openmm_cgaa.wording import counted

PACKAGE = Path(openmm_cgaa.__file__).parent
THINGS = (
    "atoms|bonds|boxes|bursts|bytes|calls|columns|constraints|elements|files|frames|grains|indices|kinds|labels|ligands|"
    "lines|models|molecules|names|numbers|pairs|particles|positions|residues|rows|runs|slots|steps|threads|times|"
    "topologies|trajectories|values|workers"
)


@pytest.mark.parametrize(
    ("number", "thing", "text"),
    [
        (0, "frame", "0 frames"),
        (1, "frame", "1 frame"),
        (2, "whole row", "2 whole rows"),
        (1, "topology", "1 topology"),
        (3, "topology", "3 topologies"),
        (3, "trajectory", "3 trajectories"),
        (2, "box", "2 boxes"),
    ],
)
def test_a_number_of_things(number, thing, text):
    assert counted(number, thing) == text


def loose(path):
    """Numbers that stand before a word for many, whatever the number is; constants of the code are many."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for number, words in zip(parts, parts[1:]):
            whole = isinstance(number, ast.FormattedValue) and not number.format_spec
            if (
                whole
                and isinstance(words, ast.Constant)
                and re.match(rf" (?!has |is |of |with )(?:[a-z]+ )?(?:{THINGS})\b", words.value)
            ):
                if not ast.unparse(number.value).isupper():
                    yield f"{path.relative_to(PACKAGE)}:{number.lineno}: {ast.unparse(number.value)}{words.value}"


def test_every_message_counts_alike():
    paths = [path for path in PACKAGE.rglob("*.py") if "nn" not in path.parts]  # networks print widths, which are many
    assert [place for path in paths for place in loose(path)] == []
