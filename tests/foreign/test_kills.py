"""SIGKILL at any moment, again and again: nothing is lost or there twice, and the numbers are the unbroken run's.

openmm/openmm_workshops#10 and facebookresearch/fairchem PR#2097 are samples of the kind: rows and frames that come
twice after a restart, or not at all where the intervals do not fit into each other.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from short_runs import frames, same_run, table

from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.model.file import load_model

TESTS = Path(__file__).parents[1]

# One process imports everything once and forks: each child works until it is killed at a random moment of its life.
KILLER = """
import os, random, signal, sys, time, traceback

def child(work):
    number = os.fork()
    if number:
        return number
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)

def killed_and_resumed(work, done, kills, seed):
    # children of `work` until one ends by itself; the first `kills` are killed within a life of `done` seconds
    random.seed(seed)
    count = 0
    while True:
        number = child(work)
        if count < kills:
            time.sleep(random.uniform(0.0, done))
            os.kill(number, signal.SIGKILL)
        _, status = os.waitpid(number, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            if count >= kills:
                return
        count += 1

def timed(work):
    start = time.perf_counter()
    _, status = os.waitpid(child(work), 0)
    assert status == 0
    return time.perf_counter() - start
"""
DYNAMICS = """
from pathlib import Path
from short_runs import diatomics, replaced
from openmm_cgaa.simulation.run import simulate

out = Path(sys.argv[1])
odd = replaced(picoseconds=0.2, nve_picoseconds=0.1, report_interval=7, checkpoint_interval=11)

def work(name):
    folder = out / name
    simulate(*diatomics(), folder, odd, resume=(folder / "run.json").exists(), progress=False)

life = timed(lambda: work("whole"))
for seed in range(3):
    killed_and_resumed(lambda: work(f"killed{seed}"), life, 6, seed)
"""
TRAINING = """
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.train import train
import openmm_cgaa.training.module

life = timed(lambda: train(load_config(sys.argv[1])))
killed_and_resumed(lambda: train(load_config(sys.argv[2])), 1.2 * life, 4, 1)
"""


def run_script(script, *arguments):
    """Run it in a Python of its own, with one thread, which may fork."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLER + script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_and_resumed_is_the_unbroken_run(tmp_path):
    """Right: each row and frame once, at its interval, and every number to the bit."""
    run_script(DYNAMICS, tmp_path)
    steps = table(tmp_path / "whole" / "state.csv")["step"], table(tmp_path / "whole" / "nve.csv")["step"]
    np.testing.assert_array_equal(np.concatenate(steps), np.arange(7, 601, 7))
    assert len(frames(tmp_path / "whole")) == 600 // 7
    for seed in range(3):
        same_run(tmp_path / "whole", tmp_path / f"killed{seed}")
        names = {path.name for path in (tmp_path / f"killed{seed}").iterdir()}
        assert names == {path.name for path in (tmp_path / "whole").iterdir()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_training_killed_and_started_again_ends_with_the_same_weights(tmp_path, liquid):
    """facebookresearch/fairchem PR#2097 once more, of training: the order of the frames, the moments, the average."""
    yaml = pytest.importorskip("yaml")
    pytest.importorskip("lightning")
    splits = [Trajectory(name, "liquid", name) for name in ("train", "validation")]
    part = replace(liquid, trajectory=np.array([0] * 4 + [1] * 2))
    Dataset([part], splits, {"name": "sevennet"}).save(tmp_path / "set.h5")
    model = dict(atom_cutoff=3.5, grain_cutoff=6.0, scalars=4, vectors=2, hidden=8, grain_scalars=8, grain_vectors=2)
    config = {
        "model": {"network": "conserving", **model, "pair_channels": 2, "intra_basis": 4},
        "data": {"paths": [str(tmp_path / "set.h5")]},
        "optimizer": {"lr": 1e-2, "warmup_steps": 3},
        **dict(max_steps=16, validate_every=2, batch_grains=36, ema_decay=0.9, threads=1, accelerator="cpu"),
    }
    for name in ("whole", "killed"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(config | {"output": str(tmp_path / name)}))
    run_script(TRAINING, tmp_path / "whole.yaml", tmp_path / "killed.yaml")
    whole, killed = (load_model(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    for (name, weight), other in zip(whole[0].state_dict().items(), killed[0].state_dict().values()):
        assert torch.equal(weight, other), name
    assert whole[1]["errors"] == killed[1]["errors"]
