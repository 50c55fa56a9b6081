"""Markdown of a row's tables."""

from openmm_cgaa.validation.row import WIDEST, markdown_table


def test_a_table_is_markdown():
    assert markdown_table(["a", "b"], [[1, "x"]]) == "| a | b |\n| --- | --- |\n| 1 | x |"


def test_a_long_cell_stands_below_its_table():
    story = "stopped near step 342: " + "residue PF6 75 falls apart, " * 8 + "as it says; Check it. Twice."
    text = markdown_table(["run", "end"], [["cold", "ran to its end"], ["hot", story]])
    assert text.splitlines()[2:6] == [
        "| cold | ran to its end |",
        "| hot | note 1 |",
        "",
        f"1. {story.split(' Check')[0]}",
    ]
    assert text.splitlines()[6:] == ["   Check it.", "   Twice."]
    assert " ".join(line.strip() for line in text.splitlines()[5:]) == f"1. {story}"  # no word of it is lost


def test_a_row_of_many_short_cells_stays_as_it_is():
    row = ["0.123 ± 0.004"] * 20
    text = markdown_table(row, [row])
    assert len(text.splitlines()) == 3 and len(text.splitlines()[2]) > WIDEST
