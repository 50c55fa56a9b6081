"""What a newcomer installs: metadata, the console script, and a wheel that carries the bundled models."""

import re
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatchcase
from importlib.metadata import entry_points, version
from pathlib import Path

import yaml

import openmm_cgaa
from openmm_cgaa.cli import COMMANDS
from openmm_cgaa.structures.structure import write_structure

ROOT = Path(__file__).parents[1]
UNTYPED = {
    "openmm_cgaa.nn.*",
    "openmm_cgaa.validation.*",
    "openmm_cgaa.sampling.cuts",
    "openmm_cgaa.sampling.liquids",
    "openmm_cgaa.sampling.pairs",
    "openmm_cgaa.training.compiled",
}


def test_installed_version_is_that_of_the_code():
    assert version("openmm-cgaa") == openmm_cgaa.__version__


def test_console_script_lists_every_command():
    script = Path(sys.executable).with_name("openmm-cgaa")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)


def test_openmmml_finds_the_bundled_names():
    names = {entry.name for entry in entry_points(group="openmmml.potentials")}
    bundled = {f"cgaa-{path.stem}" for path in (ROOT / "openmm_cgaa/models").glob("*.safetensors")}
    assert {"cgaa"} | bundled <= names


def test_wheel_carries_modules_and_bundled_models(tmp_path):
    # built from a copy, so that the checkout stays as it was
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "openmm_cgaa").symlink_to(ROOT / "openmm_cgaa")
    command = [sys.executable, "-m", "pip", "wheel", str(tmp_path), "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    files = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "openmm_cgaa"
    wanted = {
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.py", "*.cpp", "*.cu", "*.cuh", "*.jinja", "models/*.*")
        for path in package.rglob(pattern)
    }
    assert "openmm_cgaa/models/ec-emc.safetensors" in files
    assert wanted <= files
    assert any(name.endswith("/licenses/LICENSE") for name in files)
    assert "openmm_cgaa/py.typed" in files  # type checkers read our annotations
    assert wheel.stat().st_size < 12e6


def test_one_version_of_ruff_checks_everywhere():
    """A formatter of another version would undo what the hook has done."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    (pinned,) = (need for need in extras["dev"] if need.startswith("ruff"))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    assert {hook["additional_dependencies"][0] for hook in hooks if hook["id"].startswith("ruff")} == {pinned}


def test_one_version_of_mypy_checks_everywhere():
    """The hook calls the mypy of the extra dev, whose version is one, as `make lint` does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (pinned,) = (need for need in project["optional-dependencies"]["dev"] if need.startswith("mypy"))
    assert re.fullmatch(r"mypy==[\d.]+", pinned)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    (hook,) = (hook for hook in hooks if hook["id"] == "mypy")
    assert (hook["entry"], hook["language"], hook["pass_filenames"]) == ("mypy", "system", False)
    assert "$(BIN)/mypy\n" in (ROOT / "Makefile").read_text("utf-8")


def test_types_are_checked_of_all_but_a_few_modules():
    """What is left out is here too, so that the list does not grow without a word; a room that is clean leaves it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]
    assert settings["files"] == ["openmm_cgaa"] and settings["disallow_untyped_defs"]
    assert not {"exclude", "ignore_errors", "follow_imports"} & settings.keys()
    (left_out,) = (override for override in settings["overrides"] if override.keys() - {"module"} == {"ignore_errors"})
    assert settings["overrides"] == [left_out]
    assert set(left_out["module"]) <= UNTYPED
    homes = {f"openmm_cgaa.{home}" for home in openmm_cgaa._HOMES.values()}
    assert [home for home in homes for pattern in left_out["module"] if fnmatchcase(home, pattern)] == []


def test_what_types_ignore_has_a_reason():
    for path in (ROOT / "openmm_cgaa").rglob("*.py"):
        lines = path.read_text("utf-8").splitlines()
        for above, line in zip(["", *lines], lines):
            if "# type: ignore" in line:
                told = re.search(r"# type: ignore\[[\w, -]+\](  # .+)?$", line)
                assert told, f"{path}: {line.strip()} names no error"
                beside = told[1] or above.strip().startswith("#") or "# type: ignore" in above
                assert beside, f"{path}: {line.strip()} has no reason beside it"


def test_script_of_the_readme_runs_as_pasted(solvent, tmp_path, monkeypatch):
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    topology, positions, _ = solvent
    monkeypatch.chdir(tmp_path)
    write_structure("box.cif", topology, positions)
    names = {}
    exec(compile(script, "README.md", "exec"), names)
    assert names["system"].getNumParticles() == 240
    assert "CGAA" in [force.getName() for force in names["system"].getForces()]
