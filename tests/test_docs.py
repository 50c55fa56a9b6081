"""Words: links lead somewhere, commands exist, and sentences are short."""

import argparse
import ast
import re
from pathlib import Path
from statistics import mean

import pytest

from openmm_cgaa.cli import COMMANDS, parser_of

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs/*.md", "records/*.md", "systems/**/*.md", "openmm_cgaa/**/*.md", "tests/**/*.md")
PAGES = [*ROOT.glob("*.md"), *(page for pattern in FOLDERS for page in sorted(ROOT.glob(pattern)))]
LONGEST_LINE, LONGEST_SENTENCE, MEAN_SENTENCE = 200, 35, 20  # characters, words, words

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def prose(page) -> list:
    """Lines that a reader reads as sentences: no code, tables, headings, pictures, references or comments."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\]\([^)\s]+\)", "]", text)  # where a link leads is not read
    lines = (re.sub(r"^(- |\d+\. )", "", line.strip()) for line in text.splitlines())
    lines = (line for line in lines if line and not line.startswith(("|", "#", "![", "<!--")))
    return [line for line in lines if "[arXiv:" not in line and "[doi:" not in line]


def sentences(lines) -> list:
    """Words of each sentence."""
    split = (re.split(r"(?<=[.!?:])\s+(?=[A-Z`*\[(])", line) for line in lines)
    return [sentence.split() for parts in split for sentence in parts]


def passages(docstring) -> list:
    """Its paragraphs, entries and items, each as one line; where the indentation changes another one begins."""
    found, before = [""], 0
    for line in docstring.splitlines():
        words, depth = line.strip(), len(line) - len(line.lstrip())
        if not words.strip("-") or words.startswith("- ") or depth != before:
            found.append("")
        found[-1] += f" {words}"
        before = depth
    return found


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


def calls(page) -> list:
    """(command, what stands behind it) of each call of the command line, in code and in prose."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    return re.findall(r"openmm-cgaa +([a-z]+)\b([^`\n#]*)", text)


def options(command) -> set:
    """Of a command and of its subcommands."""
    found, parsers = set(), [parser_of(command)]
    for parser in parsers:
        for action in parser._actions:
            found |= set(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                parsers.extend(action.choices.values())
    return found


@pages
def test_commands_and_their_options_exist(page):
    for command, rest in calls(page):
        assert command in COMMANDS
        assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)) <= options(command), f"{command} {rest}"


@pages
def test_files_exist(page):
    """Those that are named by their way from the root. NAME and ROOM stand for others, and runs/ is made by a run."""
    text = page.read_text("utf-8")
    named = re.findall(r"(?<![\w./])(?:docs|records|scripts|systems|tests|openmm_cgaa)/[\w./-]*[\w/]", text)
    assert [name for name in named if not re.search("NAME|/runs/", name) and not (ROOT / name).exists()] == []


@pages
def test_rows_of_tables_are_short(page):
    rows = [line for line in page.read_text("utf-8").splitlines() if line.lstrip().startswith("|")]
    assert [row for row in rows if len(row) > LONGEST_LINE] == []


@pages
def test_sentences_are_short(page):
    assert [line for line in prose(page) if len(line) > LONGEST_LINE] == []
    every = sentences(prose(page))
    assert [" ".join(words) for words in every if len(words) > LONGEST_SENTENCE] == []
    assert mean(map(len, every)) < MEAN_SENTENCE


MODULES = sorted((ROOT / "openmm_cgaa").rglob("*.py"))
NODES = ast.Module | ast.ClassDef | ast.FunctionDef


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sentences_of_docstrings_are_short(path):
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, NODES)]
    lines = [line for node in nodes for line in passages(ast.get_docstring(node) or "")]
    assert [" ".join(words) for words in sentences(lines) if len(words) > LONGEST_SENTENCE] == []
