"""Files of propagators, and the state that their networks see."""

from dataclasses import asdict

import numpy as np
import pytest
import safetensors.torch
import torch
from chains import chain_sequence, small_propagator

from openmm_cgaa import CGAAPotential
from openmm_cgaa.errors import CGAAError, ModelFileError
from openmm_cgaa.model.file import load_model
from openmm_cgaa.propagate.cores import CORES
from openmm_cgaa.propagate.propagator import Propagator, PropagatorForm, Scales


@pytest.mark.parametrize("form", CORES)
def test_what_is_written_is_read(tmp_path, form):
    made, chain = small_propagator(form, levels=3), chain_sequence("a", "test", frames=5)
    made.save(tmp_path / "p.safetensors", {"name": "some"}, {"likelihood": 1.0})
    before = torch.get_rng_state()
    found = Propagator.load(tmp_path / "p.safetensors")
    assert torch.equal(before, torch.get_rng_state())
    assert found.orders == made.orders == [0]
    assert found.form == made.form and found.scales == made.scales and found.provenance == {"name": "some"}
    with torch.no_grad():
        pair = [m(m.state(chain.positions[:3], chain.graph, None), m.embedding(chain.graph)) for m in (made, found)]
    assert all(torch.equal(one, other) for one, other in zip(*pair))


def test_velocities_are_displacements_the_latest_first():
    model, chain = small_propagator(), chain_sequence("a", "test", frames=3)
    places = np.zeros((3, 3, 3))
    places[1], places[2] = [1.0, 0, 0], [1.0, 4.0, 0]
    state = model.state(places, chain.graph, None)
    assert state.velocities[0].tolist() == [[0, 2.0, 0], [0.5, 0, 0]]  # by the scale, 2 Å
    assert torch.allclose(state.masses, torch.as_tensor(chain.graph.group_masses / 6.0, dtype=torch.float32))


def test_ways_are_by_the_radius():
    model, chain = small_propagator(radius=8.0), chain_sequence("a", "test", frames=3)
    places = np.zeros((3, 3, 3))
    places[:, 1, 0], places[:, 2, 0] = 4.0, 8.0
    state = model.state(places, chain.graph, None)
    found = dict(zip(map(tuple, state.ends.T.tolist()), state.ways[:, 0].tolist()))
    assert found[1, 0] == 0.5 and found[0, 1] == -0.5 and found[2, 0] == 1.0


def test_sizes_inside_of_groups_are_never_negative_and_teach_nothing_else():
    model, latents = small_propagator(), torch.randn(6, 16, requires_grad=True)
    with torch.no_grad():
        model.inside[-1].bias -= 100.0
    assert (model.inner(latents) == 0.0).all()
    model.inner_loss(latents, torch.ones(6)).backward()
    assert latents.grad is None and model.inside[-1].bias.grad is not None


def test_the_loss_of_sizes_is_by_their_spread():
    """A constant guess at the mean has a loss of 1, in whatever unit and however many groups there are."""
    model, rng = small_propagator(), np.random.default_rng(0)
    with torch.no_grad():
        for weight in model.inside[-1].parameters():
            weight.zero_()
    inner = torch.as_tensor(10.0 + 4.0 * rng.standard_normal(20000), dtype=torch.float32)
    loss = model.inner_loss(torch.zeros(20000, 16), inner).item()
    assert loss == pytest.approx(1.0, rel=0.03)


@pytest.fixture
def path(tmp_path):
    small_propagator().save(tmp_path / "p.safetensors", {"name": "some"}, {})
    return tmp_path / "p.safetensors"


def test_a_propagator_is_no_model_of_forces(path):
    for load in (load_model, CGAAPotential):
        with pytest.raises(
            ModelFileError, match="a propagator, which knows no forces.*run it by openmm-cgaa propagate"
        ):
            load(path)


def test_a_model_of_forces_is_no_propagator(tiny_conserving_path):
    with pytest.raises(ModelFileError, match="a model of forces, not a propagator; openmm-cgaa simulate runs it"):
        Propagator.load(tiny_conserving_path)


def test_files_that_cannot_be_read(path):
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(ModelFileError, match="truncated"):
        Propagator.load(path)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="checksum"):
        Propagator.load(path)
    path.unlink()
    with pytest.raises(ModelFileError, match="no such file; expected a propagator"):
        Propagator.load(path)
    safetensors.torch.save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelFileError, match="not a model of openmm_cgaa"):
        Propagator.load(path)


def test_weights_that_are_no_numbers_are_not_written(tmp_path):
    model = small_propagator()
    with torch.no_grad():
        model.inside[-1].bias += float("nan")
    with pytest.raises(ModelFileError, match="not finite"):
        model.save(tmp_path / "p.safetensors", {}, {})
    assert not (tmp_path / "p.safetensors").exists()


def test_another_form_in_the_file(path, monkeypatch):
    model = small_propagator()
    monkeypatch.setattr(model, "kinds", ["*A"])
    model.save(path, {}, {})
    with pytest.raises(ModelFileError, match="not a propagator that this version can read .*get a fresh copy"):
        Propagator.load(path)


@pytest.mark.parametrize("change", [{"step": 0.0}, {"mass": float("nan")}, {"size": 0}, {"spacing": -1.0}])
def test_scales_that_cannot_be(change):
    with pytest.raises(CGAAError, match=next(iter(change))):
        Scales(**asdict(small_propagator().scales) | change)


def test_levels_the_wrong_way_round():
    with pytest.raises(CGAAError, match="smallest is 20 Å, above largest, 10 Å; exchange them"):
        PropagatorForm(smallest=20.0)
