"""Labels for frames: resumable, on one core, on many, or on a cluster."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data.dataset import Dataset, frame_key
from ..errors import DatasetError, EngineError
from ..host.files import DATA_SET, check_outputs
from ..inputs.ranges import PROCESSES, THREADS, Range
from .attempt import Job, _threads, attempt, introduce
from .parts import Label, Parts
from .teachers import Teacher, load_teacher


class Status(NamedTuple):
    """How far the labelling has come; frames that were there already count as done."""

    frames: int
    all_frames: int
    atoms: int
    all_atoms: int
    failed: int


class Engine(NamedTuple):
    """Who computes: the teacher's identity, and ``run(jobs) -> iterator of (key, Label or reason of failure)``."""

    identity: dict
    run: Callable


def label_dataset(
    frames_path, output_path, teacher, workers=1, threads=1, scheduler=None, settings=None, progress=None
) -> Dataset:
    """Label a file of frames with a teacher; killed at any moment it loses no more than the frames in work.

    Each finished frame is a file in ``OUTPUT.parts``, named by its contents; what lies there is not computed again.
    At the end they become OUTPUT. Frames that the teacher fails on, and labels that `checks.check_labels` refuses, go
    to ``OUTPUT.refused.h5`` (without OUTPUT's suffix), their reasons to its provenance. Periodic frames whose stress
    the teacher does not give have energy and forces alone; they are counted in the provenance. An interruption
    (Ctrl-C) makes OUTPUT of what there is, and is raised again.

    Parameters
    ----------
    frames_path : path
        A data set; labels that it holds are replaced.
    output_path : path
        Written (HDF5).
    teacher : str or Teacher
        See `teachers.load_teacher`; with several workers it must be a str.
    workers : int
        1: in this process. More: that many processes on this machine. A script must guard its main part by
        ``if __name__ == "__main__":`` then, for each of them imports it.
    threads : int
        Of each worker.
    scheduler : str, optional
        Address of a running Dask scheduler, such as ``tcp://host:8786``; its workers compute, and need this package,
        the teacher's, and any file that the teacher is given, but share no files with this process.
    settings : dict, optional
        For `load_teacher`.
    progress : callable, optional
        Called with a `Status` at the start and after each frame.

    Returns
    -------
    Dataset
        As written to OUTPUT.

    Raises
    ------
    DatasetError
        The frames cannot be read, another process labels into this output, its parts are of another teacher, or not
        one label is good.
    EngineError
        The teacher or Dask is not installed, the teacher does not know an element, no scheduler answers.
    """
    frames_path, output = Path(frames_path), Path(output_path)
    for name, count, limits in (("workers", workers, PROCESSES), ("threads", threads, THREADS)):
        allowed = Range(int, *limits)
        if type(count) is not int or count not in allowed:
            raise EngineError(f"{name} is {count!r}, expected {allowed}")
    dataset, parts = _open(frames_path, output)
    if output.exists() and not parts.folder.exists():
        raise DatasetError(f"{output}: exists, but no {parts.folder.name} to go on from; move it away, or name another")
    jobs = {}
    for frames in dataset.sets:
        numbers = frames.numbers
        jobs |= {k: Job(numbers, x, c) for k, x, c in zip(frames.keys(), frames.positions, frames.cell)}
    topologies = [(s.numbers, s.periodic, f"{frames_path}, set {i}") for i, s in enumerate(dataset.sets)]
    with _engine(teacher, settings or {}, workers, threads, scheduler, topologies) as engine:
        with parts.claim(engine.identity):
            try:
                labels, failed = _finish(jobs, parts, engine.run, progress)
            except KeyboardInterrupt:
                if labels := _read_parts(dataset, parts):
                    _assemble(dataset, labels, {}, parts.teacher, output)
                raise
            return _assemble(dataset, labels, failed, parts.teacher, output)


def assemble(frames_path, output_path) -> Dataset:
    """Make OUTPUT of the frames that are labelled by now, while others may still be in work elsewhere.

    Parameters and errors as of `label_dataset`.
    """
    dataset, parts = _open(Path(frames_path), Path(output_path))
    if parts.teacher is None:
        raise DatasetError(f"{parts.folder}: no labels there yet; run openmm-cgaa label without --partial first")
    return _assemble(dataset, _read_parts(dataset, parts), {}, parts.teacher, Path(output_path))


def label_frames(frames, teacher, folder, progress=None) -> list:
    """Label ``ase.Atoms`` in this process; what the folder holds already is not computed again.

    Parameters
    ----------
    frames : list of ase.Atoms
        Periodic in all directions or in none.
    teacher : Teacher
    folder : path
        Of finished labels, see `parts.Parts`.
    progress : callable, optional
        Called with a `Status` at the start and after each frame.

    Returns
    -------
    list of Label

    Raises
    ------
    DatasetError
        The teacher fails on a frame, another process labels into the folder, or it holds labels of another teacher.
    EngineError
        The teacher does not know an element.
    """
    cells = [atoms.cell.array if atoms.pbc.all() else np.zeros((3, 3)) for atoms in frames]
    keys = [frame_key(atoms.numbers, atoms.positions, cell) for atoms, cell in zip(frames, cells)]
    jobs = {k: Job(atoms.numbers, atoms.positions, cell) for k, atoms, cell in zip(keys, frames, cells)}
    for index, (atoms, cell) in enumerate(zip(frames, cells)):
        teacher.check(atoms.numbers, cell.any(), f"frame {index}")
    with Parts(folder).claim(teacher.identity) as parts:
        labels, failed = _finish(jobs, parts, lambda todo: _run_here(teacher, todo), progress)
    for index, key in enumerate(keys):
        if key in failed:
            raise DatasetError(f"frame {index}: {failed[key]}")
    return [labels[key] for key in keys]


def _open(frames_path, output):
    """The frames and the finished labels; OUTPUT must be free to be written."""
    check_outputs([(output, DATA_SET), (_refused(output), DATA_SET)], [frames_path])
    return Dataset.load(frames_path), Parts(output.with_name(output.name + ".parts"))


def _refused(output):
    return output.with_name(f"{output.stem}.refused.h5")


def _read_parts(dataset, parts):
    found = {k: parts.read(k, frames.num_atoms) for frames in dataset.sets for k in frames.keys()}
    return {key: label for key, label in found.items() if label is not None}


def _finish(jobs, parts, run, progress):
    """Labels by key, and reasons of failure by key, of all jobs; computes what the parts do not hold."""
    found = {key: parts.read(key, len(job.numbers)) for key, job in jobs.items()}
    labels, failed = {key: label for key, label in found.items() if label is not None}, {}
    todo = {key: job for key, job in jobs.items() if key not in labels}
    all_atoms = sum(len(job.numbers) for job in jobs.values())
    atoms = all_atoms - sum(len(job.numbers) for job in todo.values())

    def tell():
        if progress:
            progress(Status(len(labels) + len(failed), len(jobs), atoms, all_atoms, len(failed)))

    tell()
    for key, result in run(todo) if todo else ():
        if isinstance(result, Label):
            parts.write(key, result)
            labels[key] = result
        else:
            failed[key] = result
        atoms += len(jobs[key].numbers)
        tell()
    return labels, failed


@contextmanager
def _engine(teacher, settings, workers, threads, scheduler, topologies):
    """An `Engine` that has found all topologies (numbers, periodic, name) fit for its teacher."""
    if workers == 1 and scheduler is None:
        teacher = teacher if isinstance(teacher, Teacher) else load_teacher(teacher, **settings)
        for topology in topologies:
            teacher.check(*topology)
        with _threads(threads):
            yield Engine(teacher.identity, lambda jobs: _run_here(teacher, jobs))
        return
    if not isinstance(teacher, str):
        raise EngineError("several workers load the teacher by themselves; give its name, not the teacher itself")
    try:
        from .cluster import connect, run
    except ImportError as error:
        raise EngineError(
            f"several workers need the package {error.name}, which is not installed; install it with: "
            "pip install 'openmm-cgaa[label]'"
        ) from error
    settings = json.dumps(settings, sort_keys=True)
    with connect(workers, threads, scheduler) as client:
        identity = client.submit(introduce, teacher, settings, topologies, pure=False).result()
        yield Engine(identity, lambda jobs: run(client, teacher, settings, threads, identity, jobs))


def _run_here(teacher, jobs):
    for key, job in jobs.items():
        yield key, attempt(teacher, job)


def _assemble(dataset, labels, failed, teacher, output) -> Dataset:
    """Write OUTPUT and what was refused; see `label_dataset`."""
    from ..data.refusals import check_labels

    if not labels:
        reason = f"; the first failure: {next(iter(failed.values()))}" if failed else ""
        raise DatasetError(f"{output}: not one of {len(dataset)} frames is labelled{reason}")
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
        "teacher_seconds": round(sum(label.seconds for label in labels.values()), 3),
        "versions": {"openmm-cgaa": version("openmm-cgaa"), **(teacher.get("versions") or {})},
    }
    refused_path = _refused(output)
    if reasons:
        refused = made.keep(masks)
        refused.provenance = dataset.provenance | {"labelling": facts, "refused": _listed(refused, made, reasons)}
        refused.save(refused_path)
    else:
        refused_path.unlink(missing_ok=True)
    if len(reasons) == len(made):
        raise DatasetError(
            f"{output}: all {len(made)} labels were refused and lie in {refused_path.name}; the first: "
            f"{next(iter(reasons.values()))}"
        )
    kept = made.keep([~mask for mask in masks])
    kept.provenance = dataset.provenance | {"labelling": facts}
    kept.save(output)
    return kept


def _chosen(frames, keys, names):
    chosen = [i for i, key in enumerate(keys) if key in names]
    return replace(frames, energy=None, forces=None, stress=None).take(chosen) if chosen else None


def _labelled(frames, keys, labels) -> list:
    """The frames that have labels, with them: a set of those with a stress, and a set of those without."""
    with_stress = {key for key in keys if key in labels and labels[key].stress is not None}
    sets = []
    for names in (with_stress, set(keys) & labels.keys() - with_stress):
        chosen = _chosen(frames, keys, names)
        if chosen is None:
            continue
        found = [labels[key] for key in keys if key in names]
        sets.append(
            replace(
                chosen,
                energy=np.array([label.energy for label in found]),
                forces=np.array([label.forces for label in found]),
                stress=np.array([label.stress for label in found]) if names is with_stress else None,
            )
        )
    return sets


def _listed(refused, made, reasons):
    """Reasons as JSON, in the order of the refused frames: set and frame count within their own file."""
    texts = iter([reasons[key] for key in sorted(reasons)])
    names = [t.name for t in refused.trajectories]
    return [
        {"set": index, "frame": i, "trajectory": names[t], "time": float(time), "reason": next(texts)}
        for index, frames in enumerate(refused.sets)
        for i, (t, time) in enumerate(zip(frames.trajectory, frames.time))
    ]
