"""The validation of the electrolyte: its description, and the page that stands in the repository."""

import json
from pathlib import Path

import pytest

from openmm_cgaa.validation import page
from openmm_cgaa.validation.rows import ROW_KINDS
from openmm_cgaa.validation.system import read_system

SYSTEM = Path(__file__).parents[2] / "systems/ec_emc_lipf6/validation.yaml"


@pytest.fixture(scope="module")
def system():
    return read_system(SYSTEM)


@pytest.fixture(scope="module")
def results(system):
    return json.loads(system.path(system.results).read_text())


def test_it_measures_every_kind_of_row(system):
    assert {type(row) for row in system.rows.values()} == {*ROW_KINDS.values()}
    assert {run.box for run in system.runs.values()} == {*system.boxes}
    used = {name for row in system.rows.values() for name in row.needs().get("run", ())}
    used |= {run.after for run in system.runs.values()} | {*system.bursts.runs}
    assert {*system.runs} <= used


def test_the_page_shows_what_was_measured(system, results, tmp_path, monkeypatch):
    """Text and numbers are those of the template and of the kept results."""
    written = page.page_of(system).read_text()
    monkeypatch.setattr(page, "page_of", lambda _: tmp_path / "page.md")
    assert page.write_page(results, system) == written and page.WAITING not in written


def test_figures_are_drawn_from_the_kept_results(system, results):
    pytest.importorskip("matplotlib")
    for name in ("molecules", "drift", "transport"):
        assert system.rows[name].draw(results, system).axes
    assert system.rows["published"].draw(results, system) is None  # it stands beside drift
