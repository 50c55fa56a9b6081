"""Ranges as types of words on the command line."""

import pytest

from openmm_cgaa.inputs.ranges import Range


def test_a_range_reads_words():
    assert Range(int, 1, 9)("9") == 9 and Range(float, 0.0, 1.0)("1e-3") == 1e-3
    for word in ("0", "10", "1.5", "nan", "x", "", "1e400", "9" * 5000):
        with pytest.raises(Exception, match="is not a whole number from 1 to 9"):
            Range(int, 1, 9)(word)


def test_a_word_may_stand_in_place_of_a_number():
    begin = Range(float, 0.0, 9.0, "ps", word="auto")
    assert begin("auto") == "auto" and begin("3") == 3.0
    with pytest.raises(Exception, match="'automatic' is not a number from 0 to 9 ps, or auto"):
        begin("automatic")
