"""Words: links lead somewhere, commands exist, and sentences are short."""

import re
from pathlib import Path
from statistics import mean

import pytest

from openmm_cgaa.cli import COMMANDS

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs/*.md", "records/*.md", "systems/**/*.md", "openmm_cgaa/**/*.md", "tests/**/*.md")
PAGES = [*ROOT.glob("*.md"), *(page for pattern in FOLDERS for page in sorted(ROOT.glob(pattern)))]
PAGES = [page for page in PAGES if page.name != "architecture.md"]
LONGEST_LINE, LONGEST_SENTENCE, MEAN_SENTENCE = 200, 35, 20  # characters, words, words

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def prose(page) -> list:
    """Lines that a reader reads as sentences: no code, tables, headings, pictures, references or comments."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\]\([^)\s]+\)", "]", text)  # where a link leads is not read
    lines = (re.sub(r"^(- |\d+\. )", "", line.strip()) for line in text.splitlines())
    lines = (line for line in lines if line and not line.startswith(("|", "#", "![", "<!--")))
    return [line for line in lines if "[arXiv:" not in line and "[doi:" not in line]


def sentences(page) -> list:
    """Words of each sentence."""
    split = (re.split(r"(?<=[.!?:])\s+(?=[A-Z`*\[(])", line) for line in prose(page))
    return [sentence.split() for parts in split for sentence in parts]


def anchors(page) -> set:
    """Of each heading, as Markdown viewers make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("http")]
    for target, _, anchor in (link.partition("#") for link in links):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


@pages
def test_commands_exist(page):
    named = re.findall(r"openmm-cgaa +([a-z]+)\b", page.read_text("utf-8"))
    assert set(named) <= set(COMMANDS)


@pages
def test_sentences_are_short(page):
    assert [line for line in prose(page) if len(line) > LONGEST_LINE] == []
    every = sentences(page)
    assert [" ".join(words) for words in every if len(words) > LONGEST_SENTENCE] == []
    assert mean(map(len, every)) < MEAN_SENTENCE
