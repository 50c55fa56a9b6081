"""Members: names, seeds, and what is run together."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from ensembles import plan_file

from openmm_cgaa.analysis.pressures import mean_pressure
from openmm_cgaa.ensemble.ensembleplan import read_ensemble
from openmm_cgaa.ensemble.measured import measured_run
from openmm_cgaa.ensemble.members import Member, jobs_of, members_of
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.model.loaded import LoadedModel
from openmm_cgaa.simulation.read import read_run


@dataclass(frozen=True)
class Pretended(Member):
    """A member whose run is another folder."""

    folder: Path

    @property
    def run(self):
        return self.folder


def members(folder, **changes):
    return members_of(read_ensemble(plan_file(folder, **changes)))


def test_every_value_is_combined_with_every_other(tmp_path):
    (tmp_path / "words.yaml").touch()
    sweep = {"temperatures": [290, 310.5], "densities": [1.2], "compositions": {"rich": {"EC": 2}, "poor": {"EC": 1}}}
    found = members(tmp_path, model=None, box="words.yaml", replicas=2, sweep={"models": ["a", "b"], **sweep})
    assert len(found) == 2 * 2 * 2 * 2 and len({one.name for one in found}) == 16
    assert found[0].name == "a-rich-1.2gml-290K-1" and found[0].run == tmp_path / "ensemble/a-rich-1.2gml-290K-1/run"
    assert found[-1].name == "b-poor-1.2gml-310.5K-2"
    last = found[-1]
    assert (last.model, last.composition, last.density, last.settings.temperature) == ("b", "poor", 1.2, 310.5)


def test_seeds_differ_and_do_not_change_when_members_are_added(tmp_path):
    few = members(tmp_path, replicas=3)
    many = members(tmp_path, replicas=40, sweep={"temperatures": [280, 300]})
    more = members(tmp_path, replicas=50, sweep={"temperatures": [300, 320]})
    assert [one.name for one in few] == ["replica-1", "replica-2", "replica-3"]
    seeds = [one.settings.seed for one in few + many]
    assert len(set(seeds)) == len(seeds) and all(0 < seed < 2**31 for seed in seeds)
    named = {one.name: one.settings.seed for one in many}
    assert {one.name: one.settings.seed for one in more if one.name in named}.items() <= named.items()
    other = members(tmp_path, replicas=3, seed=2)
    assert not {one.settings.seed for one in other} & {one.settings.seed for one in few}


def test_two_models_of_one_name_are_told_apart_or_refused(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.safetensors").touch()
    with pytest.raises(CGAAError, match="called m, m; give their files different names"):
        members(tmp_path, model=None, sweep={"models": ["one/m.safetensors", "two/m.safetensors"]})
    found = members(tmp_path, model=None, sweep={"models": ["one/m.safetensors", "ec-emc"]})
    assert [one.name for one in found] == ["m-1", "ec-emc-1"]
    assert found[0].model == str(tmp_path / "one/m.safetensors")


def test_temperatures_that_change_places_are_one_job(tmp_path):
    ladder = {"nve_picoseconds": None, "exchange": 10, "sweep": {"temperatures": [300, 330, 360]}, "replicas": 2}
    plan = read_ensemble(plan_file(tmp_path, **ladder))
    jobs = jobs_of(plan, members_of(plan))
    assert [[one.name for one in job] for job in jobs] == [
        [f"{kelvin}K-{replica}" for kelvin in (300, 330, 360)] for replica in (1, 2)
    ]
    plain = read_ensemble(plan_file(tmp_path, replicas=2))
    assert [len(job) for job in jobs_of(plain, members_of(plain))] == [1, 1]


def test_a_run_at_constant_volume_has_a_pressure(run_folder, tiny_conserving_path, tiny_published_path, tmp_path):
    plan = read_ensemble(plan_file(tmp_path))
    member = members_of(plan)[0]
    found = [
        measured_run(plan, Pretended(**vars(member) | {"model": str(model)}, folder=run_folder))
        for model in (tiny_conserving_path, tiny_published_path)
    ]
    assert found[0].numbers["pressure_MPa"] == mean_pressure(read_run(run_folder), LoadedModel(tiny_conserving_path))
    assert "pressure_MPa" not in found[1].numbers
    assert found[1].left_out == [
        f"pressure: the model {tiny_published_path} has no virial, for its forces are no gradient"
    ]
