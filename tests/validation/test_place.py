"""What a workplace keeps beside its runs, and what it says of one that ended."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from openmm_cgaa.errors import CGAADomainWarning, CGAAError, SimulationError
from openmm_cgaa.validation import conservation, place
from openmm_cgaa.validation.system import PlannedRun, ValidatedSystem


def system_of(**runs):
    return ValidatedSystem(model="ec-emc", boxes={"box": "box.cif"}, runs=runs, rows={"drift": {}})


def test_how_a_run_ended_names_no_place_of_its_files(tmp_path):
    (tmp_path / "hot" / "run").mkdir(parents=True)
    (tmp_path / "hot" / "run" / "nve.csv").write_text("time_ps,temperature_K\n")
    (tmp_path / "hot" / "run" / "state.csv").write_text("time_ps,temperature_K\n0.5,300\n1.25,812.4\n")
    here = place.Workplace(system_of(), tmp_path)
    error = CGAAError(f"EMC 3 falls apart. The last good frame is {tmp_path}/last_good.cif; relax the start")
    assert here.how_it_ended("hot", error) == "1.25 ps, 812 K: EMC 3 falls apart."


def test_warnings_are_kept_at_once_and_once(tmp_path):
    path = tmp_path / "warnings.txt"
    with pytest.warns(UserWarning, match="another"), place._warnings_to(path):
        for step in (10, 20):
            warnings.warn(f"step {step}: the density is 1.4", CGAADomainWarning, stacklevel=1)
            assert path.read_text() == "step 10: the density is 1.4\n"
        warnings.warn("another", UserWarning, stacklevel=1)


def test_a_short_run_is_never_longer_than_the_run(tmp_path):
    runs = {"long": PlannedRun(box="box", picoseconds=200.0), "brief": PlannedRun(box="box", picoseconds=0.02)}
    here = place.Workplace(system_of(**runs), tmp_path, short=True)
    assert here.settings("long").picoseconds == pytest.approx(2.0) and here.settings("brief").picoseconds == 0.02


def test_a_run_that_blows_up_has_the_slope_of_its_first_half(monkeypatch, tmp_path):
    time = 0.01 * np.arange(1, 41)
    nve = np.zeros(40, dtype=[("time_ps", float), ("total_kjmol", float), ("temperature_K", float)])
    nve["time_ps"], nve["temperature_K"] = time, 300.0 + 50.0 * time
    nve["total_kjmol"] = np.where(time < 0.3, 96.485 * time, 1e6)  # 1 eV/ps, until it ends
    half = SimpleNamespace(nve=nve, frames=SimpleNamespace(n_atoms=10))

    def ends(name):
        raise SimulationError("EMC 3 falls apart")

    system = system_of(direct=PlannedRun(box="box", timestep=2.0))
    here = SimpleNamespace(folder_of=lambda name: tmp_path / name, finished=ends, system=system)
    here.how_it_ended = lambda *_: "1.25 ps, 812 K: EMC 3 falls apart."
    monkeypatch.setattr(conservation, "read_run", lambda _: half)
    found = conservation.slopes(here, ["direct"])
    row = found["direct"]
    assert row["end"].endswith("falls apart.") and row["picoseconds"] == pytest.approx(0.19) and "order" not in found
    assert row["slope_meV_per_atom_per_ps"]["value"] == pytest.approx(100.0, rel=1e-4)
    assert row["kelvin_per_ps"]["value"] == pytest.approx(50.0)
    drift = conservation.Drift(runs=["direct"], name="drift", largest=None)
    text, met = drift.verdict({"drift": found}, system)
    assert text.endswith("K/ps; ended at 1.25 ps, 812 K: EMC 3 falls apart.") and met == ""
    half.nve = nve[:12]  # too few for a slope
    assert set(conservation.slopes(here, ["direct"])["direct"]) == {"step", "end"}
