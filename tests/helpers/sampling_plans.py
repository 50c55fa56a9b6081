"""Plans of tiny boxes that take seconds, and what they leave."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.sampling import liquids
from openmm_cgaa.sampling.sample import sample

SYSTEMS = Path(__file__).parents[2] / "systems"


FORCEFIELD = [str(SYSTEMS / "ec_emc/forcefield.xml"), str(SYSTEMS / "ec_emc_lipf6/ions.xml")]


MOLECULES = [
    {"name": "EC", "structure": str(SYSTEMS / "ec_emc/EC.pdb")},
    {"name": "EMC", "smiles": "CCOC(=O)OC"},
    {"name": "LI", "structure": str(SYSTEMS / "ec_emc_lipf6/LI.pdb")},
    {"name": "PF6", "structure": str(SYSTEMS / "ec_emc_lipf6/PF6.pdb")},
]


SHORT = {"equilibration": 0.05, "spacing": 0.02, "frames": 2}


LIQUID = {"kind": "liquid", "name": "ec", "counts": {"EC": 4}, "densities": 1.1, **SHORT}


@pytest.fixture(autouse=True)
def short_preparation(monkeypatch):
    monkeypatch.setattr(liquids, "SETTLE", (200, 0.5))
    monkeypatch.setattr(liquids, "SHRINK", (10, 20))


def plan_file(where, /, *runs, **changes):
    where.mkdir(exist_ok=True)
    values = {"molecules": MOLECULES, "sampler": {"forcefield": FORCEFIELD}, "runs": list(runs), **changes}
    path = where / "plan.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def sampled(where, /, *runs, **changes):
    return Dataset.load(sample(plan_file(where, *runs, **changes)))


def trajectory(dataset, name):
    (part,) = [dataset.select(trajectories=[name])]
    return part.sets, part.trajectories[0]


def contact(frames):
    """Least distance between grains of each frame, all images."""
    shifts = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T if frames.periodic else np.zeros((1, 3))
    apart = frames.residues[:, None] != frames.residues
    least = []
    for x, cell in zip(frames.positions, frames.cell):
        d = np.linalg.norm(x[:, None] - x - (shifts @ cell)[:, None, None], axis=-1)
        least.append(d[:, apart].min())
    return np.array(least)


def bond_lengths(frames):
    return np.linalg.norm(frames.positions[:, frames.bonds[:, 0]] - frames.positions[:, frames.bonds[:, 1]], axis=-1)
