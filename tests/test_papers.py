"""Papers named by number lead to their references, and the references say the same everywhere."""

import re
from pathlib import Path

import yaml

import openmm_cgaa

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/papers.md").read_text("utf-8")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
PAPERS = dict(re.findall(r"^## Paper (\d{3})\n\n(.*)$", PAGE, flags=re.MULTILINE))
READ = {".py", ".md", ".yaml", ".json", ".cff"}


def texts():
    """(path, text) of all files that a reader sees."""
    for folder in ("openmm_cgaa", "scripts", "systems", "docs", "records"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in READ and "runs" not in path.parts:
                yield path, path.read_text("utf-8")


def test_each_paper_that_is_named_has_its_reference():
    named = {number for _, text in texts() for number in re.findall(r"\b[Pp]aper (\d{3})\b", text)}
    assert "001" in named
    assert named <= PAPERS.keys()


def test_what_names_a_paper_says_where_it_stands():
    """YAML and JSON stand beside a README that does."""
    pages = [(path, text) for path, text in texts() if path.suffix in (".py", ".md")]
    naming = {str(path): text for path, text in pages if re.search(r"\b[Pp]aper \d{3}\b", text)}
    assert len(naming) > 10
    assert [name for name, text in naming.items() if not re.search(r"papers\.md|^# Papers", text)] == []


def test_page_and_citation_file_agree():
    references = {reference["notes"].removeprefix("paper "): reference for reference in CITATION["references"]}
    assert references.keys() == PAPERS.keys()
    for number, reference in references.items():
        facts = [reference["title"], str(reference["year"]), reference.get("doi", "")]
        facts += [author["family-names"] for author in reference["authors"]]
        facts += [identifier["value"] for identifier in reference["identifiers"]]
        assert [fact for fact in facts if fact not in PAPERS[number]] == []


def test_the_version_cited_is_that_of_the_code():
    assert CITATION["version"] == openmm_cgaa.__version__
