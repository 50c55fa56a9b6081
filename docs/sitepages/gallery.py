"""All figures of the pages, each with the section that tells what it shows."""

import re
from pathlib import Path

from .markdown import anchor, escaped

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/*.md", "records/*.md")


def figures() -> dict[Path, tuple[str, str, str]]:
    """Of each figure what a page says of it, the heading that it stands under, and the address of that heading."""
    found: dict[Path, tuple[str, str, str]] = {}
    for page in (page for pattern in PAGES for page in sorted(ROOT.glob(pattern))):
        address = f"/{page.relative_to(ROOT)}"
        heading = link = ""
        for line in page.read_text("utf-8").splitlines():
            if line.startswith("#"):
                level, _, title = line.partition(" ")
                heading, link = title, address if level == "#" else f"{address}#{anchor(title)}"
            for words, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", line):
                found.setdefault((page.parent / path).resolve(), (words, heading, link))
    return found


def markdown() -> str:
    """Each figure above its words, with a link to where it is from."""
    lines = ["`````{container} gallery"]
    for path, (words, heading, link) in figures().items():
        said = escaped(words[:1].upper() + words[1:])
        lines += [f"````{{figure}} /{path.relative_to(ROOT)}", f":alt: {words}", ""]
        lines += [f"{said} ([{escaped(heading)}]({link}))", "````", ""]
    return "\n".join([*lines, "`````", ""])
