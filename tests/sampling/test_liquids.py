"""Liquids and single molecules: density, temperature, strain, and the kind that they are filed under.

Also `dynamics`.
"""

import numpy as np
import pytest
from openmm import app
from sampling_plans import (
    LIQUID,
    SHORT,
    SYSTEMS,
    bond_lengths,
    contact,
    sampled,
    short_preparation,  # noqa: F401 - for all tests here
    trajectory,
)

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.sampling.dynamics import GRID


def test_liquid_frames(every_kind):
    _, dataset = every_kind
    (frames,), about = trajectory(dataset, "nvt-350K")
    assert (about.kind, about.split, about.details["ensemble"]) == ("liquid", "test", "NVT")
    assert about.details["counts"] == {"EC": 3, "EMC": 2, "LI": 1, "PF6": 1} and about.details["density"] == 1.2
    assert np.allclose(frames.time, [0.07, 0.09]) and np.all(frames.temperature == 350) and not frames.labelled
    mass = sum(app.Element.getBySymbol(e).mass._value for e in frames.elements)
    assert mass * 1.66054 / np.linalg.det(frames.cell) == pytest.approx([1.2, 1.2], rel=1e-3)
    assert np.array_equal(frames.positions * GRID, np.round(frames.positions * GRID))
    assert bond_lengths(frames).max() < 1.9 and contact(frames).min() > 1.2
    assert not np.array_equal(frames.positions[0], frames.positions[1])
    assert about.details["mean_density"] == 1.2
    (frames,), about = trajectory(dataset, "npt")
    found = mass * 1.66054 / np.linalg.det(frames.cell)
    assert about.details["density"] == 1.0 and about.details["mean_density"] == pytest.approx(found.mean(), rel=1e-3)
    assert about.details["pressure_bar"] == 1.0 and about.details["sampler"]["forcefield"][0] == "forcefield.xml"


def test_molecules_and_two_workers(tmp_path):
    dataset = sampled(
        tmp_path, {"kind": "molecule", "temperatures": [300, 800], "species": ["EC", "LI"], **SHORT}, workers=2
    )
    names = [f"molecule-{name}-{t}K" for name in ("EC", "LI") for t in (300, 800)]
    assert sorted(t.name for t in dataset.trajectories) == sorted(names)
    (frames,), _ = trajectory(dataset, "molecule-EC-800K")
    assert not frames.periodic and np.abs(frames.positions.mean(1)).max() < 1e-3 and frames.temperature[0] == 800


def test_strained_molecules_have_a_few_atoms_out_of_place(tmp_path, before_strain):
    emc = {"name": "EMC", "structure": str(SYSTEMS / "ec_emc/EMC.pdb")}
    run = {"kind": "molecule", "species": ["EMC"], "temperatures": 300, **SHORT, "frames": 20, "strain": 0.4}
    (strained,), _ = trajectory(sampled(tmp_path, run, molecules=[emc]), "molecule-EMC")
    (plain,) = before_strain
    assert np.linalg.norm(plain.positions - strained.positions, axis=-1).max() < 0.4 + 1e-3
    off = np.linalg.norm(plain.positions - strained.positions, axis=-1)
    moved = (off > 0.01).sum(axis=1)  # [frame]
    assert moved.min() >= 0 and moved.max() <= 3 and moved.mean() > 1.2
    lengths = bond_lengths(strained)
    assert np.ptp(lengths, axis=0).max() > 0.3
    assert lengths.min() > 0.75 * bond_lengths(plain).min() - 1e-3  # no atom on top of another


def test_strained_molecules_of_a_liquid(tmp_path, before_strain):
    run = LIQUID | {"counts": {"EC": 3, "LI": 1, "PF6": 1}, "frames": 3}
    dataset = sampled(tmp_path / "strained", run | {"strain": 0.4, "strained": ["PF6"]})
    (strained,), record = trajectory(dataset, "ec")
    (plain,) = before_strain
    assert record.kind == "scan"
    of_ion = strained.residues == strained.residue_names.index("PF6")
    off = np.linalg.norm(plain.positions - strained.positions, axis=-1)
    assert (off[:, ~of_ion] < 1e-4).all() and off.max() < 0.4 + 1e-3
    assert 1 <= (off[:, of_ion] > 0.01).sum(axis=1).mean() <= 3
    with pytest.raises(CGAAError, match="strained.*XX"):
        sampled(tmp_path / "unknown", run | {"strain": 0.4, "strained": ["XX"]})
    with pytest.raises(CGAAError, match="strained names species, but strain is 0"):
        sampled(tmp_path / "still", run | {"strained": ["PF6"]})
    with pytest.raises(CGAAError, match="strained is EMC, of which there is none in the box"):
        sampled(tmp_path / "absent", run | {"strain": 0.4, "strained": ["EMC"]})
    scan = {
        "kind": "scan",
        "name": "wide",
        "source": str(tmp_path / "strained/frames.h5"),
        "kinds": ["scan"],
        "factors": [1.1],
    }
    cut = sampled(tmp_path / "cut", scan)
    assert [t.details["strain"] for t in cut.trajectories] == [0.4]  # walls inside molecules are not set by them


def test_two_molecules_in_a_box_are_filed_as_pair(tmp_path):
    run = {"kind": "liquid", "name": "two", "counts": {"EC": 1, "LI": 1}, "box": 22.1, "save_as": "pair", **SHORT}
    (frames,), about = trajectory(sampled(tmp_path, run), "two")
    assert about.kind == "pair" and np.allclose(frames.cell, 22.1 * np.eye(3), atol=1e-3)
