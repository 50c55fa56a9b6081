"""Notebooks run from top to bottom, with less of everything than they are shown with."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
SLOW = "fused=False"  # no kernels to compile
LESS = {
    "topology_to_dynamics": [
        ('MODEL = "ec-emc-lipf6"', 'MODEL = "ec-emc-lipf6-fast"'),
        ("CGAAPotential(MODEL)", f"CGAAPotential(MODEL, {SLOW})"),
        ("PICOSECONDS, ALONE = 1.5, 0.5", "PICOSECONDS, ALONE = 0.01, 0.01"),
    ],
    "analysis_against_reference": [
        ('CGAAPotential("ec-emc-lipf6")', 'CGAAPotential("ec-emc-lipf6-fast")'),
        ('CGAAPotential("ec-emc-lipf6-fast")', f'CGAAPotential("ec-emc-lipf6-fast", {SLOW})'),
        ("PICOSECONDS, BEGIN, EVERY = 8.0, 2.0, 10", "PICOSECONDS, BEGIN, EVERY = 0.02, 0.0, 2"),
        ('[OUT / "fast", OUT / "classical"]', '[OUT / "fast"]'),
        ('Observables(histograms="all")', 'Observables(), pairs=[("element H", "element O")]'),
    ],
    "distil_a_liquid": [
        ("STEPS, PROOF = 4.0, 200, 1000, 8.0", "STEPS, PROOF = 0.01, 5, 8, 0.01"),
        ("CGAAPotential(model)", f"CGAAPotential(model, {SLOW})"),
        ("CGAAPotential(second)", f"CGAAPotential(second, {SLOW})"),
    ],
    "propagator": [("FRAMES, STEPS, PROPAGATED = 4000, 3000, 4000", "FRAMES, STEPS, PROPAGATED = 100, 5, 60")],
    "choosing_a_mapping": [
        ("PICOSECONDS, STEPS, RUN = 400.0, 2000, 50.0", "PICOSECONDS, STEPS, RUN = 5.0, 5, 0.2"),
        ("simulation.step(5000)", "simulation.step(50)"),
        ("CGAAPotential(path)", f"CGAAPotential(path, {SLOW})"),
    ],
    "water_beads": [("STEPS, PICOSECONDS = 800, 20.0", "STEPS, PICOSECONDS = 5, 0.3")],
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for name in ("lightning", "ase", "packmol", "pymetis", "rdkit"):
        pytest.importorskip(name)
    pyplot.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("openmm_cgaa.propagate.stepping.TORN", np.inf)  # a propagator of five steps holds nothing
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    for old, new in LESS[path.stem]:
        assert old in text
        text = text.replace(old, new)
    text = text.replace('"../../', f'"{ROOT}/')
    exec(compile(text, str(path), "exec"), {"__name__": "__main__"})  # as Jupyter has it
    assert pyplot.gcf().axes


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_shows_what_came_out(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    said = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in said)
    assert not any(output["output_type"] == "error" for output in said)
    assert str(ROOT.parent) not in json.dumps(said) and path.stat().st_size < 200_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_what_a_notebook_names_is_there(path):
    """Pages and folders that it sends its readers to, by their way from the root."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    named = re.findall(r"`((?:docs|records|systems)/[\w./-]+)`", text)
    assert named and [name for name in named if not (ROOT / name).exists()] == []
