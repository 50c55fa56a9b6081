"""Fixtures of what tiny plans sample: every kind of recipe once, and frames before their strain."""

import pytest


@pytest.fixture(scope="session")
def every_kind(tmp_path_factory):
    """A plan with every kind of recipe, sampled: its folder, which stays as it is, and its data set."""
    from sampling_plans import SHORT, sampled

    from openmm_cgaa.sampling import liquids

    folder = tmp_path_factory.mktemp("kinds")
    runs = [
        {"kind": "liquid", "name": "npt", "counts": "salt", "ensemble": "NPT", "densities": 1.0, "split": "train"},
        {"kind": "liquid", "name": "nvt", "counts": "salt", "densities": 1.2, "temperatures": [350], "split": "test"},
        {"kind": "cluster", "per_frame": 2, "frames": 2, "distance": 2.8},
        {"kind": "scan", "factors": [0.9, 1.1], "trajectories": ["nvt*"]},
        {
            **{"kind": "dynamics", "trajectories": ["nvt*"], "steps": 4, "save_every": 2},
            **{"teacher": "ase.calculators.lj:LennardJones", "teacher_settings": {"epsilon": 1e-5, "sigma": 1.0}},
        },
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liquids, "SETTLE", (200, 0.5))
        patch.setattr(liquids, "SHRINK", (10, 20))
        changes = {"compositions": {"salt": {"EC": 3, "EMC": 2, "LI": 1, "PF6": 1}}, "defaults": {"liquid": SHORT}}
        return folder, sampled(folder, *runs, **changes)


@pytest.fixture
def before_strain(monkeypatch):
    """Frames as the dynamics left them: of two runs they would part ways, for threads do not add in the same order."""
    from openmm_cgaa.sampling import liquids

    seen, strained = [], liquids._strained

    def recorded(frames, *more):
        seen.append(frames)
        return strained(frames, *more)

    monkeypatch.setattr(liquids, "_strained", recorded)
    return seen
