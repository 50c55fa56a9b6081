"""Which frames train and which select: by the split of their trajectory, and by how many grains are wanted."""

from collections.abc import Sequence

import numpy as np

from ..data import Dataset
from ..errors import DatasetError
from ..mapping.cutting import GrainCut, make_cuts
from ..wording import counted
from .config import DataConfig

GOLDEN = (5**0.5 - 1) / 2  # multiples of it, modulo 1, fill the unit interval evenly at any number


def cuts_of(data: DataConfig, dataset: Dataset) -> list[GrainCut]:
    """What a configuration says of cuts, of the molecules of its data; `CGAAError` as in `make_cuts`."""
    if not data.cuts:
        return []
    maps = [frames.grain_map() for frames in dataset.sets]
    return make_cuts(data.cuts, maps, [frames.atom_names for frames in dataset.sets])


def choose_frames(data: DataConfig, seed: int, cuts: Sequence[GrainCut] = ()) -> dict:
    """The training and the validation frames of some files, as data sets ``train`` and ``validation``.

    `cuts` are those of a model to start from, which the configuration's replace.
    `kinds` and `max_grains` limit training alone. Where frames in equilibrium (liquids, crystals) have the split
    `validation`, they alone select, so that models trained on different kinds are held against the same.

    Raises
    ------
    DatasetError
        A file cannot be read, labels of different teachers, a trajectory without a split, or a split without frames.
    """
    everything = Dataset.merge([Dataset.load(path) for path in data.paths])
    everything = everything.cut(cuts_of(data, everything) or cuts)
    files = ", ".join(data.paths)
    loose = [t.name for t in everything.trajectories if not t.split]
    if loose:
        raise DatasetError(
            f"{files}: {counted(len(loose), 'trajectory')} of no split ({loose[0]}, ...). Load the data set, give each "
            "of its trajectories one of train, validation, test (dataclasses.replace(trajectory, split=...); what is "
            "cut from another has that one's) and save it"
        )
    training = limited(everything.select(data.kinds, ["train"]), data.max_grains or {}, seed)
    chosen = {"train": training, "validation": everything.select(splits=["validation"]).equilibrium()}
    for split, dataset in chosen.items():
        if not len(dataset):
            found = sorted({f"{t.kind} ({t.split})" for t in everything.trajectories})
            raise DatasetError(
                f"no frame is left of split {split} in {files}, which hold {', '.join(found)}; give more of them, or "
                "other kinds and max_grains"
            )
    return chosen


def limited(dataset: Dataset, max_grains: dict, seed: int = 0) -> Dataset:
    """At most so many grains of some kinds: whole frames, evenly from the trajectories of a kind and from their time.

    The order in which frames are taken does not depend on the limit: a smaller limit takes a part of a larger one.

    Parameters
    ----------
    dataset : Dataset
    max_grains : dict of str to int
        By kind of trajectory; kinds not named stay whole.
    seed : int
    """
    sets = np.concatenate([np.full(len(frames), s) for s, frames in enumerate(dataset.sets)] or [np.array([], int)])
    if not len(sets) or not max_grains:
        return dataset
    grains = np.array([frames.num_grains for frames in dataset.sets])[sets]
    trajectory, time = (np.concatenate([getattr(f, n) for f in dataset.sets]) for n in ("trajectory", "time"))
    kinds = np.array([t.kind for t in dataset.trajectories])
    random = np.random.default_rng(seed)
    turn = np.zeros(len(sets))  # when a frame is taken: one of each trajectory, then a second of each...
    for index, (start, tie) in enumerate(random.random((len(kinds), 2))):
        own = np.flatnonzero(trajectory == index)
        own = own[np.argsort(time[own], kind="stable")]
        order = np.argsort((start + GOLDEN * np.arange(len(own))) % 1.0)
        turn[own[order]] = np.arange(len(own)) + tie
    keep = np.ones(len(sets), bool)
    for kind, most in max_grains.items():
        own = np.flatnonzero(kinds[trajectory] == kind)
        own = own[np.argsort(turn[own], kind="stable")]
        keep[own] = np.cumsum(grains[own]) <= most
    return dataset.keep([keep[sets == s] for s in range(len(dataset.sets))])
