"""The figure of times over sizes is drawn, whatever rows there are."""

import pytest

from openmm_cgaa.benchmark.cases import Cost


def test_a_figure(tmp_path):
    pytest.importorskip("matplotlib")
    from openmm_cgaa.benchmark import scaling

    rows = [
        Cost(what, "CPU", atoms, threads, 1, *(factor * atoms * each / threads for each in (1.0, 0.9, 1.2)))
        for what, factor in (("model", 0.01), ("other", 0.02))
        for threads in (1, 2)
        for atoms in (1000, 8000, 27000)
    ]
    scaling.draw([*rows, Cost("model", "", 64000, 1, failed="no memory")], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    scaling.draw([], tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 1000
