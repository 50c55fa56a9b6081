"""The recipe of conda and the Dockerfile need what pyproject.toml needs: the same packages, bounds, Python, version."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

import openmm_cgaa

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RECIPE = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text("utf-8"))
DOCKERFILE = (ROOT / "packaging/Dockerfile").read_text("utf-8")
CONDA_NAMES = {"torch": "pytorch"}  # where they are not those of PyPI
PYTHONS = [line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"] if " :: 3." in line]


def needs(lines):
    """Name and bounds of each requirement, by PyPI's form or by conda's."""
    found = [Requirement(line) for line in lines]
    return {(CONDA_NAMES.get(one.name, one.name), str(one.specifier)) for one in found}


def instructions():
    """(instruction, what stands behind it) of the Dockerfile, continued lines as one."""
    lines = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def test_recipe_has_the_version_of_the_code_and_the_oldest_python():
    assert RECIPE["context"]["version"] == openmm_cgaa.__version__
    assert f">={RECIPE['context']['python_min']}" == PROJECT["project"]["requires-python"]
    assert RECIPE["context"]["python_min"] == PYTHONS[0]


def test_recipe_needs_what_the_project_needs():
    run = [line for line in RECIPE["requirements"]["run"] if not line.startswith("python ")]
    assert needs(run) == needs(PROJECT["project"]["dependencies"])
    host = [line for line in RECIPE["requirements"]["host"] if not line.startswith(("python ", "pip"))]
    assert needs(host) == needs(PROJECT["build-system"]["requires"])


def test_recipe_makes_the_same_commands():
    told = dict(line.split(" = ") for line in RECIPE["build"]["python"]["entry_points"])
    assert told == PROJECT["project"]["scripts"]
    assert (RECIPE["package"]["name"], RECIPE["about"]["license"]) == ("openmm-cgaa", PROJECT["project"]["license"])
    assert RECIPE["about"]["summary"] == PROJECT["project"]["description"]


def test_dockerfile_takes_a_python_that_was_tried_and_the_bound_of_torch():
    (python,) = {words.partition("=")[2] for name, words in instructions() if words.startswith("PYTHON=")}
    assert python in PYTHONS
    (torch,) = (one for one in PROJECT["project"]["dependencies"] if Requirement(one).name == "torch")
    assert f'"{torch}"' in DOCKERFILE


def test_dockerfile_installs_extras_that_exist():
    extras = PROJECT["project"]["optional-dependencies"]
    (taken,) = (words.partition("=")[2] for name, words in instructions() if words.startswith("EXTRAS="))
    assert set(taken.split(",")) <= extras.keys()
    assert set(re.findall(r'cuda=",(\w+)"', DOCKERFILE)) == {name for name in extras if name.startswith("cuda")}


def test_dockerfile_copies_files_that_exist_and_that_are_not_ignored():
    ignored = (ROOT / "packaging/Dockerfile.dockerignore").read_text("utf-8").splitlines()
    copies = [words.split() for call, words in instructions() if call == "COPY" and "--from" not in words]
    copied = [name for words in copies for name in words[:-1]]
    assert copied and [name for name in copied if not (ROOT / name).exists() or f"!{name}" not in ignored] == []
    assert {name for name, _ in instructions()} <= {"ARG", "FROM", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT"}
