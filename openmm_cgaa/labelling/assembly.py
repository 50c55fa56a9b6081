"""What a labelling writes: the data set of good labels, and that of the refused frames with their reasons."""

from collections.abc import Container
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..data.dataset import Dataset, Frames
from ..data.frames import LABELS
from ..data.refusals import check_labels
from ..errors import DatasetError
from ..mapping.sums import grain_sums
from .parts import Label


def refused_path(output: Path) -> Path:
    """The file of what was refused, beside an output."""
    return output.with_name(f"{output.stem}.refused.h5")


def write_output(
    dataset: Dataset, labels: dict[str, Label], failed: dict[str, str], teacher: dict, output: Path
) -> Dataset:
    """Write OUTPUT and what was refused.

    Parameters
    ----------
    dataset : Dataset
        All frames.
    labels : dict of str to Label
        By key of the frame.
    failed : dict of str to str
        Reasons, by key of the frame.
    teacher : dict
        Its identity.
    output : Path

    Raises
    ------
    DatasetError
        Not one frame is labelled, or not one label is good.
    OutputError
        A file cannot be written.
    """

    if not labels:
        reason = f"; the first failure: {next(iter(failed.values()))}" if failed else ""
        raise DatasetError(f"{output}: no frame of {len(dataset)} is labelled{reason}")
    keys = [frames.keys() for frames in dataset.sets]
    good = [s for frames, names in zip(dataset.sets, keys) for s in _labelled(frames, names, labels)]
    bad = [s for frames, names in zip(dataset.sets, keys) if (s := _chosen(frames, names, failed))]
    made = Dataset(good, dataset.trajectories, teacher)
    reasons = {(r.set, r.frame): r.reason for r in check_labels(made)}
    for index, frames in enumerate(bad, start=len(good)):
        reasons |= {(index, i): failed[key] for i, key in enumerate(frames.keys())}
    made.sets += bad
    masks = [np.array([(index, i) in reasons for i in range(len(s))]) for index, s in enumerate(made.sets)]
    unfinished = len(dataset) - len(made)
    facts = {
        "frames": len(made) - len(reasons),
        "refused": len(reasons),
        "unfinished": unfinished,
        "without_stress": sum(len(s) for s in made.sets if s.labelled and s.periodic and s.stress is None),
        "with_grain_energies": sum(len(s) for s in made.sets if s.grain_energies is not None),
        "teacher_seconds": round(sum(label.seconds for label in labels.values()), 3),
        "versions": {"openmm-cgaa": version("openmm-cgaa"), **(teacher.get("versions") or {})},
    }
    refused_file = refused_path(output)
    if reasons:
        refused = made.keep(masks)
        refused.provenance = dataset.provenance | {"labelling": facts, "refused": _listed(refused, made, reasons)}
        refused.save(refused_file)
    else:
        refused_file.unlink(missing_ok=True)
    if len(reasons) == len(made):
        raise DatasetError(
            f"{output}: all labels ({len(made)}) were refused and lie in {refused_file.name}; the first: "
            f"{next(iter(reasons.values()))}"
        )
    kept = made.keep([~mask for mask in masks])
    kept.provenance = dataset.provenance | {"labelling": facts}
    kept.save(output)
    return kept


def _chosen(frames: Frames, keys: list[str], names: Container[str]) -> Frames | None:
    chosen = [i for i, key in enumerate(keys) if key in names]
    nothing: dict = dict.fromkeys(LABELS)
    return replace(frames, **nothing).take(chosen) if chosen else None


def _labelled(frames: Frames, keys: list[str], labels: dict[str, Label]) -> list[Frames]:
    """The frames that have labels, with them: a set of those with a stress, one of those without; energies alike."""
    kinds: dict[tuple[bool, bool], set[str]] = {}
    for key in filter(labels.__contains__, keys):
        kinds.setdefault((labels[key].stress is None, labels[key].energies is None), set()).add(key)
    sets = []
    for (no_stress, no_energies), names in sorted(kinds.items()):
        chosen = _chosen(frames, keys, names)
        assert chosen is not None  # there are names
        found = [labels[key] for key in keys if key in names]
        energies = [label.energies for label in found if label.energies is not None]
        sets.append(
            replace(
                chosen,
                energy=np.array([label.energy for label in found]),
                forces=np.array([label.forces for label in found]),
                stress=None if no_stress else np.array([label.stress for label in found]),
                grain_energies=None if no_energies else grain_sums(energies, frames.residues),
            )
        )
    return sets


def _listed(refused: Dataset, made: Dataset, reasons: dict[tuple[int, int], str]) -> list[dict]:
    """Reasons as JSON, in the order of the refused frames: set and frame count within their own file."""
    texts = iter([reasons[key] for key in sorted(reasons)])
    names = [t.name for t in refused.trajectories]
    return [
        {"set": index, "frame": i, "trajectory": names[t], "time": float(time), "reason": next(texts)}
        for index, frames in enumerate(refused.sets)
        for i, (t, time) in enumerate(zip(frames.trajectory, frames.time))
    ]
