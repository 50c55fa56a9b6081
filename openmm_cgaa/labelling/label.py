"""Labels for frames: resumable, on one core, on many, or on a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..data.dataset import Dataset, frame_key
from ..errors import DatasetError, EngineError
from ..host import signals
from ..host.files import DATA_SET, check_outputs
from ..inputs.arguments import FilePath
from ..inputs.ranges import PROCESSES, THREADS, Range
from .assembly import refused_path, write_output
from .attempt import Job
from .parts import Label, LabelFolder
from .teachers import Teacher
from .workers import hired, run_here

if TYPE_CHECKING:
    import ase


class Progress(NamedTuple):
    """How far the labelling has come; frames that were there already count as done."""

    frames: int
    all_frames: int
    atoms: int
    all_atoms: int
    failed: int


def label(
    frames_path: FilePath,
    output_path: FilePath,
    teacher: str | Teacher,
    workers: int = 1,
    threads: int = 1,
    scheduler: str | None = None,
    settings: dict | None = None,
    progress: Callable | None = None,
) -> Dataset:
    """Label a file of frames with a teacher; killed at any moment it loses no more than the frames in work.

    Each finished frame is a file in ``OUTPUT.parts``, named by its contents; what lies there is not computed again.
    At the end they become OUTPUT. Frames that the teacher fails on, and labels that `data.refusals` refuses, go to
    ``OUTPUT.refused.h5`` (without OUTPUT's suffix), their reasons to its provenance. Periodic frames whose stress
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
        Called with a `Progress` at the start and after each frame.

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
    jobs: dict[str, Job] = {}
    for frames in dataset.sets:
        numbers = frames.numbers
        jobs |= {k: Job(numbers, x, c) for k, x, c in zip(frames.keys(), frames.positions, frames.cell)}
    topologies = [(s.numbers, s.periodic, f"{frames_path}, set {i}") for i, s in enumerate(dataset.sets)]
    with hired(teacher, settings or {}, workers, threads, scheduler, topologies) as crew:
        with parts.claim(crew.identity):
            try:
                labels, failed = _finish(jobs, parts, crew.run, progress)
            except KeyboardInterrupt:
                if labels := _read_parts(dataset, parts):
                    write_output(dataset, labels, {}, parts.teacher or crew.identity, output)
                raise
            return write_output(dataset, labels, failed, parts.teacher or crew.identity, output)


def assemble(frames_path: FilePath, output_path: FilePath) -> Dataset:
    """Make OUTPUT of the frames that are labelled by now, while others may still be in work elsewhere.

    Parameters and errors as of `label`.
    """
    dataset, parts = _open(Path(frames_path), Path(output_path))
    if parts.teacher is None:
        raise DatasetError(f"{parts.folder}: no labels there yet; run openmm-cgaa label without --partial first")
    return write_output(dataset, _read_parts(dataset, parts), {}, parts.teacher, Path(output_path))


def label_frames(
    frames: list["ase.Atoms"], teacher: Teacher, folder: FilePath, progress: Callable | None = None
) -> list[Label]:
    """Label ``ase.Atoms`` in this process; what the folder holds already is not computed again.

    Parameters
    ----------
    frames : list of ase.Atoms
        Periodic in all directions or in none.
    teacher : Teacher
    folder : path
        Of finished labels, see `parts.LabelFolder`.
    progress : callable, optional
        Called with a `Progress` at the start and after each frame.

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
        teacher.check(atoms.numbers, bool(cell.any()), f"frame {index}")
    with LabelFolder(folder).claim(teacher.identity) as parts:
        labels, failed = _finish(jobs, parts, lambda todo: run_here(teacher, todo), progress)
    for index, key in enumerate(keys):
        if key in failed:
            raise DatasetError(f"frame {index}: {failed[key]}")
    return [labels[key] for key in keys]


def _open(frames_path: Path, output: Path) -> tuple[Dataset, LabelFolder]:
    """The frames and the finished labels; OUTPUT must be free to be written."""
    check_outputs([(output, DATA_SET), (refused_path(output), DATA_SET)], [frames_path])
    return Dataset.load(frames_path), LabelFolder(output.with_name(output.name + ".parts"))


def _read_parts(dataset: Dataset, parts: LabelFolder) -> dict[str, Label]:
    found = {k: parts.read(k, frames.num_atoms) for frames in dataset.sets for k in frames.keys()}
    return {key: label for key, label in found.items() if label is not None}


def _finish(
    jobs: dict[str, Job], parts: LabelFolder, run: Callable, progress: Callable | None
) -> tuple[dict[str, Label], dict[str, str]]:
    """Labels by key, and reasons of failure by key, of all jobs; computes what the parts do not hold."""
    found = {key: parts.read(key, len(job.numbers)) for key, job in jobs.items()}
    labels = {key: label for key, label in found.items() if label is not None}
    failed: dict[str, str] = {}
    todo = {key: job for key, job in jobs.items() if key not in labels}
    all_atoms = sum(len(job.numbers) for job in jobs.values())
    atoms = all_atoms - sum(len(job.numbers) for job in todo.values())

    def tell() -> None:
        if progress:
            progress(Progress(len(labels) + len(failed), len(jobs), atoms, all_atoms, len(failed)))
        signals.check()  # a signal within a callback of a package below is lost there

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
