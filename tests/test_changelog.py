"""What the changelog says of modules that have moved is so."""

import re
from importlib.util import find_spec
from pathlib import Path

CHANGELOG = (Path(__file__).parents[1] / "CHANGELOG.md").read_text("utf-8")
MOVED = re.findall(r"^\| `([\w.]+)` \| (`.+`) \|$", CHANGELOG, flags=re.MULTILINE)


def test_modules_that_moved_are_where_the_changelog_says():
    homes = [home for _, found in MOVED for home in re.findall(r"`([\w.]+)`", found)]
    assert len(homes) > 40
    assert [home for home in homes if find_spec(f"openmm_cgaa.{home}") is None] == []
