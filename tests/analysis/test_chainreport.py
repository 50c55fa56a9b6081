"""What is told of a propagation: numbers of its chains, beside those of a reference."""

import json

import numpy as np
import pytest
from chains import SPACING, chain_sequence, chain_sequences, moved, small_propagator
from scipy.stats import wasserstein_distance

from openmm_cgaa.analysis.chainreport import analyze_propagation, is_propagation_folder
from openmm_cgaa.analysis.chains import internal_distances
from openmm_cgaa.errors import CGAAError, SimulationError
from openmm_cgaa.propagate.beadgroups import group_beads
from openmm_cgaa.propagate.propagation import propagate
from openmm_cgaa.propagate.sequences import GroupSequence, Sequences
from openmm_cgaa.structures.bondgraph import BondGraph


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what a propagation would have made: the chains themselves, made wider by a tenth."""
    monkeypatch.chdir(tmp_path)
    small_propagator().save("p.safetensors", {"name": "small"}, {})
    chain_sequences(frames=60).save("reference.h5")
    propagate("p.safetensors", "reference.h5", 2, "out", progress=False)
    wider = [moved(one, 1.1 * one.positions) for one in chain_sequences(frames=60).members]
    Sequences(wider, {"model": "small"}).save("out/run.h5")
    return tmp_path


def test_numbers_beside_those_of_a_reference(here):
    report = analyze_propagation("out", reference="reference.h5", tell=lambda line: None)
    found = json.loads((here / "out/analysis/summary.json").read_text())
    assert [*found][:4] == ["run", "train", "validation", "test"] and found["run"]["frames"] == 60
    one = {each.name: each for each in Sequences.load("reference.h5").members}["test"]
    wide = moved(one, 1.1 * one.positions)
    numbers = found["test"]
    assert numbers["reference"]["mean_A2"] == pytest.approx(one.gyration().mean(), rel=1e-5)
    assert numbers["propagated"]["mean_A2"] == pytest.approx(wide.gyration().mean(), rel=1e-5)
    apart = wasserstein_distance(one.gyration().ravel(), wide.gyration().ravel())
    assert numbers["earth_movers_distance_A2"]["value"] == pytest.approx(apart, rel=1e-4)
    distances = internal_distances(one.positions.astype(float))
    assert np.allclose(numbers["propagated"]["distances_A"], 1.1 * distances, rtol=1e-4)
    assert np.array(numbers["propagated"]["contact_map_A"]).shape == (3, 3)
    text = (here / "out/analysis/summary.txt").read_text()
    assert "earth mover's distance of Rg^2" in text and "relaxation" in text and report.out.name == "analysis"
    if report.draws:
        assert {path.name for path in (here / "out/analysis").glob("*.png")} == {
            "sizes.png",
            "memory.png",
            "distances.png",
        }


def test_without_a_reference_and_from_a_time_on(here):
    analyze_propagation("out", out="there", begin=100.0, tell=lambda line: None)
    numbers = json.loads((here / "there/summary.json").read_text())["test"]
    one = Sequences.load("out/run.h5").members[2]
    assert numbers["propagated"]["mean_A2"] == pytest.approx(one.gyration()[20:].mean(), rel=1e-5)
    assert "reference" not in numbers


def test_what_cannot_be_told(here):
    with pytest.raises(SimulationError, match=r"4 frames from 280 ps on, and 10 are needed; .*\(--begin\)"):
        analyze_propagation("out", begin=280.0, tell=lambda line: None)
    Sequences([chain_sequence("other", "test")]).save("others.h5")
    with pytest.raises(
        SimulationError, match="others.h5: no sequence train, there are other; give those of out/run.h5"
    ):
        analyze_propagation("out", reference="others.h5", tell=lambda line: None)
    (here / "out/run.h5").write_bytes(b"nothing")
    with pytest.raises(CGAAError, match="run.h5"):
        analyze_propagation("out", tell=lambda line: None)
    (here / "out/run.h5").unlink()
    with pytest.raises(SimulationError, match="as where a propagation was killed; go on with it by --resume first"):
        analyze_propagation("out", tell=lambda line: None)
    assert is_propagation_folder("out") and not is_propagation_folder(here)


def test_molecules_of_one_group_have_no_size(here):
    graph = group_beads(BondGraph(("Li",) * 4, np.ones(4), np.zeros((0, 2), int), np.zeros(0, int)), 9)
    positions = np.cumsum(np.random.default_rng(1).normal(size=(40, 4, 3)), 0)
    ions = GroupSequence("ions", "test", graph, positions, np.zeros((40, 4)), SPACING, None)
    Sequences([ions]).save("out/run.h5")
    analyze_propagation("out", tell=lambda line: None)
    found = json.loads((here / "out/analysis/summary.json").read_text())
    assert "mean_A2" not in found["ions"]["propagated"]
    assert "ions: sizes: no molecule of several groups" in found["left_out"]


def test_a_liquid_beside_its_reference(here):
    """Chains that meet in a box; the propagated ones are the same, shifted by a part of the box."""
    box = np.full(3, 40.0)
    one = chain_sequence("melt", "test", chains=4, box=box, frames=100)
    Sequences([one]).save("melt.h5")
    Sequences([moved(one, one.positions + 13.0, box)]).save("out/run.h5")
    report = analyze_propagation("out", reference="melt.h5", tell=lambda line: None, lags=(10.0, 50.0))
    found = json.loads((here / "out/analysis/summary.json").read_text())["melt"]
    for ours, theirs in zip(*(found[run]["pairs_nearer_than_A"].items() for run in ("propagated", "reference"))):
        assert ours == theirs
    assert found["propagated"]["closest_A"] == pytest.approx(found["reference"]["closest_A"], rel=1e-3)
    assert found["difference_of_g"] == {
        "A+B-A+B": {"value": pytest.approx(0.0, abs=0.02), "by_chance": pytest.approx(0.5, abs=0.5)}
    }
    table = np.loadtxt(here / "out/analysis/rdf_melt.csv", delimiter=",", skiprows=1)
    assert table.shape[1] == 5 and np.allclose(table[:, 1], table[:, 3], atol=0.5)
    first, second = (found[run]["diffusion"] for run in ("propagated", "reference"))
    assert first["lags_ps"] == [10.0, 50.0] and first["A+B"] == pytest.approx(second["A+B"], rel=1e-3)
    text = (here / "out/analysis/summary.txt").read_text()
    assert "pairs of groups a frame" in text and "diffusion A+B" in text and "off the reference's in the mean" in text
    if report.draws:
        assert (here / "out/analysis/rdf.png").is_file()
    rounded = np.full(3, 39.9999)  # a bin less
    Sequences([moved(one, one.positions, rounded)]).save("rounded.h5")
    analyze_propagation("out", reference="rounded.h5", tell=lambda line: None)
    assert len(np.loadtxt(here / "out/analysis/rdf_melt.csv", delimiter=",", skiprows=1)) == len(table) - 1
    others = {
        "has 16 groups, 12 are propagated; give a longer run of the same system": {"chains": 4, "size": 3},
        r"a box of 50 x 50 x 50 Å, 40 x 40 x 40 Å are propagated": {"chains": 4, "box": np.full(3, 50.0)},
        "no box, unlike what is propagated": {"chains": 4, "box": None},
        "has 5 frames, and 10 are needed": {"chains": 4, "frames": 5},
        "other beads, bonds or groups": {"chains": 4, "kinds": "BA"},
    }
    for message, options in others.items():
        Sequences([chain_sequence("melt", "test", **({"box": box, "frames": 100} | options))]).save("other.h5")
        with pytest.raises(SimulationError, match=f"other.h5: sequence melt .*{message}"):
            analyze_propagation("out", reference="other.h5", tell=lambda line: None)
    with pytest.raises(CGAAError, match="expected two lags, the smaller first"):
        analyze_propagation("out", tell=lambda line: None, lags=(50.0, 10.0))
    analyze_propagation("out", tell=lambda line: None, lags=(10.0, 5000.0))
    assert (
        "melt, propagated: diffusion from lags of 10.0 to 5000.0 ps" in (here / "out/analysis/summary.txt").read_text()
    )
