"""What the changelog says of modules that have moved is so."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from packaging.version import Version

from openmm_cgaa import __version__, former

CHANGELOG = (Path(__file__).parents[1] / "CHANGELOG.md").read_text("utf-8")
MOVED = re.findall(r"^\| `([\w.]+)` \| (`.+`) \|$", CHANGELOG, flags=re.MULTILINE)

FOUND = """
import importlib, sys, warnings
from openmm_cgaa import former
for old, home in former.MOVED.items():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = importlib.import_module("openmm_cgaa." + old)
    said = "openmm_cgaa." + home + " now, and its old name goes in 1.0"
    assert any(said in str(one.message) for one in told), (old, told)
    names = former.NAMES.get(old, {})
    assert found is sys.modules["openmm_cgaa." + home] or names, old
    for name, other in names.items():
        assert getattr(found, name) is getattr(importlib.import_module("openmm_cgaa." + other), name), (old, name)
"""


def test_modules_that_moved_are_where_the_changelog_says():
    homes = [home for _, found in MOVED for home in re.findall(r"`([\w.]+)`", found)]
    assert len(homes) > 40
    assert [home for home in homes if find_spec(f"openmm_cgaa.{home}") is None] == []


def test_old_names_stay_no_longer_than_was_said():
    """From that version on former.py has `grains` alone, for Systems of 0.1.0; release candidates count, too."""
    assert Version(Version(__version__).base_version) < Version(former.GONE)


def test_old_names_are_found_with_a_warning():
    """As in a script of 0.1.0; each is the module itself, no second copy of it."""
    assert former.MOVED and all(home in dict(MOVED)[old] for old, home in former.MOVED.items())
    subprocess.run([sys.executable, "-c", FOUND], check=True)
