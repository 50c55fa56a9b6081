"""A system ships no data that nobody needs: what is only a record's is made by a documented command."""

import re
from pathlib import Path

import pytest

SYSTEMS = Path(__file__).parents[2] / "systems"
DATA = sorted(SYSTEMS.glob("*/data/*.h5"))


@pytest.mark.parametrize("data", DATA, ids=lambda path: path.name)
def test_a_documented_configuration_takes_each_data_set(data):
    """Its YAML file stands in a README with what it is for."""
    system = data.parents[1]
    plans = [*system.glob("*.yaml"), *system.glob("stages/*.yaml")]
    users = [path for path in plans if re.search(rf"\bdata/{data.name}\b", path.read_text("utf-8"))]
    readme = "".join(path.read_text("utf-8") for path in (system / "README.md", *system.glob("stages/README.md")))
    readme = readme.replace("train_*.yaml", " ".join(p.name for p in users))
    tests = (path.read_text("utf-8") for path in SYSTEMS.parent.glob("tests/**/*.py"))
    assert any(path.name in readme for path in users) or any(data.name in text for text in tests)


def test_there_are_data():
    assert len(DATA) > 10
