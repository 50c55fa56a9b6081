"""The report of a distillation: whole in one file, readable by people and by scripts.

Tests of `pictures`, `pages.webpage` and `pages.svgpanels`, too."""

import base64
import json
import re
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import distilled
import numpy as np
import pytest
from sample_report import figures, sample_report

from openmm_cgaa.distill.pictures import pictures_of
from openmm_cgaa.distill.reportpage import KEYS, MARKS, write_report
from openmm_cgaa.errors import CGAAError, OutputError
from openmm_cgaa.pages.webpage import duration

VOID = {"meta", "img", "br"}
needs_figures = pytest.mark.skipif("not __import__('importlib.util').util.find_spec('matplotlib')")


class Page(HTMLParser):
    """Tags that must close in their order, all that they refer to, and what is read."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.words, self.tags = [], [], [], set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for key, value in attrs if key in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def written(folder, *args, **changed):
    """The page as text, and what a reader sees of it."""
    text = write_report(folder, sample_report(*args, **changed)).read_text("utf-8")
    return text, Page(text)


@pytest.mark.parametrize("measured", [distilled.DME, distilled.DME_GOOD, distilled.ACETONITRILE_SECOND])
def test_all_is_on_the_page(tmp_path, measured):
    report = sample_report(measured)
    _, page = written(tmp_path, measured)
    verdict = report["verdict"]
    assert f"{MARKS[verdict['status']]} {verdict['status'].capitalize()}" in page.text
    assert verdict["sentence"] in page.text
    assert all(f"{step}." in page.text for step in verdict["advice"])
    assert ("every bar is met" in page.text) == (verdict["status"] == "ready")
    for check in report["checks"]:  # a word beside each mark, so that neither colour nor mark is needed
        assert f"{MARKS[check['status']]} {check['status']}" in page.text
        assert check["sentence"] in page.text and check["reason"] in page.text
    for stage in report["stages"]:
        assert f"{stage['title']} {duration(stage['seconds'])}" in page.text
    for text in (*(number["value"] for number in report["numbers"]), "1 h 47 min 920", report["command"]):
        assert text in page.text
    for text in (report["plan"], report["script"]):
        assert " ".join(text.split()) in page.text


def test_the_page_needs_nothing_else(tmp_path):
    text, page = written(tmp_path, figures=figures())
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert not re.search(r"https?:|@import|url\(", re.sub(r"base64,[^\"]*", "", text))
    assert 'name="viewport"' in text and "@media print" in text and "prefers-color-scheme: dark" in text
    assert len(text) < 500_000


def test_text_from_outside_stays_text(tmp_path):
    bad = "<script>alert('x')</script> & <b>"
    _, page = written(
        tmp_path,
        distilled.DME | {"rdf_difference": {bad: [0.3, 0.01]}, "own_blown_up": bad},
        **{"name": bad, "created": bad, "plan": bad, "script": bad, "command": bad},
        **{"teacher": {"name": bad, bad: bad}, "versions": {bad: bad}, "files": [{"name": bad, "what": bad}]},
        numbers=[{"name": bad, "value": bad, "note": bad}],
        stages=[{"name": bad, "title": bad, "seconds": 1.0}],
    )
    assert "script" not in page.tags and "b" in page.tags
    assert page.text.count(bad) > 15


def test_numbers_are_kept_as_data(tmp_path):
    written(tmp_path, distilled.DME | {"drift_error": float("nan")}, figures={"density": figures()["density"]})
    text = (tmp_path / "report.json").read_text("utf-8")
    kept = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert kept.keys() >= {*KEYS, "report"} and kept["verdict"]["status"] == "ready within limits"
    assert np.allclose(kept["figures"]["density"]["time"], figures()["density"]["time"])


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    some = {"drift": figures()["drift"]}
    assert written(tmp_path / "a", figures=some)[0] == written(tmp_path / "b", figures=some)[0]


@needs_figures
def test_pictures_are_svg_whose_text_is_text():
    drawn = pictures_of(figures())
    assert [*drawn] == ["parity", "rdf", "density", "drift"]
    assert [len(picture.panels) for picture in drawn.values()] == [2, 2, 1, 1]
    for picture in drawn.values():
        for svg in picture.panels:
            words = " ".join(
                "".join(one.itertext()) for one in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
            )
            assert any(unit in words for unit in ("(eV/Å)", "(Å)", "(ps)")) and len(svg) < 200_000
    assert "rms error 0.046 eV/Å" in drawn["parity"].panels[0].decode()


@needs_figures
def test_pictures_are_on_the_page_with_words_for_those_who_do_not_see_them(tmp_path):
    text, _ = written(tmp_path, figures=figures())
    found = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]*)" alt="([^"]+)">', text)
    assert len(found) == 6 and all(base64.b64decode(data).lstrip().startswith(b"<?xml") for data, _ in found)
    assert "Forces beside the teacher&#39;s, 1 of 2." in found[0][1]


def test_a_page_without_pictures(tmp_path, monkeypatch):
    assert "no pictures" not in written(tmp_path)[1].text
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    _, page = written(tmp_path, figures=figures())
    assert "There are no pictures: the package matplotlib is not installed" in page.text and "img" not in page.tags


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_a_file_of_someone_else_stays(tmp_path, name):
    written(tmp_path)
    written(tmp_path)  # its own files may be replaced
    (tmp_path / name).write_text("mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match=f"{name}: exists and is no report of openmm-cgaa distill"):
        written(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_that_lacks_something_is_refused(tmp_path):
    for key in KEYS:
        report = sample_report()
        del report[key]
        with pytest.raises(CGAAError, match=f"the report has no {key}; give name, created"):
            write_report(tmp_path, report)
    with pytest.raises(CGAAError, match="lacks a part that the page shows: .* 'title'"):
        write_report(tmp_path, sample_report(stages=[{"name": "box", "seconds": 1.0}]))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (48.0, "48 s"), (89.6, "90 s"), (100.0, "2 min"), (5380.0, "1 h 30 min"), (36030.0, "10 h 00 min")],
)
def test_durations_are_said_as_people_do(seconds, said):
    assert duration(seconds) == said
