"""``train`` with ``objective: propagate``, ``propagate``, and what ``info``, ``analyze`` and others say of both."""

import os
import signal

import numpy as np
import pytest
import yaml
from chains import SMALL, chain_sequences, small_propagator

from openmm_cgaa import train
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.propagate import stepping
from openmm_cgaa.propagate.propagator import Propagator
from openmm_cgaa.propagate.sequences import Sequences
from openmm_cgaa.propagate.stepping import Stepper


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_propagator().save("p.safetensors", {"name": "small"}, {"likelihood": 1.5})
    chain_sequences(frames=40).save("start.h5")
    values = {"objective": "propagate", "data": ["start.h5"], "output": "run", "max_steps": 4, "validate_every": 2}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(values | {"batch": 2, "model": SMALL}))
    return tmp_path


def test_from_a_configuration_to_an_analysis(here, capsys, monkeypatch):
    monkeypatch.setattr(stepping, "TORN", np.inf)  # after four steps of training chains come apart
    assert main("train train.yaml --set model.form=equivariant --output there".split()) == 0
    told = capsys.readouterr().out
    assert (
        "there/model.safetensors SEQUENCES.h5" in told and Propagator.load("there/model.safetensors").form.width == 16
    )
    assert main("propagate there/model.safetensors start.h5 --steps 20 --every 2 --split test --out out".split()) == 0
    told = capsys.readouterr()
    assert "run.h5: 20 steps," in told.out and "ns/day" in told.out and "openmm-cgaa analyze out" in told.out
    assert main("analyze out --reference start.h5 --begin 0".split()) == 0
    assert "earth mover's distance" in capsys.readouterr().out


def test_minutes_end_a_training(here):
    assert main("train train.yaml --minutes 0".split()) == 0
    assert len((here / "run/metrics.csv").read_text().splitlines()) == 2


def test_a_signal_and_the_way_on(here, capsys, monkeypatch):
    own = Stepper.step

    def signalled(self, standing, *now):
        own(self, standing, *now)
        if standing.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    words = "propagate p.safetensors start.h5 --steps 6 --out out".split()
    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", signalled)
        assert main(words) == 143
    assert "holds step 3 of 6; go on with the same command and --resume" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    assert main([*words[:-1], "unbroken"]) == 0
    one, other = (Sequences.load(f"{folder}/run.h5").members[0].positions for folder in ("out", "unbroken"))
    assert np.array_equal(one, other)


def test_no_refinement_on_demand(here):
    small_propagator(levels=1).save("s.safetensors", {}, {})
    for out, words in {"with": [], "without": ["--no-refine"]}.items():
        assert main(["propagate", "s.safetensors", "start.h5", "--steps", "2", "--out", out, *words]) == 0
    one, other = (Sequences.load(f"{folder}/run.h5").members[0].positions for folder in ("with", "without"))
    assert not np.array_equal(one, other)


def test_info_shows_a_propagator(here, capsys):
    assert main(["info", "p.safetensors"]) == 0
    told = capsys.readouterr().out
    assert '"form": "equivariant"' in told and "scales" in told and '"likelihood": 1.5' in told


@pytest.mark.parametrize(
    "words",
    [
        "evaluate p.safetensors set.h5",
        "simulate box.cif --model p.safetensors --out new",
        "info box.cif --model p.safetensors",
        "lammps p.safetensors box.cif --out new",
    ],
)
def test_commands_of_forces_say_what_it_is(here, words, solvent, liquid, capsys):
    from openmm_cgaa.data import Dataset, Trajectory
    from openmm_cgaa.structures.structure import write_structure

    topology, positions, _ = solvent
    write_structure("box.cif", topology, positions)
    Dataset([liquid.take([0])], [Trajectory("box", "liquid", "test")], {"name": "none"}).save("set.h5")
    assert main(words.split()) == 2
    assert (
        "a propagator, which knows no forces and no energy; run it by openmm-cgaa propagate" in capsys.readouterr().err
    )


def test_a_propagation_takes_no_options_of_forces(here, capsys):
    assert main("propagate p.safetensors start.h5 --steps 12 --out out".split()) == 0
    assert main("analyze out --model p.safetensors --pairs all all".split()) == 2
    assert "--model, --pairs: not for a propagation" in capsys.readouterr().err


def test_train_of_python_is_for_models_of_forces(here):
    with pytest.raises(CGAAError, match="objective is a key of propagators; train one by openmm-cgaa train"):
        train("train.yaml")


def test_what_cannot_be_looked_at_is_not_advised(here, capsys):
    assert main("propagate p.safetensors start.h5 --steps 3 --split test --out short".split()) == 0
    assert "analyze" not in capsys.readouterr().out
    assert main("propagate p.safetensors start.h5 --steps 3 --every 10 --split test --out none".split()) == 2
    assert "every is 10, more than the 3 steps: no frame would be kept" in capsys.readouterr().err
    assert main("analyze short/run.h5".split()) == 2
    assert "is a file; give the folder of the run" in capsys.readouterr().err
