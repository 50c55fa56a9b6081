"""What the changelog says of modules that have moved is so."""

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

from packaging.version import Version

from openmm_cgaa import __version__, former

CHANGELOG = (Path(__file__).parents[1] / "CHANGELOG.md").read_text("utf-8")
MOVED = re.findall(r"^\| `([\w.]+)` \| (`.+`) \|$", CHANGELOG, flags=re.MULTILINE)


def test_modules_that_moved_are_where_the_changelog_says():
    homes = [home for _, found in MOVED for home in re.findall(r"`([\w.]+)`", found)]
    assert len(homes) > 40
    assert [home for home in homes if find_spec(f"openmm_cgaa.{home}") is None] == []


def test_the_old_name_that_files_hold_stays_as_long_as_they_are_read():
    """tests/engines/test_saved.py reads such a file. The name is the module itself, no second copy of it."""
    assert Version(Version(__version__).base_version) < Version(former.GONE)
    for old, home in former.MOVED.items():
        assert importlib.import_module(old) is importlib.import_module(home)
