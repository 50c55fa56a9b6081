"""Temperatures that change places: as OpenMM does it, on its sampler, and killed at any checkpoint. Also `books`."""

import json

import numpy as np
import openmm
import pytest
from ensembles import by_springs, plan_file
from short_runs import frames, table

from openmm_cgaa.ensemble import exchange
from openmm_cgaa.ensemble.ensembleplan import read_ensemble
from openmm_cgaa.ensemble.ensembles import run_ensemble
from openmm_cgaa.ensemble.exchange import KEPT
from openmm_cgaa.ensemble.members import members_of
from openmm_cgaa.errors import CGAAError, SimulationError

LADDER = {"nve_picoseconds": None, "exchange": 10, "report_interval": 10, "checkpoint_interval": 40}
KELVIN = [300, 330, 360]


def run(folder, **changes):
    sweep = {"temperatures": KELVIN}
    return run_ensemble(plan_file(folder, **LADDER | {"sweep": sweep} | changes), workers=1, tell=str)


def members(folder):
    return members_of(read_ensemble(folder / "plan.yaml"))


def same(one, other):
    for kelvin in KELVIN:
        a, b = (folder / f"ensemble/{kelvin}K-1" for folder in (one, other))
        assert np.array_equal(frames(a / "run"), frames(b / "run"))
        assert (a / "visits.csv").read_bytes() == (b / "visits.csv").read_bytes()
        for column in table(a / "run/state.csv").dtype.names[:-1]:  # all but the speed
            assert np.array_equal(table(a / "run/state.csv")[column], table(b / "run/state.csv")[column])


def test_each_temperature_is_an_ordinary_run_and_replicas_change_places(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    report = run(tmp_path, picoseconds=0.2)
    found = [table(one.home / "visits.csv")["replica"].astype(int) for one in members(tmp_path)]
    there = np.array(found)  # [temperature, exchange]
    assert there.shape == (3, 40) and (np.sort(there, axis=0) == np.arange(3)[:, None]).all()
    changed = (np.diff(there) != 0).mean(axis=1)
    assert (changed > 0.2).all()
    assert report.summary["exchange"]["changed_places"]["330K-1"] == pytest.approx(changed[1])
    for one in members(tmp_path):
        assert table(one.run / "state.csv")["step"].tolist() == list(range(10, 401, 10)) and len(frames(one.run)) == 40
        record = json.loads((one.run / "run.json").read_text())
        assert record["settings"]["temperature"] == one.settings.temperature
        assert record["provenance"]["exchange"] == {"every": 10, "temperatures": KELVIN}


def test_a_ladder_stopped_at_its_checkpoints_and_beyond_is_the_unbroken_one(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    run(tmp_path / "whole", picoseconds=0.1)
    run(tmp_path / "longer", picoseconds=0.06)
    run(tmp_path / "longer", picoseconds=0.1)
    same(tmp_path / "whole", tmp_path / "longer")

    class Killed(BaseException):
        pass

    usual, calls = exchange.Book.report, []

    def dies(self, simulation):
        calls.append(self)
        if len(calls) % 7 == 0:
            raise Killed
        usual(self, simulation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange.Book, "report", dies)
        for _ in range(2):
            with pytest.raises(Killed):
                run(tmp_path / "killed", picoseconds=0.1)
    run(tmp_path / "killed", picoseconds=0.1)
    same(tmp_path / "whole", tmp_path / "killed")


def test_velocities_have_the_temperature_of_the_place_they_go_to(tmp_path, monkeypatch):
    """Two places far apart, whose replicas are exchanged all the same."""
    by_springs(monkeypatch)
    plan = read_ensemble(plan_file(tmp_path, **LADDER | {"sweep": {"temperatures": [100, 400]}}))
    ladder = exchange.Ladder(plan, members_of(plan), exchange.start_of(plan, members_of(plan)[0]))
    begun = ladder._start()

    class Exchanged:
        replicaStateIndex = [1, 0]
        replicaConformation = begun.states
        currentIteration = 1

    made = ladder._kept(Exchanged, [0, 1], begun.names)
    assert made.names == [1, 0] and made.iteration == 1
    for place, replica, ratio in ((0, 1, 0.25), (1, 0, 4.0)):
        new, old = made.states[place], begun.states[replica]
        assert np.array_equal(new.getPositions(asNumpy=True), old.getPositions(asNumpy=True))
        velocities = new.getVelocities(asNumpy=True) / old.getVelocities(asNumpy=True)
        assert np.allclose(velocities, ratio**0.5, rtol=1e-12)


def test_bonds_have_the_energy_of_their_temperature(tmp_path, monkeypatch):
    """A third of the way: harmonic bonds at k_B T / 2 for each, whatever replica is there."""
    by_springs(monkeypatch)
    run(tmp_path, picoseconds=2.0, timestep=1.0, friction=20.0, exchange=20, report_interval=20, begin=0.4)
    for one in members(tmp_path):
        x = frames(one.run)[20:].astype(float)
        stretch = np.linalg.norm(x[:, 1::2] - x[:, ::2], axis=2) - 0.12
        energy = 0.5 * 3e5 * (stretch**2).mean()
        right = 0.5 * 8.314462e-3 * one.settings.temperature
        assert energy == pytest.approx(right, rel=0.25)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exchange": 5}, "has exchange .*'every': 10.* is asked for"),
        ({"sweep": {"temperatures": [300, 330]}}, "has exchange"),
        ({"friction": 3.0}, "has friction 1.0, but 3.0"),
        ({"picoseconds": 0.01}, "has 40 steps already, more than the 20 that are asked for"),
    ],
)
def test_another_ladder_is_refused(tmp_path, monkeypatch, changes, told):
    by_springs(monkeypatch)
    run(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "ensemble").rglob("*.csv")}
    with pytest.raises(SimulationError, match=told):
        run(tmp_path, **changes)
    assert before == {path: path.read_bytes() for path in (tmp_path / "ensemble").rglob("*.csv")}


def test_a_damaged_state_is_told_and_a_model_without_energy_refused(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    run(tmp_path)
    kept = tmp_path / "ensemble/300K-1" / KEPT
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])
    with pytest.raises(CGAAError, match=f"{KEPT}: is damaged; bring the file back from a copy"):
        run(tmp_path, picoseconds=0.04)
    kept.write_bytes(whole)
    run(tmp_path, picoseconds=0.04)
    monkeypatch.setattr("ensembles.Springs.conserving", False)
    with pytest.raises(CGAAError, match="exchange needs an energy, which the model of springs does not have"):
        run(tmp_path / "other")


def test_a_state_survives_its_file_to_the_bit(tmp_path, monkeypatch):
    by_springs(monkeypatch)
    plan = read_ensemble(plan_file(tmp_path, **LADDER | {"sweep": {"temperatures": KELVIN}}))
    ladder = exchange.Ladder(plan, members_of(plan), exchange.start_of(plan, members_of(plan)[0]))
    begun = ladder._start()
    begun.save(tmp_path / "kept")
    again = exchange.Kept.load(tmp_path / "kept")
    assert (again.iteration, again.names, again.noise) == (begun.iteration, begun.names, begun.noise)
    for one, other in zip(again.states, begun.states):
        assert openmm.XmlSerializer.serialize(one) == openmm.XmlSerializer.serialize(other)
        assert np.array_equal(one.getVelocities(asNumpy=True), other.getVelocities(asNumpy=True))
