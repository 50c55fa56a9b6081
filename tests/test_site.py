"""The site: built without a warning, all pages in it, links that lead somewhere, nothing from the network.

What is written from the code needs no Sphinx, and is held against the code in another way.
"""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sitepages import gallery, messages, options
from test_docs import options as options_of

import openmm_cgaa
from openmm_cgaa.cli import COMMANDS
from openmm_cgaa.errors import MissingPackageError
from openmm_cgaa.structures.structure import write_structure

ROOT = Path(__file__).parents[1]
PAGES = ["*.md", "docs/*.md", "docs/notebooks/*.ipynb", "records/*.md", "openmm_cgaa/models/*.md", "systems/**/*.md"]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}  # without a click


class Page(HTMLParser):
    """The links of a page, the anchors in it, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.loads = [], set(), []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors.add(found.get("id"))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in LOADED and found.get(LOADED[tag]):
            self.loads.append(found[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as `make docs` does."""
    for package in ("sphinx", "furo", "myst_nb", "numpydoc"):
        pytest.importorskip(package, reason=f"{package} is missing: pip install 'openmm-cgaa[docs]'")
    try:
        assert all(getattr(openmm_cgaa, name) for name in openmm_cgaa.__all__)
    except MissingPackageError as error:
        pytest.skip(f"docstrings of all names are on the site: {error}")
    (command,) = re.findall(r"\$\(BIN\)/python (-m sphinx .*) build/site", (ROOT / "Makefile").read_text("utf-8"))
    out = tmp_path_factory.mktemp("site") / "site"
    words = [sys.executable, *command.split(), "-q", str(out)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return out


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


@pytest.mark.timeout(900)  # the build is a minute of one core; where others work beside it, several
def test_every_page_is_in_it(site):
    """A page that no toctree leads to is a warning, and a warning ends the build."""
    found = [path for pattern in PAGES for path in ROOT.glob(pattern) if "runs" not in path.parts]
    assert len(found) > 50
    missing = [path for path in found if not (site / path.relative_to(ROOT)).with_suffix(".html").exists()]
    assert missing == []


@pytest.mark.timeout(900)
def test_links_and_anchors_lead_somewhere(site, pages):
    count = 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file() and target.is_relative_to(site.resolve()), f"{path.relative_to(site)}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].anchors, f"{path.relative_to(site)}: {link}"
            count += 1
    assert count > 3000


@pytest.mark.timeout(900)
def test_nothing_comes_from_the_network(site, pages):
    for path, page in pages.items():
        for name in page.loads:
            assert not urlsplit(name).netloc, f"{path.relative_to(site)}: {name}"
            named = unquote(urlsplit(name).path)
            assert not named or (path.parent / named).is_file(), f"{path.relative_to(site)}: {name}"
    styles = [path.read_text("utf-8") for path in site.rglob("*.css")]
    assert styles and not any(re.search(r"(@import|url\()\s*[\"']?(https?:)?//", text) for text in styles)


@pytest.mark.timeout(900)
def test_every_name_and_option_has_an_address(site, pages):
    names = pages[site / "docs/names.html"].anchors
    assert {f"openmm_cgaa.{name}" for name in openmm_cgaa.__all__} <= names
    addresses = pages[site / "docs/options.html"].anchors
    wanted = {(command, flag) for command in COMMANDS for flag in options_of(command) if flag.startswith("--")}
    assert len(wanted) > 100
    own = {"--help", "--completion", "--version"}  # but the first of no command: docs/commands.md tells of them
    for command, flag in {(command, flag) for command, flag in wanted if flag not in own}:
        assert any(re.fullmatch(rf"cmdoption-openmm-cgaa-{command}(-\w+)?{flag[1:]}", str(one)) for one in addresses), (
            f"{command} {flag}"
        )


def test_options_tell_their_help():
    text = options.markdown()
    assert "```{option} --seed N\nof velocities and thermostat" in text and "; required\n" in text
    assert "### data merge\n" in text and "%(default)s" not in text


def test_figures_are_all_in_the_gallery():
    """Each once, below its heading; a figure that no page shows is in none."""
    drawn = {path for folder in ("docs/images", "records/images") for path in (ROOT / folder).iterdir()}
    assert gallery.figures().keys() == drawn
    assert "(/records/validation.md#energy)" in gallery.markdown()


SOURCE = '''
def check(path, count):
    """No message; give none."""
    if count:
        raise DatasetError(f"{path}: {counted(count, 'frame')} of {self.size}, not {max(3, 4)}; leave them out")
    warnings.warn("the box is " + size(path) + " wide: give a larger one", StructureWarning)
    parser.add_argument("--seed", help="a number; give one")
    assert count, "count is needed"
    raise NotImplementedError("not told")
'''


def test_messages_are_read_from_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "PACKAGE", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/frames.py").write_text(SOURCE)
    assert [message.line for message in messages.messages()] == [
        "`AssertionError` count is needed",
        "`DatasetError` *path*: *N frames* of *size*, not *…* → leave them out",
        "the box is *…* wide → give a larger one",
    ]


@pytest.mark.parametrize("page", ["grains", "messages"])
def test_code_of_a_page_runs_as_pasted(page, solvent, tmp_path, monkeypatch, capsys):
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / f"docs/{page}.md").read_text("utf-8"), flags=re.DOTALL)
    topology, positions, _ = solvent
    monkeypatch.chdir(tmp_path)
    write_structure("box.cif", topology, positions)
    exec(compile(script, page, "exec"), {})
    assert {"grains": "18 ['EC', 'EMC']", "messages": "no_such_box.cif cannot be read"}[page] in capsys.readouterr().out
