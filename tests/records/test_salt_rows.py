"""Rows of the salt in a polymer: what is stored makes a table, and quarters of a run are looked at one by one."""

import sys
from pathlib import Path

import numpy as np
from chains import chain_sequence

from openmm_cgaa.propagate.sequences import Sequences

sys.path.insert(0, str(Path(__file__).parents[2] / "records/salt_in_polymer"))
import rows_of_salt  # noqa: E402 - a script of its folder, not of the package

SIDE = {
    "closest_A": 2.5,
    "pairs_nearer_than_A": {"0.5": 0.0, "1": 0.0, "2": 0.25},
    "diffusion": {kind: {"1e-9_m2_per_s": 0.2, "error": 0.01} for kind in ("EO", "LI", "TFSI")},
}


def test_results_make_a_table():
    row = {
        "steps": 4900,
        "ended": "",
        "propagated": SIDE,
        "reference": SIDE,
        "difference_of_g": {"LI-TFSI": {"value": 0.1}},
    }
    told = rows_of_salt.table({"test-20": row, "test-20-no-refine": {"steps": 12, "ended": "a group flew"}})
    lines = told.splitlines()
    assert len(lines) == 4 and lines[2].startswith("| test-20 | yes | 4900 | 0, 0, 0.25 (0, 0, 0.25) | 2.50 (2.50) |")
    assert lines[2].endswith("| LI-TFSI 0.100 | " + ", ".join(["0.2 ± 0.01 (0.2 ± 0.01)"] * 3) + " |")
    short = {key: value for key, value in SIDE.items() if key != "diffusion"}
    told = rows_of_salt.table({"test-8": row | {"propagated": short, "ended": "a group moves by 9 Å"}})
    assert "| 4900, then a group moves by 9 Å |" in told and "– (0.2 ± 0.01), " in told
    assert lines[3] == "| test-20 | no | 12 | a group flew | | | |"
    assert rows_of_salt.table(rows_of_salt.read_results()).startswith("| run |")


def test_quarters_of_a_run(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    one = chain_sequence("test-20", "test", chains=4, frames=1200, box=np.full(3, 40.0), spacing=20.0)
    Sequences([one]).save(tmp_path / "runs/test-20.h5")
    monkeypatch.setattr(rows_of_salt.saltbeads, "SYSTEM", tmp_path)
    found = rows_of_salt.parts_of_reference("test-20")
    assert len(found) == 4 and all(part["A+B"] > 0.0 for part in found) and len({part["A+B"] for part in found}) == 4
