"""A propagation in its folder: killed at any moment it goes on as if nothing had been."""

import json
import os
import signal

import numpy as np
import pytest
from chains import SPACING, chain_sequence, chain_sequences, small_propagator

from openmm_cgaa.errors import CGAAError, GeometryError, OutputError, SimulationError
from openmm_cgaa.propagate import propagation
from openmm_cgaa.propagate.propagation import propagate
from openmm_cgaa.propagate.sequences import Sequences
from openmm_cgaa.propagate.stepping import Stepper


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a propagator and sequences to begin with."""
    monkeypatch.chdir(tmp_path)
    small_propagator(levels=1).save("p.safetensors", {"name": "small"}, {})
    chain_sequences(frames=6).save("start.h5")
    return tmp_path


def go(out, steps=8, **options):
    return propagate("p.safetensors", "start.h5", steps, out, progress=False, **options)


def frames(folder):
    return np.concatenate([one.positions for one in Sequences.load(folder / "run.h5").members], 1)


def test_all_sequences_go_side_by_side_and_are_kept(here):
    made = go("out", steps=9, every=3)
    run = Sequences.load("out/run.h5")
    assert made.step == 9 and made.ended and made.ns_per_day > 0.0
    assert [(one.name, one.split) for one in run.members] == [(s, s) for s in ("train", "validation", "test")]
    for one, start in zip(run.members, Sequences.load("start.h5").members):
        assert one.graph.same_as(start.graph) and one.positions.shape == (3, 3, 3)
        assert one.spacing == 3 * SPACING and (one.inner >= 0.0).all()
    assert run.provenance["model"] == "small" and run.provenance["steps"] == 9 and run.provenance["seconds"] > 0.0
    assert np.array_equal(go("every") and frames(here / "every")[2::3][:2], frames(here / "out")[:2])


def test_inner_sizes_are_those_of_the_frame_that_is_kept(here):
    go("out", steps=2, refine=False)
    stepper = Stepper(small_propagator(levels=1), Sequences.load("start.h5").members, refine=False)
    standing = stepper.begin(5, 1)
    stepper.step(standing, *stepper.look(standing))
    one = Sequences.load("out/run.h5").members[0]
    assert np.allclose(one.positions[0], standing.history[-1][:3], atol=1e-3)
    assert np.allclose(one.inner[0], stepper.inner(stepper.look(standing)[1])[:3], atol=1e-3)


def test_what_was_made_can_be_begun_with(here):
    go("out", split="test")
    propagate("p.safetensors", "out/run.h5", 2, "more", progress=False)
    assert [one.name for one in Sequences.load("more/run.h5").members] == ["test"]
    go("early", steps=2, split="test", frame=2)
    assert not np.allclose(frames(here / "early"), frames(here / "more"))


@pytest.mark.parametrize("step", [1, 4, 5])
def test_a_signal_keeps_all_steps_and_the_same_command_goes_on(here, monkeypatch, step):
    go("unbroken")
    own = Stepper.step

    def signalled(self, standing, *now):
        own(self, standing, *now)
        if standing.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", signalled)
        made = go("out")
    assert (made.step, made.ended) == (step, False)
    assert len(frames(here / "out")) == step
    assert go("out", resume=True).ended
    assert np.array_equal(frames(here / "out"), frames(here / "unbroken"))


@pytest.mark.parametrize("moment", ["step", "save", "between", "gather"])
def test_a_kill_at_any_moment(here, monkeypatch, moment):
    """Before the first state, behind one, with frames that no state knows, and at the end."""
    go("unbroken", every=2)

    class Killed(BaseException):
        pass

    def kill(*args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(propagation, "SAVED_EVERY", -1.0)  # at every step
        if moment == "step":
            patch.setattr(propagation._Recorder, "save", kill)
        elif moment == "save":
            own, saved = propagation._Recorder.save, []

            def third(self, standing):
                saved.append(standing.step)
                if len(saved) >= 3:
                    kill()
                own(self, standing)

            patch.setattr(propagation._Recorder, "save", third)
        elif moment == "between":
            written, count = propagation.write_bytes, []

            def fourth(path, data):
                count.append(path)
                if len(count) >= 4:
                    kill()
                written(path, data)

            patch.setattr(propagation, "write_bytes", fourth)
        else:
            patch.setattr(propagation, "_gather", kill)
        with pytest.raises(Killed):
            go("out", every=2)
    assert go("out", every=2, resume=True).ended
    assert np.array_equal(frames(here / "out"), frames(here / "unbroken"))


def test_a_longer_one_of_what_has_ended(here):
    go("long", steps=8)
    go("out", steps=3)
    assert go("out", steps=8, resume=True).step == 8
    assert np.array_equal(frames(here / "out"), frames(here / "long"))
    assert json.loads((here / "out/run.json").read_text())["steps"] == 8


def test_another_propagation_in_the_folder(here):
    go("out")
    with pytest.raises(SimulationError, match="out holds a propagation already; go on with it by --resume"):
        go("out")
    with pytest.raises(SimulationError, match=r"another propagation \(different: seed\); go on as it began"):
        go("out", seed=2, resume=True)
    chain_sequences(frames=7).save("start.h5")
    with pytest.raises(SimulationError, match=r"different: start, frame"):
        go("out", resume=True)
    with pytest.raises(SimulationError, match=r"holds no propagation to go on with \(no run.json\)"):
        go("none", resume=True)


@pytest.mark.parametrize("name", ["frames.dat", "state.npz"])
@pytest.mark.parametrize("fault", ["cut", "altered", "missing"])
def test_files_that_are_damaged(here, name, fault):
    go("out", steps=4)
    path = here / "out" / name
    data = path.read_bytes()
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-3] if fault == "cut" else bytes([data[0] ^ 1]) + data[1:])
    if (name, fault) == ("state.npz", "missing"):  # as where a kill came before the first
        assert go("out", steps=4, resume=True).ended
        assert path.exists()
        return
    with pytest.raises(SimulationError, match=f"{name} is damaged; bring it back from a copy"):
        go("out", steps=6, resume=True)


def test_an_end_before_the_first_frame(here, monkeypatch):
    own = Stepper.step

    def signalled(self, standing, *now):
        own(self, standing, *now)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", signalled)
        assert go("out", every=4).step == 1
    assert len(frames(here / "out")) == 0
    assert go("out", every=4, resume=True).ended and len(frames(here / "out")) == 2


def test_files_of_others_are_left_alone(here):
    (here / "out").mkdir()
    (here / "out/run.h5").write_text("mine")
    with pytest.raises(OutputError, match="holds run.h5, but no run.json"):
        go("out")
    assert (here / "out/run.h5").read_text() == "mine"


def test_starts_that_cannot_be(here):
    cases = {
        "2 frames up to where it begins, but the propagator looks at 3": ({"frames": 2}, SimulationError),
        "its frames are 7 ps apart, but the propagator steps by 5 ps": ({"spacing": 7.0}, SimulationError),
        "looks 15 Å far, but the box is 20.00 Å wide": ({"box": np.full(3, 20.0)}, GeometryError),
        "groups of 3 beads": ({"size": 3}, CGAAError),
        r"beads of kind \*C": ({"kinds": "AC"}, CGAAError),
    }
    for told, (options, kind) in cases.items():
        Sequences([chain_sequence("test", "test", **({"frames": 6} | options))]).save("start.h5")
        with pytest.raises(kind, match=told):
            go("out")
    assert not (here / "out").exists()


def test_a_split_that_is_not_there(here):
    Sequences([chain_sequence("a", "train", frames=6)]).save("start.h5")
    with pytest.raises(CGAAError, match="no sequence has the split test"):
        go("out", split="test")


def test_frames_of_what_flies_are_kept(here, monkeypatch):
    own = Stepper.step

    def flying(self, standing, *now):
        if standing.step == 3:
            raise SimulationError("step 4: a group moves by 1e9 Å")
        own(self, standing, *now)

    monkeypatch.setattr(Stepper, "step", flying)
    with pytest.raises(SimulationError, match="step 4"):
        go("out")
    assert (here / "out/frames.dat").stat().st_size == 3 * 9 * 16 and len(frames(here / "out")) == 3
