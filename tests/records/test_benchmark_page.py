"""records/benchmarks.md is what its template and the numbers of its runs give."""

import sys
from pathlib import Path

RECORDS = Path(__file__).parents[2] / "records"
sys.path.insert(0, str(RECORDS / "benchmarks"))

import page  # noqa: E402


def test_the_page_is_written_from_its_template_and_numbers():
    assert (RECORDS / "benchmarks.md").read_text("utf-8") == page.page(), "python records/benchmarks/page.py"


def test_a_figure_that_failed_and_one_without_a_classical_peer():
    costs = [page.Cost("a", "CPU", 1000, 1, 10, 5.0, 4.0, 6.0), page.Cost("b", "", 8000, 1, failed="no memory")]
    lines = page.table(costs).splitlines()
    assert lines[2] == "| a | 1,000 | 1 | 5 | 4 to 6 | 5 | 8.64 |  |  |"
    assert lines[3].startswith("| b | 8,000 | 1 | failed: no memory |")
