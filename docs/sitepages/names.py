"""The public names with their docstrings, in the order and under the headings of docs/api.md."""

import re
from inspect import isclass
from pathlib import Path

import openmm_cgaa

PAGE = Path(__file__).parents[1] / "api.md"


def markdown() -> str:
    """A heading for each group of names, and what autodoc is told of each name."""
    lines = []
    for section in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        lines += [f"## {section.splitlines()[0]}", "", "```{eval-rst}"]
        for name in re.findall(r"^\| `(\w+)", section, flags=re.MULTILINE):
            kind = "class" if isclass(getattr(openmm_cgaa, name)) else "function"
            lines += [f".. auto{kind}:: openmm_cgaa.{name}", ""]
        lines += ["```", ""]
    return "\n".join(lines)
