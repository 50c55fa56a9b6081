"""Data sets of little to train on, and a configuration that takes seconds."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.model.file import load_model

MODEL = {
    "network": "conserving",
    "atom_cutoff": 3.5,
    "grain_cutoff": 6.0,
    "scalars": 4,
    "vectors": 2,
    "hidden": 8,
    "grain_scalars": 8,
    "grain_vectors": 2,
    "pair_channels": 2,
    "intra_basis": 4,
}


PUBLISHED = {"network": "published", "scalars": 8, "vectors": 8, "cutoff": 6.0}


@pytest.fixture(scope="session")
def small_set(tmp_path_factory, ec_emc_240):
    """Sixteen frames of two temperatures: twelve train, two select, two test."""
    full = ec_emc_240
    frames = full.sets[0].take([*range(8), *range(70, 78)])
    splits = [Trajectory(f"{name}-{t}", "liquid", name) for t in (300, 350) for name in ("train", "validation", "test")]
    index = np.array([0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 4, 5])
    dataset = Dataset([replace(frames, trajectory=index)], splits, full.teacher)
    path = tmp_path_factory.mktemp("data") / "small.h5"
    dataset.save(path)
    return path


def cut(frames, residues, count, number, trajectory):
    """The first frames of some molecules of a liquid alone in a vacuum, with made-up labels."""
    chosen = np.flatnonzero(np.isin(frames.residues, residues))
    place = {atom: i for i, atom in enumerate(chosen)}
    bonds = [[place[i], place[j]] for i, j in frames.bonds if i in place]
    return vacuum(
        frames.positions[:count, chosen] + np.zeros(3),
        [frames.elements[i] for i in chosen],
        bonds,
        [residues.index(r) for r in frames.residues[chosen]],
        [frames.residue_names[r] for r in residues],
        number,
        trajectory,
    )


def vacuum(positions, elements, bonds, residues, names, energy, trajectory):
    """Frames that are not periodic, with made-up labels."""
    count = len(positions)
    return Frames(
        positions=positions,
        cell=np.zeros((count, 3, 3)),
        elements=elements,
        bonds=bonds,
        residues=residues,
        residue_names=names,
        trajectory=np.full(count, trajectory),
        time=np.arange(count),
        temperature=np.full(count, np.nan),
        energy=energy + 0.1 * np.arange(count),
        forces=np.random.default_rng(count).normal(size=positions.shape),
    )


PF6 = np.array([[0.0, 0, 0], [1.6, 0, 0], [-1.6, 0, 0], [0, 1.6, 0], [0, -1.6, 0], [0, 0, 1.6], [0, 0, -1.6]])


PF6_BONDS = [[0, i] for i in range(1, 7)]


@pytest.fixture(scope="session")
def mixed_set(tmp_path_factory, small_set):
    """Liquids with and without stress, molecules, an ion of one atom and an ion pair."""
    liquid = Dataset.load(small_set)
    frames, unit = liquid.sets[0], np.random.default_rng(0)
    stress = unit.normal(size=(8, 3, 3)) * 1e-3
    names = [t.name for t in liquid.trajectories]
    first = len(names)
    kinds = {
        "EC alone": "molecule",
        "Li alone": "molecule",
        "PF6 alone": "molecule",
        "EC and EMC": "pair",
        "ions": "pair",
    }
    ions = np.concatenate([[[3.0, 0.4, 0.1]], PF6]) + 0.05 * unit.normal(size=(3, 8, 3))
    sets = [
        replace(frames.take(range(8)), stress=stress + stress.swapaxes(1, 2)),
        frames.take(range(8, 16)),
        cut(frames, [0], 4, -70.0, first),
        vacuum(np.zeros((2, 1, 3)), ["Li"], np.zeros((0, 2)), [0], ["LI"], -0.3, first + 1),
        vacuum(
            PF6 + 0.05 * unit.normal(size=(3, 7, 3)), ["P"] + ["F"] * 6, PF6_BONDS, [0] * 7, ["PF6"], -35.0, first + 2
        ),
        cut(frames, [1, 7], 3, -170.0, first + 3),
        vacuum(ions, ["Li", "P"] + ["F"] * 6, np.array(PF6_BONDS) + 1, [0] + [1] * 7, ["LI", "PF6"], -37.0, first + 4),
    ]
    added = [Trajectory(name, kind, "train") for name, kind in kinds.items()]
    path = tmp_path_factory.mktemp("data") / "mixed.h5"
    Dataset(sets, [*liquid.trajectories, *added], liquid.teacher).save(path)
    return path


@pytest.fixture
def write_config(tmp_path, small_set):
    def write(**changes):
        config = {
            "model": MODEL,
            "data": {"paths": [str(small_set)]},
            "loss": {"energy": 10.0, "net_force": 1.0, "torque": 1.0},
            "optimizer": {"lr": 1e-2, "warmup_steps": 3},
            "output": "run",
            "max_steps": 12,
            "validate_every": 4,
            "batch_grains": 36,
            "ema_decay": 0.9,
            "threads": 1,
            "accelerator": "cpu",
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(config | changes))
        return path

    return write


def weights(path):
    return load_model(path)[0].state_dict()


def break_at(monkeypatch, step):
    """As a kill would: nothing is written after this step."""
    from openmm_cgaa.training.module import Distillation

    original = Distillation.on_train_batch_end

    def dies(self, *args):
        original(self, *args)
        if self.trainer.global_step == step:
            raise RuntimeError("killed")

    monkeypatch.setattr(Distillation, "on_train_batch_end", dies)
