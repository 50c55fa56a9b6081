"""What other students say about one: how much they disagree, and what more labels would give."""

from pathlib import Path

import numpy as np

from ..data.dataset import Dataset
from ..host.torchstate import working
from ..mapping.grains import GrainType
from ..model.file import cuts_of_model, load_model
from ..training.evaluation import predict
from ..training.labelled import LabelledFrames


def half_of(labels: list[Path]) -> dict[str, int]:
    """Half of the grains of each kind in the training split, as `training.config` limits them (``max_grains``)."""
    grains: dict[str, int] = {}
    for path in labels:
        dataset = Dataset.load(path)
        for kind in {one.kind for one in dataset.trajectories}:
            chosen = dataset.select([kind], ["train"])
            grains[kind] = grains.get(kind, 0) + sum(len(one) * one.num_grains for one in chosen.sets)
    return {kind: count // 2 for kind, count in grains.items() if count}


@working()
def forces_on_test(model: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """All force components of test frames, of the teacher and of a model, eV/Å."""
    network, metadata = load_model(model)
    dataset = Dataset.load(labels).select(splits=["test"]).cut(cuts_of_model(metadata))
    types = [GrainType.from_dict(entry) for entry in metadata["types"]]
    frames = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff)
    teacher = np.concatenate([label.forces.numpy().ravel() for _, label in frames.items])
    return teacher, np.concatenate([forces.ravel() for _, forces, _ in predict(network, frames)])


def compared(student: Path, twin: Path, half: Path, labels: Path) -> dict[str, float]:
    """A student beside one of another seed, and beside one of half the labels.

    Parameters
    ----------
    student, twin, half : Path
        Models; the last two were trained alike but for their labels.
    labels : Path
        Whose test frames are looked at.

    Returns
    -------
    dict
        eV/Å a force component: ``committee_force``, the spread of two about their mean, and ``test_force_curve``, what
        twice the labels would leave of the student's error if it fell by the same part as from `half` to `twin`.
    """
    teacher, own = forces_on_test(student, labels)
    of_twin, of_half = (forces_on_test(path, labels)[1] for path in (twin, half))

    def rms(values: np.ndarray) -> float:
        return float(np.sqrt(np.mean(values**2)))

    return {
        "committee_force": rms(own - of_twin) / 2.0**0.5,
        "test_force_curve": rms(own - teacher) * rms(of_twin - teacher) / rms(of_half - teacher),
    }
