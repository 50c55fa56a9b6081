"""Kinds of trajectories carry what they need: no code asks for one by its word."""

import ast
from pathlib import Path

import numpy as np
import pytest

import openmm_cgaa
from openmm_cgaa.data import KINDS, Dataset, Trajectory
from openmm_cgaa.data.kinds import EQUILIBRIUM, guess_kind

PACKAGE = Path(openmm_cgaa.__file__).parent


def asked():
    """File and line of each comparison with the word of a kind, and of each choice of frames by it."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                words = [node.left, *node.comparators]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "select":
                words = [value for given in (*node.args, *node.keywords) for value in ast.walk(given)]
            else:
                continue
            for word in words:
                if isinstance(word, ast.Constant) and word.value in KINDS:
                    yield path.relative_to(PACKAGE), node.lineno


def test_no_code_asks_for_a_kind_by_its_word():
    assert list(asked()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_frames_in_equilibrium_stand_for_what_a_model_is_for(liquid, kind):
    """With others beside them they alone; without any of them all."""
    frames = liquid.take([0, 1, 2])
    mixed = [Trajectory("one", kind), Trajectory("other", "cluster")]
    dataset = Dataset([type(frames)(**(vars(frames) | {"trajectory": np.array([0, 1, 0])}))], mixed, {"name": "x"})
    assert len(dataset.equilibrium()) == (2 if kind in EQUILIBRIUM else 3)


def test_a_kind_is_guessed_from_the_boundary_and_the_number_of_molecules():
    found = [guess_kind(*about) for about in ((True, 1), (True, 9), (False, 1), (False, 2), (False, 3))]
    assert found == ["liquid", "liquid", "molecule", "pair", "cluster"]
