"""What the changelog says of modules that have moved is so."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.version import Version

from openmm_cgaa import __version__, former

CHANGELOG = (Path(__file__).parents[1] / "CHANGELOG.md").read_text("utf-8")
MOVED = re.findall(r"^\| `([\w.]+)` \| (`.+`) \|$", CHANGELOG, flags=re.MULTILINE)


def test_modules_that_moved_are_where_the_changelog_says():
    homes = [home for _, found in MOVED for home in re.findall(r"`([\w.]+)`", found)]
    assert len(homes) > 40
    assert [home for home in homes if find_spec(f"openmm_cgaa.{home}") is None] == []


def test_old_names_stay_no_longer_than_was_said():
    """From that version on former.py goes, with these tests."""
    assert Version(__version__) < Version(former.GONE)


@pytest.mark.parametrize("old", former.MOVED)
def test_old_names_are_found_with_a_warning(old):
    """As in a script of 0.1.0; it is the module itself, no second copy of it."""
    home = f"openmm_cgaa.{former.MOVED[old]}"
    assert former.MOVED[old] in dict(MOVED)[old]
    code = f"""
import importlib, sys, warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = importlib.import_module("openmm_cgaa.{old}")
assert any("{home} now, and its old name goes in 1.0" in str(one.message) for one in told), told
names = {former.NAMES.get(old, {})!r}
assert found is sys.modules["{home}"] or names
for name, other in names.items():
    assert getattr(found, name) is getattr(importlib.import_module("openmm_cgaa." + other), name)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
