"""First peaks lie where they were put, and differences of two curves have errors that cover them."""

import numpy as np
import pytest

from openmm_cgaa.validation.peaks import beside, first_peak

R = np.arange(0.025, 7.0, 0.05)


def curve(place, height, width=0.5):
    return 1.0 + height * np.exp(-((R - place) ** 2) / width)


def test_first_peak_lies_between_bins():
    position, height = first_peak(R, curve(4.23, 2.0))
    assert position == pytest.approx(4.23, abs=5e-3) and height == pytest.approx(3.0, rel=1e-2)
    two = curve(2.7, 0.5, 0.05) + curve(5.5, 3.0) - 1.0
    assert first_peak(R, two)[0] == pytest.approx(2.7, abs=0.01)  # the first, not the highest
    faint = curve(2.7, 0.3, 0.15) + curve(4.2, 1.0, 2.0) - 1.0
    assert first_peak(R, faint)[0] > 4.0  # it hardly stands out before the next one
    assert first_peak(R, faint, 2.7)[0] < 3.0
    for none in (R, np.zeros_like(R), np.ones_like(R)):  # the end of the range is no peak
        assert np.isnan(first_peak(R, none)).all()


def test_peaks_beside_each_other_with_their_errors():
    rng = np.random.default_rng(0)

    def curves(place, height):
        return [curve(place + 0.02 * rng.standard_normal(), height) for _ in range(10)], np.ones(10)

    found = beside(R, {"student": curves(4.3, 2.2), "teacher": curves(4.2, 2.0)}, 0.05)
    assert found["shift_A"]["value"] == pytest.approx(0.1, abs=4 * found["shift_A"]["error"])
    assert 0.003 < found["shift_A"]["error"] < 0.03
    assert found["relative_height"]["value"] == pytest.approx(0.2 / 3.0, abs=0.01)
    assert found["difference"] > 3.0 * found["by_chance"] > 0.0
    same = beside(R, {"student": curves(4.2, 2.0), "teacher": curves(4.2, 2.0)}, 0.05)
    assert same["difference"] < 2.5 * same["by_chance"]
    flat = np.ones((10, len(R))), np.ones(10)
    assert "shift_A" not in beside(R, {"student": flat, "teacher": flat}, 0.05)


def test_weights_count_frames_and_not_parts():
    even = ([curve(4.0, 1.0), 3.0 * curve(4.0, 3.0)], [1.0, 3.0])  # sums of weighed curves: one frame, and three
    found = beside(R, {"student": even, "teacher": even}, 0.01)
    assert found["peak_height"]["teacher"] == pytest.approx(0.25 * 2.0 + 0.75 * 4.0, rel=1e-2)
    assert found["shift_A"]["value"] == 0.0 and found["relative_height"]["value"] == 0.0
