"""Errors of any choice of frames and grains: they add up, say what training saw, and are no surer than the data.

Also `groups`, `tally`, `coverage` and `cli.tables`.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY_CONSERVING, tiny_model

pytest.importorskip("lightning")

from openmm_cgaa.analysis.deviations import (
    bootstrap_intervals,
    energy_errors,
    force_sums,
    grain_errors,
    intervals,
    pooled,
    resamples,
)
from openmm_cgaa.cli import main
from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.training.coverage import training_domain
from openmm_cgaa.training.evaluation import evaluate
from openmm_cgaa.training.groups import frame_groups
from openmm_cgaa.training.labelled import common_types
from openmm_cgaa.training.tally import grain_contacts

DOMAIN = {
    "compositions": [{"EC": 12, "EMC": 24}],
    "density": [0.9, 2.0],
    "species": {"EC": [0.3, 0.4], "EMC": [0.6, 0.7]},
    "temperature": [300.0, 400.0],
    "temperatures": [300.0, 400.0],
}


@pytest.fixture(scope="module")
def labelled(ec_emc_240, tmp_path_factory):
    """Twelve frames of 300 to 500 K in six trajectories, and two of a molecule alone."""
    chosen = [0, 1, 2, 3, 70, 71, 72, 73, 140, 141, 210, 211]
    frames = replace(
        ec_emc_240.sets[0].take(chosen),
        trajectory=np.repeat(range(6), 2),
        stress=np.full((12, 3, 3), 1e-3, np.float32),
    )
    alone = Frames(
        positions=frames.positions[:2, :10],
        cell=np.zeros((2, 3, 3)),
        elements=frames.elements[:10],
        bonds=[bond for bond in frames.bonds if max(bond) < 10],
        residues=np.zeros(10, int),
        residue_names=frames.residue_names[:1],
        trajectory=[6, 6],
        energy=[-60.0, -61.0],
        forces=frames.forces[:2, :10],
    )
    trajectories = [Trajectory(f"box {number}", "liquid", "test") for number in range(6)]
    data = Dataset([frames, alone], [*trajectories, Trajectory("alone", "molecule", "test")], {"name": "anyone"})
    path = tmp_path_factory.mktemp("data") / "labelled.h5"
    data.save(path)
    return path


@pytest.fixture(scope="module")
def model(liquid, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    return tiny_model(path, TINY_CONSERVING, liquid, domain=DOMAIN)


def test_errors_of_grains_add_up_to_those_of_frames():
    random, index = np.random.default_rng(0), np.array([0] * 5 + [1] + [2] * 4)
    positions, reference = random.normal(size=(2, 3, 10, 3))
    predicted = reference.copy()
    predicted[:, 5] += [3.0, 0.0, 4.0]  # the single atom alone is wrong
    arrays = reference, predicted, positions, index
    grains, frames = grain_errors(*arrays), force_sums(*arrays)
    for name, values in grains.items():
        np.testing.assert_allclose(values.sum(1), frames[name])
    np.testing.assert_allclose(grains["component"][:, :, 0], [[0, 25, 0]] * 3, atol=1e-12)
    np.testing.assert_allclose(grains["net_force"][:, :, 0], [[0, 25, 0]] * 3, atol=1e-12)
    assert grains["component"][0, :, 1].tolist() == [15, 3, 12]
    assert grains["torque"][0, :, 1].tolist() == [3, 0, 3]  # one atom has none
    assert pooled({name: values[:, 1] for name, values in grains.items()})["torque"] is None


def test_nearest_grain_is_found_across_the_boundary():
    """Atoms at x = 0.5, 9.0 and 4.5 Å: the first two are 1.5 Å apart through the boundary."""
    positions = np.array([[[0.5, 0, 0], [9.0, 0, 0], [4.5, 0, 0]]])
    ions = Frames(positions, np.eye(3)[None] * 10.0, ["Li"] * 3, np.zeros((0, 2), int), range(3), ["LI"] * 3)
    types = common_types(Dataset([ions], [Trajectory("a", "liquid")]))
    layout = layout_of(ions.grain_map().match(types))
    points, box = torch.tensor(positions[0]), 10.0 * torch.eye(3, dtype=torch.float64)
    back = layout.atom_index.argsort()
    np.testing.assert_allclose(grain_contacts(points, layout, box, 3.0)[back], [1.5, 1.5, np.inf])
    np.testing.assert_allclose(grain_contacts(points, layout, box, 4.2)[back], [1.5, 1.5, 4.0])
    assert np.isinf(grain_contacts(points, layout, None, 3.0)).all()


def test_whole_trajectories_are_drawn_within_what_was_planned():
    trajectory = np.repeat(list("abcdexy"), [3, 3, 3, 3, 3, 1, 1])
    stratum = np.repeat(["300 K", "350 K", "1", "2"], [12, 3, 1, 1])  # of four trajectories, one, and single frames
    weights = resamples(trajectory, stratum, 4000)
    for part in (slice(0, 12), slice(12, 15), slice(15, 17)):
        np.testing.assert_allclose(weights[:, part].sum(1), part.stop - part.start)
    assert (weights[:, 0:12:3] == weights[:, 1:12:3]).all() and (weights[:, 12] != weights[:, 13]).any()
    assert set(weights[:, 15]) == {0.0, 2.0}
    values = np.array([1.0, 2.0, 4.0, 9.0])  # the variance of a mean, as it should be
    assert (weights[:, 0:12:3] @ values / 4).var() == pytest.approx(values.var(ddof=1) / 4, rel=0.1)
    assert (resamples(["a"], ["b"]) == 1.0).all()


def test_frames_of_one_box_that_err_alike_do_not_make_an_error_surer():
    random = np.random.default_rng(1)
    offsets = np.repeat(random.normal(size=10), 8)
    energies = np.zeros(80), offsets + 0.01 * random.normal(size=80)
    sums, places = force_sums(*random.normal(size=(3, 80, 5, 3)), [0, 0, 1, 1, 1]), np.full(80, "300 K")
    alike = bootstrap_intervals(sums, energies, 5, places, trajectory=np.repeat(range(10), 8))
    loose = bootstrap_intervals(sums, energies, 5, places)
    assert np.ptp(alike["energy"]) > 2 * np.ptp(loose["energy"])
    assert set(alike) == {*(name for name in sums if "reference" not in name), *("energy", "energy_within")} | {
        "energy_about_mean",
        "r2",
    }


def test_an_error_that_one_frame_shows_has_no_interval():
    sums = {"component": np.array([[1.0, 3], [0, 0], [0, 0]])}
    assert intervals(sums, resamples(["a", "b", "c"])) == {"component": None}


def test_energy_about_the_mean_is_not_flattered_by_small_groups():
    random = np.random.default_rng(2)
    place = np.repeat(np.arange(2000), 2).astype(float)
    error = random.normal(size=4000) + 5 * random.normal(size=2000).repeat(2)
    found = energy_errors(np.zeros(4000), error / 100, 10, place)  # 1 eV / 100 over 10 atoms: 1 meV/atom
    assert found["rmse_within"] == pytest.approx(1.0, rel=0.05) and found["groups_within"] == 2000
    single = energy_errors([0.0, 0.0, 0.0], [1.0, 2.0, 7.0], 10, ["a", "a", "b"])
    assert single["frames_within"] == 2 and single["rmse_within"] == pytest.approx(100 * np.sqrt(0.5))
    assert energy_errors([0.0], [1.0], 10, ["a"])["rmse_within"] is None


def test_groups_say_what_training_saw(liquid, labelled):
    data = Dataset.load(labelled)
    types = common_types(data)
    boxes = data.select(["liquid"])
    density = boxes.sets[0].density
    assert 0.8 < density.min() < density.max() < 1.3
    labels, known = frame_groups(boxes, types, DOMAIN)
    assert known["composition"] == {"6 EC + 12 EMC": "seen"}  # twice as large in training
    assert known["temperature"] == {"300 K": "seen", "350 K": "inside", "400 K": "seen", "500 K": "outside"}
    expected = np.array(["seen"] * 4 + ["inside"] * 4 + ["seen"] * 2 + ["outside"] * 2)
    expected[density < 0.9] = "outside"
    assert labels["domain"].tolist() == expected.tolist()
    high = float(density.max())
    labels, known = frame_groups(boxes, types, {**DOMAIN, "density": [high - 1e-6, high + 1]})
    assert known["density"]["below training's"] == "outside" and (labels["domain"] == "outside").sum() == 11
    ranges = [[high - 1e-6, high + 1] if c["EC"] else None for c in DOMAIN["compositions"]]  # of this composition alone
    labels, known = frame_groups(boxes, types, {**DOMAIN, "densities": ranges})
    assert known["density"]["below training's"] == "outside" and (labels["domain"] == "outside").sum() == 11


def test_training_tells_its_temperatures_and_densities(labelled):
    data = Dataset.load(labelled).select(["liquid"])
    domain = training_domain(data, common_types(data))
    density = data.sets[0].density
    assert domain["temperatures"] == [300.0, 350.0, 400.0, 500.0]
    assert domain["densities"] == [domain["density"]] == [[density.min(), density.max()]]
    labels, known = frame_groups(data, common_types(data), domain)
    assert set(known["temperature"].values()) == {"seen"} and set(labels["domain"]) == {"seen"}


def test_older_models_leave_open_what_they_do_not_tell(labelled):
    data = Dataset.load(labelled)
    labels, known = frame_groups(data, common_types(data), {})
    assert {answer for values in known.values() for answer in values.values()} == {None}
    assert set(labels["domain"]) == {"unknown"}
    assert labels["density"][-1] == "no density" and labels["temperature"][-1] == "no temperature"
    known = frame_groups(data, common_types(data), {"temperature": [300.0, 400.0]})[1]
    assert known["temperature"]["300 K"] == known["temperature"]["350 K"] == "inside"


def test_every_group_is_a_part_of_the_whole(model, labelled):
    errors = evaluate(model, labelled, "test")
    groups, by_grain, force = errors["groups"], errors["by_grain"], errors["force"]
    assert (errors["frames"], errors["trajectories"], errors["grains"]) == (14, 7, 12 * 18 + 2)
    assert set(by_grain["species"]) == {"EC", "EMC"} and by_grain["species"]["EC"]["grains"] == 12 * 6 + 2
    for rows in by_grain.values():
        assert sum(row["grains"] for row in rows.values()) == errors["grains"]
    squares = sum(
        row["component"] ** 2 * row["grains"] * {"EC": 10, "EMC": 15}[name] for name, row in by_grain["species"].items()
    )
    assert force["component"] == pytest.approx(np.sqrt(squares / errors["atoms"]))
    for name in ("domain", "composition", "temperature", "density", "trajectory"):
        assert sum(row["frames"] for row in groups[name].values()) == 12
        wrong = sum(row["energy"] ** 2 * row["frames"] for row in groups[name].values())
        assert wrong == pytest.approx(groups["kind"]["liquid"]["energy"] ** 2 * 12)
    for rows in groups.values():
        for row in rows.values():
            for name, ends in row["intervals"].items():
                assert ends is None or ends[0] <= row[name] * (1 + 1e-6) and ends[0] <= ends[1], name
    assert groups["temperature"]["500 K"]["training"] == "outside" and "training" not in groups["kind"]["liquid"]
    assert groups["kind"]["molecule"]["stress"] is None and groups["kind"]["liquid"]["stress"]["frames"] == 12
    assert groups["kind"]["molecule"]["energy_within"] == pytest.approx(1000 / 10 * np.sqrt(0.5), rel=0.5)
    json.dumps(errors, allow_nan=False)


def test_padded_slots_are_those_that_are_asked_for(labelled, tmp_path, capsys):
    command, force = ["evaluate", "ec-emc", str(labelled), "--json", str(tmp_path / "e.json")], {}
    for slots in (None, 20):
        assert main([*command, *(["--padded-slots", str(slots)] if slots else [])]) == 0
        assert ("padded to" in capsys.readouterr().out) == bool(slots)
        errors = json.loads((tmp_path / "e.json").read_text())
        force[slots] = errors["force"]
        assert ("vector_padded" in errors["intervals"]) == bool(slots)
    padded = force[20].pop("vector_padded")
    assert force[20] == force[None]
    assert padded**2 * 20 * errors["grains"] == pytest.approx(force[20]["vector_rms"] ** 2 * errors["atoms"])
    with pytest.raises(CGAAError, match="padded_slots is 0; give an integer from 1"):
        evaluate("ec-emc", labelled, padded_slots=0)


def test_tables_fit_a_page_and_the_figure_is_a_picture(labelled, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("COLUMNS", "100")
    options = ["--kind", "liquid", "--figure", str(tmp_path / "f.png"), "--json", str(tmp_path / "e.json")]
    assert main(["evaluate", "ec-emc", str(labelled), *options]) == 0
    printed = capsys.readouterr().out
    for text in ("seen", "inside", "about the mean of", "EMC", "2.0–2.2 Å", "g/cm3"):
        assert text in printed, text
    assert max(map(len, printed.splitlines())) <= 100 and "…" not in printed
    assert (tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"
    errors = json.loads((tmp_path / "e.json").read_text())
    assert errors["intervals"]["energy_within"][0] < errors["energy"]["rmse_within"]


def test_one_frame_without_a_neighbour_can_be_drawn(model, labelled, tmp_path):
    """A single molecule: no temperature, no density, no contact, no resampling."""
    pytest.importorskip("matplotlib")
    alone = Dataset.load(labelled).select(["molecule"])
    replace(alone, sets=[alone.sets[0].take([0])]).save(tmp_path / "one.h5")
    errors = evaluate(model, tmp_path / "one.h5", figure=tmp_path / "one.png")
    assert set(errors["by_grain"]["contact"]) == {"above 3.0 Å"} and errors["groups"]["density"] == {}
    assert errors["intervals"]["component"] is None and errors["energy"]["rmse_within"] is None
    assert (tmp_path / "one.png").stat().st_size > 1000


def test_a_figure_that_cannot_be_written_is_told_before_the_work(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "file").touch()
    with pytest.raises(CGAAError, match="file: cannot be written"):
        evaluate("no such model", "no such data.h5", figure=tmp_path / "file" / "f.png")
