"""How much the models of a committee disagree about frames, which frames that chooses, how it goes with the error."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from ..data.dataset import Dataset, Frames
from ..data.summary import grain_forces
from ..errors import CGAADomainWarning
from ..inputs.arguments import FilePath
from ..mapping.sums import grain_sums
from ..potential import CGAAPotential
from ..units import ANGSTROM_PER_NM, KJMOL_PER_NM_PER_EV_PER_ANGSTROM


def disagreements(models: Sequence[FilePath], dataset: Dataset, progress: Callable | None = None) -> list[np.ndarray]:
    """How much a committee disagrees about the net force on each grain.

    Parameters
    ----------
    models : list of path
        Model files that know all grains of the data set.
    dataset : Dataset
        Labelled or not.
    progress : callable, optional
        Called after each model with the number of models done.

    Returns
    -------
    list of arrays [frames, grains], eV/Å
        One for each set: root mean square over the committee of the distance of the net force from its mean. The
        largest over atoms instead of grains is the measure of Zhang et al., Phys. Rev. Mater. 3, 023804 (2019), eq. 4;
        over the atoms of a molecule the stiff bonds would drown what is left to learn.
    """
    answers = []
    for number, model in enumerate(models, 1):
        potential = CGAAPotential(model)
        answers.append([_net_forces(potential, frames) for frames in dataset.sets])
        if progress:
            progress(number)
    return [_spread(np.stack(of_one_set)) for of_one_set in zip(*answers)]


def choose(dataset: Dataset, scores: list[np.ndarray], budget: int) -> Dataset:
    """The frames of the highest scores, as many as the budget of grains allows.

    No trajectory gives more than its share twice over, so that one bad box does not take everything.

    Parameters
    ----------
    dataset : Dataset
    scores : list of arrays [frames]
        One for each set.
    budget : int
        Grains.
    """
    rows = sorted((-score, s, f) for s, values in enumerate(scores) for f, score in enumerate(values))
    share = 2 * budget / len(dataset.trajectories)
    masks, total = [np.zeros(len(values), bool) for values in scores], 0
    taken: dict[int, int] = {}
    for _, s, f in rows:
        size, origin = dataset.sets[s].num_grains, int(dataset.sets[s].trajectory[f])
        if total + size <= budget and taken.get(origin, 0) + size <= max(share, size):
            masks[s][f] = True
            taken[origin] = taken.get(origin, 0) + size
            total += size
    return dataset.keep(masks)


def correlation(models: Sequence[FilePath], dataset: Dataset) -> float:
    """Of the committee's spread with its first model's error in the net force, over the grains of labelled frames."""
    spread, error = disagreements(models, dataset), []
    potential = CGAAPotential(models[0])
    for frames in dataset.sets:
        error.append(np.linalg.norm(_net_forces(potential, frames) - grain_forces(frames), axis=-1).ravel())
    return float(np.corrcoef(np.concatenate([s.ravel() for s in spread]), np.concatenate(error))[0, 1])


def _net_forces(potential: CGAAPotential, frames: Frames) -> np.ndarray:
    """[frames, grains, 3], eV/Å."""
    grain_map, found = potential.grain_map(frames.grain_map()), []
    for positions, cell in zip(frames.positions, frames.cell):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CGAADomainWarning)  # to leave it is what these frames are for
            box = cell / ANGSTROM_PER_NM if frames.periodic else None
            forces = potential.evaluate(grain_map, positions / ANGSTROM_PER_NM, box)[1]
        found.append(forces)
    return grain_sums(np.array(found), frames.residues) / KJMOL_PER_NM_PER_EV_PER_ANGSTROM


def _spread(values: np.ndarray) -> np.ndarray:
    """[members, ..., 3] -> [...]"""
    return np.sqrt(np.square(values - values.mean(0)).sum(-1).mean(0))
