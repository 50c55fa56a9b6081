"""Plain text as Markdown."""

import re

HOLE = re.compile(r"\{([\w… ]+)\}")  # what a text fills in


def escaped(text: str, holes: bool = False) -> str:
    """Text whose signs mean nothing in Markdown; with `holes` what it fills in is emphasised."""
    text = re.sub(r"([\\`*_\[\]<>#|~$&])", r"\\\1", text)
    return HOLE.sub(r"*\1*", text) if holes else text


def anchor(heading: str) -> str:
    """The address of a heading inside its page, as Markdown viewers make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
