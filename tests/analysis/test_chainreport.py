"""What is told of a propagation: numbers of its chains, beside those of a reference."""

import json

import numpy as np
import pytest
from chains import chain_sequence, chain_sequences, moved, small_propagator
from scipy.stats import wasserstein_distance

from openmm_cgaa.analysis.chainreport import analyze_propagation, is_propagation_folder
from openmm_cgaa.analysis.chains import internal_distances
from openmm_cgaa.errors import CGAAError, SimulationError
from openmm_cgaa.propagate.propagation import propagate
from openmm_cgaa.propagate.sequences import Sequences


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
    Sequences([chain_sequence("ions", "test", beads=12, size=9)]).save("out/run.h5")
    analyze_propagation("out", tell=lambda line: None)
    found = json.loads((here / "out/analysis/summary.json").read_text())
    assert "ions" not in found and "ions: no molecule of several groups" in found["left_out"]
