"""A pipeline is a row of stages: a stage is a function, what decides about its output, and the output.

A finished stage is not made again. A killed one is called again, and goes on from what its function has kept. One whose
settings or input files have changed is made anew, with all that depends on it; its old output is set aside.
"""

import hashlib
import io
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import CGAAError
from ..host import signals
from ..host.files import owned, write_bytes, writing
from ..host.formats import PIPELINE
from ..host.processes import side_by_side
from ..inputs.arguments import FilePath

RECORD = "stages.json"
ASIDE = "aside"  # folder of outputs that something has replaced


@dataclass(frozen=True)
class Stage:
    """One step of a pipeline.

    Attributes
    ----------
    name : str
        Each stage of a folder has another one.
    work : callable
        Makes the outputs, without arguments. It is called again after an interruption, and must then go on or begin
        anew by itself.
    outputs : list of path
        Files and folders in the pipeline's folder, which no other stage writes. Of a folder only its being there is
        known; name the files in it that later stages read. ``OUTPUT.parts`` belongs to an output.
    settings : object
        All that decides about the output and is no file: plain data, as JSON keeps it.
    inputs : list of path
        Files whose contents decide about it, too.
    fits : bool
        The function finds out by itself which of its parts still fit other inputs, so that they stay in place.
    title : str
        What is told when it begins; the name by default.
    """

    name: str
    work: Callable[[], object]
    outputs: Sequence[Path]
    settings: Any = None
    inputs: Iterable[Path] = ()
    fits: bool = False
    title: str = ""


@dataclass
class Pipeline:
    """The stages of one folder, by one process at a time.

    Attributes
    ----------
    folder : Path
    progress : callable
        Called with a line of text: when a stage begins, and when its old output is set aside.
    seconds : dict
        How long each stage took, summed over the calls that it took.
    current : str
        Name of the stage that was begun last; of stages side by side, the first that has not ended.
    ended : set of str
        Names of the stages that have ended in this process.
    """

    folder: Path
    progress: Callable[[str], object] = print
    seconds: dict[str, float] = field(default_factory=dict)
    current: str = ""
    ended: set[str] = field(default_factory=set)

    @classmethod
    @contextmanager
    def owning(
        cls, folder: FilePath, progress: Callable[[str], object] = print, wait: bool = False
    ) -> Iterator["Pipeline"]:
        """A pipeline in its folder, which is made and locked while the `with` block lasts.

        The caller looks whether the folder may be taken (`files.check_folder`).

        Parameters
        ----------
        folder : path
        progress : callable
        wait : bool
            For as long as another process works in the folder, instead of an error.

        Raises
        ------
        OutputError
            Another process works in the folder, or it cannot be written.
        CGAAError
            Its record is damaged, or of a later version.
        """
        folder = Path(folder)
        with owned(folder, wait):
            pipeline = cls(folder, progress)
            pipeline.seconds = {name: made["seconds"] for name, made in pipeline._read().items()}
            yield pipeline

    def do(self, stage: Stage) -> None:
        """See that a stage is finished.

        Raises
        ------
        CGAAError
            An input is missing, or the function left out an output. What the function raises goes through; what it has
            kept stays for the next call.
        """
        records = self._read()
        if self._to_do(stage, records):
            self._begin([stage], records)
            begun = time.monotonic()
            try:
                stage.work()
            finally:
                self._spend([stage], [time.monotonic() - begun], records)
            signals.check()  # what answers one by ending early is not finished
            self._end(stage, records)

    def do_all(self, stages: Sequence[Stage], workers: int = 1) -> None:
        """See that stages are finished that need nothing of each other, so many of them side by side.

        With several workers each function is called in a process of its own, so that it must be one that can be
        pickled. The cores are shared between them. What it prints is not shown, for it would mix, but what it warns of
        is. ``seconds`` then are shares of the time by the clock, which sum up to it.

        Raises
        ------
        CGAAError
            As `do`; of stages side by side after the others have ended.
        """
        records = self._read()
        left = [stage for stage in stages if self._to_do(stage, records)]
        if workers == 1 or len(left) < 2:
            for stage in left:
                self.do(stage)
            return
        self._begin(left, records)
        begun, taken, threads = time.monotonic(), dict[int, float](), max(1, (os.cpu_count() or 1) // workers)
        errors: dict[str, Exception] = {}

        def ended(n: int, made: tuple[float, list[str]] | None, error: Exception | None) -> None:
            name = left[n].name
            if made is not None:
                taken[n], warned = made
                self.seconds[name] = taken[n] / workers  # until all have ended
                for line in warned:
                    self.progress(f"{name}: {line}")
                try:
                    self._end(left[n], records)
                except CGAAError as missing:
                    error = missing
            if error is not None:
                errors[name] = error
            self.current = next((one.name for k, one in enumerate(left) if k not in taken), name)
            self.progress(f"{name} is finished" if error is None else f"{name} has failed")
            signals.check()

        try:
            side_by_side([partial(_timed, stage.work, threads) for stage in left], workers, ended)
        finally:
            wall = time.monotonic() - begun
            each = [taken.get(n, wall) for n in range(len(left))]
            self._spend(left, [wall * one / sum(each) for one in each], records)
        if len(errors) == 1:
            raise next(iter(errors.values()))
        if errors:
            raise CGAAError("; ".join(f"{one.name}: {errors[one.name]}" for one in left if one.name in errors))

    def finished(self, stage: Stage) -> bool:
        """Whether `do` would have nothing to do; False also where an input is still missing."""
        made = self._read().get(stage.name)
        if not made or made["outputs"] is None or not all(Path(path).is_file() for path in stage.inputs):
            return False
        return made["key"] == self._key(stage) and made["outputs"] == self._digests(stage)

    def _to_do(self, stage: Stage, records: dict) -> bool:
        """Whether it is not finished; what it has made from other settings or inputs is set aside."""
        signals.check()  # one that a package below has lost ends the pipeline here
        key, made = self._key(stage), records.get(stage.name)
        if made and made["key"] != key:
            self._set_aside(stage, parts=not (stage.fits and made["key"]["settings"] == key["settings"]))
            del records[stage.name]
            self._write(records)
            return True
        return not (made and made["outputs"] is not None and made["outputs"] == self._digests(stage))

    def _begin(self, stages: Sequence[Stage], records: dict) -> None:
        for stage in stages:
            made = records.get(stage.name)
            spent = made["seconds"] if made and made["outputs"] is None else 0.0
            records[stage.name] = {"key": self._key(stage), "outputs": None, "seconds": spent}
        self.current = stages[0].name
        for stage in stages:
            self.progress(stage.title or stage.name)
        self._write(records)

    def _spend(self, stages: Sequence[Stage], seconds: Sequence[float], records: dict) -> None:
        for stage, more in zip(stages, seconds):
            records[stage.name]["seconds"] += more
            self.seconds[stage.name] = records[stage.name]["seconds"]
        self._write(records)

    def _end(self, stage: Stage, records: dict) -> None:
        missing = [str(path) for path in stage.outputs if not path.exists()]
        if missing:
            raise CGAAError(f"stage {stage.name} has ended without {', '.join(missing)}; run it again")
        records[stage.name]["outputs"] = self._digests(stage)
        self.ended.add(stage.name)
        self._write(records)

    def _key(self, stage: Stage) -> dict:
        missing = [str(path) for path in stage.inputs if not Path(path).is_file()]
        if missing:
            raise CGAAError(f"stage {stage.name} needs {', '.join(missing)}, which is not there; bring it back")
        what = {"settings": stage.settings, "inputs": sorted(map(digest, stage.inputs))}
        return {
            name: hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
            for name, values in what.items()
        }

    def _digests(self, stage: Stage) -> dict:
        """Of each output, by its place in the folder; None for what is missing."""
        return {
            path.relative_to(self.folder).as_posix(): (
                digest(path) if path.is_file() else "folder" if path.is_dir() else None
            )
            for path in map(Path, stage.outputs)
        }

    def _set_aside(self, stage: Stage, parts: bool) -> None:
        """Outputs of other settings are hours of work: they are moved, not removed."""
        names = [*map(Path, stage.outputs)]
        names += [path.with_name(f"{path.name}.parts") for path in names] if parts else []
        there = sorted((path for path in names if path.exists()), key=lambda path: len(path.parts))
        if not there:
            return
        number = 1
        while (aside := self.folder / ASIDE / f"{stage.name}.{number}").exists():
            number += 1
        with writing(aside):
            aside.mkdir(parents=True)
            for path in there:
                if path.exists():  # and did not go with its folder
                    path.rename(aside / path.name)
        self.progress(f"{stage.name}: its settings or inputs have changed; the old output is in {aside}")

    def _read(self) -> dict:
        path = self.folder / RECORD
        if not path.is_file():
            return {}
        try:
            held = json.loads(path.read_text())
            mark, stages = held["format"], held["stages"]
            good = all(
                isinstance(made["key"], dict)
                and made["key"].keys() == {"settings", "inputs"}
                and isinstance(made["outputs"], dict | None)
                and isinstance(made["seconds"], float)
                for made in stages.values()
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            good = False
        if not good:
            raise CGAAError(
                f"{path}: is damaged, or no record of stages; bring the file back from a copy, or remove it: what is "
                "finished is then looked at again, and kept where it fits"
            )
        PIPELINE.check(mark, path)
        return stages

    def _write(self, stages: dict) -> None:
        text = json.dumps({"format": PIPELINE.mark, "stages": stages}, indent=1) + "\n"
        write_bytes(self.folder / RECORD, text.encode())


def _timed(work: Callable[[], object], threads: int) -> tuple[float, list[str]]:
    """Seconds of a call beside others, and what it warned of."""
    from ..host import torchstate  # torch takes its time

    begun, unheard = time.monotonic(), io.StringIO()
    with warnings.catch_warnings(record=True) as caught, torchstate.threads(threads):
        with redirect_stdout(unheard), redirect_stderr(unheard):
            work()
    return time.monotonic() - begun, list(dict.fromkeys(str(one.message) for one in caught))


def digest(path: FilePath) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
