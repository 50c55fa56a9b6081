"""What messages tell people to use is there: options, commands, functions, extras, files, keywords."""

import argparse
import ast
import importlib
import inspect
import pkgutil
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

import openmm_cgaa
from openmm_cgaa.cli import COMMANDS

ROOT = Path(openmm_cgaa.__file__).parents[1]


def literal(node):
    """The words of a message; what is filled in becomes a space."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) if isinstance(part, ast.Constant) else " " for part in node.values)
    if isinstance(node, ast.BinOp):
        return literal(node.left) + literal(node.right)
    return ""


@cache
def texts():
    """(place, text) of every string of the package that is not a docstring."""
    found = []
    for path in sorted((ROOT / "openmm_cgaa").rglob("*.py")):
        tree = ast.parse(path.read_text())
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
            if isinstance(node.body[0], ast.Expr)
        }
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if (
                id(node) not in docs | inside
                and isinstance(node, ast.Constant | ast.JoinedStr)
                and " " in literal(node)
            ):
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", literal(node)))
    return found


def named(pattern):
    """(place, what a pattern finds) in all texts, each once."""
    return sorted({(hit, place) for place, text in texts() for hit in re.findall(pattern, text)})


@cache
def options():
    """All options of the command line."""
    found = {"--help"}

    def collect(parser):
        for action in parser._actions:
            found.update(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                for inner in action.choices.values():
                    collect(inner)

    for name in COMMANDS:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"openmm_cgaa.cli.{name}").add_arguments(parser)
        collect(parser)
    return found


def test_options_exist():
    used = named(r"(?<!dask scheduler )(?<![-\w])--[a-z][a-z-]+")  # those of another program are its own
    assert len(used) > 20
    of_dask = {"--nworkers", "--nthreads"}
    assert [hit for hit in used if hit[0] not in options() | of_dask] == []


def test_commands_exist():
    used = named(r"openmm-cgaa ([a-z]+)")
    assert len(used) > 5
    assert [hit for hit in used if hit[0] not in COMMANDS] == []


def test_functions_exist():
    used = named(r"openmm_cgaa(?:\.\w+)+")
    assert len(used) > 5
    for name, place in used:
        module, found = name.split("."), None
        while module and found is None:
            try:
                found = importlib.import_module(".".join(module))
            except ModuleNotFoundError:
                module.pop()
        for part in name.split(".")[len(module) :]:
            assert hasattr(found, part), (name, place)
            found = getattr(found, part)


def test_extras_exist_and_are_named_so_that_a_shell_takes_them():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    used = named(r"pip install (\S*\[\w+\]'?)")
    assert len(used) > 5
    for text, place in used:
        extra = re.fullmatch(r"'openmm-cgaa\[(\w+)\]'", text)
        assert extra and extra[1] in extras, (text, place)


def test_files_exist():
    used = named(r"(?:docs|systems|scripts)/[\w/.]+\w")
    assert used and [hit for hit in used if not (ROOT / hit[0]).exists()] == []


@pytest.mark.parametrize(
    "keyword, functions",
    [
        ("positions", ("CGAAPotential.createSystem", "CGAAPotential.addForces")),
        ("backend", ("CGAAPotential.createSystem", "CGAAPotential.addForces")),
        ("hydrogenMass", ("CGAAPotential.createSystem",)),
    ],
)
def test_keywords_exist(keyword, functions):
    """Keywords that messages advise are taken where the messages arise; `createSystem` hands on to `addForces`."""
    from openmm_cgaa import CGAAPotential

    taken = set(inspect.signature(CGAAPotential.addForces).parameters)
    for function in functions:
        own = set(inspect.signature(getattr(CGAAPotential, function.split(".")[1])).parameters)
        assert keyword in own or ("options" in own and keyword in taken)


def test_every_module_is_looked_at():
    modules = [name for _, name, _ in pkgutil.walk_packages(openmm_cgaa.__path__, "openmm_cgaa.")]
    assert len(modules) > 80 and len(texts()) > 400
